package engine_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// One tick has a clock that is an hour ahead. The ticks after it look as if there had been none.
func TestOneClockThatIsAheadKeepsNoAppFromBeingLookedAt(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(2 * time.Hour)
	right := w.clock
	w.clock = right.Add(time.Hour)
	if err := w.engine.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock = right
	w.run(time.Minute)
	w.cluster.Resize(w.state().Serving.Color, 5)
	w.run(12 * time.Minute)
	v, err := w.engine.View(t.Context(), "shop")
	if o := v.State.Color(w.state().Serving.Color).Observed; err != nil || o.Ready != 5 || w.clock.Before(o.At) {
		t.Errorf("12 min after its size changed the live color is shown with %d ready, seen %s ago: %s", o.Ready, w.clock.Sub(o.At), v.Status)
	}
}
