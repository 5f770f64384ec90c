package pages_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/release"
)

// addresses are all pages, and all forms with what they send.
func addresses() (all []struct{ method, path string }) {
	for _, path := range []string{
		"", "/", "/apps", "/apps/shop", "/apps/shop/history", "/apps/shop/history?show=bad", "/live", "/live?app=shop", "/login", "/logout", "/x", "/apps/shop/x/y",
		"/style.css/../apps/shop", "/../apps/shop", "/%2e%2e/apps/shop", "/apps%2fshop", "/style.css/x", "/templates/app.html", "/static/style.css",
	} {
		all = append(all, struct{ method, path string }{"GET", path}, struct{ method, path string }{"HEAD", path}, struct{ method, path string }{"POST", path})
	}
	for _, v := range release.Commands {
		all = append(all, struct{ method, path string }{"GET", "/apps/shop/" + string(v.Command)}, struct{ method, path string }{"POST", "/apps/shop/" + string(v.Command)})
	}
	return all
}

func principal(id string) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","claims":[{"typ":"oid","val":"` + id + `"},{"typ":"preferred_username","val":"ana@contoso.com"},{"typ":"roles","val":"bluegreen.admin"}]}`))
}

// TestNothingIsShownToAStranger tries every page and every form without credentials, and with
// such as prove nothing.
func TestNothingIsShownToAStranger(t *testing.T) {
	form := url.Values{"key": {"wrong"}, "seen": {"x"}, "why": {"y"}, "next": {"/api/ui/apps/shop"}}
	for name, headers := range map[string][]string{
		"nothing":                  nil,
		"a wrong key":              {"Cookie", "bluegreen-key=wrong"},
		"an empty key":             {"Cookie", "bluegreen-key="},
		"a key where none belongs": {"X-Functions-Key", rightKey, "Authorization", "Bearer " + rightKey},
		"a key of another cookie":  {"Cookie", "key=" + rightKey + "; Bluegreen-Key=" + rightKey},
		"a claim without sign-in":  {"X-MS-CLIENT-PRINCIPAL", principal("1"), "X-MS-CLIENT-PRINCIPAL-NAME", "ana"},
	} {
		s := newSite(t, false, shop())
		for _, a := range addresses() {
			w := s.ask(a.method, "/api/ui"+a.path, form, headers...)
			s.now = s.now.Add(time.Minute) // so that the limit of wrong keys is not what keeps it out
			if body := w.Body.String(); w.Code != http.StatusUnauthorized && !strings.HasPrefix(a.path, "/logout") || strings.Contains(body, "shop:") || strings.Contains(body, "Green is live") {
				t.Errorf("%s: %s %s: %d %s", name, a.method, a.path, w.Code, body)
			}
			if cookies := w.Result().Cookies(); len(cookies) > 0 && cookies[0].Value != "" {
				t.Errorf("%s: %s %s sets %v", name, a.method, a.path, cookies)
			}
		}
		if len(s.api.seen) > 0 {
			t.Errorf("%s: the API was asked: %v", name, s.api.seen)
		}
		if text := s.logged.String(); strings.Contains(text, "wrong") || strings.Contains(text, rightKey) {
			t.Errorf("%s: a key is in the log: %s", name, text)
		}
	}
}

func TestAPrincipalOfThePlatformIsPassedOnAndNoOther(t *testing.T) {
	s := newSite(t, true, shop())
	for name, headers := range map[string][]string{"no principal": nil, "a name alone": {"X-MS-CLIENT-PRINCIPAL-NAME", "ana"}} {
		w := s.ask("GET", "/api/ui/apps/shop", nil, headers...)
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `href="/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fui%2Fapps%2Fshop"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := s.ask("GET", "/api/ui", nil, "X-MS-CLIENT-PRINCIPAL", "e30"); w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
	if len(s.api.seen) > 0 {
		t.Errorf("the API was asked: %v", s.api.seen)
	}
	w := s.ask("GET", "/api/ui/apps/shop", nil, "X-MS-CLIENT-PRINCIPAL", principal("1"), "Cookie", "bluegreen-key="+rightKey)
	s.shows(w.Body.String(), "ana@contoso.com", "Green is live")
	for _, seen := range s.api.seen {
		if !strings.HasSuffix(seen, " key= principal=true") {
			t.Errorf("the API was asked with %s", seen)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("the host was asked about %v", s.asked)
	}
}

func TestAKeyIsKeptWhereNoScriptAndNoOtherSiteGetsIt(t *testing.T) {
	s := newSite(t, false, shop())
	w := s.ask("POST", "/api/ui/login", url.Values{"key": {" " + rightKey + " "}, "next": {"/api/ui/apps/shop"}})
	if at := w.Header().Get("Location"); w.Code != http.StatusSeeOther || at != "/api/ui/apps/shop" {
		t.Fatalf("%d to %q", w.Code, at)
	}
	if got := w.Header().Get("Set-Cookie"); got != "bluegreen-key="+rightKey+"; Path=/api/ui; Max-Age=43200; HttpOnly; Secure; SameSite=Strict" {
		t.Error(got)
	}
	if text := w.Body.String() + w.Header().Get("Location") + s.logged.String() + s.get("/api/ui/apps/shop") + s.get("/api/ui/apps/shop/rollback"); strings.Contains(text, rightKey) {
		t.Errorf("the key is shown: %s", text)
	}
	w = s.ask("POST", "/api/ui/logout", nil, "Cookie", "bluegreen-key="+rightKey)
	if got := w.Header().Get("Set-Cookie"); w.Code != http.StatusSeeOther || !strings.HasPrefix(got, "bluegreen-key=; Path=/api/ui; Max-Age=0;") {
		t.Errorf("%d %s", w.Code, got)
	}
}

func TestTheLoginLeadsToThesePagesOnly(t *testing.T) {
	for next, want := range map[string]string{
		"/api/ui/apps/shop?show=bad": "/api/ui/apps/shop?show=bad", "/api/ui": "/api/ui", "https://evil.example/api/ui": "/api/ui", "//evil.example/api/ui": "/api/ui",
		"/api/ui/../apps": "/api/ui", "/api/uix": "/api/ui", `/\evil.example`: "/api/ui", "javascript:alert(1)": "/api/ui", "": "/api/ui", "/api/ui/%2e%2e/x": "/api/ui", "/api/ui/;url=x": "/api/ui",
	} {
		s := newSite(t, false)
		if at := s.ask("POST", "/api/ui/login", url.Values{"key": {rightKey}, "next": {next}}).Header().Get("Location"); at != want {
			t.Errorf("%q leads to %q", next, at)
		}
	}
}

func TestTheHostIsAskedAboutAKeyOnceAMinute(t *testing.T) {
	s := newSite(t, false, shop())
	for range 3 {
		s.get("/api/ui/apps/shop")
	}
	if len(s.asked) != 1 {
		t.Errorf("asked %d times", len(s.asked))
	}
	s.now = s.now.Add(time.Minute)
	if s.get("/api/ui"); len(s.asked) != 2 {
		t.Errorf("asked %d times", len(s.asked))
	}
	s.now, s.hostErr = s.now.Add(time.Minute), errors.New("no route to host")
	if w := s.ask("GET", "/api/ui", nil, "Cookie", "bluegreen-key="+rightKey); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the key cannot be checked now: no route to host") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestWrongKeysAreLimitedAndKeepNoRightOneOut tries keys until it is stopped.
func TestWrongKeysAreLimitedAndKeepNoRightOneOut(t *testing.T) {
	s := newSite(t, false, shop())
	s.get("/api/ui")
	statuses := map[int]int{}
	for n := range 100 {
		statuses[s.ask("POST", "/api/ui/login", url.Values{"key": {"wrong-" + string(rune('a'+n%26)) + string(rune('a'+n/26))}}).Code]++
	}
	if statuses[http.StatusUnauthorized] != 20 || statuses[http.StatusTooManyRequests] != 80 || len(s.asked) != 21 {
		t.Errorf("%v, asked %d times", statuses, len(s.asked))
	}
	s.now = s.now.Add(59 * time.Second)
	s.get("/api/ui") // known, and still good
	s.now = s.now.Add(2 * time.Second)
	for range 20 {
		s.ask("POST", "/api/ui/login", url.Values{"key": {"wrong"}})
	}
	s.get("/api/ui") // known, and asked about again although no other key would be
	s.now = s.now.Add(time.Minute)
	if w := s.ask("POST", "/api/ui/login", url.Values{"key": {"wrong"}}); w.Code != http.StatusUnauthorized {
		t.Errorf("a minute later: %d", w.Code)
	}
}

func TestAFormOfAnotherSiteDoesNothing(t *testing.T) {
	s := newSite(t, false, shop())
	form := formOf(s.get("/api/ui/apps/shop/rollback"))
	for name, headers := range map[string][]string{
		"another site":         {"Sec-Fetch-Site", "cross-site"},
		"a subdomain":          {"Sec-Fetch-Site", "same-site"},
		"an origin alone":      {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"a hidden origin":      {"Sec-Fetch-Site", "", "Origin", "null"},
		"neither":              {"Sec-Fetch-Site", ""},
		"a forged host header": {"Sec-Fetch-Site", "", "Origin", "https://evil.example", "X-Forwarded-Host", "evil.example"},
	} {
		for _, path := range []string{"/apps/shop/rollback", "/login", "/logout"} {
			w := s.ask("POST", "/api/ui"+path, form, append([]string{"Cookie", "bluegreen-key=" + rightKey}, headers...)...)
			if w.Code != http.StatusForbidden || len(s.api.given) > 0 {
				t.Errorf("%s, %s: %d, given %v", name, path, w.Code, s.api.given)
			}
		}
	}
	if w := s.ask("POST", "/api/ui/apps/shop/rollback", form, "Cookie", "bluegreen-key="+rightKey, "Sec-Fetch-Site", "", "Origin", "https://example.com"); w.Code != http.StatusSeeOther {
		t.Errorf("the pages' own origin: %d %s", w.Code, w.Body)
	}
}

func TestNoPageLoadsOrIsLoadedByAnythingForeign(t *testing.T) {
	s := newSite(t, false, shop())
	for _, path := range []string{"", "/apps/shop", "/style.css", "/live.js", "/x"} {
		h := s.ask("GET", "/api/ui"+path, nil, "Cookie", "bluegreen-key="+rightKey).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"Referrer-Policy":         "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
	}
}

// TestALinkFromElsewhereIsOpenedWithTheCookie: the browser keeps a strict cookie back when a
// link of another site, such as a chat, is followed.
func TestALinkFromElsewhereIsOpenedWithTheCookie(t *testing.T) {
	s := newSite(t, false, shop())
	if got := s.ask("GET", "/api/ui/apps/shop?x=1", nil, "Sec-Fetch-Site", "cross-site").Header().Get("Refresh"); got != "0; url=/api/ui/apps/shop?x=1" {
		t.Errorf("%q", got)
	}
	for _, site := range []string{"same-origin", "none"} {
		if got := s.ask("GET", "/api/ui/apps/shop", nil, "Sec-Fetch-Site", site).Header().Get("Refresh"); got != "" {
			t.Errorf("%s: %q", site, got)
		}
	}
}

// TestAKeyThatReadsGivesNoCommand: the host opens the function look to it, and not act.
func TestAKeyThatReadsGivesNoCommand(t *testing.T) {
	s := newSite(t, false, shop())
	form := formOf(s.get("/api/ui/apps/shop/rollback"))
	asked := len(s.asked)
	for range 30 {
		w := s.ask("GET", "/api/ui/apps/shop/rollback", nil, "Cookie", "bluegreen-key=look")
		s.shows(w.Body.String(), "You may not do this. this key opens the function look alone")
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `name="seen"`) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w = s.ask("POST", "/api/ui/apps/shop/rollback", form, "Cookie", "bluegreen-key=look"); w.Code != http.StatusForbidden || len(s.api.given) > 0 {
			t.Fatalf("%d, given %v", w.Code, s.api.given)
		}
	}
	if n := len(s.asked) - asked; n != 2 {
		t.Errorf("the host was asked %d times", n)
	}
	if w := s.ask("GET", "/api/ui/apps/shop", nil, "Cookie", "bluegreen-key=look"); w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
}

// TestACommandThatTheCallerMayNotGiveIsNotOffered, whatever the app is doing.
func TestACommandThatTheCallerMayNotGiveIsNotOffered(t *testing.T) {
	s := newSite(t, false, shop())
	s.api.forbidden = "function key 1 is not allowed to roll back"
	s.shows(s.get("/api/ui/apps/shop"), "Not possible now", "Roll back to 1.0 Function key 1 is not allowed to roll back")
	page := s.get("/api/ui/apps/shop/rollback")
	s.shows(page, "You may not do this. function key 1 is not allowed")
	if strings.Contains(page, `name="seen"`) {
		t.Error(page)
	}
}
