package engine_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// raise sets the fence of a color, as a copied manifest does.
func (w *env) raise(c release.Color, ahead time.Duration) {
	w.t.Helper()
	if err := w.cluster.Deploy(w.t.Context(), engine.Order{Color: c, Fence: w.clock.Add(ahead).Unix()}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) helpAskedFor(why reason.Reason) bool {
	w.t.Helper()
	history, err := w.store.History(w.t.Context(), "shop", 1000, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range history {
		if f.Kind == release.NeedsHelp && f.Reason == why {
			return true
		}
	}
	return false
}

// TestAFenceRaisedOutsideIsReportedAndPassed: a release goes on above it, and so does the
// rollback.
func TestAFenceRaisedOutsideIsReportedAndPassed(t *testing.T) {
	w := newEnv(t, nil)
	w.run(time.Minute)
	w.cluster.Seed(release.Green, img("0.9", time.Time{}), 1)
	w.raise(release.Green, time.Hour)
	w.push("2.0")
	if !w.until(w.clock.Add(time.Hour), func() bool { return w.state().Release.Phase == release.Baking }) {
		t.Fatalf("the release does not go on: %s", w.sentence())
	}
	if !w.helpAskedFor(reason.FenceRaised) {
		t.Error("nobody was asked to look")
	}
	w.raise(release.Blue, 2*time.Hour)
	w.alert("a1")
	if !w.until(w.clock.Add(time.Hour), func() bool { return w.state().Release.Phase == release.RolledBack }) {
		t.Fatalf("the rollback does not go on: %s", w.sentence())
	}
	w.users("1.0")
}

// TestAWorkerThatIsFencedOffSaysSo: another worker has taken the app, and acted.
func TestAWorkerThatIsFencedOffSaysSo(t *testing.T) {
	var w *env
	taken := false
	w = newEnv(t, func(call string, after bool) error {
		if call == "deploy" && !after && !taken {
			taken = true
			w.claimedBy("another/1", time.Minute)
			return w.cluster.Deploy(t.Context(), engine.Order{Color: release.Green, Fence: w.fence()})
		}
		return nil
	})
	w.cluster.Seed(release.Green, img("0.9", time.Time{}), 1)
	w.run(time.Minute)
	var log bytes.Buffer
	w.engine = engine.New(engine.Options{
		Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Now: func() time.Time { return w.clock }, Sleep: w.sleep,
	})
	w.push("2.0")
	w.run(30 * time.Second)
	if i, _ := w.cluster.Running(release.Green); !taken || i.Tag != "0.9" || !strings.Contains(log.String(), "a write was refused by its fence") {
		t.Errorf("green runs %s; the log:\n%s", i, log.String())
	}
	if w.helpAskedFor(reason.FenceRaised) {
		t.Error("another worker's fence was reported as raised outside bluegreen")
	}
}
