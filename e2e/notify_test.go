package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// receiver is a webhook on loopback. It takes what is signed, once its outage is over.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	ids  []string
	away bool
}

func newReceiver(t *testing.T, secret string) *receiver {
	t.Helper()
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = verify.Verify(body, req.Header)
		}
		switch {
		case err != nil:
			t.Errorf("a message that is not signed: %v", err)
		case r.away:
			w.WriteHeader(http.StatusServiceUnavailable)
		case !slices.Contains(r.ids, req.Header.Get("webhook-id")):
			r.ids = append(r.ids, req.Header.Get("webhook-id"))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// TestAReleaseIsReportedByASignedWebhookAndAChatThatIsAwayIsShown runs the app with three channels:
// one that works, one that is away, and one whose secret is missing.
func TestAReleaseIsReportedByASignedWebhookAndAChatThatIsAwayIsShown(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	w := newEnv(t)
	good, away := newReceiver(t, secret), newReceiver(t, secret)
	away.away = true
	w.settings = []string{"NOTIFY_KEY=" + secret, "NOTIFY_AWAY=" + away.URL + "/s3cr3tpart", "NOTIFY_CHAT=@Microsoft.KeyVault(SecretUri=https://kv/x)"}
	w.channels = fmt.Sprintf(`, channels: [{name: ops, webhook: {url: "%s/hooks/1", secret: "{setting:NOTIFY_KEY}"}},
  {name: away, webhook: {url: "{setting:NOTIFY_AWAY}", secret: "{setting:NOTIFY_KEY}"}}, {name: chat, slack: {url: "{setting:NOTIFY_CHAT}"}}]`, good.URL)
	blue, green := clusters(t)
	s := openShop(w, blue, green, `    bake: 2s
    retire: {after: 1h}`)
	s.release("2.0.0")
	s.reach("podinfo", release.Completed)
	s.waitForFacts("release-started", "release-switched", "release-completed")
	same := func() bool {
		return slices.Equal(slices.Sorted(maps.Keys(s.published())), slices.Sorted(slices.Values(good.got())))
	}
	testbed.Eventually(t, 20*time.Second, same, func() string { return fmt.Sprintf("%v; the topic has %v", good.got(), s.published()) })
	a := s.until("podinfo", 20*time.Second, "with two channels that fail", func(a api.App) bool {
		return len(a.Channels) == 4 && a.Channels[2].Why != "" && a.Channels[3].Why != ""
	})
	for at, want := range map[int]string{2: "answered 503", 3: "the Key Vault reference in the app setting NOTIFY_CHAT is not resolved"} {
		if c := a.Channels[at]; !strings.Contains(c.Why, want) || c.Behind == 0 || c.FailingSince.IsZero() || !strings.Contains(a.Status.Trouble, want) {
			t.Errorf("%+v, trouble %q", c, a.Status.Trouble)
		}
	}
	if text := jsonOf(a); strings.Contains(text, "s3cr3tpart") || strings.Contains(text, secret) || a.Status.Standing == release.NeedsYou {
		t.Errorf("it calls a person, or has a secret: %s", text)
	}
	if got := good.got(); !slices.IsSorted(got) || len(away.got()) > 0 {
		t.Errorf("the one that works got %v, the other %v", got, away.got())
	}
	s.noneLost()
}
