// Package lab is what `make run` shows: the Functions app behind the stand-in
// host, an Application Gateway or Traffic Manager emulated at its wire with a data plane,
// a registry, demo instances, users who keep asking, and a monitor that fires an alert when
// they get errors. Clusters and storage are fakes.
package lab

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/app"
	"bluegreen/internal/azure/acr"
	"bluegreen/internal/azure/queue"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/outbound"
	"bluegreen/internal/pages"
	"bluegreen/internal/probe"
	"bluegreen/internal/release"
	"bluegreen/internal/signin"
)

// App is the one app of the lab.
const App = "podinfo"

const (
	repository = "team/podinfo"
	rule       = "podinfo-https"
	listener   = "lst-podinfo"
	first      = "1.0.0" // live on blue from the start
	replicas   = 3
)

// Options say how fast the lab is. Root is required: the folder with host.json.
type Options struct {
	Root   string
	Bake   time.Duration // default 20 s
	Retire time.Duration // from the end of a release, default 20 s
	Users  int           // requests a second, default 20
	// Gateway is what moves the traffic, one of Gateways, default AppGateway.
	Gateway string
	Log     *slog.Logger // of the app and the host
}

// Lab is a running lab.
type Lab struct {
	Options
	cluster   *fake.Cluster
	instances *instances
	azure     *arm.Emulator
	front     *front
	registry  *registry.Registry
	events    *registry.Sender
	host      *host.Host
	alerts    *actiongroup.Group
	users     *crowd
	control   string // address of the lab's own buttons
	closers   []func()
}

// Start brings the lab up. It runs until ctx ends; Close then waits for the rest.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if _, err := os.Stat(o.Root + "/host.json"); err != nil {
		return nil, fmt.Errorf("the lab runs the functions of the repository: start it there (make run): %w", err)
	}
	o.Bake, o.Retire = cmp.Or(o.Bake, 20*time.Second), cmp.Or(o.Retire, 20*time.Second)
	o.Users = cmp.Or(o.Users, 20)
	o.Gateway = cmp.Or(o.Gateway, AppGateway)
	if !slices.Contains(Gateways, o.Gateway) {
		return nil, fmt.Errorf("the lab has no gateway %q: %s", o.Gateway, strings.Join(Gateways, " or "))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Lab{Options: o}
	for _, step := range []func(context.Context) error{
		s.startInstances, s.startAzure, s.startRegistry, s.startApp, s.startUsers, s.startControl,
	} {
		if err := step(ctx); err != nil {
			s.Close()
			return nil, fmt.Errorf("start the lab: %w", err)
		}
	}
	return s, nil
}

// Close ends everything, the last started first.
func (s *Lab) Close() {
	for _, end := range slices.Backward(s.closers) {
		end()
	}
	s.closers = nil
}

func (s *Lab) onClose(end func()) { s.closers = append(s.closers, end) }

func (s *Lab) startInstances(context.Context) (err error) {
	s.cluster = fake.NewCluster(time.Now, sleep, nil)
	s.cluster.Behave("", fake.Behaviour{Ready: time.Second})
	if s.instances, err = startInstances(s.cluster); err != nil {
		return err
	}
	s.onClose(s.instances.close)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Lab) startAzure(ctx context.Context) (err error) {
	if s.azure, err = arm.Start(ctx, arm.Options{}); err != nil {
		return err
	}
	s.onClose(s.azure.Close)
	s.front, err = s.openFront()
	return err
}

// startRegistry puts what is live from the start into the registry, before events are
// delivered to anybody: it was pushed long ago.
func (s *Lab) startRegistry(ctx context.Context) (err error) {
	s.registry, err = registry.Start(registry.Options{Raise: func(event []byte) {
		if s.events != nil {
			s.events.Send(event)
		}
	}})
	if err != nil {
		return err
	}
	s.onClose(func() { s.registry.Close() })
	digest, err := s.registry.Push(ctx, repository, first)
	if err != nil {
		return err
	}
	s.cluster.Seed(release.Blue, release.Image{Tag: first, Digest: digest}, replicas)
	return nil
}

func (s *Lab) startApp(ctx context.Context) error {
	gateway, of := s.front.settings()
	a, err := readConfig(choices{
		App: App, Repository: repository, Registry: s.registry.Host(), Gateway: gateway, Blue: of[0], Green: of[1],
		Users: s.Address(), Preview: s.instances.preview, Bake: s.Bake, Retire: s.Retire,
	})
	if err != nil {
		return err
	}
	built := app.Assemble(a, s.adapters)
	if len(built.Problems) > 0 {
		return fmt.Errorf("use the lab's configuration: %s", strings.Join(built.Problems, "; "))
	}
	memory := host.NewMemory()
	e := engine.New(engine.Options{
		Store: fake.NewStore(nil), Apps: []engine.App{built}, Log: s.Log, Poll: 250 * time.Millisecond,
		Wakeups: memory.Wakeups("release-steps", func(app string, _ time.Time) string { return queue.Message(app) }),
	})
	s.host, err = host.Start(ctx, host.Options{
		Root: s.Root, Queues: memory, Log: s.Log,
		Keys:    host.Keys{Functions: map[string]string{"look": key, "act": key}},
		Handler: app.Handler(app.Options{Engine: e, Apps: []config.App{a}, Keys: access.Admin, Log: s.Log, Verify: s.verify}),
	})
	if err != nil {
		return err
	}
	s.onClose(s.host.Close)
	s.events = registry.NewSender(registry.SenderOptions{URL: s.host.EventGridURL("image-pushed"), Scale: 10})
	s.onClose(s.events.Close)
	s.alerts = actiongroup.New(actiongroup.Options{URL: s.host.URL() + "/api/alerts?code=" + s.host.KeyOf("alerts"), Scale: 10})
	return s.host.Ready(ctx)
}

// verify asks the host whether it takes a key.
func (s *Lab) verify(ctx context.Context, key string, commands bool) (bool, error) {
	return signin.Host{URL: s.host.URL(), Client: outbound.Client(nil), Try: outbound.Host.Try}.Takes(ctx, key, commands)
}

// adapters are those of the lab's app: real ones for gateway, registry and checks, a fake
// for the clusters.
func (s *Lab) adapters(a config.App) (app.Adapters, error) {
	gateway, err := s.front.adapter(a)
	return app.Adapters{
		Gateway: gateway, Workloads: s.cluster, Prober: probe.New(s.front.probes, os.Getenv),
		Registry: acr.NewRegistry(acr.Options{LoginServer: a.Image.Registry, Repository: a.Image.Repository, Admits: a.Admits, Newer: a.Policy().Newer}),
	}, err
}

// Address is where users ask.
func (s *Lab) Address() string { return s.front.address }

// Pages is where the pages of the app are.
func (s *Lab) Pages() string { return s.host.URL() + pages.Base }

// key opens the API: it is set for both of its functions, as for a person.
const key = "lab"

// Client calls the API of the app.
func (s *Lab) Client() *api.Client {
	return &api.Client{Base: s.host.URL(), Key: key, HTTP: &http.Client{}}
}

func (s *Lab) startUsers(ctx context.Context) error {
	s.users = newCrowd(s.Address(), s.front.users)
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { s.users.run(ctx, s.Options.Users); close(done) }()
	go s.monitor(ctx)
	s.onClose(func() { stop(); <-done })
	return nil
}
