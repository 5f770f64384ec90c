package console_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/release"
)

// meanwhile sends a request while commands stay pending, and lets something happen before they
// are decided; the request is not to be answered before that.
func (s *site) meanwhile(path, body string, then func()) *httptest.ResponseRecorder {
	s.Helper()
	s.engine.held = true
	answered := make(chan *httptest.ResponseRecorder)
	go func() { answered <- s.ask("POST", path, body) }()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := s.engine.Accepted(s.Context(), "shop", "command|key-1"); err == nil {
			break
		} else if time.Now().After(deadline) {
			s.Fatal("never accepted")
		}
	}
	select {
	case w := <-answered:
		s.Fatalf("answered while pending: %s", w.Body)
	case <-time.After(20 * time.Millisecond):
	}
	s.engine.catchUp()
	then()
	return <-answered
}

// A worker holds the app while the command comes, so that its decision is later.
func TestEveryChangeIsAnsweredWithItsDecision(t *testing.T) {
	s := newSite(t)
	w := s.meanwhile("/api/apps/shop/switch", `{"to": "blue"}`, func() {})
	if e := api.ReadError(w.Code, w.Body.Bytes()); w.Code != 409 || e.Code != "refused" || !strings.Contains(e.Message, "already live") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s = newSite(t)
	if a := read[api.Answer](t, s.meanwhile("/api/apps/shop/switch", `{}`, func() {}), 200); a.Outcome != api.Underway || !strings.Contains(a.Text, "goes to green") {
		t.Errorf("%+v", a)
	}
}

func TestAChangeThatIsNotDecidedYetSaysSo(t *testing.T) {
	e := newFakeEngine()
	e.held = true
	s := &site{T: t, engine: e, handler: console.New(console.Options{Engine: e, Keys: access.Operator, Decide: 10 * time.Millisecond, Poll: time.Millisecond})}
	a := read[api.Answer](t, s.ask("POST", "/api/apps/shop/pause", `{}`), 202)
	if a.Outcome != api.Pending || a.Decision != nil || a.Text != "pause is accepted and not decided yet, no worker has taken it up yet: ask again with the same Idempotency-Key" {
		t.Errorf("%+v", a)
	}
}

func TestWaitingEndsWithTheOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		command, body string
		then          func(s *site)
		want          string // outcome or code of the error
	}{
		"switched": {"switch", `{"wait": "switched"}`, func(s *site) { s.engine.arrives("shop") }, "switched"},
		"completed": {"switch", `{"wait": "completed"}`, func(s *site) {
			s.engine.arrives("shop")
			s.engine.does("shop", release.Commanded{Command: release.Promote})
		}, "done"},
		"rolled back": {"switch", `{"wait": true}`, func(s *site) {
			s.engine.arrives("shop")
			s.engine.does("shop", release.Commanded{Command: release.Rollback})
		}, "failed"},
		"returned": {"switch", `{"wait": "switched"}`, func(s *site) {
			s.engine.arrives("shop")
			s.engine.does("shop", release.Commanded{Command: release.Rollback}, release.RouteObserved{Release: 1, To: release.Blue, Status: release.Confirmed, Live: release.Blue})
		}, "failed"},
		"failed": {"deploy", `{"wait": true, "image": "2.0"}`, func(s *site) {
			s.engine.does("shop", release.RolloutObserved{Release: 1, Color: release.Green, Status: release.Broken, Detail: "crash"})
		}, "failed"},
		"superseded": {"deploy", `{"wait": true, "image": "2.0"}`, func(s *site) {
			s.engine.does("shop", release.ImagePushed{Image: release.Image{Tag: "3.0", Digest: digest("3"), PushedAt: noon.Add(time.Minute)}})
		}, "failed"},
		"gate": {"deploy", `{"wait": true, "image": "2.0"}`, func(s *site) {
			s.engine.does("shop", release.Commanded{Command: release.PauseReleases})
			s.engine.arrives("shop")
		}, "needs-promote"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			w := s.meanwhile("/api/apps/shop/"+c.command, c.body, func() { c.then(s) })
			var got struct {
				Outcome string
				Code    string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Outcome+got.Code != c.want || (w.Code == 200) != (got.Code == "") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestWaitingIsBounded(t *testing.T) {
	e := newFakeEngine()
	s := &site{T: t, engine: e, handler: console.New(console.Options{Engine: e, Keys: access.Operator, Wait: 10 * time.Millisecond, Poll: time.Millisecond})}
	s.ask("POST", "/api/apps/shop/switch", `{}`)
	if a := read[api.Answer](t, s.ask("POST", "/api/apps/shop/switch?wait=1", `{}`, api.KeyHeader, "key-1"), 202); a.Outcome != api.Underway {
		t.Errorf("%+v", a)
	}
	e.arrives("shop")
	for wait, status := range map[string]int{"switched": 200, "completed": 202, "false": 200} {
		a := read[api.Answer](t, s.ask("POST", "/api/apps/shop/switch?wait="+wait, `{}`, api.KeyHeader, "key-1"), status)
		if a.Outcome != api.Switched || !strings.Contains(a.Text, "the bake still runs") {
			t.Errorf("%s: %+v", wait, a)
		}
	}
	for _, path := range []string{"pause?wait=maybe", "pause?wait=underway"} {
		s.fails(400, "invalid", "POST", "/api/apps/shop/"+path, `{}`)
	}
	for _, body := range []string{`{"wait": "maybe"}`, `{"wait": "true"}`} {
		if e := s.fails(400, "invalid", "POST", "/api/apps/shop/pause", body); e.Field != "wait" || !strings.Contains(e.Message, "give true, false, switched or completed") {
			t.Errorf("%+v", e)
		}
	}
}
