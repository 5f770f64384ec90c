package signin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/signin"
)

// TestAKeyCountsOnlyWhenTheAppBehindTheHostWasReached: the host refuses without a body, and
// what stands before it may answer anything.
func TestAKeyCountsOnlyWhenTheAppBehindTheHostWasReached(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		kind     string
		taken    bool
		notKnown bool
	}{
		"let in":                     {200, "application/json", true, false},
		"no such app, for a command": {404, "application/problem+json", true, false},
		"no right, in the app":       {403, "application/problem+json", true, false},
		"refused by the host":        {401, "", false, false},
		"nobody known, in the app":   {401, "application/problem+json", false, false},
		"an access restriction":      {403, "text/html", false, true},
		"a page in the way":          {200, "text/html", false, true},
		"a redirect":                 {302, "", false, true},
		"no such function":           {404, "", false, true},
		"the app is broken":          {503, "application/problem+json", false, true},
	} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.String()+" "+r.Header.Get("x-functions-key"))
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
		}))
		h := signin.Host{URL: server.URL, Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, Try: 10 * time.Second}
		for commands, want := range map[bool]string{false: "GET /api/health?needs=false k", true: "POST /api/apps/-/pause k"} {
			asked = nil
			taken, err := h.Takes(t.Context(), "k", commands)
			if taken != c.taken || (err != nil) != c.notKnown || strings.Join(asked, ",") != want {
				t.Errorf("%s: taken %t, %v, asked %v", name, taken, err, asked)
			}
		}
		asked = nil
		for _, key := range []string{"", "a b", "a\nb", "schlüssel", strings.Repeat("k", 513)} {
			if taken, err := h.Takes(t.Context(), key, false); taken || err != nil || len(asked) > 0 {
				t.Errorf("%q: %t %v, asked %v", key, taken, err, asked)
			}
		}
		server.Close()
	}
}
