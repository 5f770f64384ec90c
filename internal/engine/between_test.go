package engine_test

import (
	"errors"
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func TestWhatAPersonPutsOnTheStandbyStays(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Same: true, Size: release.StandbyReady}, release.FailoverManual)
	w.run(26 * time.Hour)
	w.runs(release.Blue, "2.0", 3)
	w.cluster.Edit(release.Blue, img("9.9", w.clock))
	w.run(time.Hour)
	w.runs(release.Blue, "9.9", 3)
}

func TestAnOrderForTheStandbyWaitsWhileTheLiveColorIsIll(t *testing.T) {
	refuse := false
	hook := func(call string, after bool) error {
		if refuse && call == "deploy" && !after {
			return errors.New("the API server is restarted")
		}
		return nil
	}
	w := newEnv(t, hook)
	w.app.Policy.Standby, w.app.Policy.Failover = release.StandbyPolicy{Same: true, Size: release.StandbyReady}, release.FailoverManual
	w.restart()
	for _, tag := range []string{"2.0", "3.0"} {
		w.push(tag)
		w.run(time.Hour)
	}
	w.run(23 * time.Hour)
	refuse = true
	w.run(2 * time.Hour)
	w.runs(release.Green, "2.0", 3)
	w.cluster.Lose(release.Blue, 0.9)
	refuse = false
	w.run(time.Hour)
	w.runs(release.Green, "2.0", 3) // it is all that can serve
}

func TestAFailoverWaitsForWhatCarriesMoreThanALiveColorThatIsWell(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Size: release.StandbyMinimum}, release.FailoverManual)
	w.run(time.Hour)
	w.cluster.Resize(release.Green, 8)
	w.run(10 * time.Minute)
	w.cluster.Behave("1.0", fake.Behaviour{Ready: 8 * time.Minute})
	w.run(20 * time.Minute)
	w.command(release.Failover)
	w.run(4 * time.Minute)
	if _, ready := w.cluster.Running(w.gateway.Effective()); ready < 6 {
		t.Errorf("users of 8 ready pods are answered by %d on %s: %s", ready, w.gateway.Effective(), w.sentence())
	}
	w.run(10 * time.Minute)
	w.users("1.0")
}

func TestAFailoverWhoseWriteWasNotAnsweredIsSeenToItsEnd(t *testing.T) {
	var silent func(after bool) bool
	hook := func(call string, after bool) error {
		if silent != nil && (call == "switch" || call == "live" || call == "poll") && silent(after && call == "switch") {
			return errors.New("the gateway does not answer")
		}
		return nil
	}
	w := newEnv(t, hook)
	w.app.Policy.Standby, w.app.Policy.Failover = release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverAlert
	w.restart()
	w.push("2.0")
	w.reach(release.Completed)
	w.run(25 * time.Hour)
	w.alert("a1")
	var since time.Time
	silent = func(written bool) bool {
		if written && since.IsZero() {
			since = w.clock
		}
		return !since.IsZero() && w.clock.Sub(since) < 2*time.Minute
	}
	w.run(15 * time.Minute)
	if since.IsZero() {
		t.Fatal("nothing was written: " + w.sentence())
	}
	s := w.state()
	if !s.Drift.IsZero() || s.Serving.Color != w.gateway.Effective() {
		t.Errorf("users are on %s, which bluegreen itself wrote: %s", w.gateway.Effective(), w.sentence())
	}
}

func TestAStandbyThatIsDeletedIsReported(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Same: true, Size: release.StandbyReady}, release.FailoverManual)
	w.run(26 * time.Hour)
	w.cluster.Gone(release.Blue, true)
	before := len(w.facts())
	w.run(time.Hour)
	for _, f := range w.facts()[before:] {
		if f.Kind == release.NeedsHelp {
			return
		}
	}
	t.Errorf("no operator is asked to look: %s", w.sentence())
}
