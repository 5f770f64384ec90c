package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/notify"
	"bluegreen/internal/release"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

// github is GitHub's API on loopback, as far as it is used.
type github struct {
	*httptest.Server
	mu          sync.Mutex
	deployments []map[string]any
	statuses    map[string][]map[string]any // of deployments, by id; newest first
	commits     []map[string]any
	fails       func(r *http.Request, w http.ResponseWriter) bool
}

func newGitHub(t *testing.T) *github {
	g := &github{statuses: map[string][]map[string]any{}}
	mux := http.NewServeMux()
	read := func(r *http.Request) map[string]any {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if d, _ := body["description"].(string); len([]rune(d)) > 140 {
			t.Errorf("a description of %d characters", len([]rune(d)))
		}
		return body
	}
	answer := func(w http.ResponseWriter, status int, v any) {
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /repos/acme/shop/deployments", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sha") != sha || r.URL.Query().Get("environment") == "" {
			t.Errorf("asked for %s", r.URL)
		}
		answer(w, 200, g.deployments)
	})
	mux.HandleFunc("POST /repos/acme/shop/deployments", func(w http.ResponseWriter, r *http.Request) {
		d := read(r)
		if d["ref"] != sha || d["auto_merge"] != false || d["required_contexts"] == nil {
			t.Errorf("a deployment %v", d)
		}
		d["id"] = len(g.deployments) + 1
		g.deployments = append(g.deployments, d)
		answer(w, 201, d)
	})
	mux.HandleFunc("GET /repos/acme/shop/deployments/{id}/statuses", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, append([]map[string]any{}, g.statuses[r.PathValue("id")]...))
	})
	mux.HandleFunc("POST /repos/acme/shop/deployments/{id}/statuses", func(w http.ResponseWriter, r *http.Request) {
		g.statuses[r.PathValue("id")] = append([]map[string]any{read(r)}, g.statuses[r.PathValue("id")]...)
		answer(w, 201, map[string]any{})
	})
	mux.HandleFunc("POST /repos/acme/shop/statuses/"+sha, func(w http.ResponseWriter, r *http.Request) {
		g.commits = append(g.commits, read(r))
		answer(w, 201, map[string]any{})
	})
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer t0ken" || r.Header.Get("X-GitHub-Api-Version") == "" {
			t.Errorf("%s with %v", r.URL, r.Header)
		}
		if g.fails == nil || !g.fails(r, w) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// source answers the same for each image.
type source struct {
	is  engine.Source
	err error
}

func (s source) Source(context.Context, string) (engine.Source, error) { return s.is, s.err }

func (g *github) notifier(t *testing.T, from source) *notify.GitHub {
	t.Helper()
	n, err := notify.NewGitHub(notify.GitHubOptions{
		Token: "t0ken", API: g.URL, Repositories: []string{"acme/*"}, Environment: "prod/{app}", Source: from, Transport: http.DefaultTransport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (g *github) from(repository string) source {
	return source{engine.Source{URL: g.URL + repository, Revision: sha}, nil}
}

func fact(kind release.FactKind, phase release.Phase, number int) engine.Message {
	m := switched
	m.Fact.Kind, m.Fact.Phase, m.Fact.Number, m.Fact.Text = kind, phase, number, fmt.Sprint(kind, " ", number, strings.Repeat(" …", 100))
	return m
}

// TestARevisionGetsItsDeploymentOnce sends each message twice, as after a crash.
func TestARevisionGetsItsDeploymentOnce(t *testing.T) {
	g := newGitHub(t)
	n := g.notifier(t, g.from("/acme/shop.git"))
	for i, m := range []engine.Message{
		fact(release.ReleaseStarted, release.Deploying, 1), fact(release.Advanced, release.Verifying, 2), fact(release.ReleaseSwitched, release.Baking, 3),
		fact(release.NeedsHelp, release.Baking, 4), fact(release.ReleaseCompleted, release.Completed, 5),
	} {
		for range 2 {
			if err := n.Notify(t.Context(), m); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
	}
	if len(g.deployments) != 1 || g.deployments[0]["environment"] != "prod/shop" {
		t.Fatalf("deployments %v", g.deployments)
	}
	var states, commits []string
	for _, s := range slices.Backward(g.statuses["1"]) {
		states = append(states, s["state"].(string))
	}
	for _, c := range g.commits {
		if c["context"] != "bluegreen/shop" {
			t.Errorf("a status %v", c)
		}
		commits = append(commits, c["state"].(string))
	}
	if !slices.Equal(states, []string{"in_progress", "in_progress", "success"}) || !slices.Equal(slices.Compact(commits), []string{"pending", "success"}) {
		t.Errorf("states of the deployment %v, of the commit %v", states, commits)
	}
	next := fact(release.ReleaseStarted, release.Deploying, 9)
	next.Fact.Release = 4 // the same image again
	for _, m := range []engine.Message{next, fact(release.Advanced, release.Superseded, 10), fact(release.ReleaseReturned, release.RolledBack, 11)} {
		if err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if len(g.deployments) != 2 || g.statuses["2"][0]["state"] != "in_progress" || g.statuses["1"][0]["state"] != "failure" || g.statuses["1"][1]["state"] != "inactive" {
		t.Errorf("%v %v", g.deployments, g.statuses)
	}
}

func TestGitHubGetsNothingOfOtherRepositories(t *testing.T) {
	g := newGitHub(t)
	g.fails = func(r *http.Request, _ http.ResponseWriter) bool { t.Errorf("asked for %s", r.URL); return false }
	for name, from := range map[string]source{
		"no source":        {},
		"no revision":      {engine.Source{URL: g.URL + "/acme/shop"}, nil},
		"another owner":    g.from("/evil/shop"),
		"another host":     {engine.Source{URL: "https://evil.example/acme/shop", Revision: sha}, nil},
		"a path upwards":   g.from("/acme/.."),
		"a longer path":    g.from("/acme/shop/issues"),
		"a query":          g.from("/acme/shop%3Fx=1"),
		"a short revision": {engine.Source{URL: g.URL + "/acme/shop", Revision: "0123456"}, nil},
		"a false revision": {engine.Source{URL: g.URL + "/acme/shop", Revision: "../../../user"}, nil},
		"a deleted image":  {engine.Source{}, engine.ErrNotFound},
	} {
		if err := g.notifier(t, from).Notify(t.Context(), switched); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := g.notifier(t, source{err: errors.New("the registry does not answer")}).Notify(t.Context(), switched); err == nil {
		t.Error("a registry that does not answer is no error")
	}
}

func TestGitHubsLimitsAreHonoured(t *testing.T) {
	reset := fmt.Sprint(time.Now().Add(30 * time.Minute).Unix())
	for name, c := range map[string]struct {
		status  int
		header  map[string]string
		later   time.Duration
		refused bool
	}{
		"the rate limit":       {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, 29 * time.Minute, false},
		"the second limit":     {429, map[string]string{"Retry-After": "90"}, 90 * time.Second, false},
		"no right":             {403, map[string]string{"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": reset}, 0, false},
		"a token that ended":   {401, nil, 0, false},
		"no such revision":     {422, nil, 0, true},
		"a repository unknown": {404, nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGitHub(t)
			g.fails = func(_ *http.Request, w http.ResponseWriter) bool {
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				io.WriteString(w, `{"message":"no, t0ken"}`)
				return true
			}
			err := g.notifier(t, g.from("/acme/shop")).Notify(t.Context(), switched)
			var later engine.Later
			errors.As(err, &later)
			if err == nil || errors.Is(err, engine.ErrRefused) != c.refused || later.After < c.later || c.later == 0 && later.After > 0 || strings.Contains(err.Error(), "t0ken") {
				t.Errorf("%v, later %s", err, later.After)
			}
		})
	}
}
