package engine_test

import (
	"context"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// alertAfter passes, and an alert arrives with the second question after the switch.
type alertAfter struct {
	w     *env
	asked int
}

func (c *alertAfter) Run(context.Context, engine.Subject) engine.Result {
	if c.w.gateway.Effective() == release.Blue {
		return engine.Result{Verdict: release.Passed}
	}
	if c.asked++; c.asked == 2 {
		c.w.alert("a1")
	}
	return engine.Result{Verdict: release.Passed}
}

// Checks that a switch has passed on the data path say nothing of the return: the gateway
// is asked for it at once.
func TestAnAlertBetweenChecksOfTheDataPathReturnsAtOnce(t *testing.T) {
	w := newEnv(t, nil)
	check := &alertAfter{w: w}
	w.app.During = []engine.Check{check, check, check, check}
	w.restart()
	w.push("2.0")
	w.reach(release.RolledBack)
	facts, err := w.store.History(t.Context(), "shop", 50, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		if f.Kind == release.ReleaseReturned && f.Took > 21*time.Second { // the gateway takes 20 s
			t.Errorf("the return took %s", f.Took)
		}
	}
	w.users("1.0")
}
