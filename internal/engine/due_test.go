package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// fleet is many apps on fakes, in virtual time, that share a store.
type fleet struct {
	t       testing.TB
	clock   time.Time
	apps    []engine.App
	store   *fake.Store
	wakeups *fake.Wakeups
	engine  *engine.Engine
}

// newFleet has a hook for the calls of all fakes, beside each other; it may be nil.
func newFleet(t testing.TB, apps int, hook fake.Hook) *fleet {
	f := &fleet{t: t, clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	f.store, f.wakeups = fake.NewStore(hook), fake.NewWakeups(hook)
	now := func() time.Time { return f.clock }
	for n := range apps {
		cluster := fake.NewCluster(now, f.sleep, hook)
		cluster.Seed(release.Blue, img("1.0", time.Time{}), 3)
		registry := fake.NewRegistry(now)
		registry.Push(img("1.0", f.clock.Add(-time.Hour)))
		f.apps = append(f.apps, engine.App{
			Name: fmt.Sprintf("app-%03d", n), Repository: "registry/app", Registry: registry,
			Gateway: fake.NewGateway(release.Blue, 20*time.Second, now, hook), Workloads: cluster,
			Policy: release.Policy{First: release.Blue, RollbackWindow: 24 * time.Hour, RetireAfter: 30 * time.Minute},
		})
	}
	f.restart(f.store)
	return f
}

// restart gives the apps to a new process.
func (f *fleet) restart(store engine.Store) {
	f.engine = engine.New(engine.Options{
		Store: store, Wakeups: f.wakeups, Apps: f.apps,
		Now: func() time.Time { return f.clock }, Sleep: f.sleep, Beside: func(work func()) { work() },
	})
}

func (f *fleet) sleep(ctx context.Context, d time.Duration) error {
	f.clock = f.clock.Add(d)
	return ctx.Err()
}

// run lets time pass, with the queue and the minute tick at work.
func (f *fleet) run(d time.Duration) {
	f.t.Helper()
	for end := f.clock.Add(d); f.clock.Before(end); f.clock = f.clock.Truncate(time.Minute).Add(time.Minute) {
		for wake, ok := f.wakeups.Due(f.clock); ok; wake, ok = f.wakeups.Due(f.clock) {
			if err := f.engine.Step(f.t.Context(), wake.App, 0); err != nil {
				f.t.Fatal(err)
			}
		}
		if err := f.engine.Tick(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// countedFleet is a fleet whose calls of the store are counted.
func countedFleet(t testing.TB, apps int) (*fleet, *tally) {
	c := &tally{}
	f := newFleet(t, apps, nil)
	f.restart(countedStore{f.store, c})
	return f, c
}

func TestATickLoadsWhatIsDueAndNotWhatExists(t *testing.T) {
	f, c := countedFleet(t, 200)
	f.run(3 * time.Hour)
	c.take()
	f.run(time.Hour)
	hour := use{made: c.take(), times: 60}
	if n := hour.calls([]string{"load"}); n > 20 {
		t.Errorf("a tick loads %.1f of 200 apps at rest", n)
	}
}

// TestAStartLoadsWhatMayBeClaimedAndNotWhatExists begins with apps of which nothing is stored yet.
func TestAStartLoadsWhatMayBeClaimedAndNotWhatExists(t *testing.T) {
	f, c := countedFleet(t, 200)
	for _, then := range []string{"new", "at rest"} {
		c.take()
		f.engine.Resume(t.Context())
		start := use{made: c.take(), times: 1}
		if n := start.calls([]string{"load"}); n > 20 {
			t.Errorf("%s: a start loads %.0f of 200 apps", then, n)
		}
		f.run(3 * time.Hour)
	}
}

func TestAnAppAtRestCostsFewCallsOfTheStore(t *testing.T) {
	const apps = 100
	f, c := countedFleet(t, apps)
	f.run(26 * time.Hour)
	c.take()
	f.run(6 * time.Hour)
	rest := use{made: c.take(), times: apps * 6 * 60}
	if cost := rest.calls(storage); cost > 0.2 {
		t.Errorf("an app at rest costs %.2f calls of the store each minute", cost)
	}
}

// hungGateway answers nothing, until its caller gives up.
type hungGateway struct{ engine.Gateway }

func (hungGateway) Live(ctx context.Context) (engine.Reading, error) {
	<-ctx.Done()
	return engine.Reading{}, ctx.Err()
}

// panicking has a mistake.
type panicking struct{ engine.Gateway }

func (panicking) Live(context.Context) (engine.Reading, error) { panic("a mistake") }

// timed notes when it was first read.
type timed struct {
	engine.Gateway
	mu   *sync.Mutex
	read *time.Time
}

func (g timed) Live(ctx context.Context) (engine.Reading, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.read.IsZero() {
		*g.read = time.Now()
	}
	return g.Gateway.Live(ctx)
}

// The apps that hang are as many as find a place at once, and come first.
func TestAnAppThatHangsKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 40, nil)
		f.clock = time.Now()
		var mu sync.Mutex
		read := make([]time.Time, len(f.apps))
		for n := range f.apps {
			switch {
			case n < 16:
				f.apps[n].Gateway = hungGateway{f.apps[n].Gateway}
			case n < 20:
				f.apps[n].Gateway = panicking{f.apps[n].Gateway}
			default:
				f.apps[n].Gateway = timed{f.apps[n].Gateway, &mu, &read[n]}
			}
		}
		e := engine.New(engine.Options{Store: f.store, Wakeups: f.wakeups, Apps: f.apps})
		for n := range f.apps {
			if n >= 20 {
				_ = e.Step(t.Context(), f.apps[n].Name, 0)
			}
		}
		time.Sleep(time.Hour)
		clear(read)
		began := time.Now()
		if err := e.Tick(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 55*time.Second {
			t.Errorf("the tick took %s", took)
		}
		for n := 20; n < 40; n++ {
			if waited := read[n].Sub(began); read[n].IsZero() || waited > 10*time.Second {
				t.Errorf("%s was looked at after %s", f.apps[n].Name, waited)
			}
		}
	})
}

// slowLoads takes 2 s for each load.
type slowLoads struct {
	engine.Store
	mu    sync.Mutex
	loads map[string]int
}

func (s *slowLoads) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	s.mu.Lock()
	s.loads[app]++
	s.mu.Unlock()
	time.Sleep(2 * time.Second)
	return s.Store.Load(ctx, app)
}

// A tick that cannot reach all apps ends in time, and the next ones go on where it stopped.
func TestWhatATickDoesNotReachTheNextOneDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 200, nil)
		s := &slowLoads{Store: f.store, loads: map[string]int{}}
		e := engine.New(engine.Options{Store: s, Wakeups: f.wakeups, Apps: f.apps})
		for tick := 0; len(s.loads) < len(f.apps); tick++ {
			began := time.Now()
			if err := e.Tick(t.Context()); err != nil || time.Since(began) > 55*time.Second || tick > 10 {
				t.Fatalf("tick %d took %s and has reached %d apps, %v", tick, time.Since(began), len(s.loads), err)
			}
			time.Sleep(time.Until(began.Add(time.Minute)))
		}
	})
}

func (f *fleet) row(app string) engine.Due {
	f.t.Helper()
	d, err := f.store.Due(f.t.Context(), app)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// An event that was stored, and whose acceptor died before it marked the app, is delivered again.
func TestADuplicateMarksItsApp(t *testing.T) {
	f := newFleet(t, 1, nil)
	f.run(time.Hour)
	name := f.apps[0].Name
	if d := f.row(name); d.Marked || d.At.IsZero() {
		t.Fatalf("the app is not at rest: %+v", d)
	}
	entry := engine.AlertEntry("a1", release.AlertFired{ID: "a1", Rule: "errors", At: f.clock}, f.clock)
	if _, err := f.store.Accept(t.Context(), name, entry); err != nil {
		t.Fatal(err)
	}
	if fresh, err := f.engine.Accept(t.Context(), name, entry); err != nil || fresh || !f.row(name).Marked {
		t.Errorf("new %v, %v, the row %+v", fresh, err, f.row(name))
	}
	f.run(2 * time.Minute)
	if e, err := f.store.Accepted(t.Context(), name, entry.ID); err != nil || e.Decision.IsZero() {
		t.Errorf("the event has no decision: %+v, %v", e, err)
	}
}

// between is a store that does something before rows are saved.
type between struct {
	engine.Store
	do func()
}

func (s *between) Settle(ctx context.Context, rows []engine.Due) error {
	if s.do != nil {
		s.do()
		s.do = nil
	}
	return s.Store.Settle(ctx, rows)
}

// An event comes after a tick has seen its app at rest, and before it saves that; its wake-up is lost.
func TestAnEventBesideATickIsFoundByTheNext(t *testing.T) {
	f := newFleet(t, 1, nil)
	s := &between{Store: f.store}
	f.restart(s)
	name := f.apps[0].Name
	entry := engine.AlertEntry("a1", release.AlertFired{ID: "a1", Rule: "errors", At: f.clock}, f.clock)
	f.run(2 * time.Minute)
	s.do = func() {
		if _, err := f.engine.Accept(t.Context(), name, entry); err != nil {
			t.Error(err)
		}
		f.wakeups.Due(f.clock.Add(time.Hour))
	}
	f.run(time.Hour)
	if e, err := f.store.Accepted(t.Context(), name, entry.ID); s.do != nil || err != nil || e.Decision.IsZero() || e.Decision.Text == "" {
		t.Errorf("the event has no decision: %+v, %v", e, err)
	}
}

func TestRowsOfAppsThatAreNotConfiguredAreKeptForAMonth(t *testing.T) {
	f := newFleet(t, 3, nil)
	f.run(time.Hour)
	if _, err := f.store.Mark(t.Context(), "never settled"); err != nil {
		t.Fatal(err)
	}
	gone := f.apps[2].Name
	f.apps = f.apps[:2]
	f.restart(f.store)
	f.run(2 * time.Minute)
	if d := f.row(gone); d.App == "" {
		t.Error("the row is deleted at once")
	}
	f.clock = f.clock.Add(31 * 24 * time.Hour)
	f.run(3 * time.Minute)
	rows, err := f.store.ListDue(t.Context())
	if err != nil || len(rows) != 2 {
		t.Errorf("after a month there are %d rows, %v", len(rows), err)
	}
}

// What a glance sees is another thing: the tick decides it at once.
func TestATickThatSeesSomethingNewDecidesIt(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(2 * time.Hour)
	w.gateway.Rival(release.Blue)
	w.run(7 * time.Minute)
	if s := w.state(); s.Drift.IsZero() && s.Releases < 2 { // it is watched like a release
		t.Errorf("a change of the gateway was not seen: %s", w.sentence())
	}
	w.run(time.Hour)
	w.cluster.Resize(w.state().Serving.Color, 5)
	w.run(7 * time.Minute)
	if o := w.state().Color(w.state().Serving.Color).Observed; o.Ready != 5 {
		t.Errorf("a size that changed was not seen: %+v", o)
	}
}
