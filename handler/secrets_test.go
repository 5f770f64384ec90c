package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/app"
	"bluegreen/internal/azure/acr"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/probe"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
)

// planted is an error with secrets in every form that clients were seen to write, and the name of
// its source.
func planted(source string) error {
	return fmt.Errorf("planted-%s: %w", source, &url.Error{
		Op: "Get", URL: "https://ana:S3CRET@host.example/p?sig=S3CRET&code=S3CRET",
		Err: errors.New(`answered AccountKey=S3CRET==; Authorization: Bearer S3CRET-S3CRET-S3CRET-S3CRET {"access_token":"S3CRET"}`),
	})
}

// sinks is an app whose parts fail one after another, and all that leaves it.
type sinks struct {
	t     *testing.T
	mu    sync.Mutex
	clock time.Time
	fails string // the call that fails now
	log   bytes.Buffer
	out   bytes.Buffer // answers, and what was published
	store *fake.Store
	posts int
	make  func(acr bool) (*engine.Engine, http.Handler)
}

func (s *sinks) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *sinks) hook(call string, after bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !after && s.fails == call {
		return planted(call)
	}
	return nil
}

func (s *sinks) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *sinks) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
	return ctx.Err()
}

// Notify implements engine.Notifier.
func (s *sinks) Notify(_ context.Context, m engine.Message) error {
	if err := s.hook("notify", false); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.NewEncoder(&s.out).Encode(m)
}

// broken answers each check with what it was sent, which is no HTTP, while it is to fail.
func (s *sinks) broken() string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/services/") {
			if s.hook("chat", false) != nil {
				w.WriteHeader(http.StatusTeapot)
			}
			fmt.Fprintf(w, "planted-chat is not %s?%s", r.URL.EscapedPath(), r.URL.RawQuery)
			return
		}
		if s.hook("check", false) == nil {
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.t.Error(err)
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 planted-check-%s %s\r\n\r\n", r.Header.Get("X-Key"), r.URL.RawQuery)
		conn.Close()
	}))
	s.t.Cleanup(server.Close)
	return server.URL
}

// registry refuses every token, and names it.
func (s *sinks) registry() string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `planted-registry {"refresh_token":"S3CRET"} from https://ana:S3CRET@token.example/?refresh_token=S3CRET`)
	}))
	s.t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	return "localhost:" + port
}

func leaking(t *testing.T) *sinks {
	s := &sinks{t: t, clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	at := s.broken()
	file := fmt.Sprintf(`
notify: {channels: [{name: chat, slack: {url: "{setting:NOTIFY_CHAT}"}}]}
apps:
  - name: shop
    image: {registry: %s, repository: team/shop, tags: "glob:*"}
    colors:
      blue:  {cluster: "context:a", namespace: shop, deployment: shop, selector: {color: blue}}
      green: {cluster: "context:a", namespace: shop, deployment: shop-green, selector: {color: green}}
    gateway: {service: shop}
    alerts: [{rule: "*"}]
    verify: {http: [{url: "%s/v?code={setting:CHECK_KEY}", headers: {X-Key: "{setting:CHECK_KEY}"}}]}
    confirm: {http: [{url: "%[2]s/c?code={setting:CHECK_KEY}", headers: {X-Key: "{setting:CHECK_KEY}"}}]}
  - name: wrong
    image: {registry: "https://ana:S3CRET@planted-config.example?sig=S3CRET", repository: team/shop, tags: "glob:*"}
    verify: {http: [{url: "https://ana:S3CRET@planted-config", headers: {Authorization: S3CRET}}, {url: "https://a?code=S3CRET"}]}
`, s.registry(), at)
	loaded, err := config.Load([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	s.store = fake.NewStore(s.hook)
	gateway := fake.NewGateway(release.Blue, time.Second, s.now, s.hook)
	cluster := fake.NewCluster(s.now, s.sleep, s.hook)
	cluster.Behave("", fake.Behaviour{Ready: time.Second})
	cluster.Seed(release.Blue, release.Image{Tag: "1.0", Digest: "sha256:1"}, 2)
	log := newLog(s, s)
	setting := env("CHECK_KEY", "S3CRET/+=", "NOTIFY_CHAT", at+"/services/T0/S3CRETS3CRET/x?sig=S3CRET")
	chats, problems := (&wiring{settings: settings{Setting: setting}, messages: http.DefaultTransport.(*http.Transport)}).receivers(loaded.Notify)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s.make = func(asks bool) (*engine.Engine, http.Handler) {
		o := engine.Options{Store: s.store, Wakeups: fake.NewWakeups(s.hook), Now: s.now, Sleep: s.sleep, Log: log}
		for _, a := range loaded.Apps {
			built := app.Assemble(a, func(config.App) (app.Adapters, error) {
				with := app.Adapters{Gateway: gateway, Workloads: cluster, Prober: probe.New(nil, setting)}
				if asks {
					with.Registry = acr.NewRegistry(acr.Options{LoginServer: a.Image.Registry, Repository: a.Image.Repository})
				}
				return with, nil
			})
			for _, p := range built.Problems {
				log.Error("an app is not served", "app", a.Name, "problem", p)
			}
			built.Channels = append(chats.of(a, built.Registry), engine.Channel{Name: "other", Notifier: s, Kinds: release.PublishedKinds()})
			o.Apps = append(o.Apps, built)
		}
		e := engine.New(o)
		return e, app.Handler(app.Options{Engine: e, Apps: loaded.Apps, Keys: access.Operator, Log: log})
	}
	return s
}

// goOn lets time pass, with the queue and the tick at work.
func (s *sinks) goOn(e *engine.Engine) {
	for range 6 {
		_ = e.Step(s.t.Context(), "shop", 10*time.Second)
		_ = e.Tick(s.t.Context())
		_ = s.sleep(s.t.Context(), 20*time.Second)
	}
}

// fail lets a call fail from now on; "" for none.
func (s *sinks) fail(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = call
}

// look asks for every page and answer.
func (s *sinks) look(h http.Handler) {
	for _, path := range []string{"/api", "/api/health", "/api/apps", "/api/apps/shop", "/api/apps/wrong", "/api/apps/shop/history"} {
		for _, accept := range []string{"application/json", "text/html", "text/plain"} {
			rec, req := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
			req.Header.Set("Accept", accept)
			h.ServeHTTP(rec, req)
			s.out.Write(rec.Body.Bytes())
		}
	}
}

func (s *sinks) post(h http.Handler, path, body string) {
	rec, req := httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-functions-key", "k")
	s.posts++
	req.Header.Set("Idempotency-Key", fmt.Sprint(s.posts))
	h.ServeHTTP(rec, req)
	s.out.Write(rec.Body.Bytes())
}

// stored is all that is kept of the app.
func (s *sinks) stored() string {
	snap, err := s.store.Load(s.t.Context(), "shop")
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := record.Encode(snap.Record)
	if err != nil {
		s.t.Fatal(err)
	}
	history, err := s.store.History(s.t.Context(), "shop", 1000, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%s\n%+v\n%+v\n%+v", data, history, snap.Inbox, snap.Channels)
}

// TestNoSecretOfASourceComesToASink plants secrets in what each part answers while an image is released and
// an alert comes, and looks for them in the log, the answers of the API and its pages, the published
// outcomes, the record and the history. The source has to be seen in one of these.
func TestNoSecretOfASourceComesToASink(t *testing.T) {
	for _, source := range []string{
		"live", "switch", "poll", "health", "observe", "deploy", "load", "commit", "accept", "wake", "notify", "chat", "advance", "check", "registry", "config", "alert", "why",
	} {
		t.Run(source, func(t *testing.T) {
			s := leaking(t)
			e, h := s.make(source == "registry")
			s.goOn(e)
			s.fail(source)
			i := release.Image{Digest: "sha256:2", Tag: "2.0", PushedAt: s.now()}
			if _, err := e.Accept(t.Context(), "shop", engine.PushEntry("2.0", i, s.now())); err != nil && source != "accept" {
				t.Fatal(err)
			}
			s.goOn(e)
			s.look(h)
			alert := string(actiongroup.Alert{Rule: "RULE"}.Metric("pool", 1, 0))
			s.post(h, "/api/alerts", strings.ReplaceAll(alert, "RULE", "planted-alert https://ana:S3CRET@host/?sig=S3CRET"))
			s.post(h, "/api/apps/shop/pause", `{"why": "planted-why see https://ana:S3CRET@host/?sig=S3CRET AccountKey=S3CRET"}`)
			s.post(h, "/api/apps/shop/deploy", `{"why": "planted-why", "image": "https://ana:S3CRET@host/?sig=S3CRET"}`)
			s.goOn(e)
			s.look(h)
			s.fail("")
			s.goOn(e)
			s.look(h)
			found := false
			for name, text := range map[string]string{"the log": s.log.String(), "answers and outcomes": s.out.String(), "the store": s.stored()} {
				for line := range strings.Lines(text) {
					if found = found || strings.Contains(line, "planted-"+source); strings.Contains(line, "S3CRET") {
						t.Errorf("%s: %.400s", name, line)
					}
				}
			}
			if !found {
				t.Error("nothing of this source comes to any sink, so that its secrets are not looked for")
			}
		})
	}
}

// TestTheHandlerStartsWithoutASecretInItsLog plants them in the configuration and in the settings.
func TestTheHandlerStartsWithoutASecretInItsLog(t *testing.T) {
	for name, settings := range map[string][]string{
		"connection string": {"AzureWebJobsStorage", "planted;AccountKey=S3CRET"},
		"queue":             {"AzureWebJobsStorage__queueServiceUri", "https://ana:S3CRET@planted?sig=S3CRET", "AzureWebJobsStorage__tableServiceUri", "https://ana:S3CRET@%zz?sig=S3CRET"},
		"cloud":             {"AzureWebJobsStorage", "UseDevelopmentStorage=true", "AZURE_RESOURCE_MANAGER_ENDPOINT", "http://ana:S3CRET@planted?x=S3CRET"},
		"file":              {"AzureWebJobsStorage", "UseDevelopmentStorage=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "bluegreen.yaml")
			if err := os.WriteFile(file, []byte("apps: [{name: a}]\nnotify: {topic: 'https://ana:S3CRET@planted?sig=S3CRET'}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			err := run(ctx, env(append(settings, "FUNCTIONS_CUSTOMHANDLER_PORT", "0", "BLUEGREEN_CONFIG", file)...), &out, &out)
			cancel()
			if text := out.String() + release.WithoutSecrets(fmt.Sprint(err)); strings.Contains(text, "S3CRET") {
				t.Error(text)
			}
		})
	}
}
