package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func TestEachPeriodicTaskRuns(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"look", "list-registry", "ask-for-images", "sweep"} {
		if snap.Record.Ran[name].IsZero() {
			t.Errorf("%s never ran: %v", name, snap.Record.Ran)
		}
	}
}

func TestAReleaseTakesFewCommits(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.run(2 * time.Minute)
	before := c.made["commit"]
	w.push("2.0")
	w.reach(release.Baking)
	if n := c.made["commit"] - before; n > 12 {
		t.Errorf("%d commits until the bake", n)
	}
	before = c.made["commit"]
	w.reach(release.Completed)
	if n, looks := c.made["commit"]-before, int(w.app.Policy.Bake/w.app.Policy.ProbeEvery); n > 2*looks+5 {
		t.Errorf("%d commits for %d looks in the bake", n, looks)
	}
}

func TestAGatewayThatIsAlwaysBusyIsAskedEverLessOften(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.gateway.SetResult(func(int) fake.OperationResult { return fake.Busy })
	w.push("2.0")
	w.reach(release.Returning) // a write may have been done
	if n := c.made["switch"]; n < 5 || n > 40 {
		t.Errorf("it was asked %d times within the time of a switch", n)
	}
}

func TestAClusterThatDoesNotAnswerIsAskedWithRests(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.run(2 * time.Minute)
	before := c.made["observe"]
	c.fail["observe"] = 1 << 30
	w.push("2.0")
	w.run(5 * time.Minute)
	if n := c.made["observe"] - before; n < 20 || n > 300 {
		t.Errorf("it was asked %d times in five minutes: %s", n, w.sentence())
	}
}

func TestAnAppAtRestIsNotWoken(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(2 * time.Hour)
	for range 3 {
		if err := w.engine.TickApp(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		if at, ok := w.wakeups.Next(); ok {
			t.Fatalf("it is woken at %s: %s", at, w.sentence())
		}
		w.clock = w.clock.Add(time.Minute)
	}
}

func TestAnAcceptedEventWakesItsAppOnce(t *testing.T) {
	w := newEnv(t, nil)
	for _, want := range []bool{true, false} {
		fresh, err := w.engine.Push("event-1", img("2.0", w.clock)).Accept(t.Context(), "shop")
		_, woken := w.wakeups.Due(w.clock)
		if err != nil || fresh != want || woken != want {
			t.Errorf("new is %v, woken %v, error %v", fresh, woken, err)
		}
	}
}

func TestNothingIsOrderedBeforeItIsSavedWhicheverCommitIsRefused(t *testing.T) {
	for n := range 12 {
		commits := 0
		var w *env
		w = newEnv(t, func(call string, after bool) error {
			switch {
			case call == "commit" && !after:
				if commits++; commits == n+1 {
					return errors.New("no answer")
				}
			case call == "deploy" && !after:
				if s := w.state(); s.Color(s.Release.To).Ordered.Release != s.Release.ID {
					t.Errorf("commit %d was refused, and %s is ordered for release %d before that is saved", n+1, s.Release.To, s.Release.ID)
				}
			}
			return nil
		})
		w.push("2.0")
		w.reach(release.Baking)
	}
}

func TestACommitThatIsRefusedOnceIsMadeAgain(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.run(2 * time.Minute)
	w.push("2.0")
	c.fail["commit"] = 1
	if err := w.engine.Step(t.Context(), "shop", 4*time.Minute); err != nil {
		t.Fatal(err)
	}
	if w.state().Release.Phase != release.Baking || w.state().Green.Observed.Image.Tag != "2.0" || w.state().Green.Observed.Ready != 3 {
		t.Errorf("observed is %+v: %s", w.state().Green.Observed, w.sentence())
	}
}

func TestAnOperationThatFailsOnceCostsSeconds(t *testing.T) {
	w := newEnv(t, nil)
	w.gateway.SetResult(func(n int) fake.OperationResult {
		if n == 1 {
			return fake.Fails
		}
		return fake.Succeeds
	})
	w.push("2.0")
	w.reach(release.Baking)
	if r := w.state(); r.Serving.Since.Sub(r.Release.Began) > 90*time.Second {
		t.Errorf("traffic moved after %s", r.Serving.Since.Sub(r.Release.Began))
	}
}

func TestTheNextWakeupIsThatOfTheNextLook(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(time.Minute)
	for range 3 {
		for {
			wake, ok := w.wakeups.Due(w.clock)
			if !ok {
				break
			}
			if err := w.engine.Step(t.Context(), wake.App, 0); err != nil {
				t.Fatal(err)
			}
		}
		want := w.state().Release.Progress.ProbedAt.Add(w.app.Policy.ProbeEvery)
		at, ok := w.wakeups.Next()
		if !ok || !at.Equal(want) {
			t.Fatalf("at %s the next wake-up is at %s, the next look at %s", w.clock, at, want)
		}
		w.clock = at
	}
}

// largest is a store that notes how much one commit held.
type largest struct {
	engine.Store
	entries, facts int
}

func (s *largest) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	s.entries, s.facts = max(s.entries, len(c.Consumed)), max(s.facts, len(c.Facts))
	return s.Store.Commit(ctx, from, c)
}

func TestABacklogFitsItsCommits(t *testing.T) {
	w := newEnv(t, nil)
	store := &largest{Store: w.store}
	w.store = store
	w.restart()
	w.run(2 * time.Minute)
	for n := range 70 {
		w.alert(fmt.Sprint(n))
	}
	w.run(2 * time.Minute)
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil || len(snap.Inbox) != 0 || store.entries > 30 || store.facts > 20 {
		t.Errorf("%d entries and %d facts in one commit, %d are left, %v", store.entries, store.facts, len(snap.Inbox), err)
	}
}

func TestTheAppOfADeadWorkerIsTakenUpWhenItsClaimEnds(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.run(2 * time.Minute)
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	until := w.clock.Add(50 * time.Second)
	next := snap.Record
	next.Lease = engine.Lease{Owner: "dead", Until: until, Fence: next.Lease.Fence + 1}
	if _, err := w.store.Commit(t.Context(), snap, engine.Change{Record: next}); err != nil {
		t.Fatal(err)
	}
	for _, ok := w.wakeups.Due(w.clock.Add(time.Hour)); ok; _, ok = w.wakeups.Due(w.clock.Add(time.Hour)) {
	}
	deploys := len(w.cluster.Changes())
	w.push("2.0")
	if err := w.engine.Step(t.Context(), "shop", 0); err != nil || len(w.cluster.Changes()) > deploys || w.fence() != next.Lease.Fence {
		t.Errorf("a worker acts beside it: %v, %v", w.cluster.Changes(), err)
	}
	for _, ok := w.wakeups.Due(w.clock.Add(time.Hour)); ok; _, ok = w.wakeups.Due(w.clock.Add(time.Hour)) {
	}
	until = until.Add(5 * time.Second) // the worker lives, after all
	if snap, err = w.store.Load(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	next.Lease.Until = until
	if _, err := w.store.Commit(t.Context(), snap, engine.Change{Record: next}); err != nil {
		t.Fatal(err)
	}
	c.fail["wake"] = 1
	if err := w.engine.TickApp(t.Context(), "shop"); err == nil {
		t.Error("the wake-up was not sent, and nothing is reported")
	}
	for range 3 {
		if err := w.engine.TickApp(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	if wake, ok := w.wakeups.Due(until.Add(time.Second)); !ok || w.clock.After(until) {
		t.Errorf("wake-up %v, %v", wake, ok)
	}
	if at, ok := w.wakeups.Next(); ok {
		t.Errorf("one more wake-up at %s", at)
	}
}

func TestAViewIsThatOfTheApp(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	v, err := w.engine.View(t.Context(), "shop")
	if err != nil || v.App != "shop" || v.State.App != "shop" || v.Pending != 1 || v.Busy {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.engine.View(t.Context(), "nobody"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an app that does not exist: %v", err)
	}
}
