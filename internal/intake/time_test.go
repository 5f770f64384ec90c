package intake_test

import (
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// switched is when the release that bakes got its traffic.
func (w *env) switched() time.Time { return w.state("shop").Serving.RoutedAt }

// decision is that about the alert with the id 1.
func (w *env) decision() release.Decision {
	w.t.Helper()
	e, err := w.engine.Accepted(w.t.Context(), "shop", "alert|"+id("1")+"|fired")
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Decision
}

// TestALogAlertWhoseWindowEndedBeforeTheSwitchReturnsNothing: it fires minutes after the data,
// when the version that it measured has no users any more.
func TestALogAlertWhoseWindowEndedBeforeTheSwitchReturnsNothing(t *testing.T) {
	for name, form := range map[string]func(actiongroup.Alert) []byte{
		"log":                func(a actiongroup.Alert) []byte { return a.Log("Host", "web", 3) },
		"log of the old API": func(a actiongroup.Alert) []byte { return a.LogV1("Host", "web", 3) },
		"metric":             func(a actiongroup.Alert) []byte { return a.Metric("shop-green", 57, 20) },
	} {
		for until, want := range map[time.Duration]reason.Reason{-time.Minute: reason.AlertBeforeSwitch, time.Minute: reason.Returning} {
			w := newEnv(t, changes{})
			w.baking()
			_ = w.sleep(t.Context(), 5*time.Minute)
			w.post(form(actiongroup.Alert{ID: id("1"), Rule: "shop-5xx", FiredAt: w.switched().Add(4 * time.Minute), Until: w.switched().Add(until)}))
			if d := w.decision(); d.Reason != want {
				t.Errorf("%s, window ended %s after the switch: %s (%s)", name, until, d.Text, d.Reason)
			}
		}
	}
}

// TestAnAlertCountsFromItsTimeWheneverItIsDecided: the app is held by another worker until
// the rollback window is over.
func TestAnAlertCountsFromItsTimeWheneverItIsDecided(t *testing.T) {
	const window = 24 * time.Hour // the default
	a := actiongroup.Alert{ID: id("1"), Rule: "shop-5xx"}
	without := func(body []byte) []byte {
		return []byte(strings.NewReplacer("firedDateTime", "other", "windowEndTime", "another").Replace(string(body)))
	}
	tests := []struct {
		name     string
		received time.Duration // after the switch
		body     func(*env) []byte
		want     reason.Reason
	}{
		{"in the window", window - time.Hour, func(w *env) []byte { a.FiredAt = w.now(); return a.Metric("shop-green", 1, 0) }, reason.Returning},
		{"no time", window - time.Hour, func(w *env) []byte { return without(a.Metric("shop-green", 1, 0)) }, reason.Returning},
		{"times without zone", window - time.Hour, func(w *env) []byte {
			a.FiredAt = w.now().Add(2 * time.Hour) // what a clock two hours ahead of UTC shows
			text := a.FiredAt.UTC().Format(time.RFC3339Nano)
			return []byte(strings.ReplaceAll(string(a.Metric("shop-green", 1, 0)), text, strings.TrimSuffix(text, "Z")))
		}, reason.Returning},
		{"in the future", window - time.Hour, func(w *env) []byte {
			a.FiredAt = w.now().Add(48 * time.Hour)
			return a.Metric("shop-green", 1, 0)
		}, reason.Returning},
		{"received late", window + time.Hour, func(w *env) []byte { a.FiredAt = w.switched().Add(time.Hour); return a.Metric("shop-green", 1, 0) }, reason.Returning},
		{"after the window", window + time.Hour, func(w *env) []byte { a.FiredAt = w.now(); return a.Metric("shop-green", 1, 0) }, reason.AlertOutOfWindow},
		{"no time, after the window", window + time.Hour, func(w *env) []byte { return without(a.Metric("shop-green", 1, 0)) }, reason.AlertOutOfWindow},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t, changes{})
			w.baking()
			w.baked()
			_ = w.sleep(t.Context(), w.switched().Add(test.received).Sub(w.now()))
			free := w.hold("shop", 3*time.Hour)
			if _, answer := w.post(test.body(w)); answer.Result != "accepted" || answer.Apps[0].Decision != nil {
				t.Fatalf("%+v", answer)
			}
			_ = w.sleep(t.Context(), 2*time.Hour)
			free()
			if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
				t.Fatal(err)
			}
			if d := w.decision(); d.Reason != test.want {
				t.Errorf("%s (%s)", d.Text, d.Reason)
			}
		})
	}
}

// baked works on shop until its bake is over.
func (w *env) baked() {
	w.t.Helper()
	for range 500 {
		if w.state("shop").Release.Phase == release.Completed {
			return
		}
		if err := w.engine.Step(w.t.Context(), "shop", 0); err != nil {
			w.t.Fatal(err)
		}
		_ = w.sleep(w.t.Context(), 5*time.Second)
	}
	w.t.Fatalf("never completed: %s", release.StatusOf(w.state("shop"), release.Policy{}, w.now()))
}

// hold makes another worker hold an app; the returned function frees it.
func (w *env) hold(app string, d time.Duration) func() {
	w.t.Helper()
	set := func(l engine.Lease) {
		snap, err := w.store.Load(w.t.Context(), app)
		if err != nil {
			w.t.Fatal(err)
		}
		record := snap.Record
		l.Fence = record.Lease.Fence + 1
		record.Lease = l
		if _, err := w.store.Commit(w.t.Context(), snap, engine.Change{Record: record}); err != nil {
			w.t.Fatal(err)
		}
	}
	set(engine.Lease{Owner: "another", Until: w.now().Add(d)})
	return func() { set(engine.Lease{}) }
}
