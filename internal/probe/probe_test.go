package probe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/probe"
	"bluegreen/internal/release"
)

func TestProbeDescribesTheMistakeInTheAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sick":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			fmt.Fprintf(w, "version 2.0 for %s by %s", r.Host, r.Header.Get("X-Probe"))
		}
	}))
	defer server.Close()
	tests := []struct {
		name  string
		check probe.Request
		want  string // "" passes
	}{
		{"good", probe.Request{URL: server.URL, Contains: "2.0"}, ""},
		{"host and header", probe.Request{URL: server.URL, Headers: map[string]string{"Host": "shop.example.com", "X-Probe": "us"}, Contains: "for shop.example.com by us"}, ""},
		{"other version", probe.Request{URL: server.URL, Contains: "2.1"}, `answered without "2.1"`},
		{"sick", probe.Request{URL: server.URL + "/sick"}, "answered 503, expected 200"},
		{"expected sick", probe.Request{URL: server.URL + "/sick", Expect: 503}, ""},
		{"redirect is not followed", probe.Request{URL: server.URL + "/moved"}, "answered 302"},
		{"slow", probe.Request{URL: server.URL + "/slow", Timeout: 20 * time.Millisecond}, "deadline exceeded"},
		{"connection refused", probe.Request{URL: "http://127.0.0.1:1/"}, "refused"},
		{"metadata", probe.Request{URL: "http://169.254.0.7/", Timeout: 200 * time.Millisecond}, "gives out credentials"},
		{"metadata in another writing", probe.Request{URL: "http://[::ffff:a9fe:7]/", Timeout: 200 * time.Millisecond}, "gives out credentials"},
		{"no URL", probe.Request{URL: "http://[::1"}, "missing ']'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := probe.New(nil).Check(test.check).Run(t.Context(), engine.Subject{})
			if (r.Verdict == release.Passed) != (test.want == "") || !strings.Contains(r.Detail, test.want) {
				t.Errorf("got %v, want %q", r, test.want)
			}
		})
	}
}
