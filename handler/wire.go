package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"bluegreen/internal/app"
	"bluegreen/internal/azure/acr"
	"bluegreen/internal/azure/aks"
	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/eventgrid"
	"bluegreen/internal/azure/queue"
	"bluegreen/internal/azure/tables"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/probe"
	"bluegreen/internal/release"
)

const (
	tableName = "bluegreen"
	queueName = "release-steps" // as in release-step/function.json
)

// wire picks the adapters and calls none of them yet. With a configuration that cannot be
// used the app still answers, with the mistakes.
func wire(s settings, log *slog.Logger) (http.Handler, *engine.Engine, error) {
	w, err := newWiring(s)
	if err != nil {
		return nil, nil, err
	}
	o := engine.Options{Log: log}
	if o.Store, o.Wakeups, err = w.storage(); err != nil {
		return nil, nil, err
	}
	c, problems := load(s.Config)
	for _, p := range problems {
		log.Error("the configuration cannot be used", "file", s.Config, "problem", p)
	}
	if c.Notify.Topic != "" {
		if o.Notifier, err = eventgrid.New(c.Notify.Topic, w.credential, nil); err != nil {
			return nil, nil, fmt.Errorf("notify.topic: %w", err)
		}
	}
	for _, a := range c.Apps {
		built := app.Assemble(a, w.adapters)
		for _, p := range built.Problems {
			log.Error("an app is not served", "app", a.Name, "problem", p)
		}
		o.Apps = append(o.Apps, built)
	}
	e := engine.New(o)
	return app.Handler(app.Options{Engine: e, Apps: c.Apps, Problems: problems, SignIn: s.SignIn, Log: log}), e, nil
}

// load reads the configuration; the sentences are the reasons why nothing of it can be used.
func load(path string) (*config.Config, []string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return &config.Config{}, []string{fmt.Sprintf("read the configuration: %v; BLUEGREEN_CONFIG names its path", err)}
	}
	c, err := config.Load(data)
	var mistakes config.Problems
	switch {
	case errors.As(err, &mistakes):
		return &config.Config{}, strings.Split(mistakes.Error(), "\n")
	case err != nil:
		return &config.Config{}, []string{err.Error()}
	}
	return c, nil
}

// wiring is shared by adapters: the app's identity, and one client for each cluster.
type wiring struct {
	settings
	credential azcore.TokenCredential
	arm        *arm.ClientOptions
	// connections to the storage are kept: the SDK's own client keeps ten, and a storm of
	// events would open a new one for nearly every request.
	connections *http.Client
	clusters    map[string]*access.Cluster
	// for checks from the public side: of DNS names and of the addresses behind them
	resolver *net.Resolver
	public   *http.Transport
}

const keptConnections = 100

func newWiring(s settings) (*wiring, error) {
	credential, err := identity(s.ClientID)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 2*keptConnections, keptConnections
	resolver, public := outside(s.DNS)
	return &wiring{
		resolver: resolver, public: public,
		settings: s, credential: credential, clusters: map[string]*access.Cluster{}, connections: &http.Client{Transport: transport},
		arm: &arm.ClientOptions{ClientOptions: policy.ClientOptions{Cloud: s.Cloud}, DisableRPRegistration: true},
	}, nil
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
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, Resolver: resolver}).DialContext
	return resolver, transport
}

// identity is the app's managed identity; clientID "" is the system-assigned one.
func identity(clientID string) (azcore.TokenCredential, error) {
	o := &azidentity.ManagedIdentityCredentialOptions{}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(o)
	if err != nil {
		return nil, fmt.Errorf("use the managed identity: %w", err)
	}
	return credential, nil
}

func (w *wiring) storage() (engine.Store, engine.Wakeups, error) {
	var service *aztables.ServiceClient
	var messages *azqueue.ServiceClient
	var err, more error
	toTables := &aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: w.connections}}
	toQueues := &azqueue.ClientOptions{ClientOptions: policy.ClientOptions{Transport: w.connections}}
	if text := w.Storage.ConnectionString; text != "" {
		service, err = aztables.NewServiceClientFromConnectionString(text, toTables)
		messages, more = azqueue.NewServiceClientFromConnectionString(text, toQueues)
	} else {
		var credential azcore.TokenCredential
		if credential, err = identity(w.Storage.ClientID); err != nil {
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
	return app.Adapters{
		Gateway: gateway, Prober: probe.New(w.public),
		Registry: acr.NewRegistry(acr.Options{
			LoginServer: a.Image.Registry, Repository: a.Image.Repository, Credential: w.credential,
			Admits: a.Admits, Newer: a.Policy().Newer,
		}),
		Workloads: workload.New(workload.Options{
			App: a.Name, Repository: a.Repository(), CronJob: a.Verify.Job,
			Blue: target(blue, a.Colors.Blue), Green: target(green, a.Colors.Green),
		}),
	}, nil
}

func target(cluster *access.Cluster, c config.Color) workload.Target {
	return workload.Target{Cluster: cluster, Namespace: c.Namespace, Deployments: c.Names(), Container: c.Container}
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
			Credential: w.credential, Client: w.arm, Resolver: w.resolver, Transport: w.public,
		})
	}
	return appgateway.New(appgateway.Options{
		ID: a.Gateway.ApplicationGateway, Rules: a.Gateway.Rules, Credential: w.credential, Client: w.arm,
		Blue: backend(a, release.Blue), Green: backend(a, release.Green),
	})
}

func backend(a config.App, c release.Color) appgateway.Backend {
	return appgateway.Backend{Pool: a.Color(c).Backend, Settings: a.Color(c).Settings}
}
