package app_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
)

const (
	file = `
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: shop, deployment: shop, selector: {color: blue}}
      green: {cluster: "context:a", namespace: shop, deployment: shop-green, selector: {color: green}}
    gateway: {service: shop}
    alerts: [{rule: "shop-*"}]
`
	alert = `{"schemaId":"azureMonitorCommonAlertSchema","data":{"essentials":{"alertId":"/a/1","alertRule":"shop-5xx","severity":"Sev1","monitorCondition":"Fired"}}}`
	role  = "ActionGroupsSecureWebhook"
)

// signIn knows a caller without the role.
func signIn(token string) ([]host.Claim, error) {
	if token != "stranger" {
		return nil, errors.New("not ours")
	}
	return []host.Claim{{Typ: "appid", Val: "stranger"}, {Typ: "roles", Val: "Other"}}, nil
}

// behindHost is the deployed app behind the host. Its one app is not served, so that a request
// that the routes let in is answered 409 by the API, and is kept when it is an alert.
func behindHost(t *testing.T, store *fake.Store, auth host.SignIn, proxying string) *host.Host {
	t.Helper()
	loaded, err := config.Load([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	notServed := app.Assemble(loaded.Apps[0], func(config.App) (app.Adapters, error) { return app.Adapters{}, errors.New("it is a test") })
	e := engine.New(engine.Options{Store: store, Wakeups: fake.NewWakeups(nil), Apps: []engine.App{notServed}})
	h, err := host.Start(t.Context(), host.Options{
		Root: "../..", Queues: host.NewMemory(), SignIn: auth,
		Env:     []string{"AzureFunctionsJobHost__customHandler__enableProxyingHttpRequest=" + proxying},
		Handler: app.Handler(app.Options{Engine: e, Apps: loaded.Apps, SignIn: auth != nil, Keys: access.Operator}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestNoPathAndNoHeaderAvoidsAuthentication sends requests without a key and without the role, with
// paths that host and handler may read differently, and with headers in every form.
func TestNoPathAndNoHeaderAvoidsAuthentication(t *testing.T) {
	principal := base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","claims":[{"typ":"appid","val":"x"},{"typ":"roles","val":"` + role + `"},{"typ":"r","val":"` + role + `"}],"role_typ":"r"}`))
	headers := map[string]string{
		"nothing": "", "a stranger": "Authorization: Bearer stranger\r\n",
		"a principal": "X-MS-CLIENT-PRINCIPAL: " + principal + "\r\nX-MS-CLIENT-PRINCIPAL-NAME: ana\r\n",
		"a stranger and principals": "x-ms-client-principal: " + principal + "\r\nAuthorization: bearer  stranger\r\nX-Ms-Client-Principal: " + principal +
			"\r\nX_MS_CLIENT_PRINCIPAL: " + principal + "\r\nx-functions-key: \r\nX-MS-CLIENT-PRINCIPAL-NAME: ana\r\n",
		"two tokens": "Authorization: Bearer stranger\r\nAuthorization: Bearer other\r\n",
	}
	paths := []string{
		"/api/alert-fired", "/api/ALERT-fired", "/API/alert-fired", "/api/alert-fired/", "//api//alert-fired", "/api//alert-fired", "/api/./alert-fired",
		"/api/apps/../alert-fired", "/api/alert-fired/../alerts", "/api/alert-fired/../apps/shop/switch", "/api/alert-fired/%2e%2e/apps/shop/switch",
		"/api/alert-fired%2f..%2fapps%2fshop%2fswitch", "/api/alert-fired%3f/../apps/shop/switch", "/api/alert-fired;/../apps/shop/switch",
		"/api/alert%2dfired", "/api/alert-fired%00", "/api/alert-fired?code=x", "/api/alert-fired#/../alerts", "/api/alerts", "/api/alerts/", "/api/Alerts",
		"/api//alerts", "/api/apps/shop/switch", "/api/apps/shop/switch?code=", "/api/apps/shop/switch?CODE=x", "/apps/shop/switch", "/api/../api/apps/shop/switch",
		"/api/signed-in/apps/shop/switch", "/api/SIGNED-in/apps/shop/switch/", "/api/signed-in/../apps/shop/switch", "/api/signed-in/%2e%2e/apps/shop/switch", "/api/signed-in/alerts",
		"/api/alert-fired/apps/shop/switch", "/release-step", "/clock-tick", "/image-pushed", "/api/release-step", "/admin/functions/clock-tick",
		"/admin/functions/image-pushed", "/runtime/webhooks/EventGrid?functionName=image-pushed", "/runtime/webhooks/EventGrid/../../../api/alerts",
		"/api/ui", "/api/ui/login", "/api/ui/apps/shop/switch", "/api/UI/apps/shop/switch", "/api/ui/../apps/shop/switch", "/api/ui/%2e%2e/apps/shop/switch",
		"/api/ui%2f..%2fapps%2fshop%2fswitch", "/api/ui/..%2fapps/shop/switch", "/api/ui/../alerts", "/api/ui/style.css/../../apps/shop/switch", "/api/ui?code=x",
	}
	for _, auth := range []host.SignIn{nil, signIn} {
		for _, proxying := range []string{"true", "false"} {
			store := fake.NewStore(nil)
			h := behindHost(t, store, auth, proxying)
			for name, header := range headers {
				for _, path := range paths {
					if status := knock(t, h, path, header); status < 300 || status == 400 || status == 409 || status >= 500 {
						t.Errorf("%s as %s, sign-in %v, proxying %s: %d", path, name, auth != nil, proxying, status)
					}
				}
			}
			if s, err := store.Load(context.Background(), "shop"); err != nil || len(s.Inbox) > 0 {
				t.Errorf("something was kept: %v %v", s.Inbox, err)
			}
			if status := knock(t, h, "/api/apps/shop/switch", "x-functions-key: "+h.HostKey()+"\r\n"); status != 409 {
				t.Errorf("the right key leads to %d", status)
			}
		}
	}
}

// knock sends a POST as it stands: a client would tidy the path.
func knock(t *testing.T, h *host.Host, path, header string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := alert
	if strings.Contains(path, "switch") {
		body = "{}"
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n%sContent-Length: %d\r\n\r\n%s", path, header, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestAPathHasOneAnswerInEveryWriting asks for each path as it is documented, and in the
// writings that the host routes to the same function.
func TestAPathHasOneAnswerInEveryWriting(t *testing.T) {
	for _, proxying := range []string{"true", "false"} {
		h := behindHost(t, fake.NewStore(nil), signIn, proxying)
		for _, c := range []struct{ method, path, key string }{
			{"POST", "/api/alert-fired", ""},
			{"POST", "/api/alerts", h.HostKey()},
			{"GET", "/api", h.HostKey()},
			{"GET", "/api/health", h.HostKey()},
			{"HEAD", "/api/health", h.HostKey()},
			{"GET", "/api/apps", h.HostKey()},
			{"HEAD", "/api/apps/shop", h.HostKey()},
			{"GET", "/api/apps/shop", h.HostKey()},
			{"GET", "/api/apps/shop/history", h.HostKey()},
			{"POST", "/api/apps/shop/switch", h.HostKey()},
			{"GET", "/api/apps/shop%2Fhistory", h.HostKey()},
			{"GET", "/api/apps/a%2Fb%25%20c", h.HostKey()},
		} {
			ask(t, h, c.method, c.path, c.key) // an alert is new once
			status, body := ask(t, h, c.method, c.path, c.key)
			if good := status < 300 || strings.HasPrefix(body, "{\n"); !good && c.method != "HEAD" || status == 301 {
				t.Fatalf("%s %s: %d %s", c.method, c.path, status, body)
			}
			if strings.Contains(c.path, "%2F") && status != 404 {
				t.Errorf("%s: an encoded slash separates: %d", c.path, status)
			}
			if strings.HasPrefix(c.path, "/api/alert-fired") && !strings.Contains(body, "the caller is not signed in") {
				t.Errorf("%s: %d %s", c.path, status, body)
			}
			for _, other := range []string{c.path + "/", strings.ToUpper(c.path), strings.ToUpper(c.path) + "/", strings.Replace(c.path, "/a", "/A", 2)} {
				if s, b := ask(t, h, c.method, other, c.key); s != status || b != body {
					t.Errorf("%s %s, proxying %s: %d %s\nbut %s: %d %s", c.method, other, proxying, s, b, c.path, status, body)
				}
			}
		}
	}
}

// TestPagesOfTheAppItselfMayAsk sends what a browser without Sec-Fetch-Site sends from a page of
// the app and from one of another site, which may name itself in headers that the host passes on.
func TestPagesOfTheAppItselfMayAsk(t *testing.T) {
	for _, proxying := range []string{"true", "false"} {
		h := behindHost(t, fake.NewStore(nil), nil, proxying)
		key := "x-functions-key: " + h.HostKey() + "\r\n"
		for header, want := range map[string]int{
			"Origin: https://lab\r\n":                                 409, // let in
			"Origin: https://evil\r\n":                                403,
			"Origin: https://evil\r\nX-Forwarded-Host: evil\r\n":      403,
			"Origin: https://lab\r\nSec-Fetch-Site: cross-site\r\n":   403,
			"Origin: https://127.0.0.1\r\nX-Forwarded-Host: evil\r\n": 403,
		} {
			if status := knock(t, h, "/api/apps/shop/switch", key+header); status != want {
				t.Errorf("%q, proxying %s: %d, expected %d", header, proxying, status, want)
			}
		}
	}
}

// ask sends a request as it stands, and returns the answer.
func ask(t *testing.T, h *host.Host, method, path, key string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := ""
	if method == "POST" {
		body = "{}"
	}
	if strings.Contains(strings.ToLower(path), "alert") {
		body = alert
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nx-functions-key: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, key, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// TestUpdatedAtNeverGoesBack pauses an app and resumes it: the state then speaks of an earlier
// moment as its last one.
func TestUpdatedAtNeverGoesBack(t *testing.T) {
	clock := &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return clock.add(0) }
	loaded, err := config.Load([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	served := app.Assemble(loaded.Apps[0], onFakes)
	e := engine.New(engine.Options{
		Store: fake.NewStore(nil), Wakeups: fake.NewWakeups(nil), Apps: []engine.App{served}, Now: now,
		Sleep: func(ctx context.Context, d time.Duration) error { clock.add(d); return ctx.Err() },
	})
	if err := e.Step(t.Context(), "shop", 0); err != nil { // takes the app over
		t.Fatal(err)
	}
	calls := app.Handler(app.Options{Engine: e, Apps: loaded.Apps, Keys: access.Operator, Log: slog.New(slog.DiscardHandler)})
	var last time.Time
	for n, command := range []string{"pause", "resume", "pause", "resume"} {
		clock.add(time.Hour)
		r := httptest.NewRequest("POST", "/api/apps/shop/"+command, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", fmt.Sprint(n))
		r.Header.Set("x-functions-key", "k")
		w := httptest.NewRecorder()
		if calls.ServeHTTP(w, r); w.Code >= 300 {
			t.Fatalf("%s: %d %s", command, w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		calls.ServeHTTP(w, httptest.NewRequest("GET", "/api/apps/shop?code=k", nil))
		var a struct{ UpdatedAt time.Time }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.UpdatedAt.IsZero() {
			t.Fatalf("%v %s", err, w.Body)
		}
		if a.UpdatedAt.Before(last) {
			t.Errorf("after %s: updated at %v, before that at %v", command, a.UpdatedAt, last)
		}
		last = a.UpdatedAt
	}
}
