package engine_test

import (
	"strings"
	"testing"
	"time"

	"bluegreen/internal/release"
)

// held gives the app to a process that serves it with its last good configuration.
func (w *env) held(why ...string) {
	w.app.Held, w.app.Fingerprint = why, strings.Join(why, "")
	w.restart()
}

// TestAHeldAppGoesOnWithWhatRunsAndStartsNothing: the mistakes in a configuration keep neither
// a bake nor an alert nor a return, and the color without traffic is left as it is.
func TestAHeldAppGoesOnWithWhatRunsAndStartsNothing(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.push("2.0")
	w.reach(release.Baking)
	w.held("line 7: bake is wrong")
	w.run(5 * time.Minute)
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
	w.run(time.Minute)
	w.push("3.0")
	w.run(12 * time.Hour)
	w.users("1.0")
	if i, ready := w.cluster.Running(release.Green); i.Tag != "2.0" || ready == 0 {
		t.Errorf("green runs %s with %d ready", i, ready)
	}
	view, err := w.engine.View(t.Context(), "shop")
	if err != nil || view.Status.Headline != "Needs you: its configuration has a mistake: line 7: bake is wrong" || !strings.Contains(view.Status.String(), "served with its last good configuration; no release starts") || len(view.Problems) == 0 {
		t.Errorf("%q %q, %v", view.Status, view.Problems, err)
	}
	if s := w.state(); !s.Trouble.IsZero() || s.Release.Image.Tag == "2.0" {
		t.Errorf("trouble %+v, release of %s", s.Trouble, s.Release.Image)
	}
	w.held()
	w.reach(release.Completed)
	w.users("3.0")
}

// TestAHeldAppCostsNoMoreThanALookAMinute: nothing that waits for the fix is tried again meanwhile.
func TestAHeldAppCostsNoMoreThanALookAMinute(t *testing.T) {
	sent := 0
	w := newEnv(t, func(call string, after bool) error {
		if call == "wake" && after {
			sent++
		}
		return nil
	})
	w.run(2 * time.Minute)
	w.held("line 7: bake is wrong")
	w.push("2.0")
	w.run(time.Minute)
	before := w.state()
	sent = 0
	w.run(time.Hour)
	if sent == 0 || sent > 100 { // one a minute, and after each periodic task
		t.Errorf("%d wake-ups in an hour", sent)
	}
	if after := w.state(); after.Facts != before.Facts {
		t.Errorf("%d facts were added: %s", after.Facts-before.Facts, w.sentence())
	}
}

func TestAWarningOfTheConfigurationIsShownWithTheApp(t *testing.T) {
	w := newEnv(t, nil)
	w.app.Warnings, w.app.Fingerprint = []string{"line 18: alerts alone"}, "f"
	w.restart()
	w.run(2 * time.Minute)
	view, err := w.engine.View(t.Context(), "shop")
	if err != nil || len(view.Problems) != 1 || view.Problems[0] != "line 18: alerts alone" {
		t.Errorf("%q, %v", view.Problems, err)
	}
	w.push("2.0")
	w.reach(release.Completed) // it keeps nothing from starting
}
