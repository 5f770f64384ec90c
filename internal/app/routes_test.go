package app_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

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
		Handler: app.Handler(app.Options{Engine: e, Apps: loaded.Apps, SignIn: auth != nil}),
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
		"/api/alert-fired/apps/shop/switch", "/release-step", "/clock-tick", "/image-pushed", "/api/release-step", "/admin/functions/clock-tick",
		"/admin/functions/image-pushed", "/runtime/webhooks/EventGrid?functionName=image-pushed", "/runtime/webhooks/EventGrid/../../../api/alerts",
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
			if status := knock(t, h, "/api/apps/shop/switch", "x-functions-key: "+h.FunctionKey()+"\r\n"); status != 409 {
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
