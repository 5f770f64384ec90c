package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// fakeEngine is an engine in memory: the real core decides.
type fakeEngine struct {
	mu       sync.Mutex
	now      time.Time
	policy   release.Policy
	states   map[string]release.State
	facts    map[string][]release.Fact // oldest first
	entries  map[string]engine.Entry   // by app and id
	images   map[string]release.Image  // by tag and digest
	problems map[string][]string
	outdated map[string][]string
	resolved int
	held     bool  // commands stay pending
	down     error // the store cannot be reached
	silent   time.Duration
	slow     time.Duration // of a read
	together int           // the most that were read together
	examined map[string][]engine.Examined
}

func newFakeEngine() *fakeEngine {
	one := release.Image{Tag: "1.0", Digest: digest("1"), PushedAt: noon.Add(-time.Hour)}
	two := release.Image{Tag: "2.0", Digest: digest("2"), PushedAt: noon}
	e := &fakeEngine{
		now: noon, policy: release.Policy{First: release.Blue, Bake: 15 * time.Minute, RetireAfter: 30 * time.Minute, VerifyTimeout: 5 * time.Minute, RolloutTimeout: time.Minute, SwitchTimeout: time.Minute},
		states: map[string]release.State{}, facts: map[string][]release.Fact{}, entries: map[string]engine.Entry{},
		images: map[string]release.Image{"1.0": one, "2.0": two, one.Digest: one, two.Digest: two}, problems: map[string][]string{},
	}
	for _, app := range []string{"pay", "shop"} {
		e.states[app] = release.State{}
		e.happen(app, release.Looked{
			Live: release.Blue, Blue: &release.Observed{Image: one, Replicas: []int32{3}, Ready: 3}, Green: &release.Observed{Image: release.Image{Tag: "0.9", Digest: digest("0")}},
		})
	}
	e.states["broken"], e.problems["broken"] = release.State{}, []string{"line 3: apps[2].bake: is wrong"}
	return e
}

// happen lets an event reach the core.
func (e *fakeEngine) happen(app string, event release.Event) []release.Fact {
	s, facts := release.Next(e.states[app], event, e.policy, e.now)
	s.App = app
	e.states[app] = s
	e.facts[app] = append(e.facts[app], facts...)
	return facts
}

// does is happen for the test's own goroutine.
func (e *fakeEngine) does(app string, events ...release.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range events {
		e.happen(app, event)
	}
}

// arrives brings the release of an app to live traffic.
func (e *fakeEngine) arrives(app string) {
	r := e.state(app).Release
	e.does(app,
		release.DeployCleared{Release: r.ID, Color: r.To},
		release.RolloutObserved{Release: r.ID, Color: r.To, Status: release.Complete, Seen: release.Observed{Image: r.Image, Replicas: []int32{3}, Ready: 3}},
		release.ChecksObserved{Release: r.ID, Color: r.To, Verdict: release.Passed},
		release.RouteObserved{Release: r.ID, To: r.To, Status: release.Confirmed, Live: r.To})
}

func (e *fakeEngine) state(app string) release.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.states[app]
}

func (e *fakeEngine) Apps() []string { return slices.Sorted(maps.Keys(e.states)) }

func (e *fakeEngine) ConfigProblems(app string) []string { return e.problems[app] }

func (e *fakeEngine) ConfigHeld(app string) []string { return e.outdated[app] }

// never stands for a clock that has never ticked.
const never = time.Duration(1<<63 - 1)

func (e *fakeEngine) LastTick(context.Context) (time.Time, error) {
	if e.silent == never {
		return time.Time{}, nil
	}
	return time.Now().Add(-e.silent), nil
}

func (e *fakeEngine) Examine(_ context.Context, app string) ([]engine.Examined, error) {
	return e.examined[app], nil
}

func (e *fakeEngine) View(ctx context.Context, app string) (engine.View, error) {
	if e.slow > 0 {
		select {
		case <-time.After(e.slow):
		case <-ctx.Done():
			return engine.View{}, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.states[app]
	if !ok {
		return engine.View{}, engine.ErrNotFound
	}
	if e.down != nil && app == "pay" {
		return engine.View{}, e.down
	}
	return engine.View{App: app, State: s, Policy: e.policy, Status: release.StatusOf(s, e.policy, e.now), Problems: e.problems[app]}, nil
}

func (e *fakeEngine) Views(ctx context.Context, apps []string) (views []engine.View, errs []error) {
	e.together = max(e.together, len(apps))
	for _, app := range apps {
		view, err := e.View(ctx, app)
		views, errs = append(views, view), append(errs, err)
	}
	return views, errs
}

func (e *fakeEngine) History(_ context.Context, app string, limit, before int) ([]release.Fact, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []release.Fact
	for _, f := range slices.Backward(e.facts[app]) {
		if (before == 0 || f.Number < before) && len(list) < limit {
			list = append(list, f)
		}
	}
	return list, nil
}

func (e *fakeEngine) Command(_ context.Context, app string, c release.Commanded, key string) (engine.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down != nil {
		return engine.Entry{}, e.down
	}
	entry := engine.CommandEntry(key, c, e.now)
	if old, ok := e.entries[app+" "+entry.ID]; ok {
		return old, nil
	}
	if !e.held {
		entry.Decision = e.decide(app, c)
	}
	e.entries[app+" "+entry.ID] = entry
	return entry, nil
}

func (e *fakeEngine) decide(app string, c release.Commanded) release.Decision {
	return release.DecisionOf(c, e.happen(app, c))
}

// catchUp decides what is pending.
func (e *fakeEngine) catchUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = false
	for id, entry := range e.entries {
		if entry.Decision.IsZero() {
			entry.Decision = e.decide(strings.Fields(id)[0], entry.Event.(release.Commanded))
			e.entries[id] = entry
		}
	}
}

func (e *fakeEngine) Accepted(_ context.Context, app, id string) (engine.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry, ok := e.entries[app+" "+id]
	if !ok {
		return engine.Entry{}, fmt.Errorf("entry: %w", engine.ErrNotFound)
	}
	return entry, nil
}

func (e *fakeEngine) Resolve(_ context.Context, _, ref string) (release.Image, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resolved++
	switch i, ok := e.images[ref]; {
	case ref == "chart":
		return release.Image{}, fmt.Errorf("chart: %w: application/vnd.cncf.helm.config.v1+json", engine.ErrNotAnImage)
	case ref == "secret", ref == digest("e"):
		return release.Image{}, errors.New("the registry answered 403")
	case ok:
		return i, nil
	}
	return release.Image{}, engine.ErrNotFound
}

// site is a console on a fake engine.
type site struct {
	*testing.T
	engine  *fakeEngine
	handler http.Handler
	logged  *safeBuffer
	keys    int
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newSite(t *testing.T) *site {
	e, logged := newFakeEngine(), &safeBuffer{}
	h := console.New(console.Options{
		Engine: e, Log: slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wait: 5 * time.Second, Poll: time.Millisecond, SignIn: true, Keys: access.Admin, Configured: func(app string) []api.Setting {
			return map[string][]api.Setting{"shop": {{Key: "bake", Value: "15m"}}}[app]
		},
	})
	return &site{T: t, engine: e, handler: h, logged: logged}
}

// ask sends a request as the host would forward it; headers are pairs, "" takes one away.
func (s *site) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == http.MethodPost {
		s.keys++
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(api.KeyHeader, fmt.Sprintf("key-%d", s.keys))
	}
	r.Header.Set("x-functions-key", "s3cr3t")
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Del(headers[i]); headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func read[T any](t *testing.T, w *httptest.ResponseRecorder, status int) T {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, not %d: %s", w.Code, status, w.Body)
	}
	media := "application/json"
	if status >= 400 {
		media = api.ProblemType
	}
	if got := w.Header().Get("Content-Type"); got != media {
		t.Fatalf("Content-Type %q", got)
	}
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

func (s *site) post(path, body string, headers ...string) api.Answer {
	s.Helper()
	w := s.ask("POST", path, body, headers...)
	if w.Code != 200 && w.Code != 202 {
		s.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	a := read[api.Answer](s.T, w, w.Code)
	if a.Text == "" || (a.Outcome == api.Pending) != (w.Code == 202) {
		s.Fatalf("%s: status %d with outcome %s", path, w.Code, a.Outcome)
	}
	if a.App.Status.Headline == "" {
		s.Fatalf("%s: no sentence", path)
	}
	return a
}

func (s *site) fails(status int, code, method, path, body string, headers ...string) *api.Error {
	s.Helper()
	w := s.ask(method, path, body, headers...)
	e := api.ReadError(status, read[json.RawMessage](s.T, w, status))
	if e.Code != code || e.Message == "" {
		s.Fatalf("%s %s: %s, expected code %s", method, path, w.Body, code)
	}
	return e
}
