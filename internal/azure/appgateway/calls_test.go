package appgateway_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/acr"
	lab "bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

// counted is an app behind the gateway and with a registry, both at their wire. Its clusters are
// fakes. The engine's waits take no longer than the gateway's operations.
type counted struct {
	*env
	engine   *engine.Engine
	store    *fake.Store
	wakeups  *fake.Wakeups
	registry *lab.Registry
	clock    time.Time
	ticked   time.Time
	seen     [2]int // requests that are counted already
	table    strings.Builder
}

const countedRepository = "team/shop"

func newCounted(t *testing.T) *counted {
	w := &counted{env: newEnv(t, shapes["basic"]), store: fake.NewStore(nil), wakeups: fake.NewWakeups(nil), clock: time.Now()}
	now := func() time.Time { return w.clock }
	r, err := lab.Start(lab.Options{Admit: func(string) bool { return true }, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w.registry = r
	cluster := fake.NewCluster(now, w.sleep, nil)
	cluster.Behave("", fake.Behaviour{Ready: 5 * time.Second})
	cluster.Seed(release.Blue, release.Image{Tag: "1.0", Digest: w.pushed("1.0")}, 3)
	registry := acr.NewRegistry(acr.Options{LoginServer: r.Host(), Repository: countedRepository, Credential: w.env.arm.Credential("")})
	w.engine = engine.New(engine.Options{Store: w.store, Wakeups: w.wakeups, Now: now, Sleep: w.sleep, Apps: []engine.App{{
		Name: "shop", Repository: r.Host() + "/" + countedRepository, Gateway: w.Gateway, Workloads: cluster, Registry: registry,
		Before: []engine.Check{engine.GatewayHealth{Gateway: w.Gateway}},
		Policy: release.Policy{
			First: release.Blue, RolloutTimeout: 10 * time.Minute, PullGrace: 5 * time.Minute, VerifyTimeout: 5 * time.Minute, SwitchTimeout: 10 * time.Minute,
			Bake: 15 * time.Minute, ProbeEvery: 15 * time.Second, ProbeMisses: 3, RollbackWindow: 24 * time.Hour, RetireAfter: 30 * time.Minute,
		},
	}}})
	return w
}

func (w *counted) sleep(ctx context.Context, d time.Duration) error {
	time.Sleep(min(d, 100*time.Millisecond)) // the gateway's operations take 50
	w.clock = w.clock.Add(d)
	return ctx.Err()
}

func (w *counted) pushed(tag string) string {
	w.t.Helper()
	digest, err := w.registry.Push(w.t.Context(), countedRepository, tag)
	if err != nil {
		w.t.Fatal(err)
	}
	return digest
}

// run lets time pass, with the queue and the clock at work, until done.
func (w *counted) run(most time.Duration, done func(release.State) bool) {
	w.t.Helper()
	for end := w.clock.Add(most); w.clock.Before(end); {
		snap, err := w.store.Load(w.t.Context(), "shop")
		if err != nil {
			w.t.Fatal(err)
		}
		if done(snap.Record.State) {
			return
		}
		wake, ok := w.wakeups.Due(w.clock)
		next := w.ticked.Add(time.Minute)
		switch at, more := w.wakeups.Next(); {
		case ok:
			err = w.engine.Step(w.t.Context(), wake.App, 0)
		case !next.After(w.clock):
			w.ticked = w.clock
			err = w.engine.Tick(w.t.Context())
		case more && at.Before(next):
			w.clock = at
		default:
			w.clock = next
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func is(p release.Phase) func(release.State) bool {
	return func(s release.State) bool { return s.Known && s.Release.Phase == p }
}

func never(release.State) bool { return false }

// count adds the requests since the last count to the table.
func (w *counted) count(operation string) {
	var arm, registry []string
	requests := w.env.arm.Requests()
	for _, r := range requests[w.seen[0]:] {
		if kind := what(r.Path); kind != "operations" { // they are as many as the seconds that Azure takes
			arm = append(arm, strings.ToLower(r.Method)+" "+kind)
		}
	}
	asked := w.registry.Asked()
	for _, r := range asked[w.seen[1]:] {
		method, path, _ := strings.Cut(r, " ")
		registry = append(registry, strings.ToLower(method)+" "+what(path))
	}
	w.seen = [2]int{len(requests), len(asked)}
	if operation != "" {
		fmt.Fprintf(&w.table, "%s\tarm\t%d\t%s\n%[1]s\tregistry\t%[4]d\t%s\n", operation, len(arm), summed(arm), len(registry), summed(registry))
	}
}

// what is the kind of thing that a path names.
func what(path string) string {
	for _, kind := range []string{"operationResults", "operations", "getBackendHealthOnDemand", "backendhealth", "applicationGateways", "manifests", "_manifests", "_tags", "oauth2"} {
		if strings.Contains(strings.ToLower(path), "/"+strings.ToLower(kind)) {
			return kind
		}
	}
	return path
}

func summed(made []string) string {
	counts := map[string]int{}
	for _, c := range made {
		counts[c]++
	}
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[c], c))
	}
	return strings.Join(parts, ", ")
}

// TestOutsideCallsOfAnAppOnAGateway takes an app through what happens to it, and compares its calls
// with the budget of each.
func TestOutsideCallsOfAnAppOnAGateway(t *testing.T) {
	w := newCounted(t)
	accept := func(e engine.Entry) {
		if _, err := w.engine.Accept(t.Context(), "shop", e); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Hour, func(s release.State) bool { return s.Known })
	w.count("")
	if _, err := w.engine.Push("2.0", release.Image{Tag: "2.0", Digest: w.pushed("2.0"), PushedAt: w.clock}).Accept(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Hour, is(release.Baking))
	w.count("release")
	w.run(time.Minute, never)
	w.count("a minute of the bake")
	w.run(time.Hour, is(release.Completed))
	w.count("")
	accept(engine.CommandEntry("switch", release.Commanded{Command: release.Switch, By: release.Actor{Name: "ana"}}, w.clock))
	w.run(time.Hour, is(release.Baking))
	w.count("switch")
	accept(engine.AlertEntry("a1", release.AlertFired{ID: "a1", Rule: "errors", At: w.clock}, w.clock))
	w.run(time.Hour, is(release.RolledBack))
	w.count("alert to rollback")
	w.run(48*time.Hour, never)
	w.count("")
	w.run(time.Hour, never)
	w.count("an hour at rest")
	t.Log("\n" + w.table.String())
	golden.Check(t, "testdata/calls.txt", w.table.String())
}
