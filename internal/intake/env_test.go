package intake_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/intake"
	"bluegreen/internal/release"
)

// file has two apps that share a repository and a gateway, one of another repository
// behind a Service, and one that cannot be served.
const file = `
defaults: {bake: 15m}
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: shop, deployment: shop, backend: shop-blue, resources: [/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/front-blue]}
      green: {cluster: "context:b", namespace: shop, deployment: shop, backend: shop-green}
    gateway: {applicationGateway: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw, rules: [shop]}
    alerts: [{rule: "shop-*", severity: "<=Sev2"}, {rule: "agw-*"}]
  - name: shop-eu
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: eu, deployment: shop, backend: eu-blue}
      green: {cluster: "context:b", namespace: eu, deployment: shop, backend: eu-green}
    gateway: {applicationGateway: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw, rules: [shop-eu]}
    alerts: [{rule: "agw-*"}]
  - name: tools
    image: {registry: shopacr.azurecr.io, repository: team/tools, tags: "glob:*"}
    colors:
      blue:  {cluster: "context:a", namespace: tools, deployment: blue, selector: {color: blue}}
      green: {cluster: "context:a", namespace: tools, deployment: green, selector: {color: green}}
    gateway: {service: tools}
    alerts: [{rule: "GreenErrors"}]
  - name: orders
    image: {registry: shopacr.azurecr.io, repository: team/orders, tags: "glob:*"}
    colors:
      blue:  {cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-blue, namespace: orders, deployment: orders, endpoint: front-blue, resources: [/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw-blue]}
      green: {cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-green, namespace: orders, deployment: orders, endpoint: front-green}
    gateway: {trafficManager: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/trafficManagerProfiles/tm}
    alerts: [{rule: "orders-*"}]
  - name: carts
    image: {registry: shopacr.azurecr.io, repository: team/carts, tags: "glob:*"}
    colors:
      blue:  {cluster: "context:a", namespace: carts-blue, deployments: [carts, carts-api], backend: carts-blue-pool, settings: carts-blue-set}
      green: {cluster: "context:a", namespace: carts-green, deployments: [carts, carts-api-green], backend: carts-green-pool, settings: carts-green-set}
    gateway: {applicationGateway: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw, rules: [carts]}
    alerts: [{rule: "carts-*"}]
  - name: broken
    image: {registry: shopacr.azurecr.io, repository: team/broken, tags: "glob:*"}
    gateway: {service: broken}
    alerts: [{rule: "broken"}]
`

// env is the apps of file on fakes, in virtual time: a sleep moves the clock.
type env struct {
	t       *testing.T
	store   *fake.Store
	wakeups *fake.Wakeups
	gateway map[string]*fake.Gateway
	engine  *engine.Engine
	intake  *intake.Intake
	log     *bytes.Buffer

	mu    sync.Mutex
	clock time.Time
}

// changes are deviations from the usual env.
type changes struct {
	file     string // instead of the usual one
	hook     fake.Hook
	store    func(engine.Store) engine.Store
	gateway  func(engine.Gateway) engine.Gateway
	registry engine.Registry
}

func newEnv(t *testing.T, c changes) *env {
	t.Helper()
	loaded, err := config.Load([]byte(cmp.Or(c.file, file)))
	if err != nil {
		t.Fatal(err)
	}
	w := &env{
		t: t, store: fake.NewStore(c.hook), wakeups: fake.NewWakeups(nil), gateway: map[string]*fake.Gateway{}, log: &bytes.Buffer{},
		clock: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC),
	}
	var apps []engine.App
	for _, a := range loaded.Apps {
		w.gateway[a.Name] = fake.NewGateway(release.Blue, time.Second, w.now, nil)
		cluster := fake.NewCluster(w.now, w.sleep, nil)
		cluster.Seed(release.Blue, release.Image{Tag: "1.0.0", Digest: "sha256:old"}, 3)
		var gateway engine.Gateway = w.gateway[a.Name]
		if c.gateway != nil {
			gateway = c.gateway(gateway)
		}
		apps = append(apps, app.Assemble(a, func(config.App) (app.Adapters, error) {
			return app.Adapters{Gateway: gateway, Workloads: cluster, Registry: c.registry}, nil
		}))
	}
	var store engine.Store = w.store
	if c.store != nil {
		store = c.store(store)
	}
	w.engine = engine.New(engine.Options{Store: store, Wakeups: w.wakeups, Apps: apps, Now: w.now, Sleep: w.sleep})
	w.intake = intake.New(intake.Options{Engine: w.engine, Apps: loaded.Apps, Now: w.now, Log: slog.New(slog.NewTextHandler(&guarded{w: w.log}, nil))})
	return w
}

// guarded is a log that goroutines which outlive their request may still write to.
type guarded struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.w.Write(p)
}

func (w *env) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *env) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
	return ctx.Err()
}

// baking releases an image of shop up to its bake.
func (w *env) baking() {
	w.t.Helper()
	if _, err := w.intake.ImagePushed(w.t.Context(), push("team/shop", "1.1.0", w.now())); err != nil {
		w.t.Fatal(err)
	}
	for range 100 {
		if w.state("shop").Release.Phase == release.Baking {
			return
		}
		if err := w.engine.Step(w.t.Context(), "shop", 0); err != nil {
			w.t.Fatal(err)
		}
		_ = w.sleep(w.t.Context(), time.Second)
	}
	w.t.Fatalf("never baking: %s", release.StatusOf(w.state("shop"), release.Policy{}, w.now()))
}

func (w *env) state(app string) release.State {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), app)
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Record.State
}

// inbox lists the entries that wait for a decision of an app.
func (w *env) inbox(app string) []engine.Entry {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), app)
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Inbox
}

// alertOf is the alert that an app has kept under the alert's id.
func (w *env) alertOf(app, id string) (a release.AlertFired) {
	w.t.Helper()
	entry, err := w.store.Accepted(w.t.Context(), app, "alert|"+id+"|fired")
	if errors.Is(err, engine.ErrNotFound) {
		return a
	}
	a, ok := entry.Event.(release.AlertFired)
	if err != nil || !ok {
		w.t.Fatal(entry, err)
	}
	return a
}
