package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bluegreen/internal/functions"
)

func serve(t *testing.T, b functions.Binding, path, body string) (*http.Response, string) {
	t.Helper()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "api "+r.URL.Path) })
	h := functions.Handler([]functions.Binding{b}, api, slog.New(slog.DiscardHandler))
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if path == "/" {
		r.Method = http.MethodGet
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	data, _ := io.ReadAll(resp.Body)
	return resp, string(data)
}

// TestPayloadsAreDecodedAsTheHostEncodesThem holds the literal encodings of the host.
func TestPayloadsAreDecodedAsTheHostEncodesThem(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"event object", `{"Data":{"x":{"id":"e-41","data":{"status":"Succeeded"}}},"Metadata":{}}`, `{"id":"e-41","data":{"status":"Succeeded"}}`},
		{"plain queue text", `{"Data":{"x":"\"scale up\""}}`, `"scale up"`},
		{"JSON queue text", `{"Data":{"x":"\"{\\\"app\\\":\\\"web\\\"}\""},"Metadata":{"Id":"\"forged\""}}`, `"{\"app\":\"web\"}"`},
		{"queue text that is a number", `{"Data":{"x":"\"4\""}}`, `"4"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got json.RawMessage
			b := functions.Binding{Name: "f", Data: "x", Queue: strings.Contains(test.name, "queue"), Run: func(_ context.Context, p json.RawMessage) ([]string, error) {
				got = p
				return nil, nil
			}}
			resp, _ := serve(t, b, "/f", test.body)
			if resp.StatusCode != http.StatusOK || string(got) != test.want {
				t.Errorf("got %d %s, want %s", resp.StatusCode, got, test.want)
			}
		})
	}
}

func TestEveryAnswerIsOneThatTheHostAccepts(t *testing.T) {
	tests := []struct {
		name, path, body string
		run              functions.Trigger
		status           int
	}{
		{"success", "/f", `{"Data":{"x":{}}}`, func(context.Context, json.RawMessage) ([]string, error) { return []string{"done"}, nil }, 200},
		{"nothing to say", "/f", `{"Data":{"x":{}}}`, func(context.Context, json.RawMessage) ([]string, error) { return nil, nil }, 200},
		{"cannot be read: never again", "/f", `{"Data":`, nil, 200},
		{"wrong binding name", "/f", `{"Data":{"y":1}}`, nil, 200},
		{"failure: again", "/f", `{"Data":{"x":{}}}`, func(context.Context, json.RawMessage) ([]string, error) { return nil, errors.New("storage is away") }, 500},
		{"panic: again", "/f", `{"Data":{"x":{}}}`, func(context.Context, json.RawMessage) ([]string, error) { panic("bug") }, 500},
		{"readiness", "/", "", nil, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp, body := serve(t, functions.Binding{Name: "f", Data: "x", Run: test.run}, test.path, test.body)
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, test.status)
			}
			if test.status == 200 && (resp.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(body)) || strings.TrimSpace(body) == "null") {
				t.Errorf("the host would fail on %q of type %q", body, resp.Header.Get("Content-Type"))
			}
		})
	}
}

func TestHTTPTriggersReachTheAPIUnderTheirOwnPath(t *testing.T) {
	_, body := serve(t, functions.Binding{Name: "f"}, "/api/apps/podinfo", "{}")
	if body != "api /api/apps/podinfo" {
		t.Errorf("got %q", body)
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"Data":{"x":"\"a\""}}`))
	f.Add([]byte(`{"Data":{"x":null}}`))
	h := functions.Handler([]functions.Binding{{Name: "f", Data: "x", Queue: true, Run: func(_ context.Context, p json.RawMessage) ([]string, error) {
		_, _ = functions.Text(p)
		return nil, nil
	}}}, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/f", bytes.NewReader(body)))
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
