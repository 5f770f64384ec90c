package engine_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// Only the worker whose own commit was done sends a wake-up: many messages at once for one
// app must not become many streams of messages, each of which lasts until the bake ends.
func TestManyMessagesAtOnceLeaveOneWakeup(t *testing.T) {
	const messages = 7
	waiting := 0 // further workers that are to come between a worker's load and its commit
	var w *env
	w = newEnv(t, func(call string, after bool) error {
		if call == "commit" && !after && waiting > 0 {
			waiting--
			if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	w.push("2.0")
	w.reach(release.Baking)
	for {
		at, ok := w.wakeups.Next()
		if !ok {
			break
		}
		w.clock = at
		w.wakeups.Due(at)
	}
	w.clock = w.clock.Add(time.Second)
	waiting = messages - 1
	if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for {
		if _, ok := w.wakeups.Due(w.clock.Add(24 * time.Hour)); !ok {
			break
		}
		sent++
	}
	if waiting != 0 || sent != 1 || w.state().Release.Phase != release.Baking {
		t.Errorf("%d workers at once sent %d wake-ups, want 1 (%d did not come; %s)", messages, sent, waiting, w.sentence())
	}
}
