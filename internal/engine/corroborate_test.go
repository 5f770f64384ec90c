package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// doubtful is an alert of a rule that has to be corroborated.
func (w *env) doubtful(id string) {
	w.t.Helper()
	alert := release.AlertFired{ID: id, Rule: "errors", Summary: "57 answers of 5xx", At: w.clock, Corroborate: true}
	if _, err := w.engine.Accept(w.t.Context(), "shop", engine.AlertEntry(id, alert, w.clock)); err != nil {
		w.t.Fatal(err)
	}
}

// factsOf are the facts of a reason.
func (w *env) factsOf(why reason.Reason) []release.Fact {
	w.t.Helper()
	return slices.DeleteFunc(w.facts(), func(f release.Fact) bool { return f.Reason != why })
}

func TestAnAlertThatALookAgreesWithReturnsTrafficAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		bad  func(*env)
		says string
	}{
		"checks":  {func(w *env) { w.live = "https://shop answered 500" }, "https://shop answered 500"},
		"gateway": {func(w *env) { w.gateway.SetHealth(release.Green, engine.Health{Detail: "10.0.0.4 is Unhealthy"}) }, "the gateway sees green as unhealthy: 10.0.0.4 is Unhealthy"},
		"pods":    {func(w *env) { w.cluster.Lose(release.Green, 1) }, "green: 0 of 3 pods ready"},
	} {
		for _, when := range []release.Phase{release.Baking, release.Completed} {
			t.Run(name+", "+string(when), func(t *testing.T) {
				w := newEnv(t, nil)
				w.app.Policy.RetireAfter = time.Hour
				w.restart()
				w.push("2.0")
				w.reach(when)
				w.run(7 * time.Second)
				test.bad(w)
				fired := w.clock
				w.doubtful("a1")
				w.reach(release.RolledBack)
				w.users("1.0")
				if took := w.clock.Sub(fired); took > time.Minute {
					t.Errorf("it took %s", took)
				}
				if cause := w.state().Release.Cause; !strings.Contains(cause, "alert errors: 57 answers of 5xx; a look at the live color agrees: ") || !strings.Contains(cause, test.says) {
					t.Errorf("the cause is %q", cause)
				}
			})
		}
	}
}

// numbered counts the checks of the public address.
type numbered struct {
	engine.Check
	n *int
}

func (c numbered) Run(ctx context.Context, s engine.Subject) engine.Result {
	*c.n++
	return c.Check.Run(ctx, s)
}

func TestAFalseAlertAloneMovesNoTraffic(t *testing.T) {
	for _, failover := range []bool{false, true} {
		w := newEnv(t, nil)
		asked := 0
		w.app.During = []engine.Check{numbered{w, &asked}}
		if failover {
			w.app.Policy.Standby, w.app.Policy.Failover = release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverAlert
		}
		w.restart()
		w.push("2.0")
		w.reach(release.Completed)
		if failover {
			w.run(25 * time.Hour)
		}
		before := asked
		w.doubtful("a1")
		w.run(5 * time.Minute)
		w.doubtful("a2")
		if s := w.sentence(); !strings.Contains(s, "alert errors waits for a look at green that agrees, until ") {
			t.Errorf("the sentence says nothing of the alert: %s", s)
		}
		w.run(20 * time.Minute)
		w.users("2.0")
		if ended := w.factsOf(reason.AlertNotCorroborated); len(ended) != 1 || ended[0].Kind != release.NeedsHelp || !w.state().Alert.IsZero() {
			t.Errorf("failover %v: the end of the looks is reported as %+v: %s", failover, ended, w.sentence())
		}
		if looks := asked - before; looks < 10*60/15-1 || looks > 10*60/15+2 {
			t.Errorf("the public address was asked %d times in ten minutes", looks)
		}
	}
}

// TestAnUnknownHealthDoesNotAgree: what cannot be seen is no reason to return, and a person is
// asked at once.
func TestAnUnknownHealthDoesNotAgree(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.gateway.SetHealth(release.Green, engine.Health{Unknown: true, Detail: "no right to ask"})
	w.doubtful("a1")
	w.run(30 * time.Second)
	if doubted := w.factsOf(reason.AlertDoubted); len(doubted) != 1 || !strings.Contains(doubted[0].Text, "the checks of the public address pass, 3 of 3 pods are ready, and the gateway does not know its health") {
		t.Errorf("%+v", doubted)
	}
	w.app.During = []engine.Check{unmade{}}
	w.restart()
	w.run(30 * time.Second)
	if unseen := w.factsOf(reason.AlertUnseen); len(unseen) != 1 || unseen[0].Kind != release.NeedsHelp {
		t.Errorf("%+v", unseen)
	}
	w.run(time.Hour)
	w.users("2.0")
}

// unmade is a check that cannot be made.
type unmade struct{}

func (unmade) Run(context.Context, engine.Subject) engine.Result {
	return engine.Result{Verdict: release.Unknown, Detail: "no route"}
}

func TestAResolvedAlertIsNotLookedAtAnyMore(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.doubtful("a1")
	w.run(time.Minute)
	resolved := release.AlertResolved{ID: "a1", Rule: "errors"}
	if _, err := w.engine.Accept(t.Context(), "shop", engine.ResolvedEntry("a1", resolved, w.clock)); err != nil {
		t.Fatal(err)
	}
	w.run(time.Minute)
	w.live = "https://shop answered 500"
	w.run(20 * time.Minute)
	w.users("2.0")
	if len(w.factsOf(reason.AlertNotCorroborated)) > 0 || len(w.factsOf(reason.AlertResolved)) != 1 {
		t.Error(w.sentence())
	}
}

// TestAFailoverByAlertIsCorroborated: between releases too.
func TestAFailoverByAlertIsCorroborated(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverAlert)
	w.run(25 * time.Hour)
	w.doubtful("a1")
	w.run(2 * time.Minute)
	w.users("2.0")
	w.live = "https://shop answered 500"
	w.reach(release.RolledBack)
	w.users("1.0")
	if s := w.state(); s.Release.Reason != reason.FailoverByAlert || len(s.Quarantined) > 0 {
		t.Errorf("%s, quarantined %v", s.Release.Reason, s.Quarantined)
	}
}
