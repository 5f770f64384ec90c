package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"bluegreen/internal/app"
	"bluegreen/internal/azure/acr"
	"bluegreen/internal/azure/aks"
	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/eventgrid"
	"bluegreen/internal/azure/queue"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/tables"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/outbound"
	"bluegreen/internal/probe"
	"bluegreen/internal/release"
	"bluegreen/internal/signin"
)

const (
	tableName = "bluegreen"
	queueName = "release-steps" // as in release-step/function.json
)

// wire picks the adapters. With a configuration that cannot be used the app still answers, with
// the mistakes, and with the last good one, which it looks for until ctx ends.
func wire(ctx context.Context, s settings, log *slog.Logger) (http.Handler, error) {
	w, err := newWiring(s)
	if err != nil {
		return nil, err
	}
	store, wakeups, err := w.storage()
	if err != nil {
		return nil, err
	}
	c := &configuration{path: s.Config, kept: store, log: log, build: func(c *config.Config, problems []string) http.Handler {
		handler, e := w.handler(c, problems, engine.Options{Log: log, Store: store, Wakeups: wakeups})
		go e.Resume(ctx) // what an ended process has left
		return handler
	}}
	c.begin()
	go c.settle(ctx)
	return c, nil
}

// handler serves the apps of a configuration.
func (w *wiring) handler(c *config.Config, problems []string, o engine.Options) (http.Handler, *engine.Engine) {
	receivers, wrong := w.receivers(c.Notify)
	problems = append(slices.Clone(problems), wrong...)
	o.Address = strings.TrimSuffix(c.Notify.Address, "/")
	if o.Address == "" && w.Host != "" {
		o.Address = w.Host
	}
	var unknown []string
	for _, p := range c.Unknown() {
		unknown = append(unknown, release.WithoutSecrets(p))
	}
	o.Apps = make([]engine.App, 0, len(c.Apps))
	for _, a := range c.Apps {
		built := app.Assemble(a, w.adapters)
		built.Channels = receivers.of(a, built.Registry)
		for _, p := range built.Problems {
			o.Log.Error("an app is not served", "app", a.Name, "problem", p)
		}
		for _, p := range built.Held {
			o.Log.Error("an app is served with its last good configuration", "app", a.Name, "problem", p)
		}
		for _, p := range built.Unusable {
			o.Log.Error("no release of an app starts", "app", a.Name, "problem", p)
		}
		o.Apps = append(o.Apps, built)
	}
	o.Examinations = w.examinations(o.Store, o.Wakeups)
	e := engine.New(o)
	return app.Handler(app.Options{Engine: e, ObjectID: w.objectID, Apps: c.Apps, Problems: problems, Unknown: unknown, SignIn: w.SignIn, Keys: w.Keys, Verify: w.verify(), Log: o.Log}), e
}

// wiring is shared by adapters: the app's identity, and one client for each cluster.
type wiring struct {
	settings
	credential  azcore.TokenCredential
	arm         *arm.ClientOptions
	manager     *resource.Manager
	connections *http.Transport // to Azure
	clusters    map[string]*access.Cluster
	// for checks from the public side: of DNS names and of the addresses behind them
	resolver *net.Resolver
	public   *http.Transport
	prober   *probe.Prober
	messages *http.Transport // to receivers of outcomes
}

func newWiring(s settings) (*wiring, error) {
	credential, err := outbound.Identity(s.ClientID)
	if err != nil {
		return nil, err
	}
	connections := outbound.Transport()
	resolver, public := outside(s.DNS)
	_, messages := outside("")
	management := &arm.ClientOptions{
		ClientOptions:         policy.ClientOptions{Cloud: s.Cloud, Transport: outbound.Client(connections)},
		DisableRPRegistration: true,
	}
	return &wiring{
		messages: messages,
		resolver: resolver, public: public, prober: probe.New(public, s.Setting),
		settings: s, credential: credential, clusters: map[string]*access.Cluster{}, connections: connections,
		arm: management, manager: resource.NewManager(credential, management),
	}, nil
}

// verify asks the Functions host whether it takes a key; nil where its address is not known.
func (w *wiring) verify() func(ctx context.Context, key string, commands bool) (bool, error) {
	if w.Host == "" {
		return nil
	}
	return signin.Host{URL: w.Host, Client: outbound.Client(w.connections), Try: outbound.Host.Try}.Takes
}

// outside is how names and addresses are reached from the public side, asking one DNS
// server, or the system's when dns is "".
func outside(dns string) (*net.Resolver, *http.Transport) {
	resolver := net.DefaultResolver
	if dns != "" {
		resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, dns)
		}}
	}
	transport := outbound.Transport()
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, Resolver: resolver, Control: probe.Refuse}).DialContext
	return resolver, transport
}

func (w *wiring) storage() (*tables.Store, engine.Wakeups, error) {
	var service *aztables.ServiceClient
	var messages *azqueue.ServiceClient
	var err, more error
	options := policy.ClientOptions{Transport: outbound.Client(w.connections), Retry: outbound.Storage.Retry()}
	toTables := &aztables.ClientOptions{ClientOptions: options}
	toQueues := &azqueue.ClientOptions{ClientOptions: options}
	if text := w.Storage.ConnectionString; text != "" {
		service, err = aztables.NewServiceClientFromConnectionString(text, toTables)
		messages, more = azqueue.NewServiceClientFromConnectionString(text, toQueues)
	} else {
		var credential azcore.TokenCredential
		if credential, err = outbound.Identity(w.Storage.ClientID); err != nil {
			return nil, nil, err
		}
		service, err = aztables.NewServiceClient(w.Storage.TableURL, credential, toTables)
		messages, more = azqueue.NewServiceClient(w.Storage.QueueURL, credential, toQueues)
	}
	if err := errors.Join(err, more); err != nil {
		return nil, nil, fmt.Errorf("use the storage account of %s: %w", storageSetting, err)
	}
	return tables.New(service.NewClient(tableName)), queue.New(messages.NewQueueClient(queueName)), nil
}

// adapters are the real ones of an app.
func (w *wiring) adapters(a config.App) (app.Adapters, error) {
	blue, blueErr := w.cluster(a.Colors.Blue.Cluster)
	green, greenErr := w.cluster(a.Colors.Green.Cluster)
	if err := errors.Join(blueErr, greenErr); err != nil {
		return app.Adapters{}, err
	}
	gateway, err := w.gateway(a, blue)
	if err != nil {
		return app.Adapters{}, err
	}
	registry := acr.NewRegistry(acr.Options{
		LoginServer: a.Image.Registry, Repository: a.Image.Repository, Credential: w.credential, Transport: w.connections,
		Admits: a.Tags().Admits, Newer: a.Policy().Newer,
	})
	signatures, unusable := trusted(a.Image.Verify, registry, w.Setting)
	return app.Adapters{
		Gateway: gateway, Prober: w.prober, Registry: registry, Signatures: signatures, Unusable: unusable,
		Workloads: workload.New(workload.Options{
			App: a.Name, Repository: a.Repository(), CronJob: a.Verify.Job,
			Blue: target(blue, a.Colors.Blue), Green: target(green, a.Colors.Green),
		}),
	}, nil
}

func target(cluster *access.Cluster, c config.Color) workload.Target {
	return workload.Target{Cluster: cluster, Namespace: c.Namespace, Deployments: c.Names(), Container: c.Container, Labels: c.Selector}
}

// cluster returns the one client of a cluster. Azure compares resource ids without case.
func (w *wiring) cluster(name string) (*access.Cluster, error) {
	context, local := strings.CutPrefix(name, "context:")
	key := name
	if !local {
		key = strings.ToLower(name)
	}
	if known := w.clusters[key]; known != nil {
		return known, nil
	}
	var made *access.Cluster
	switch {
	case local && w.Kubeconfig == "":
		return nil, fmt.Errorf("the cluster %s is a context of a kubeconfig, and BLUEGREEN_KUBECONFIG names none", name)
	case local:
		made = access.New(context, access.Kubeconfig(w.Kubeconfig, context))
	default:
		cluster, err := aks.New(name, w.credential, w.arm)
		if err != nil {
			return nil, err
		}
		made = access.New(cluster.Name(), cluster.Config)
	}
	w.clusters[key] = made
	return made, nil
}

func (w *wiring) gateway(a config.App, cluster *access.Cluster) (engine.Gateway, error) {
	if a.Gateway.Service != "" {
		return service.New(service.Options{
			App: a.Name, Cluster: cluster, Namespace: a.Colors.Blue.Namespace, Service: a.Gateway.Service,
			Blue: a.Colors.Blue.Selector, Green: a.Colors.Green.Selector,
		}), nil
	}
	if a.Gateway.TrafficManager != "" {
		return trafficmanager.New(trafficmanager.Options{
			ID: a.Gateway.TrafficManager, Blue: a.Colors.Blue.Endpoint, Green: a.Colors.Green.Endpoint, Longest: a.SwitchTimeout,
			Manager: w.manager, Resolver: w.resolver, Transport: w.public,
		})
	}
	return appgateway.New(appgateway.Options{
		ID: a.Gateway.ApplicationGateway, Rules: a.Gateway.Rules, Manager: w.manager,
		Blue: backend(a, release.Blue), Green: backend(a, release.Green),
	})
}

func backend(a config.App, c release.Color) appgateway.Backend {
	return appgateway.Backend{Pool: a.Color(c).Backend, Settings: a.Color(c).Settings}
}

func (w *wiring) topic(endpoint string) (engine.Notifier, error) {
	return eventgrid.New(endpoint, w.credential, nil)
}
