package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/probe"
)

// memory keeps a configuration as the table does.
type memory struct {
	text []byte
	err  error
}

func (m *memory) Configuration(context.Context) ([]byte, error) { return m.text, m.err }

func (m *memory) KeepConfiguration(_ context.Context, text []byte) error {
	if m.err == nil {
		m.text = text
	}
	return m.err
}

// started is the handler as wire makes it, on fakes; apps are not called.
func started(m *memory, path string) (*configuration, *fake.Store) {
	store := fake.NewStore(nil)
	c := &configuration{path: path, kept: m, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	c.build = func(with *config.Config, problems []string) http.Handler {
		var apps []engine.App
		for _, a := range with.Apps {
			apps = append(apps, app.Assemble(a, func(config.App) (app.Adapters, error) { return app.Adapters{Prober: probe.New(nil, nil)}, nil }))
		}
		e := engine.New(engine.Options{Store: store, Wakeups: fake.NewWakeups(nil), Apps: apps})
		return app.Handler(app.Options{Engine: e, Apps: with.Apps, Problems: problems, Unknown: with.Unknown(), Keys: access.Operator, Log: c.log})
	}
	c.begin()
	return c, store
}

func ask(h http.Handler, method, path string, body []byte) (int, string) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, bytes.NewReader(body)))
	return rec.Code, rec.Body.String()
}

func pushOf(repository string) []byte {
	return fmt.Appendf(nil, `{"Data":{"event":{"id":"e1","topic":"t","eventType":"Microsoft.ContainerRegistry.ImagePushed","eventTime":"2026-09-01T12:00:00Z",
"data":{"timestamp":"2026-09-01T12:00:00Z","action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json",
"digest":"sha256:9f2c6e0d3b1a47585c6d7e8f9a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3","repository":%q,"tag":"1.2.3"},"request":{"host":"shopacr.azurecr.io"}}}}}`, repository)
}

// foreign is an alert whose rule both apps watch, about the pool of neither.
var foreign = actiongroup.Alert{Rule: "agw-5xx"}.Metric("pool-of-another", 1, 0)

func TestWithoutAConfigurationEventsAndAlertsAreToComeAgain(t *testing.T) {
	for name, path := range map[string]string{"no file": filepath.Join(t.TempDir(), "bluegreen.yaml"), "no YAML": written(t, "apps: [")} {
		c, _ := started(&memory{}, path)
		if err := c.trySettle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if status, body := ask(c, "POST", "/api/alerts", foreign); status != http.StatusServiceUnavailable || !strings.Contains(body, "the configuration cannot be used") {
			t.Errorf("%s: an alert is answered %d %s", name, status, body)
		}
		if status, body := ask(c, "POST", "/image-pushed", pushOf("team/shop")); status != http.StatusServiceUnavailable {
			t.Errorf("%s: a push is answered %d %s", name, status, body)
		}
	}
}

func TestTheLastGoodConfigurationServesInPlaceOfAFileThatCannotBeUsed(t *testing.T) {
	m := &memory{}
	c, _ := started(m, written(t, twoApps))
	if err := c.trySettle(t.Context()); err != nil || m.text == nil {
		t.Fatalf("kept %q, %v", m.text, err)
	}
	c, store := started(m, filepath.Join(t.TempDir(), "bluegreen.yaml"))
	if status, _ := ask(c, "POST", "/api/alerts", foreign); status != http.StatusServiceUnavailable {
		t.Errorf("before it is known an alert is answered %d", status)
	}
	if err := c.trySettle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(c, "POST", "/api/alerts", foreign); status != http.StatusOK || !strings.Contains(body, "ignored: the alert is about none of the apps") {
		t.Errorf("an alert is answered %d %s", status, body)
	}
	if status, body := ask(c, "POST", "/image-pushed", pushOf("team/shop")); status != http.StatusOK || !strings.Contains(body, "no release starts until the configuration of the app is fixed: read the configuration: ") {
		t.Errorf("a push is answered %d %s", status, body)
	}
	if s, err := store.Load(t.Context(), "shop"); err != nil || len(s.Inbox) != 1 {
		t.Errorf("%+v, %v", s.Inbox, err)
	}
	var health struct {
		Status   string
		Problems []string
		Apps     []struct{ Problems []string }
	}
	if _, body := ask(c, "GET", "/api/health?code=k", nil); json.Unmarshal([]byte(body), &health) != nil || health.Status != "problems" || len(health.Problems) != 1 || len(health.Apps) != 2 || len(health.Apps[0].Problems) != 1 {
		t.Errorf("health: %s", body)
	}
}

func TestAnAppWithAMistakeIsServedWithItsLastGoodConfiguration(t *testing.T) {
	m := &memory{}
	c, _ := started(m, written(t, twoApps))
	if err := c.trySettle(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(twoApps, "rules: [shop]}", "rules: [shop]}\n    bake: long", 1)
	c, _ = started(m, written(t, wrong))
	for round := range 2 { // the second time from what the first one kept
		if err := c.trySettle(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, status := ask(c, "GET", "/api/apps/shop?code=k", nil)
		if !strings.Contains(status, "its configuration has a mistake: line ") {
			t.Errorf("round %d: %s", round, status)
		}
		if _, other := ask(c, "GET", "/api/apps/blog?code=k", nil); strings.Contains(other, "last good") {
			t.Errorf("round %d: %s", round, other)
		}
		c, _ = started(m, written(t, wrong))
	}
}

// TestTheStorageIsAskedUntilItAnswers: a handler that starts beside a storage that is away.
func TestTheStorageIsAskedUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := written(t, twoApps)
		away := &memory{err: errors.New("the storage is away")}
		c, _ := started(away, path)
		done := make(chan struct{})
		go func() { defer close(done); c.settle(t.Context()) }()
		if status, body := ask(c, "POST", "/api/alerts", foreign); status != http.StatusOK {
			t.Errorf("a good file waits for the storage: %d %s", status, body)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		away.err = nil
		<-done
		if away.text == nil {
			t.Error("nothing is kept")
		}
	})
}

// TestWhatMayBeForAnAppOfAFileThatIsOutIsToComeAgain: its apps are not known before the storage has
// answered, and are served with their last good configuration then.
func TestWhatMayBeForAnAppOfAFileThatIsOutIsToComeAgain(t *testing.T) {
	m := &memory{}
	defaults, list, _ := strings.Cut(twoApps, "apps:")
	path := written(t, defaults)
	folder := config.Folder(path)
	other := filepath.Join(folder, "apps.yaml")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(other, []byte("apps:"+list), 0o600)); err != nil {
		t.Fatal(err)
	}
	c, _ := started(m, path)
	if err := c.trySettle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte("apps: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ = started(m, path)
	if status, body := ask(c, "POST", "/image-pushed", pushOf("team/shop")); status != http.StatusServiceUnavailable || !strings.Contains(body, ".d/apps.yaml: not YAML") {
		t.Errorf("a push is answered %d %s", status, body)
	}
	if status, body := ask(c, "POST", "/api/alerts", foreign); status != http.StatusServiceUnavailable {
		t.Errorf("an alert is answered %d %s", status, body)
	}
	if err := c.trySettle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(c, "POST", "/image-pushed", pushOf("team/shop")); status != http.StatusOK || !strings.Contains(body, "no release starts until the configuration of the app is fixed: line 1, column 1 of ") {
		t.Errorf("a push is answered %d %s", status, body)
	}
	if status, body := ask(c, "POST", "/image-pushed", pushOf("team/none")); status != http.StatusOK {
		t.Errorf("a push for no app is answered %d %s", status, body)
	}
}
