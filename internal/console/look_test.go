package console_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// many is a site with apps app-000 to the one before n, and nothing else.
func many(t *testing.T, n int) (s *site, names []string) {
	s = newSite(t)
	clear(s.engine.states)
	for i := range n {
		names = append(names, fmt.Sprintf("app-%03d", i))
		s.engine.states[names[i]] = release.State{}
	}
	return s, names
}

// TestAppsComeInPagesByName follows the links of 500 apps, with and without a limit.
func TestAppsComeInPagesByName(t *testing.T) {
	s, names := many(t, 500)
	for from, want := range map[string]int{"/api/apps": 5, "/api/apps?limit=240": 3, "/api/apps?limit=500": 1, "/api/apps?after=app-397&limit=2": 51} {
		var found []string
		pages, at := 0, from
		for ; at != ""; pages++ {
			page := read[api.Apps](t, s.ask("GET", at, ""), 200)
			for _, a := range page.Apps {
				found = append(found, a.Name)
			}
			at = page.Next
		}
		if skipped := 500 - len(found); pages != want || !slices.Equal(found, names[skipped:]) || (skipped > 0) != strings.Contains(from, "after") {
			t.Errorf("%s: %d pages of %d apps", from, pages, len(found))
		}
	}
	if page := read[api.Apps](t, s.ask("GET", "/api/signed-in/apps?limit=1", "", "x-ms-client-principal", principal("oid", "7f", "roles", "bluegreen.viewer")), 200); page.Next != "/api/signed-in/apps?after=app-000&limit=1" {
		t.Error(page.Next)
	}
	for _, q := range []string{"limit=0", "limit=501", "limit=x"} {
		s.fails(400, "invalid", "GET", "/api/apps?"+q, "")
	}
}

// TestTheClientReadsEveryPage of apps, and no endless row of them.
func TestTheClientReadsEveryPage(t *testing.T) {
	s, names := many(t, 500)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	all, err := (&api.Client{Base: server.URL, Key: "k"}).Apps(t.Context())
	if err != nil || len(all.Apps) != 500 || all.Apps[499].Name != names[499] || all.Next != "" || all.LastTick.IsZero() {
		t.Errorf("%d apps, %v", len(all.Apps), err)
	}
}

// TestHealthBeginsWithWhatNeedsAPerson in any app, and reads none when that is not asked for.
func TestHealthBeginsWithWhatNeedsAPerson(t *testing.T) {
	s := newSite(t)
	if h := read[api.Health](t, s.ask("GET", "/api/health", ""), 200); h.Needs == nil || len(h.Needs) > 0 {
		t.Errorf("%+v", h.Needs)
	}
	s.post("/api/apps/shop/deploy", `{"image": "2.0"}`)
	s.engine.arrives("shop")
	s.post("/api/apps/shop/rollback", `{}`)
	s.engine.does("shop", release.RouteObserved{Release: 1, To: release.Blue, Status: release.Denied, Detail: "the gateway has a lock"})
	w := s.ask("GET", "/api/health", "")
	h := read[api.Health](t, w, 200)
	if len(h.Needs) != 1 || h.Needs[0].App != "shop" || !strings.Contains(h.Needs[0].Why, "the gateway has a lock") || len(h.Needs[0].Helps) == 0 || !strings.HasPrefix(h.Needs[0].Helps[0].Command, "bluegreen rollback shop") {
		t.Errorf("%+v", h.Needs)
	}
	if !strings.HasPrefix(strings.TrimLeft(w.Body.String(), "{ \n"), `"needs"`) {
		t.Errorf("something else comes first:\n%s", w.Body)
	}
	if text := s.ask("GET", "/api/health", "", "Accept", "text/plain").Body.String(); !strings.HasPrefix(text, "shop: "+h.Needs[0].Why+"\n  bluegreen ") || !strings.Contains(text, "broken: line 3") {
		t.Error(text)
	}
	if h := read[api.Health](t, s.ask("GET", "/api/health?needs=false", ""), 200); h.Needs != nil || len(h.Apps) != 3 {
		t.Errorf("%+v", h)
	}
}

// TestWhatIsNotReadInTimeIsNoNeed: of a thousand apps, a slow storage lets some be read in time.
func TestWhatIsNotReadInTimeIsNoNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := many(t, 1000)
		s.engine.slow = 200 * time.Millisecond
		began := time.Now()
		h := read[api.Health](t, s.ask("GET", "/api/health", ""), 200)
		if len(h.Needs) > 0 || h.Unread == 0 || h.Unread >= 1000 || h.Status != "ok" {
			t.Errorf("%d needs, %d apps not read, status %s", len(h.Needs), h.Unread, h.Status)
		}
		if s.engine.together > api.MostApps {
			t.Errorf("%d apps are held at the same time", s.engine.together)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("answered after %s", took)
		}
		if text := s.ask("GET", "/api/health", "", "Accept", "text/plain").Body.String(); !strings.Contains(text, " of 1000 apps were not read within 10s: what they need is not known") {
			t.Error(text)
		}
	})
}

// TestASentenceNamesFewApps: ten thousand names are no help to who has mistyped one.
func TestASentenceNamesFewApps(t *testing.T) {
	s, names := many(t, 1000)
	w := s.ask("GET", "/api/apps/ap-001", "")
	if text := w.Body.String(); w.Code != 404 || len(text) > 1000 || !strings.Contains(text, names[0]+", ") || !strings.Contains(text, "and 980 more") {
		t.Errorf("%d, %d bytes: %.300s", w.Code, len(text), text)
	}
}
