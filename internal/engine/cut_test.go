package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// prompting is a gateway that does something when it is read.
type prompting struct {
	engine.Gateway
	once sync.Once
	do   func()
}

func (g *prompting) Live(ctx context.Context) (engine.Reading, error) {
	if g.do != nil {
		g.once.Do(g.do)
	}
	return g.Gateway.Live(ctx)
}

// A command arrives while the worker of a tick looks, and that worker returns the traffic. When the tick
// ends, it gives the app back, and wakes it.
func TestTheEndOfATickLeavesNoClaimBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		app := &f.apps[0]
		g := &prompting{Gateway: fake.NewGateway(release.Blue, 90*time.Second, time.Now, nil)}
		cluster := fake.NewCluster(time.Now, func(ctx context.Context, d time.Duration) error { time.Sleep(d); return ctx.Err() }, nil)
		cluster.Seed(release.Blue, img("1.0", time.Time{}), 3)
		app.Gateway, app.Workloads, app.Registry = g, cluster, nil
		app.Policy.RolloutTimeout, app.Policy.VerifyTimeout, app.Policy.SwitchTimeout = time.Hour, time.Hour, time.Hour
		app.Policy.Bake = time.Minute
		e := engine.New(engine.Options{Store: f.store, Wakeups: f.wakeups, Apps: f.apps})
		load := func() engine.Record {
			snap, err := f.store.Load(t.Context(), app.Name)
			if err != nil {
				t.Fatal(err)
			}
			return snap.Record
		}
		run := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Second) {
				for wake, ok := f.wakeups.Due(time.Now()); ok; wake, ok = f.wakeups.Due(time.Now()) {
					if err := e.Step(t.Context(), wake.App, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := e.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		run(time.Minute)
		i := img("2.0", time.Now())
		if _, err := e.Accept(t.Context(), app.Name, engine.PushEntry("p", i, time.Now())); err != nil {
			t.Fatal(err)
		}
		run(20 * time.Minute)
		if s := load().State; s.Release.Phase != release.Completed {
			t.Fatalf("the release is %s: %s", s.Release.Phase, release.StatusOf(s, app.Policy, time.Now()))
		}
		g.do = func() {
			c := release.Commanded{Command: release.Rollback, By: release.Actor{Name: "ana"}}
			if _, err := e.Accept(t.Context(), app.Name, engine.CommandEntry("c", c, time.Now())); err != nil {
				t.Error(err)
			}
			f.wakeups.Due(time.Now()) // its message meets the claim of the tick's worker
		}
		began := time.Now()
		if err := e.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := load()
		if r.State.Release.Phase != release.Returning {
			t.Fatalf("the release is %s after %s", r.State.Release.Phase, time.Since(began))
		}
		wakes, ok := f.wakeups.Next()
		if r.Lease.Owner != "" || !ok || wakes.After(time.Now()) {
			t.Errorf("%s after its begin the tick has ended: the claim of its worker lasts for %s more, and a wake-up is under way: %v",
				time.Since(began), time.Until(r.Lease.Until), ok)
		}
	})
}
