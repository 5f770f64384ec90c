package engine_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// The standby was seen ready minutes ago, by a glance, when its cluster does not answer a look.
func TestALookThatCannotSeeAColorForgetsNoGlance(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverAlert)
	w.run(25 * time.Hour)
	seen := func() time.Duration {
		v, err := w.engine.View(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return w.clock.Sub(v.State.Blue.Observed.At)
	}
	for w.clock.Sub(w.state().Blue.Observed.At) < 30*time.Minute {
		w.run(time.Minute)
	}
	before := seen()
	w.cluster.ColorAway(release.Blue, true)
	for last := w.state().Green.Observed.At; w.state().Green.Observed.At.Equal(last); {
		w.run(time.Minute)
	}
	w.cluster.ColorAway(release.Blue, false)
	if after := seen(); after > before+6*time.Minute {
		t.Errorf("the standby was seen %s ago, and after a look that did not see it %s ago", before, after)
	}
	w.alert("errors")
	w.run(3 * time.Minute)
	w.users("1.0")
}
