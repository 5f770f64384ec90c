package release_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"bluegreen/internal/release"
)

// hostile fills the texts of a value with what an outsider can send.
func hostile(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(strings.Repeat("a<\x1b\u202e\u200b\n", 40<<10))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		hostile(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 30, 30))
		for n := range v.Len() {
			hostile(v.Index(n))
		}
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for n := range v.NumField() {
				hostile(v.Field(n))
			}
		}
	}
}

// texts calls do with each text of a value, and with the name of its field.
func texts(v reflect.Value, name string, do func(name, text string)) {
	switch v.Kind() {
	case reflect.String:
		do(name, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			texts(v.Elem(), name, do)
		}
	case reflect.Slice:
		for n := range v.Len() {
			texts(v.Index(n), name, do)
		}
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for n := range v.NumField() {
				texts(v.Field(n), v.Type().Field(n).Name, do)
			}
		}
	}
}

// TestTextsOfEventsAreBoundedAndPrint: a rule name of 240 KiB must not make a record that no
// row holds. A gateway's operation is no text, and its adapter bounds it.
func TestTextsOfEventsAreBoundedAndPrint(t *testing.T) {
	most := map[string]int{"Why": 1024, "Signer": 1024, "Summary": 2048, "Detail": 2048, "TargetDetail": 2048, "Unseen": 2048, "Unheld": 2048, "Unconfirmed": 2048, "Denied": 2048, "Warnings": 2048}
	for _, e := range []release.Event{
		&release.ImagePushed{}, &release.AlertFired{}, &release.AlertResolved{}, &release.Commanded{}, &release.Looked{}, &release.ColorSeen{}, &release.RolloutObserved{},
		&release.ChecksObserved{}, &release.RouteObserved{}, &release.TargetObserved{}, &release.Probed{}, &release.SizeFreed{}, &release.StepFailed{}, &release.FenceRaised{},
	} {
		v := reflect.ValueOf(e).Elem()
		hostile(v)
		texts(reflect.ValueOf(release.Bounded(v.Interface().(release.Event))), "", func(name, text string) {
			limit := most[name]
			if limit == 0 {
				limit = 256
			}
			if name != "Operation" && (utf8.RuneCountInString(text) > limit || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })) {
				t.Errorf("%T.%s has %d characters, at most %d may be, and all must print", e, name, utf8.RuneCountInString(text), limit)
			}
		})
	}
}

func TestALongRuleNameMakesNoLongState(t *testing.T) {
	before := release.State{Known: true, Serving: release.Serving{
		Color: release.Green, Image: release.Image{Digest: "sha256:2"}, Since: noon, RoutedAt: noon, Until: noon.Add(time.Hour), Release: 1, Trusted: true,
		Previous: release.Target{Color: release.Blue, Image: release.Image{Digest: "sha256:1"}, Trusted: true},
	}}
	now := noon.Add(time.Minute)
	state, facts := release.Next(before, release.AlertFired{ID: "a", Rule: strings.Repeat("x", 240<<10), At: now}, storyPolicy(), now)
	stored, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) > 32<<10 || state.Release.Phase != release.Returning || len(facts[0].Text) > 8<<10 {
		t.Errorf("the state takes %d KiB, in phase %q", len(stored)>>10, state.Release.Phase)
	}
}
