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
			r := probe.New(nil, none).Check(test.check).Run(t.Context(), engine.Subject{})
			if (r.Verdict == release.Passed) != (test.want == "") || !strings.Contains(r.Detail, test.want) {
				t.Errorf("got %v, want %q", r, test.want)
			}
		})
	}
}

func none(string) string { return "" }

// withSettings are a key with characters that a URL escapes, and a reference that is not resolved.
func withSettings(name string) string {
	return map[string]string{
		"CHECK_KEY": "S3CRET/+&=", "CHECK_LOST": "@Microsoft.KeyVault(VaultName=kv;SecretName=key)", "AzureWebJobsStorage": "AccountKey=S3CRET",
	}[name]
}

func TestASettingIsSentAndATagStaysInItsPlace(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer server.Close()
	r := probe.New(nil, withSettings).Check(probe.Request{
		URL:     server.URL + "/v/{tag}/{digest}?tag={tag}&code={setting:CHECK_KEY}&to={color}",
		Headers: map[string]string{"Authorization": "Bearer {setting:CHECK_KEY}", "X-Other": "{setting:AzureWebJobsStorage}"},
	}).Run(t.Context(), engine.Subject{Color: release.Blue, Image: release.Image{Digest: "sha256:0", Tag: `../a?b=c&d"#@evil.example`}})
	if r.Verdict != release.Passed {
		t.Fatal(r)
	}
	q := got.URL.Query()
	if got.URL.Path != `/v/../a?b=c&d"#@evil.example/sha256:0` || len(q) != 3 || q.Get("tag") != `../a?b=c&d"#@evil.example` || q.Get("code") != "S3CRET/+&=" || q.Get("to") != "blue" {
		t.Errorf("asked for %s with %q", got.URL.Path, q)
	}
	if a, x := got.Header.Get("Authorization"), got.Header.Get("X-Other"); a != "Bearer S3CRET/+&=" || x != "{setting:AzureWebJobsStorage}" {
		t.Errorf("sent %q and %q", a, x)
	}
}

func TestACheckWithoutItsSettingIsNotMade(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	for name, want := range map[string]string{"CHECK_LOST": "the Key Vault reference in the app setting CHECK_LOST is not resolved", "CHECK_NONE": "the app setting CHECK_NONE is missing"} {
		check := probe.New(nil, withSettings).Check(probe.Request{URL: server.URL + "?a=b", Headers: map[string]string{"X-Key": "{setting:" + name + "}"}})
		r := check.Run(t.Context(), engine.Subject{})
		found, err := check.Preflight(t.Context())
		if r.Verdict != release.Unknown || !strings.Contains(r.Detail, want) || err != nil || len(found) != 1 || found[0].Warning || found[0].Text != r.Detail {
			t.Errorf("%s: %+v, before that %+v, %v", name, r, found, err)
		}
	}
	if asked > 0 {
		t.Errorf("asked %d times", asked)
	}
}

// TestNoSecretOfACheckIsInItsResult lets checks fail in each way that there is.
func TestNoSecretOfACheckIsInItsResult(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "http://ana:S3CRET@other.example/?code=S3CRET", http.StatusFound)
		case "/broken": // repeats what it was asked
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(conn, "%s %s\r\n\r\n", r.Header.Get("Authorization"), r.URL.RawQuery)
			conn.Close()
		case "/slow":
			<-r.Context().Done()
		case "/cut":
			w.Header().Set("Content-Length", "100")
		default:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintln(w, "the key S3CRET is wrong")
		}
	}))
	defer server.Close()
	for _, at := range []string{server.URL + "/moved", server.URL + "/broken", server.URL + "/slow", server.URL + "/cut", server.URL, "http://127.0.0.1:1", "http://[::1", "http://ana:S3CRET@127.0.0.1:1"} {
		for _, query := range []string{"?code={setting:CHECK_KEY}", "?code=S3CRET"} {
			r := probe.New(nil, withSettings).Check(probe.Request{
				URL: at + query, Headers: map[string]string{"Authorization": "Bearer {setting:CHECK_KEY}"}, Timeout: 100 * time.Millisecond,
			}).Run(t.Context(), engine.Subject{})
			if r.Verdict != release.Undecided || strings.Contains(r.Detail, "S3CRET") || strings.Contains(r.Detail, "?") {
				t.Errorf("%s%s: %+v", at, query, r)
			}
		}
	}
}

func TestTheEndOfACertificateIsRead(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	defer server.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	p := probe.New(server.Client().Transport.(*http.Transport), nil)
	check := p.Check(probe.Request{URL: server.URL + "/{color}?code=s3cr3t"})
	until, err := check.Certificate(t.Context(), engine.Subject{Color: release.Blue})
	if want := server.Certificate().NotAfter; err != nil || !until.Equal(want) {
		t.Errorf("%s, expected %s: %v", until, want, err)
	}
	if strings.Contains(check.String(), "s3cr3t") || !strings.HasPrefix(check.String(), server.URL) {
		t.Error(check.String())
	}
	if until, err := p.Check(probe.Request{URL: plain.URL}).Certificate(t.Context(), engine.Subject{}); err != nil || !until.IsZero() {
		t.Errorf("without TLS: %s, %v", until, err)
	}
	if _, err := p.Check(probe.Request{URL: "https://127.0.0.1:1/?code=s3cr3t"}).Certificate(t.Context(), engine.Subject{}); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("nobody is there: %v", err)
	}
}
