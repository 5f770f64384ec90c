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
		check engine.Check
		want  string // "" passes
	}{
		{"good", engine.Check{URL: server.URL, Contains: "2.0"}, ""},
		{"host and header", engine.Check{URL: server.URL, Headers: map[string]string{"Host": "shop.example.com", "X-Probe": "us"}, Contains: "for shop.example.com by us"}, ""},
		{"other version", engine.Check{URL: server.URL, Contains: "2.1"}, `answered without "2.1"`},
		{"sick", engine.Check{URL: server.URL + "/sick"}, "answered 503, expected 200"},
		{"expected sick", engine.Check{URL: server.URL + "/sick", Expect: 503}, ""},
		{"redirect is not followed", engine.Check{URL: server.URL + "/moved"}, "answered 302"},
		{"slow", engine.Check{URL: server.URL + "/slow", Timeout: 20 * time.Millisecond}, "deadline exceeded"},
		{"no server", engine.Check{URL: "http://127.0.0.1:1/"}, "refused"},
		{"no URL", engine.Check{URL: "http://[::1"}, "missing ']'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := probe.New(nil).Probe(t.Context(), test.check)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
