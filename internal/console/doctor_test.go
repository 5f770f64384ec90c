package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/engine"

	"github.com/google/go-cmp/cmp"
)

func TestTheDoctorSaysWhatItFoundAndTheFix(t *testing.T) {
	s := newSite(t)
	s.engine.examined = map[string][]engine.Examined{"shop": {
		{Check: "registry", Target: "team/shop"},
		{Check: "gateway", Target: "agw", Found: []engine.Finding{{Text: "no pool: create it"}, {Text: "no draining: turn it on", Warning: true}}},
		{Check: "workloads", Target: "green", Err: errors.New("the API server does not\nanswer")},
		{Check: "rights", Target: "agw", Found: []engine.Finding{{Text: "no right", Fix: "grant to OBJECT-ID"}}, Err: errors.New("the others are not known")},
	}}
	d := read[api.Doctor](t, s.ask("GET", "/api/apps/shop/doctor", ""), 200)
	want := []api.Check{
		{Name: "registry", Target: "team/shop", State: api.CheckOK},
		{Name: "gateway", Target: "agw", State: api.CheckProblem, Reason: "no pool", Fix: "create it"},
		{Name: "gateway", Target: "agw", State: api.CheckWarning, Reason: "no draining", Fix: "turn it on"},
		{Name: "workloads", Target: "green", State: api.CheckUnknown, Reason: "the API server does not answer"},
		{Name: "rights", Target: "agw", State: api.CheckProblem, Reason: "no right", Fix: "grant to OBJECT-ID"},
		{Name: "rights", Target: "agw", State: api.CheckUnknown, Reason: "the others are not known"},
	}
	if diff := cmp.Diff(want, d.Checks); diff != "" || d.App != "shop" || d.At.IsZero() {
		t.Errorf("%+v\n%s", d, diff)
	}
	text := s.ask("GET", "/api/apps/shop/doctor", "", "Accept", "text/plain").Body.String()
	if !strings.Contains(text, "gateway (agw): no pool; create it\n") || !strings.Contains(text, "registry (team/shop): ok\n") {
		t.Error(text)
	}
	s.fails(404, "app", "GET", "/api/apps/nope/doctor", "")
	s.fails(405, "method", "POST", "/api/apps/shop/doctor", "{}")
}

func TestTheDoctorLooksAtTheClockAndTheFile(t *testing.T) {
	s := newSite(t)
	s.engine.examined = map[string][]engine.Examined{"": {{Check: "storage", Target: "tables"}}}
	d := read[api.Doctor](t, s.ask("GET", "/api/doctor", ""), 200)
	if len(d.Checks) != 3 || d.LastTick.IsZero() {
		t.Fatalf("%+v", d)
	}
	for _, c := range d.Checks {
		if c.State != api.CheckOK {
			t.Errorf("%+v", c)
		}
	}
	s.engine.silent = time.Hour
	clock := read[api.Doctor](t, s.ask("GET", "/api/doctor", ""), 200).Checks[1]
	if clock.State != api.CheckProblem || !strings.HasPrefix(clock.Reason, "the clock has not ticked since ") || clock.Fix != "look at the function clock-tick and at its log" {
		t.Errorf("%+v", clock)
	}
}

func TestAFileThatCannotBeUsedIsAProblemOfAllApps(t *testing.T) {
	r := httptest.NewRequest("GET", "/api/doctor", nil)
	r.Header.Set("x-functions-key", "s3cr3t")
	w := httptest.NewRecorder()
	console.New(console.Options{Engine: newFakeEngine(), Keys: access.Viewer, Problems: []string{"line 2: apps: is missing"}}).ServeHTTP(w, r)
	file := read[api.Doctor](t, w, 200).Checks[0]
	if file.State != api.CheckProblem || file.Reason != "line 2: apps: is missing" || !strings.Contains(file.Fix, "bluegreen config check") {
		t.Errorf("%+v", file)
	}
}

// TestACommandOfAFixNamesTheIdentity where it is known, and asks for it only where it is needed.
func TestACommandOfAFixNamesTheIdentity(t *testing.T) {
	e, asked := newFakeEngine(), 0
	e.examined = map[string][]engine.Examined{"shop": {{Check: "rights", Found: []engine.Finding{{Text: "no right: az role assignment create --assignee-object-id OBJECT-ID"}}}}}
	for id, want := range map[string]string{"0f1c": "--assignee-object-id 0f1c", "": "--assignee-object-id OBJECT-ID"} {
		c := console.New(console.Options{Engine: e, Keys: access.Viewer, ObjectID: func(context.Context) string { asked++; return id }})
		ask := func(path string) api.Doctor {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("x-functions-key", "s3cr3t")
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			return read[api.Doctor](t, w, 200)
		}
		if fix := ask("/api/apps/shop/doctor").Checks[0].Fix; !strings.HasSuffix(fix, want) {
			t.Errorf("%q", fix)
		}
		ask("/api/apps/pay/doctor")
	}
	if asked != 2 {
		t.Errorf("asked %d times for the identity", asked)
	}
}
