package notify_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bluegreen/internal/engine"
	"bluegreen/internal/notify"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// receiver is a server on loopback that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers func(w http.ResponseWriter, r *http.Request)
	got     []*http.Request
	bodies  [][]byte
}

func newReceiver(t *testing.T, answers func(w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	s := &receiver{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.got, s.bodies = append(s.got, r), append(s.bodies, body)
		s.mu.Unlock()
		s.answers(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func status(code int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

var secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

var switched = engine.Message{
	App: "shop",
	Fact: release.Fact{
		Number: 16, At: time.Date(2026, 9, 1, 9, 30, 0, 0, time.UTC), Kind: release.ReleaseSwitched, Reason: reason.Switched, Release: 3, Phase: release.Baking,
		Image: release.Image{Digest: "sha256:12", Tag: "6.1.0"}, Live: release.Green, By: release.Actor{Claimed: "ana"}, Text: "green is live with 6.1.0",
	},
}

func TestAWebhookIsSignedAndSaysTheEvent(t *testing.T) {
	s := newReceiver(t, status(204, ""))
	w, err := notify.NewWebhook(s.URL+"/hooks/bluegreen", secret, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Notify(t.Context(), switched); err != nil {
			t.Fatal(err)
		}
	}
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range s.got {
		if err := verify.Verify(s.bodies[i], r.Header); err != nil {
			t.Errorf("the reference implementation refuses the signature: %v", err)
		}
		if err := verify.Verify(append(s.bodies[i], ' '), r.Header); err == nil {
			t.Error("a changed body has the same signature")
		}
		if id := r.Header.Get("webhook-id"); id != "shop-16" || r.Method != "POST" || r.Header.Get("Content-Type") != "application/cloudevents+json" {
			t.Errorf("%s %s %v", r.Method, id, r.Header)
		}
		var event struct {
			SpecVersion, ID, Source, Type, Subject, Time string
			Data                                         struct{ App, Kind, Live, By, Text string }
		}
		if err := json.Unmarshal(s.bodies[i], &event); err != nil {
			t.Fatal(err)
		}
		if event.SpecVersion != "1.0" || event.ID != "shop-16" || event.Source != "/bluegreen/shop" || event.Type != "bluegreen.release-switched" || event.Data.Live != "green" || event.Data.By != "ana (claimed)" {
			t.Errorf("%s", s.bodies[i])
		}
	}
}

func TestWrongAnswersAreErrorsOfTheirClass(t *testing.T) {
	for name, c := range map[string]struct {
		answers func(http.ResponseWriter, *http.Request)
		refused bool
		later   time.Duration
		say     string
	}{
		"503": {status(503, "down"), false, 0, `answered 503: "down"`},
		"400": {status(400, "no such field"), true, 0, `answered 400: "no such field"`},
		"413": {status(413, ""), true, 0, "answered 413"},
		"404": {status(404, ""), false, 0, "answered 404"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, false, 0, "is not followed"},
		"its own path": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no hook at "+r.URL.Path, 404) }, false, 0, "answered 404"},
		"rate limited": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "120"); w.WriteHeader(429) }, false, 2 * time.Minute, "answered 429"},
		"cut off":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, 0, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newReceiver(t, c.answers)
			w, err := notify.NewWebhook(s.URL+"/hooks/T0PS3CRET/x", secret, http.DefaultTransport)
			if err != nil {
				t.Fatal(err)
			}
			err = w.Notify(t.Context(), switched)
			if err == nil || errors.Is(err, engine.ErrRefused) != c.refused || !strings.Contains(err.Error(), c.say) {
				t.Fatalf("%v", err)
			}
			var later engine.Later
			if errors.As(err, &later); later.After != c.later {
				t.Errorf("later is %s", later.After)
			}
			if strings.Contains(err.Error(), "T0PS3CRET") || strings.Contains(err.Error(), secret) {
				t.Errorf("the error has a secret: %v", err)
			}
			if len(s.got) != 1 {
				t.Errorf("%d requests", len(s.got))
			}
		})
	}
}

func TestASlowReceiverEndsWithTheContext(t *testing.T) {
	done := make(chan struct{})
	s := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-done })
	defer close(done)
	w, err := notify.NewWebhook(s.URL, secret, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.Notify(ctx, switched); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("%v", err)
	}
}

func TestAddressesAndSecretsThatCannotBeUsed(t *testing.T) {
	for address, say := range map[string]string{
		"http://hooks.example.com/x":         "https://",
		"https://a:b@hooks.example.com/x":    "a user or a password",
		"https://169.254.169.254/metadata":   "gives out credentials",
		"hooks.example.com":                  "is not an address",
		"file:///etc/passwd":                 "is not an address",
		"@Microsoft.KeyVault(SecretUri=...)": "is not an address",
	} {
		if _, err := notify.NewWebhook(address, secret, nil); err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "example.com/x") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, key := range []string{"", "whsec_", "whsec_c2hvcnQ=", strings.TrimPrefix(secret, "whsec_"), "whsec_!" + secret[7:]} {
		if _, err := notify.NewWebhook("https://hooks.example.com/x", key, nil); err == nil || key != "" && strings.Contains(err.Error(), key) && len(key) > 6 {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestASecretIsThatOfItsSetting(t *testing.T) {
	settings := map[string]string{"NOTIFY_A": " s3cret\n", "NOTIFY_B": "@Microsoft.KeyVault(SecretUri=https://v/)", "AzureWebJobsStorage": "key"}
	setting := func(name string) string { return settings[name] }
	for text, c := range map[string]struct{ value, say string }{
		"{setting:NOTIFY_A}":            {"s3cret", ""},
		"https://hooks.example.com/x":   {"https://hooks.example.com/x", ""},
		"{setting:NOTIFY_B}":            {"", "the Key Vault reference in the app setting NOTIFY_B is not resolved"},
		"{setting:NOTIFY_C}":            {"", "the app setting NOTIFY_C is missing or empty"},
		"{setting:AzureWebJobsStorage}": {"{setting:AzureWebJobsStorage}", ""},
	} {
		value, err := notify.Secret(text, setting)
		if value != c.value || (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %q, %v", text, value, err)
		}
	}
}
