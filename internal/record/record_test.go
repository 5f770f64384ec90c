package record_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bluegreen/internal/engine"
	"bluegreen/internal/golden"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// filled gives each field of a value one of its own, so that no two are alike.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		filled(key, n)
		filled(value, n)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeOf(time.Time{}) {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 24, 12, 0, *n, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	case reflect.Interface: // Record.Unknown has a test of its own
	default:
		panic("no value for " + v.Type().String())
	}
}

func full() engine.Record {
	var r engine.Record
	n := 0
	filled(reflect.ValueOf(&r).Elem(), &n)
	r.Schema, r.State.Release.Phase = 5, release.Baking
	return r
}

func read(t *testing.T, data []byte) engine.Record {
	t.Helper()
	r, err := record.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func written(t *testing.T, r engine.Record) []byte {
	t.Helper()
	data, err := record.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryFieldOfTheRecordIsStored(t *testing.T) {
	r := full()
	if diff := cmp.Diff(r, read(t, written(t, r))); diff != "" {
		t.Errorf("(-saved +read):\n%s", diff)
	}
}

// The golden record of this schema: a later version must still read it.
func TestTheStoredFormStaysAsItIs(t *testing.T) {
	data, err := json.MarshalIndent(json.RawMessage(written(t, full())), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/schema5.json", string(data)+"\n")
}

// Records that the versions before wrote are read whole, and nothing of them is unknown.
func TestARecordOfAnEarlierSchemaIsRead(t *testing.T) {
	for _, schema := range []string{"schema2", "schema3", "schema4"} {
		t.Run(schema, func(t *testing.T) { readWhole(t, "testdata/"+schema+".json") })
	}
}

func readWhole(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := read(t, data)
	if strings.Contains(string(data), `"retired": true`) != r.State.Blue.Retired() {
		t.Errorf("blue is retired: %v", r.State.Blue.Retired())
	}
	if r.State.Release.Phase != release.Baking || r.State.Serving.Previous.Image.Digest == "" || len(r.State.Good) != 2 || r.Unknown != nil {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(r, read(t, written(t, r))); diff != "" {
		t.Errorf("it is not stored in the present form (-had +read):\n%s", diff)
	}
}

// A handler of schema 3 knows nothing of a suspect color, keeps it, and may send traffic there.
func TestALiveColorIsNotSuspectAfterAnEarlierHandler(t *testing.T) {
	r := engine.Record{Schema: 3, State: release.State{Known: true, Serving: release.Serving{Color: release.Green}}}
	r.State.Blue.Suspect = release.Note{By: release.Actor{Name: "bluegreen"}, Since: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	r.State.Green.Suspect = r.State.Blue.Suspect
	got := read(t, written(t, r)).State
	if got.Blue.Suspect.IsZero() || !got.Green.Suspect.IsZero() {
		t.Errorf("live is green; suspect are blue since %v and green since %v", got.Blue.Suspect.Since, got.Green.Suspect.Since)
	}
}

func TestEveryFieldOfEntriesAndFactsIsStored(t *testing.T) {
	for _, event := range []any{&release.ImagePushed{}, &release.AlertFired{}, &release.AlertResolved{}, &release.Commanded{}} {
		n := 0
		filled(reflect.ValueOf(event).Elem(), &n)
		if push, ok := event.(*release.ImagePushed); ok {
			push.Beside = nil // is known only when the event is decided
		}
		e := engine.Entry{ID: "id", At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Event: reflect.ValueOf(event).Elem().Interface().(release.Event)}
		filled(reflect.ValueOf(&e.Decision).Elem(), &n)
		data, err := record.EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := record.DecodeEntry(data)
		if diff := cmp.Diff(e, got); diff != "" || err != nil {
			t.Errorf("%v (-saved +read):\n%s", err, diff)
		}
	}
	var f release.Fact
	n := 0
	filled(reflect.ValueOf(&f).Elem(), &n)
	data, err := record.EncodeFact(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := record.DecodeFact(data)
	if diff := cmp.Diff(f, got); diff != "" || err != nil {
		t.Errorf("%v (-saved +read):\n%s", err, diff)
	}
	all, err := record.DecodeFacts(fmt.Appendf(nil, "[%s,%s]", data, data))
	if diff := cmp.Diff([]release.Fact{f, f}, all); diff != "" || err != nil {
		t.Errorf("%v (-saved +read):\n%s", err, diff)
	}
}

func TestEachFieldOfAChannelIsStored(t *testing.T) {
	var p engine.Progress
	n := 0
	filled(reflect.ValueOf(&p).Elem(), &n)
	p.Version = "" // the store's own
	data, err := record.EncodeProgress(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := record.DecodeProgress(data)
	if diff := cmp.Diff(p, got); diff != "" || err != nil {
		t.Errorf("%v (-saved +read):\n%s", err, diff)
	}
}

func TestAnEntryThatThisVersionCannotReadIsKept(t *testing.T) {
	const data = `{"id":"x|1","kind":"weather-changed","event":{"rain":true},"at":"2026-11-24T12:00:00Z"}`
	e, err := record.DecodeEntry([]byte(data))
	if err != nil || e.Event != nil || e.Unreadable == nil || !strings.Contains(e.Unreadable.Why, "weather-changed") {
		t.Fatalf("%+v, %v", e, err)
	}
	again, err := record.EncodeEntry(e)
	if err != nil || string(again) != data {
		t.Errorf("%s, %v", again, err)
	}
}

// Decisions of schema 1 are texts only.
func TestADecisionOfSchema1IsRead(t *testing.T) {
	for text, want := range map[string]release.Decision{
		"refused: nothing to cancel: no release so far":             {Kind: release.Refused, Text: "nothing to cancel: no release so far"},
		"release-started: release 12: 2.0 goes to blue, asked by a": {Kind: release.ReleaseStarted, Release: 12, Text: "release 12: 2.0 goes to blue, asked by a"},
		"decided: release candidates wait":                          {Kind: release.Decided, Text: "release candidates wait"},
	} {
		e, err := record.DecodeEntry([]byte(`{"id":"a","kind":"command","event":{"command":"switch","by":"ana"},"at":"2026-11-24T12:00:00Z","decision":"` + text + `"}`))
		want.Reason = reason.Unrecorded
		if err != nil || e.Decision != want {
			t.Errorf("%+v, %v", e.Decision, err)
		}
	}
}

// The outcome of a switch that a handler of schema 1 has begun is that of its release.
func TestADecisionOfSchema1NamesItsRelease(t *testing.T) {
	e, err := record.DecodeEntry([]byte(`{"id":"a","kind":"command","event":{"command":"switch","by":"ana"},"at":"2026-11-24T12:00:00Z","decision":"release-started: release 7: 1.0 (1111) goes to blue, asked by ana"}`))
	if err != nil || e.Decision.Kind != release.ReleaseStarted || e.Decision.Release != 7 {
		t.Fatalf("%+v, %v", e.Decision, err)
	}
	s := release.State{Release: release.Release{ID: 7, Phase: release.Switching}}
	got, err := s.OutcomeOf(e.Event.(release.Commanded), e.At, e.Decision, func() ([]release.Fact, error) { return nil, nil })
	if got != release.OutcomeUnderway || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// with returns the JSON with a value at a path of objects and list indexes.
func with(t *testing.T, data []byte, value any, at ...any) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	in := tree
	for _, step := range at[:len(at)-1] {
		switch step := step.(type) {
		case string:
			in = in.(map[string]any)[step]
		case int:
			in = in.([]any)[step]
		}
	}
	in.(map[string]any)[at[len(at)-1].(string)] = value
	out, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFieldsOfANewerVersionAreKept(t *testing.T) {
	newer := written(t, full())
	places := [][]any{
		{"weather"}, {"app", "weather"}, {"app", "release", "progress", "weather"}, {"app", "blue", "observed", "weather"},
		{"app", "quarantined", 1, "weather"}, {"app", "quarantined", 1, "image", "weather"}, {"lease", "weather"},
	}
	for _, place := range places {
		newer = with(t, newer, map[string]any{"rain": 1e3, "wind": "north"}, place...)
	}
	newer = with(t, newer, 6, "app", "schema")
	r := read(t, newer)
	r.State.Quarantined = append(r.State.Quarantined, release.Quarantine{Why: "one more"}) // the others keep their fields
	r.State.SupersededInARow = 77
	again := written(t, r)
	if strings.Count(string(again), `"weather":{"rain":1000,"wind":"north"}`) != len(places) {
		t.Errorf("not every field was kept:\n%s", again)
	}
	if back := read(t, again); back.State.SupersededInARow != 77 || back.Schema != 6 {
		t.Errorf("%+v", back)
	}
	plain := read(t, written(t, full()))
	if plain.Unknown != nil {
		t.Errorf("fields of this version are unknown: %v", plain.Unknown)
	}
}

// One record of each phase, as the version before wrote it: testdata/schema1.
func TestEveryRecordOfSchema1IsRead(t *testing.T) {
	files, err := filepath.Glob("testdata/schema1/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d records, %v", len(files), err)
	}
	phases := map[release.Phase]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := read(t, data)
			phases[r.State.Release.Phase] = true
			if r.Schema != 1 || r.Lease.Fence == 0 || r.Preflight.Config != "f00d" || len(r.Preflight.Warnings) != 1 || r.Unknown != nil {
				t.Errorf("%+v", r)
			}
			r.Schema = 2
			next := written(t, r)
			if diff := cmp.Diff(r, read(t, next)); diff != "" {
				t.Errorf("it is not stored in the present form (-had +read):\n%s", diff)
			}
			// What a handler of schema 1 sees of the record that the present one has written.
			var before, after struct{ State, Lease, Commit, WakeAt, Checked, Warnings any }
			for text, into := range map[string]any{string(data): &before, string(next): &after} {
				if err := json.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(before, after, cmp.FilterPath(derived, cmp.Ignore())); diff != "" {
				t.Errorf("a handler of schema 1 sees something else (-before +after):\n%s", diff)
			}
		})
	}
	if len(phases) < 10 {
		t.Errorf("only the phases %v", phases)
	}
}

// asSchema1 returns a state as a handler of schema 1 reads it and writes it again.
func asSchema1(t *testing.T, s release.State) release.State {
	t.Helper()
	var row map[string]json.RawMessage
	if err := json.Unmarshal(written(t, engine.Record{Schema: 2, State: s}), &row); err != nil {
		t.Fatal(err)
	}
	delete(row, "app")
	data, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, data).State
}

// A handler of schema 1 never corrects what a color runs while a release is under way. It
// must not learn a release's color from the version that the release replaces.
func TestAReleaseUnderWayGoesOnInSchema1(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	live, before, next := release.Image{Digest: "sha256:2", Tag: "2"}, release.Image{Digest: "sha256:1", Tag: "1"}, release.Image{Digest: "sha256:3", Tag: "3"}
	state := func(p release.Phase) release.State { // nothing is ordered yet
		return release.State{
			App: "shop", Known: true, Releases: 3,
			Serving: release.Serving{Color: release.Green, Image: live, Since: at, Release: 2, Previous: release.Target{Color: release.Blue, Image: before, Replicas: []int32{3}}},
			Blue:    release.ColorState{Observed: release.Observed{Image: before, At: at}, Checked: release.Checked{Image: before, At: at}, Standby: release.Standby{Replicas: []int32{0}, Since: time.Unix(1, 0)}},
			Green:   release.ColorState{Observed: release.Observed{Image: release.Image{Tag: "2"}, At: at}}, // its digest is unknown now
			Release: release.Release{ID: 3, Phase: p, Image: next, To: release.Blue, From: release.Green, Began: at, Since: at},
		}
	}
	for _, p := range []release.Phase{release.Deploying, release.Verifying, release.Awaiting, release.Switching} {
		got := asSchema1(t, state(p))
		if got.Blue.Image() != next || got.Serving.Image != live {
			t.Errorf("%s: blue has %s, live is %s", p, got.Blue.Image(), got.Serving.Image)
		}
	}
	if got := asSchema1(t, state(release.Deploying)).Blue; got.Retired() || !got.Checked.At.IsZero() {
		t.Errorf("a color that is deployed to is still retired or checked: %+v", got)
	}
}

// An operator accepted that traffic came back to green by a change outside bluegreen, long
// after the release there: blue is kept from then on, and the release moved nothing.
func TestAnAcceptedChangeIsNoSwitchInSchema1(t *testing.T) {
	ended := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	accepted, image := ended.Add(48*time.Hour), release.Image{Digest: "sha256:2", Tag: "2"}
	got := asSchema1(t, release.State{
		App: "shop", Known: true, Releases: 3,
		Serving: release.Serving{Color: release.Green, Image: image, Since: accepted},
		Release: release.Release{ID: 3, Phase: release.Completed, Image: image, To: release.Green, From: release.Blue, Since: ended},
	})
	if !got.Serving.Since.Equal(accepted) || got.Serving.Release != 0 || got.Serving.Previous.Color != "" || !got.Release.Since.Equal(accepted) {
		t.Errorf("serving %+v, the release ended at %s", got.Serving, got.Release.Since)
	}
}

// derived are fields of schema 1 that only the phase before needed, or that are measured
// from another moment now.
func derived(p cmp.Path) bool {
	last := p.Last().String()
	for _, name := range []string{"progress", "ready", "routedAt", "switchedAt", "probedAt", "misses", "detail", "fit", "outcome", "operation"} {
		if last == fmt.Sprintf("[%q]", name) {
			return true
		}
	}
	return false
}

// A handler of schema 1 goes on with a release whose first order is not out yet: there the
// color counts as that of the release from its start, not as the rollback target.
func TestSchema1SeesTheImageOfAReleaseBeforeItsFirstOrder(t *testing.T) {
	old, next := release.Image{Tag: "1.0", Digest: "sha256:1"}, release.Image{Tag: "2.1", Digest: "sha256:3"}
	var s release.State
	s.Serving = release.Serving{Color: release.Green, Release: 1, Previous: release.Target{Color: release.Blue, Image: old, Replicas: []int32{3}}}
	s.Blue = release.ColorState{Observed: release.Observed{Image: old}, Checked: release.Checked{Image: old, At: time.Unix(1, 0)}, Standby: release.Standby{Replicas: []int32{0}, Since: time.Unix(1, 0)}}
	s.Releases, s.Release = 2, release.Release{ID: 2, Phase: release.Deploying, Image: next, To: release.Blue, From: release.Green}
	var row struct {
		State struct {
			Blue struct {
				Image             struct{ Digest string }
				Verified, Retired bool
			}
		}
	}
	if err := json.Unmarshal(written(t, engine.Record{Schema: 2, State: s}), &row); err != nil {
		t.Fatal(err)
	}
	if blue := row.State.Blue; blue.Image.Digest != next.Digest || blue.Verified || blue.Retired {
		t.Errorf("%+v", blue)
	}
}

// A handler of schema 4 writes who began a release as text, and keeps the actor of the release
// before, which it does not know.
func TestAnActorIsThatOfItsText(t *testing.T) {
	r := full()
	ana, bo := release.Actor{Claimed: "ana", Route: "act", Key: "1a2b3c4d"}, release.Actor{Proven: "7f", Name: "bo@example.com", Route: "signed-in"}
	r.State.Release.By, r.State.Hold.By = ana, bo
	data := with(t, written(t, r), "cy (claimed), function key", "app", "release", "by")
	data = with(t, data, "", "app", "hold", "by")
	got := read(t, data).State
	if want := (release.Actor{Name: "cy (claimed), function key"}); got.Release.By != want || !got.Hold.By.IsZero() {
		t.Errorf("%+v, and on hold by %+v", got.Release.By, got.Hold.By)
	}
	if got := read(t, written(t, r)).State; got.Release.By != ana || got.Hold.By != bo {
		t.Errorf("%+v and %+v", got.Release.By, got.Hold.By)
	}
	var row struct {
		App struct{ Release struct{ By string } }
	}
	if err := json.Unmarshal(written(t, r), &row); err != nil || row.App.Release.By != "ana (claimed), function key 1a2b3c4d" {
		t.Errorf("a handler of schema 4 reads %q, %v", row.App.Release.By, err)
	}
}
