package engine_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
)

// A record of each phase, as the version before wrote it, is worked on until it is at rest.
func TestARecordOfTheVersionBeforeGoesOn(t *testing.T) {
	files, err := filepath.Glob("../record/testdata/schema1/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old, err := record.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			w := standing(t, old)
			if !old.State.Pause.IsZero() {
				w.command(release.ResumeReleases)
			}
			w.run(26 * time.Hour)
			snap, err := w.store.Load(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			s := snap.Record.State
			if s.Release.Phase.Active() || snap.Record.Lease.Owner != "" || len(snap.Inbox) > 0 || snap.Record.Schema != 5 || !s.Trouble.IsZero() && s.Drift.IsZero() {
				t.Errorf("schema %d, lease %q: %s", snap.Record.Schema, snap.Record.Lease.Owner, w.sentence())
			}
			if s.Drift.IsZero() && (w.gateway.Effective() != s.Serving.Color || s.Facts < old.State.Facts) {
				t.Errorf("users are on %s, facts %d of %d: %s", w.gateway.Effective(), s.Facts, old.State.Facts, w.sentence())
			}
			if old.State.Release.Phase == release.Returning && s.Release.Phase != release.RolledBack {
				t.Errorf("the return ended %s: %s", s.Release.Phase, w.sentence())
			}
		})
	}
}

// standing is an app that is as its record says, with a gateway that knows none of the
// operations that were under way.
func standing(t *testing.T, r engine.Record) *env {
	w := newEnv(t, nil)
	w.clock = r.WakeAt
	for color, image := range map[release.Color]release.Image{release.Blue: r.State.Blue.Image(), release.Green: r.State.Green.Image()} {
		if !image.IsZero() {
			w.cluster.Seed(color, image, 3)
		}
	}
	if live := r.State.Serving.Color; live != "" {
		w.gateway.Rival(live)
		w.clock = w.clock.Add(time.Minute)
	}
	if _, err := w.store.Commit(t.Context(), engine.Snapshot{App: "shop"}, engine.Change{Record: r}); err != nil {
		t.Fatal(err)
	}
	return w
}

// During a rolling deployment, and after one was undone, a record of the next schema is
// worked on like one of the present one.
func TestARecordOfTheNextSchemaIsWorkedOn(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	next := snap.Record
	next.Schema = 6
	if _, err := w.store.Commit(t.Context(), snap, engine.Change{Record: next}); err != nil {
		t.Fatal(err)
	}
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
}

// A phase that this version does not know stops this app, and says so.
func TestAnUnknownPhaseIsAnErrorAndNotAFailure(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	next := snap.Record
	next.State.Release.Phase = "shifting"
	if _, err := w.store.Commit(t.Context(), snap, engine.Change{Record: next}); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Step(t.Context(), "shop", 0); err == nil || !strings.Contains(err.Error(), `"shifting"`) {
		t.Errorf("a step: %v", err)
	}
	v, err := w.engine.View(t.Context(), "shop")
	if err != nil || !strings.HasPrefix(v.Status.Headline, "Needs you: not served: its release is in the phase \"shifting\"") {
		t.Errorf("%q, %v", v.Status, err)
	}
	if w.users("2.0"); w.state().Release.Phase != "shifting" {
		t.Errorf("the record was changed: %+v", w.state().Release)
	}
}

// asSchema1 writes the record as a handler of schema 1 does, which knows nothing of the
// present form.
func (w *env) asSchema1() {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := record.Encode(snap.Record)
	if err != nil {
		w.t.Fatal(err)
	}
	var row map[string]json.RawMessage
	if err := json.Unmarshal(data, &row); err != nil {
		w.t.Fatal(err)
	}
	delete(row, "app")
	if data, err = json.Marshal(row); err != nil {
		w.t.Fatal(err)
	}
	old, err := record.Decode(data)
	if err != nil || old.Schema != 1 {
		w.t.Fatal(old.Schema, err)
	}
	if _, err := w.store.Commit(w.t.Context(), snap, engine.Change{Record: old}); err != nil {
		w.t.Fatal(err)
	}
}

// A handler of schema 1 writes the record in each phase, as in a rolling deployment.
func TestTwoVersionsShareOneStorage(t *testing.T) {
	w := newEnv(t, nil)
	w.engine = engine.New(engine.Options{ // whose workers leave the app after each step
		Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app}, Budget: time.Nanosecond,
		Now: func() time.Time { return w.clock }, Sleep: w.sleep,
	})
	seen := map[release.Phase]bool{}
	until := func(end release.Phase) {
		t.Helper()
		for limit := w.clock.Add(2 * time.Hour); w.state().Release.Phase != end; {
			before := w.state().Release
			if !w.until(limit, func() bool { r := w.state().Release; return r.Phase != before.Phase || r.ID != before.ID }) {
				t.Fatalf("never %s: %s", end, w.sentence())
			}
			seen[w.state().Release.Phase] = true
			w.asSchema1()
		}
	}
	for _, tag := range []string{"2.0", "3.0"} {
		w.push(tag)
		until(release.Baking)
		until(release.Completed)
		w.users(tag)
		w.run(time.Hour) // the other color is scaled down
	}
	w.alert("a1")
	until(release.RolledBack)
	w.users("2.0")
	if len(seen) != 7 {
		t.Errorf("the record was handed over only in %v", seen)
	}
}
