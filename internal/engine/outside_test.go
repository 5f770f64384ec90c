package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func TestTheRollbackTargetOutlivesAnotherWritersMistake(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(2 * time.Minute)
	w.gateway.Rival("")
	w.run(time.Minute)
	w.gateway.Rival(release.Green)
	w.run(3 * time.Minute)
	w.alert("a1")
	w.run(5 * time.Minute)
	w.users("1.0")
}

func TestAReturnToAColorWithoutPodsRepairsIt(t *testing.T) {
	w := newEnv(t, nil)
	w.cluster.Behave("9.9", fake.Behaviour{Never: "crash", Status: release.Broken})
	w.gateway.SetResult(func(int) fake.OperationResult { return fake.Fails })
	w.push("2.0")
	w.reach(release.Switching)
	w.run(time.Minute)
	w.cluster.Edit(release.Blue, img("9.9", w.clock))
	w.run(15 * time.Minute)
	w.gateway.SetResult(nil)
	w.run(3 * time.Hour)
	if _, ready := w.cluster.Running(w.gateway.Effective()); ready == 0 {
		t.Errorf("nobody is answered for 3 hours: %s", w.sentence())
	}
}

func TestABakeThatCannotBeSeenFailsNothing(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(5 * time.Minute)
	w.push("3.0")
	w.cluster.Away(true)
	w.run(27 * time.Minute)
	w.cluster.Away(false)
	w.run(2 * time.Minute)
	if i, _ := w.cluster.Running(release.Blue); i.Tag != "1.0" {
		t.Errorf("the rollback target is %s now: %s", i, w.sentence())
	}
}

func TestAnImageThatServesDoesNotWait(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.app.Before = nil
	w.restart()
	if err := w.engine.Step(t.Context(), "shop", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	w.gateway.Rival(release.Green)
	w.run(20 * time.Minute)
	w.command(release.ResumeReleases)
	w.run(time.Minute)
	if i, _ := w.cluster.Running(release.Blue); i.Tag != "1.0" {
		t.Errorf("the rollback target became %s: %s", i, w.sentence())
	}
}

func TestAFightIsReportedAndWatchedWhenItIsOver(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	for range 3 {
		w.gateway.Rival(release.Blue)
		w.run(80 * time.Second)
		w.gateway.Rival(release.Green)
		w.run(80 * time.Second)
	}
	w.gateway.Rival(release.Blue)
	w.run(24 * time.Hour)
	if s := w.state(); !s.Drift.IsZero() && !s.Drift.Watched {
		t.Errorf("not watched: %s", w.sentence())
	}
	facts, err := w.engine.History(t.Context(), "shop", 1000, 0)
	if err != nil || !slices.ContainsFunc(facts, func(f release.Fact) bool { return f.Kind == release.NeedsHelp }) {
		t.Errorf("the fight was not reported, error %v", err)
	}
}

func TestATargetThatNeverComesUpIsReplaced(t *testing.T) {
	w := newEnv(t, nil)
	reach := func(tag string, p release.Phase) {
		w.push(tag)
		w.until(w.clock.Add(24*time.Hour), func() bool { s := w.state(); return s.Serving.Image.Tag == tag && s.Release.Phase == p })
	}
	reach("1.1", release.Completed)
	reach("1.2", release.Completed)
	reach("2.0", release.Baking)
	w.cluster.Behave("1.2", fake.Behaviour{Never: "readiness probe failed"})
	w.alert("a1")
	w.run(2 * time.Hour)
	w.users("1.1")
}

func TestAnAcceptedAppDecidesWithOneClusterAway(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.gateway.Slowly(5 * time.Minute)
	w.gateway.Rival(release.Blue)
	w.run(2 * time.Minute)
	w.command(release.ResumeReleases)
	w.run(10 * time.Second)
	w.cluster.ColorAway(release.Green, true)
	w.run(30 * time.Minute)
	w.alert("a1")
	w.command(release.Rollback)
	w.run(30 * time.Minute)
	if snap, err := w.store.Load(t.Context(), "shop"); err != nil || len(snap.Inbox) > 0 {
		t.Errorf("%d undecided, error %v: %s", len(snap.Inbox), err, w.sentence())
	}
}

func TestLooksThatAreSlowEndABake(t *testing.T) {
	w := newEnv(t, nil)
	slow := false
	w.sees = func() release.Color {
		if slow {
			w.clock = w.clock.Add(50 * time.Second)
		}
		return w.gateway.Effective()
	}
	w.push("2.0")
	w.reach(release.Baking)
	slow = true
	w.run(6 * time.Hour)
	if w.state().Release.Phase == release.Baking {
		t.Error(w.sentence())
	}
}

func TestAReturnRecordsWhatRuns(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(time.Minute)
	w.cluster.Deny(release.Blue, true)
	w.cluster.Edit(release.Blue, img("9.9", w.clock))
	w.alert("a1")
	w.run(time.Minute)
	w.gateway.Rival(release.Blue)
	w.reach(release.RolledBack)
	if i, _ := w.cluster.Running(release.Blue); w.state().Serving.Image.Digest != i.Digest {
		t.Errorf("recorded %s, runs %s", w.state().Serving.Image, i)
	}
}

// passing is a check that does something when it is made.
type passing struct{ do func() }

func (c *passing) Run(context.Context, engine.Subject) engine.Result {
	c.do()
	return engine.Result{Verdict: release.Passed}
}

func TestAPauseBeforeTheFirstWriteStopsTheSwitch(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	grown := false
	w.sees = func() release.Color { return w.gateway.Effective() }
	w.app.Before = []engine.Check{&passing{func() {
		if !grown {
			grown = true
			w.cluster.Behave("2.0", fake.Behaviour{Ready: 3 * time.Minute})
			w.cluster.Restart(release.Green)
			w.cluster.Resize(release.Blue, 6)
		}
	}}}
	w.restart()
	if err := w.engine.Step(t.Context(), "shop", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if s := w.state(); s.Release.Phase != release.Switching || !s.Release.Progress.Writes.IsZero() {
		t.Fatal(w.sentence())
	}
	w.command(release.PauseReleases)
	w.run(8 * time.Minute)
	if len(w.gateway.Moves()) > 0 {
		t.Errorf("traffic moved although paused: %v", w.gateway.Moves())
	}
}
