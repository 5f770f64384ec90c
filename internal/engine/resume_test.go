package engine_test

import (
	"context"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// claimedBy saves a claim of another process.
func (w *env) claimedBy(owner string, lasts time.Duration) {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	next := snap.Record
	next.Lease = engine.Lease{Owner: owner, Until: w.clock.Add(lasts), Fence: next.Lease.Fence + 1}
	if _, err := w.store.Commit(w.t.Context(), snap, engine.Change{Record: next}); err != nil {
		w.t.Fatal(err)
	}
}

// TestAProcessThatStartsFindsWhatAnEndedOneHasLeft has no clock tick, and no message of the worker
// that died.
func TestAProcessThatStartsFindsWhatAnEndedOneHasLeft(t *testing.T) {
	for name, test := range map[string]struct {
		lasts   time.Duration
		renewed int // times
		wakes   bool
		within  time.Duration
	}{
		"ended already":          {-time.Second, 0, true, 0},
		"ends soon":              {15 * time.Second, 0, true, 15 * time.Second},
		"a host that is stopped": {15 * time.Second, 2, true, 45 * time.Second},
		"its worker lives":       {15 * time.Second, 100, false, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			w.push("2.0")
			w.reach(release.Baking)
			w.wakeups = fake.NewWakeups(nil)
			w.claimedBy("gone/1", test.lasts)
			renewed := 0
			e := engine.New(engine.Options{
				Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app}, Now: func() time.Time { return w.clock },
				Sleep: func(ctx context.Context, d time.Duration) error {
					w.clock = w.clock.Add(d)
					if renewed++; renewed <= test.renewed {
						w.claimedBy("gone/1", test.lasts)
					}
					return ctx.Err()
				},
			})
			began := w.clock
			e.Resume(t.Context())
			if _, woken := w.wakeups.Due(w.clock); woken != test.wakes || w.clock.Sub(began) > test.within {
				t.Errorf("after %v: a wake-up was sent: %v, expected %v", w.clock.Sub(began), woken, test.wakes)
			}
		})
	}
}

func TestAProcessThatStartsWakesNoAppAtRest(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.wakeups = fake.NewWakeups(nil)
	w.restart()
	w.engine.Resume(t.Context())
	if at, woken := w.wakeups.Next(); woken {
		t.Errorf("a wake-up for %v", at)
	}
}

// leases sees the claims that are saved and the time that a write to the gateway has.
type leases struct {
	engine.Gateway
	engine.Store
	w       *env
	longest map[release.Phase]time.Duration
	writes  []time.Duration
}

func (l *leases) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	r := c.Record
	if left := r.Lease.Until.Sub(l.w.clock); r.Lease.Owner != "" && r.State.Release.Progress.Operation != "" {
		l.longest[r.State.Release.Phase] = max(l.longest[r.State.Release.Phase], left)
	}
	return l.Store.Commit(ctx, from, c)
}

func (l *leases) Switch(ctx context.Context, to release.Color, fence int64) (engine.Operation, error) {
	end, _ := ctx.Deadline()
	l.writes = append(l.writes, end.Sub(l.w.clock))
	return l.Gateway.Switch(ctx, to, fence)
}

func TestAClaimIsShortWhileTrafficMovesAndLongForAWrite(t *testing.T) {
	w := newEnv(t, nil)
	seen := &leases{Gateway: w.gateway, Store: w.store, w: w, longest: map[release.Phase]time.Duration{}}
	w.app.Gateway, w.store = seen, seen
	w.restart()
	w.push("2.0")
	w.reach(release.Baking)
	w.alert("a1")
	w.reach(release.RolledBack)
	for _, p := range []release.Phase{release.Switching, release.Returning} {
		if l := seen.longest[p]; l == 0 || l > 15*time.Second {
			t.Errorf("while the release is %s and the gateway works on it, a claim lasts %v", p, l)
		}
	}
	if len(seen.writes) != 2 {
		t.Errorf("%d writes", len(seen.writes))
	}
	for _, left := range seen.writes {
		if left < 30*time.Second {
			t.Errorf("a write to the gateway has %v", left)
		}
	}
}

// TestAWriteThatIsNotAnsweredKeepsItsClaim looks at what is saved between a write whose answer is
// lost and the next one.
func TestAWriteThatIsNotAnsweredKeepsItsClaim(t *testing.T) {
	w := newEnv(t, nil)
	gateway := &unanswered{Gateway: w.gateway}
	w.app.Gateway = gateway
	shortest, saved := time.Hour, 0
	w.store = observed{w.store, func(r engine.Record) {
		if gateway.writes == 1 && r.Lease.Owner != "" {
			shortest, saved = min(shortest, r.Lease.Until.Sub(w.clock)), saved+1
		}
	}}
	w.restart()
	w.push("2.0")
	w.reach(release.Baking)
	if saved == 0 || shortest < 35*time.Second {
		t.Errorf("%d commits after a write without an answer, with a claim of %v", saved, shortest)
	}
}

// unanswered loses the answer to the first write.
type unanswered struct {
	engine.Gateway
	writes int
}

func (g *unanswered) Switch(ctx context.Context, to release.Color, fence int64) (engine.Operation, error) {
	op, err := g.Gateway.Switch(ctx, to, fence)
	if g.writes++; g.writes == 1 {
		return engine.Operation{}, context.DeadlineExceeded
	}
	return op, err
}

// observed shows each record that is to be saved.
type observed struct {
	engine.Store
	see func(engine.Record)
}

func (s observed) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	s.see(c.Record)
	return s.Store.Commit(ctx, from, c)
}

// TestAProcessThatStartsFindsAClaimThatIsNotMarked: the worker that finds a pending effect does not mark
// its app. Its row is due only when its wake-up counts as lost, or by another configuration.
func TestAProcessThatStartsFindsAClaimThatIsNotMarked(t *testing.T) {
	for name, begin := range map[string]func(w *env, wakeUp time.Time){
		"by its wake-up": func(w *env, wakeUp time.Time) { w.clock = wakeUp },
		"by another configuration": func(w *env, _ time.Time) {
			w.app.Policy.RetireAfter, w.app.Fingerprint = time.Minute, "another"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			w.push("2.0")
			w.reach(release.Completed)
			w.run(10 * time.Minute)
			at, ok := w.wakeups.Next()
			row, err := w.store.Due(t.Context(), "shop")
			if !ok || err != nil || row.Marked || !row.At.After(at) {
				t.Fatalf("a wake-up at %v: %v, and the row %+v: %v", at, ok, row, err)
			}
			begin(w, at)
			claims, woken := 0, false
			w.store = committed{w.store, func(r engine.Record) {
				if claims++; claims > 1 || r.Lease.Owner == "" {
					return
				}
				wakeups := fake.NewWakeups(nil) // the worker stands still, and its message stays hidden
				engine.New(engine.Options{
					Store: w.store, Wakeups: wakeups, Apps: []engine.App{w.app}, Now: func() time.Time { return w.clock }, Sleep: w.sleep,
				}).Resume(t.Context())
				_, woken = wakeups.Due(w.clock)
			}}
			w.restart()
			if err := w.engine.Step(t.Context(), "shop", 0); claims == 0 || !woken {
				t.Errorf("after %d commits, a wake-up was sent: %v (%v)", claims, woken, err)
			}
		})
	}
}

// committed shows each record that was saved.
type committed struct {
	engine.Store
	see func(engine.Record)
}

func (s committed) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	snap, err := s.Store.Commit(ctx, from, c)
	if err == nil {
		s.see(snap.Record)
	}
	return snap, err
}
