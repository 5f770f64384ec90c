package app_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/outbound"
	"bluegreen/internal/signin"
)

// pagesBehindHost is the deployed app behind the host, which is asked about keys.
func pagesBehindHost(t *testing.T, proxying string) *host.Host {
	t.Helper()
	loaded, err := config.Load([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Options{Store: fake.NewStore(nil), Wakeups: fake.NewWakeups(nil), Apps: []engine.App{app.Assemble(loaded.Apps[0], onFakes)}})
	if err := e.Step(t.Context(), "shop", 0); err != nil { // takes the app over
		t.Fatal(err)
	}
	var h *host.Host
	h, err = host.Start(t.Context(), host.Options{
		Root: "../..", Queues: host.NewMemory(),
		Env: []string{"AzureFunctionsJobHost__customHandler__enableProxyingHttpRequest=" + proxying},
		Handler: app.Handler(app.Options{Engine: e, Apps: loaded.Apps, Keys: access.Admin, Log: slog.New(slog.DiscardHandler), Verify: func(ctx context.Context, key string, commands bool) (bool, error) {
			return signin.Host{URL: h.URL(), Client: outbound.Client(nil), Try: 10 * time.Second}.Takes(ctx, key, commands)
		}}),
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

// browse sends what a browser on the pages sends, and returns the answer as it is.
func browse(t *testing.T, h *host.Host, method, path string, form url.Values, key string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.Header.Set("Cookie", "bluegreen-key="+key)
	}
	resp, err := outbound.Client(nil).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestThePagesPassTheHost signs in with a key that only the host knows, and gives a command.
func TestThePagesPassTheHost(t *testing.T) {
	for _, proxying := range []string{"true", "false"} {
		h := pagesBehindHost(t, proxying)
		for _, key := range []string{"", "wrong", h.KeyOf("alerts"), h.KeyOf("act"), h.KeyOf("ui")} {
			if resp := browse(t, h, "GET", "/api/ui/apps/shop", nil, key); resp.StatusCode != 401 {
				t.Errorf("proxying %s: the key %q is answered %d", proxying, key, resp.StatusCode)
			}
		}
		reading := read(t, browse(t, h, "GET", "/api/ui/apps/shop/pause", nil, h.KeyOf("look")))
		if !strings.Contains(reading, "this key opens the function look alone") || strings.Contains(reading, `name="seen"`) {
			t.Errorf("proxying %s: the key of look: %s", proxying, reading)
		}
		if resp := browse(t, h, "POST", "/api/ui/apps/shop/pause", url.Values{"key": {"1"}, "seen": {"1"}}, h.KeyOf("look")); resp.StatusCode != 403 {
			t.Errorf("proxying %s: the key of look gives a command: %d", proxying, resp.StatusCode)
		}
		resp := browse(t, h, "POST", "/api/ui/login", url.Values{"key": {h.HostKey()}, "next": {"/api/ui/apps/shop"}}, "")
		if at := resp.Header.Get("Location"); resp.StatusCode != 303 || at != "/api/ui/apps/shop" || len(resp.Cookies()) != 1 {
			t.Fatalf("proxying %s: login: %d to %q, %v", proxying, resp.StatusCode, at, resp.Cookies())
		}
		key := resp.Cookies()[0].Value
		for _, path := range []string{"/api/ui", "/api/ui/", "/API/UI/Apps/Shop", "/api/ui/apps/shop/history/"} {
			if resp := browse(t, h, "GET", path, nil, key); resp.StatusCode != 200 || !strings.Contains(read(t, resp), "shop") {
				t.Errorf("proxying %s: %s: %d", proxying, path, resp.StatusCode)
			}
		}
		page := read(t, browse(t, h, "GET", "/api/ui/apps/shop/pause", nil, key))
		form := url.Values{"why": {"it is late"}}
		for _, name := range []string{"key", "seen"} {
			_, rest, _ := strings.Cut(page, `name="`+name+`" value="`)
			value, _, _ := strings.Cut(rest, `"`)
			form.Set(name, value)
		}
		resp = browse(t, h, "POST", "/api/ui/apps/shop/pause", form, key)
		if at := resp.Header.Get("Location"); resp.StatusCode != 303 || at != "/api/ui/apps/shop?asked="+form.Get("key") {
			t.Fatalf("proxying %s: pause: %d to %q: %s", proxying, resp.StatusCode, at, read(t, resp))
		}
		if page := read(t, browse(t, h, "GET", resp.Header.Get("Location"), nil, key)); !strings.Contains(page, "Your command: pause is done: ") || !strings.Contains(page, "it is late") || !strings.Contains(page, "function key ") {
			t.Errorf("proxying %s: %s", proxying, page)
		}
	}
}

// TestAStreamPassesAProxyingHost: its first event comes at once, and a change within seconds. A
// host that forwards would hold it back, so that it ends with the advice to read the page.
func TestAStreamPassesAProxyingHost(t *testing.T) {
	h := pagesBehindHost(t, "true")
	events := bufio.NewScanner(browse(t, h, "GET", "/api/ui/live?app=shop", nil, h.HostKey()).Body)
	next := func(want string) {
		t.Helper()
		for events.Scan() {
			if line := events.Text(); strings.HasPrefix(line, "event: ") {
				if line != "event: "+want {
					t.Fatalf("%q, expected %s", line, want)
				}
				return
			}
		}
		t.Fatalf("the stream ended: %v", events.Err())
	}
	next("hello")
	if status, body := ask(t, h, "POST", "/api/apps/shop/pause", h.HostKey()); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	next("changed")

	h = pagesBehindHost(t, "false")
	if text := read(t, browse(t, h, "GET", "/api/ui/live?app=shop", nil, h.HostKey())); !strings.HasPrefix(text, "event: poll\n") {
		t.Errorf("behind a host that forwards: %s", text)
	}
}
