package host_test

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bluegreen/internal/emulator/host"
	"bluegreen/internal/functions"
)

// deployed copies the host.json and the functions of the repository.
func deployed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	paths, err := filepath.Glob(root + "/*/function.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no functions", err)
	}
	for _, path := range append(paths, root+"/host.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, path)
		write(t, filepath.Join(dir, name), string(text))
	}
	return dir
}

// TestTheHandlersProtocolUnderstandsTheHost runs internal/functions behind this host with
// the functions that are deployed.
func TestTheHandlersProtocolUnderstandsTheHost(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}
	take := func(name string) functions.Trigger {
		return func(_ context.Context, payload json.RawMessage) ([]string, error) {
			mu.Lock()
			defer mu.Unlock()
			got[name] = string(payload)
			if name == "release-step" {
				text, err := functions.Text(payload)
				got[name] = text
				return nil, err
			}
			return []string{"took " + name}, nil
		}
	}
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), body)
	})
	handler := functions.Handler([]functions.Binding{
		{Name: "image-pushed", Data: "event", Run: take("image-pushed")},
		{Name: "release-step", Data: "message", Queue: true, Run: take("release-step")},
		{Name: "clock-tick", Data: "tick", Run: take("clock-tick")},
	}, api, slog.New(slog.DiscardHandler))

	for _, setting := range []string{proxying, strings.Replace(proxying, "true", "false", 1)} {
		w := startWith(t, host.Options{Root: deployed(t), Handler: handler}, setting)
		if r := w.call("POST", w.EventGridURL("image-pushed"), `[{"id":"e-1","data":{"action":"push"}}]`, "aeg-event-type", "Notification"); r.status != 202 {
			t.Errorf("event: %+v", r)
		}
		if err := w.queues.Put(t.Context(), "release-steps", base64.StdEncoding.EncodeToString([]byte(`{"app":"web","Id":"forged"}`)), 0); err != nil {
			t.Fatal(err)
		}
		w.call("POST", "/admin/functions/clock-tick", "{}", "x-functions-key", w.MasterKey())
		for _, name := range []string{"image-pushed", "release-step", "clock-tick"} {
			if i := w.ended(name, 1); i.Err != nil {
				t.Errorf("%s: %v", name, i.Err)
			}
		}
		mu.Lock()
		if got["image-pushed"] != `{"data":{"action":"push"},"id":"e-1"}` || got["release-step"] != `{"app":"web","Id":"forged"}` || !strings.Contains(got["clock-tick"], `"IsPastDue":false`) {
			t.Errorf("payloads %q", got)
		}
		clear(got)
		mu.Unlock()
		for path, want := range map[string]string{"/api/alert-fired": "POST /api/alert-fired hello", "/api/apps/web/switch?wait=true": "POST /api/apps/web/switch?wait=true hello"} {
			if r := w.call("POST", path, "hello", "x-functions-key", w.HostKey()); r.status != 200 || r.body != want {
				t.Errorf("%s: %+v", path, r)
			}
		}
		w.Close()
	}
}

// pack writes a zip of files that hold their own names.
func pack(t *testing.T, path string, files map[string]os.FileMode) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for name, mode := range files {
		header := &zip.FileHeader{Name: name}
		header.SetMode(mode)
		w, err := z.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
