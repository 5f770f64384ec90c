package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
	"bluegreen/testbed"
)

// post sends a body to the first host and returns the status and the answer.
func (w *env) post(path, body string, headers ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.hosts[0].URL()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if !strings.Contains(path, "code=") { // the header would win over it
		req.Header.Set("x-functions-key", "key")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// TestBadInputIsAnsweredOrDroppedAndNeverRedelivered sends invalid requests, events and messages.
func TestBadInputIsAnsweredOrDroppedAndNeverRedelivered(t *testing.T) {
	t.Parallel()
	m := newMarket(t, 1, 1, "  bake: 10m\n")
	huge := `{"schemaId":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"malformed alert":         {"/api/alerts", `{"schemaId":`, 400, "JSON"},
		"alert of another schema": {"/api/alerts", `{"schemaId":"AzureMonitorMetricAlert","data":{}}`, 400, "common alert schema"},
		"alert of 1 MiB":          {"/api/alerts", huge, 413, "262144"},
		"command of 1 MiB":        {"/api/apps/shop-00/switch", huge, 413, ""},
		"malformed command":       {"/api/apps/shop-00/switch", `{"to":`, 400, "JSON"},
		"unknown field":           {"/api/apps/shop-00/switch", `{"too":"blue"}`, 400, "too"},
		"unknown app":             {"/api/apps/nobody/switch", `{}`, 404, "shop-00"},
		"unknown command":         {"/api/apps/shop-00/explode", `{}`, 404, "history"},
		"unknown image":           {"/api/apps/shop-00/deploy", `{"image":"9.9.9"}`, 404, "9.9.9"},
	} {
		status, answer := m.post(c.path, c.body, "Idempotency-Key", "k-"+strings.ReplaceAll(name, " ", "-"))
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}

	for name, event := range map[string]any{
		"nothing of an event": map[string]any{"hello": "world"},
		"another type":        map[string]any{"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "data": map[string]any{}},
		"no digest":           pushOf("team/shop-00", "2.0.0", "", ociImage),
		"no tag":              pushOf("team/shop-00", "", digestOf("a"), ociImage),
		"a signature":         pushOf("team/shop-00", "sha256-"+strings.Repeat("b", 64)+".sig", digestOf("b"), ociImage),
		"unknown repository":  pushOf("team/other", "2.0.0", digestOf("c"), ociImage),
		"tag not wanted":      pushOf("team/shop-00", "latest", digestOf("d"), ociImage),
		"numbers for texts":   map[string]any{"id": 7, "eventType": 8, "data": 9},
	} {
		body, err := json.Marshal([]any{event})
		if err != nil {
			t.Fatal(err)
		}
		before := len(m.hosts[0].Invocations("image-pushed"))
		status, answer := m.post(strings.TrimPrefix(m.hosts[0].EventGridURL("image-pushed"), m.hosts[0].URL()), string(body), "aeg-event-type", "Notification")
		if status != http.StatusAccepted {
			t.Errorf("%s: %d %s, so Event Grid would send it again", name, status, answer)
		}
		calls := m.hosts[0].Invocations("image-pushed")[before:]
		if len(calls) != 1 || len(calls[0].Logs) == 0 {
			t.Errorf("%s: the log has no reason for the drop: %+v", name, calls)
		}
	}
	if _, err := m.registry.PushChart(t.Context(), "team/shop-00", "3.0.0"); err != nil {
		t.Fatal(err)
	}
	m.deliver()
	m.events.Wait()
	// One that is not UTF-8 never reaches the app: the host gives it up by itself, which the
	// tests of internal/emulator/host show.
	m.queueText(`{"app":"nobody"}`, `not ours`, `{"app":`, `7`, `"\"text\""`)
	if a := m.app("shop-00"); a.Release != nil {
		t.Errorf("something of this started a release: %s", a.Status.String())
	}
	if n := m.hosts[0].Restarts(); n != 0 {
		t.Errorf("the handler was restarted %d times", n)
	}
}

const ociImage = "application/vnd.oci.image.manifest.v1+json"

func digestOf(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

func pushOf(repository, tag, digest, mediaType string) map[string]any {
	target := map[string]any{"mediaType": mediaType, "repository": repository, "size": 500, "length": 500}
	if tag != "" {
		target["tag"] = tag
	}
	if digest != "" {
		target["digest"] = digest
	}
	return map[string]any{
		"id": tag + digest, "eventType": "Microsoft.ContainerRegistry.ImagePushed", "eventTime": "2026-11-24T09:12:44Z",
		"topic": "/subscriptions/x/resourceGroups/y/providers/Microsoft.ContainerRegistry/registries/z", "subject": repository,
		"data": map[string]any{
			"id": "d", "timestamp": "2026-11-24T09:12:43Z", "action": "push", "target": target,
			"request": map[string]any{"id": "r", "host": "z.azurecr.io", "method": "PUT"},
		},
		"dataVersion": "2.0", "metadataVersion": "1",
	}
}

// queueText puts messages on the queue and waits until each was taken once and for good.
func (m *market) queueText(texts ...string) {
	m.t.Helper()
	queues, err := host.OpenStorage(m.azurite.ConnectionString())
	if err != nil {
		m.t.Fatal(err)
	}
	before := len(m.hosts[0].Invocations("release-step"))
	for _, text := range texts {
		if err := queues.Put(m.t.Context(), "release-steps", base64.StdEncoding.EncodeToString([]byte(text)), 0); err != nil {
			m.t.Fatal(err)
		}
	}
	testbed.Eventually(m.t, 30*time.Second, func() bool {
		return len(m.hosts[0].Invocations("release-step"))-before >= len(texts)
	}, func() string { return "not every message was delivered" })
	for _, call := range m.hosts[0].Invocations("release-step")[before:] {
		if call.Err != nil {
			m.t.Errorf("a message that can never work comes again: %v", call.Err)
		}
	}
	if p := m.hosts[0].Poison(); len(p) != 0 {
		m.t.Errorf("messages were given up: %v", p)
	}
	if !bytes.Contains(m.log(), []byte("not a message of ours")) {
		m.t.Error("the log has no dropped message")
	}
}
