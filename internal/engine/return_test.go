package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// returns is an app whose release is live on green, with three pods on each color.
func returns(t *testing.T) *env {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	return w
}

// back checks that users are on an image within a time.
func (w *env) back(tag string, within time.Duration) {
	w.t.Helper()
	began := w.clock
	if !w.until(began.Add(within), func() bool { return w.state().Release.Phase == release.RolledBack }) {
		w.t.Fatalf("not back within %s: %s", within, w.sentence())
	}
	w.users(tag)
}

func TestOnePodOfTheTargetThatIsNotReadyKeepsNobodyOnABadVersion(t *testing.T) {
	w := returns(t)
	w.cluster.Behave("1.0", fake.Behaviour{Ready: 5 * time.Second, Share: 0.7})
	w.alert("a1")
	w.back("1.0", 4*time.Minute)
}

func TestATargetThatWasChangedIsBroughtBackToItsImage(t *testing.T) {
	w := returns(t)
	w.cluster.Edit(release.Blue, img("9.9", time.Time{}))
	w.alert("a1")
	w.back("1.0", 2*time.Minute)
}

func TestAnotherGoodImageTakesThePlaceOfATargetThatIsGoneFromTheRegistry(t *testing.T) {
	w := newEnv(t, nil)
	for _, tag := range []string{"2.0", "3.0"} {
		w.push(tag)
		w.reach(release.Baking)
		w.reach(release.Completed)
	}
	w.run(time.Hour) // green, with 2.0, is scaled down
	w.cluster.Behave("2.0", fake.Behaviour{Never: "manifest unknown", Status: release.PullFailing})
	w.push("4.0") // goes to green
	w.reach(release.Baking)
	w.cluster.Behave("3.0", fake.Behaviour{Never: "manifest unknown", Status: release.PullFailing})
	w.cluster.Behave("2.0", fake.Behaviour{Ready: 5 * time.Second})
	w.alert("a1")
	w.back("2.0", 10*time.Minute)
}

func TestNothingIsWrittenIntoAClusterForARollbackToAColorThatIsWell(t *testing.T) {
	w := returns(t)
	w.cluster.Deny(release.Blue, true)
	w.cluster.Deny(release.Green, true)
	w.alert("a1")
	w.back("1.0", time.Minute)
}

func TestARetiredColorComesBackWithTheSizeThatTheLiveColorHad(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.cluster.Seed(release.Blue, img("1.0", time.Time{}), 20) // it grows after it was taken over
	w.push("2.0")
	w.reach(release.Completed)
	w.run(time.Hour)
	if n := w.cluster.Wanted(release.Blue); n != 0 {
		t.Fatalf("blue was not scaled down, it has %d", n)
	}
	w.alert("a1")
	w.back("1.0", 2*time.Minute)
	if n := w.cluster.Wanted(release.Blue); n != 20 {
		t.Errorf("blue took the traffic with %d pods, it had 20", n)
	}
}

func TestAReleaseNeedsNothingOfALiveColorWhoseClusterIsAway(t *testing.T) {
	w := newEnv(t, nil)
	w.run(6 * time.Minute)
	w.cluster.ColorAway(release.Blue, true)
	w.push("2.0")
	w.until(w.clock.Add(10*time.Minute), func() bool { return w.gateway.Effective() == release.Green })
	w.users("2.0")
	if _, ready := w.cluster.Running(release.Green); ready != 3 {
		t.Errorf("green has %d pods, blue was last seen with 3", ready)
	}
}

func TestATargetThatRunsAnotherImageReadyIsNotReturnedTo(t *testing.T) {
	w := returns(t)
	w.cluster.Edit(release.Blue, img("9.9", time.Time{}))
	w.run(time.Minute) // its pods are ready
	w.alert("a1")
	w.back("1.0", 2*time.Minute)
	for _, m := range w.gateway.Moves() {
		if m.To == release.Blue && m.At.Before(w.state().Serving.Since.Add(-time.Minute)) {
			t.Errorf("moves are %v", w.gateway.Moves())
		}
	}
}

func TestABadVersionIsReturnedToLessOnlyAfterTwoMinutes(t *testing.T) {
	w := returns(t)
	w.cluster.Lose(release.Blue, 0.6)
	alerted := w.clock
	w.alert("a1")
	w.back("1.0", 5*time.Minute)
	moves := w.gateway.Moves()
	if after := moves[len(moves)-1].At.Sub(alerted); after < 2*time.Minute || after > 3*time.Minute {
		t.Errorf("traffic moved back after %s: %v", after, moves)
	}
}

func TestNoTrafficGoesToAColorThatCannotBeLookedAt(t *testing.T) {
	var w *env
	w = newEnv(t, func(call string, after bool) error {
		if call == "observe" && w.state().Release.Phase == release.Switching {
			return errors.New("no answer")
		}
		return nil
	})
	w.push("2.0")
	w.reach(release.Failed)
	if moves := w.gateway.Moves(); len(moves) > 0 {
		t.Errorf("traffic went there: %v", moves)
	}
}

func TestUsersOfALiveColorThatLostPodsGoWhereMoreAre(t *testing.T) {
	w := returns(t)
	w.cluster.Lose(release.Blue, 0.4)
	w.cluster.Lose(release.Green, 0.7)
	w.back("1.0", time.Minute)
}

func TestALiveVersionThatFailsDoesNotHoldUpItsFix(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.live = "https://shop.example.com answered 502, expected 200"
	w.push("2.0")
	w.reach(release.Baking)
	if s := w.state(); s.Serving.Since.Sub(s.Release.Began) > time.Minute {
		t.Errorf("it was live after %s", s.Serving.Since.Sub(s.Release.Began))
	}
}

// What an earlier worker saw of the rollback target may be long ago.
func TestAnotherWorkerLooksAtTheRollbackTargetItself(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	broken := false
	w := newEnv(t, func(call string, after bool) error {
		if call == "switch" && broken {
			end()
			return ctx.Err()
		}
		return nil
	})
	w.push("2.0")
	w.reach(release.Baking)
	broken = true
	w.alert("a1")
	if err := w.engine.Step(ctx, "shop", 0); err == nil || !w.state().Release.Progress.TargetReady {
		t.Fatalf("the worker is not broken off before its write: %v: %s", err, w.sentence())
	}
	broken = false
	w.cluster.Behave("1.0", fake.Behaviour{Never: "its node is gone"})
	w.restart()
	w.run(2 * time.Minute)
	w.users("2.0")
}

func TestTheRollbackTargetIsLookedAtAgainAfterAnOperationThatWasLost(t *testing.T) {
	w := returns(t)
	w.gateway.SetResult(func(n int) fake.OperationResult {
		if n == 2 { // the first one of the return
			w.cluster.Behave("1.0", fake.Behaviour{Never: "its node is gone"})
			return fake.Busy
		}
		return fake.Succeeds
	})
	w.alert("a1")
	w.run(time.Minute)
	w.users("2.0")
}
