package pages_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/pages"
	"bluegreen/internal/release"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func ofTag(tag, c string) api.Image { return api.Image{Tag: tag, Digest: digest(c)} }

// fakeAPI answers as the API does, from memory.
type fakeAPI struct {
	mu        sync.Mutex
	apps      []api.App
	facts     []api.Fact
	refused   map[release.Command]string
	forbidden string
	given     map[string]api.Request // by idempotency key
	seen      []string               // method, path and credentials of each request
	problems  []string
	settings  []api.Setting
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, fmt.Sprintf("%s %s key=%s principal=%t", r.Method, r.URL.Path, r.Header.Get("x-functions-key"), r.Header.Get("X-MS-CLIENT-PRINCIPAL") != ""))
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/apps"), "/")
	if len(parts) < 2 {
		api.Write(w, http.StatusOK, api.Apps{Apps: f.apps, Problems: f.problems})
		return
	}
	for _, a := range f.apps {
		if a.Name == parts[1] {
			f.serveApp(w, r, a, append(parts[2:], "", ""))
			return
		}
	}
	api.WriteError(w, r, api.Errorf(http.StatusNotFound, "app", "no app is called %q", parts[1]))
}

func (f *fakeAPI) serveApp(w http.ResponseWriter, r *http.Request, a api.App, rest []string) {
	command := release.Command(rest[0])
	switch {
	case rest[0] == "":
		api.Write(w, http.StatusOK, a)
	case rest[0] == "history":
		api.Write(w, http.StatusOK, api.History{App: a.Name, Facts: f.facts})
	case rest[0] == "configuration":
		api.Write(w, http.StatusOK, api.Configuration{Settings: f.settings})
	case rest[0] == "plans":
		var all api.Plans
		for _, v := range release.Commands {
			all.Plans = append(all.Plans, f.plan(v.Command))
		}
		api.Write(w, http.StatusOK, all)
	case rest[0] == "commands":
		if _, ok := f.given[rest[1]]; !ok {
			api.WriteError(w, r, api.Errorf(http.StatusNotFound, "key", "no such command"))
			return
		}
		api.Write(w, http.StatusOK, api.Answer{ID: "command|" + rest[1], Outcome: api.Done, Text: "it is done", Decision: &api.Decision{Text: "done"}, App: a})
	case r.Method == http.MethodGet:
		api.Write(w, http.StatusOK, f.plan(command))
	default:
		f.take(w, r, command)
	}
}

func (f *fakeAPI) plan(c release.Command) api.Plan {
	if f.forbidden != "" {
		return api.Plan{Command: c, Forbidden: f.forbidden}
	}
	if why := f.refused[c]; why != "" {
		return api.Plan{Command: c, Refused: why}
	}
	return api.Plan{Command: c, Will: []string{"it does " + string(c)}, WillNot: []string{"move traffic now"}}
}

func (f *fakeAPI) take(w http.ResponseWriter, r *http.Request, c release.Command) {
	key := r.Header.Get(api.KeyHeader)
	if why := f.refused[c]; why != "" {
		api.WriteError(w, r, &api.Error{Status: http.StatusConflict, Code: "refused", Message: why})
		return
	}
	var asked api.Request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || key == "" {
		api.WriteError(w, r, api.Errorf(http.StatusBadRequest, "invalid", "key %q: %v", key, err))
		return
	}
	f.given[key] = asked
	api.Write(w, http.StatusAccepted, api.Answer{ID: "command|" + key, Outcome: api.Underway})
}

// shop is an app whose release bakes on green.
func shop() api.App {
	return api.App{
		Name: "shop", Phase: release.Baking, Live: release.Green, UpdatedAt: noon,
		Status: api.Status{
			Standing: release.Moving, Headline: "Green is live with 2.0; baking until 12:10 UTC", Doing: "baking 2.0 on green",
			Until: "in 10 min: 2.0 counts as good", Rollback: "to blue with 1.0; 3 of 3 pods ready",
		},
		Colors: api.Colors{
			Blue:  api.Color{Role: api.RollbackTarget, Image: ofTag("1.0", "1"), Observed: ofTag("1.0", "1"), Replicas: []int32{3}, Ready: 3, SeenAt: noon.Add(-9 * time.Second)},
			Green: api.Color{Role: api.Live, Image: ofTag("2.0", "2"), Observed: ofTag("2.0", "2"), Replicas: []int32{3}, Needed: []int32{3}, Ready: 3, SeenAt: noon.Add(-9 * time.Second), Checked: true},
		},
		Release:        &api.Release{ID: 7, Phase: release.Baking, Image: ofTag("2.0", "2"), To: release.Green, From: release.Blue, Began: noon.Add(-8 * time.Minute), Since: noon.Add(-5 * time.Minute), BakeUntil: noon.Add(10 * time.Minute)},
		RollbackTarget: &api.Target{Color: release.Blue, Image: ofTag("1.0", "1"), Replicas: []int32{3}},
	}
}

const rightKey = "right-key"

// site is the pages on a fake API.
type site struct {
	*testing.T
	api     *fakeAPI
	handler http.Handler
	now     time.Time
	asked   []string // keys that the host was asked about
	hostErr error
	logged  bytes.Buffer
}

func newSite(t *testing.T, signIn bool, apps ...api.App) *site {
	s := &site{T: t, api: &fakeAPI{apps: apps, refused: map[release.Command]string{}, given: map[string]api.Request{}}, now: noon}
	s.handler = pages.New(pages.Options{
		API: s.api, SignIn: signIn, Now: func() time.Time { return s.now }, Log: slog.New(slog.NewTextHandler(&s.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Verify: func(_ context.Context, key string, commands bool) (bool, error) {
			s.asked = append(s.asked, key)
			return key == rightKey || key == "look" && !commands, s.hostErr
		},
	})
	return s
}

// ask sends a request as a browser on these pages does; headers are pairs, "" takes one away.
func (s *site) ask(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Del(headers[i]); headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// get reads a page with the right key.
func (s *site) get(path string) string {
	s.Helper()
	w := s.ask("GET", path, nil, "Cookie", "bluegreen-key="+rightKey)
	if w.Code != http.StatusOK {
		s.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// shows checks that the text of a page has parts, in this order.
func (s *site) shows(page string, parts ...string) {
	s.Helper()
	text := textOf(page)
	for _, part := range parts {
		_, rest, ok := strings.Cut(text, part)
		if !ok {
			s.Fatalf("%q is not, or not there, in:\n%s", part, textOf(page))
		}
		text = rest
	}
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

func htmlText(s string) string { return html.UnescapeString(s) }

// textOf is a page without its markup.
func textOf(page string) string {
	return spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(page, " ")), " ")
}
