package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/emulator/host"
	"bluegreen/internal/fake"
)

// TestAKeyOpensItsFunctionAlone tries every key at every endpoint: the key in an action
// group's URL can neither look nor act.
func TestAKeyOpensItsFunctionAlone(t *testing.T) {
	for _, auth := range []host.SignIn{nil, signIn} {
		for _, proxying := range []string{"true", "false"} {
			h := behindHost(t, fake.NewStore(nil), auth, proxying)
			for _, c := range []struct{ method, path, function string }{
				{"POST", "/api/alerts", "alerts"},
				{"POST", "/api/ALERTS/", "alerts"},
				{"GET", "/api", "look"},
				{"GET", "/api/health", "look"},
				{"GET", "/api/apps", "look"},
				{"GET", "/api/apps/shop", "look"},
				{"GET", "/api/apps/shop/history", "look"},
				{"GET", "/api/apps/shop/switch", "look"},
				{"GET", "/api/alerts", "look"},
				{"POST", "/api/apps/shop/switch", "act"},
				{"POST", "/api/apps/shop/rollback", "act"},
				{"POST", "/api/apps/shop/release-quarantine", "act"},
				{"POST", "/API/Apps/Shop/Switch/", "act"},
			} {
				keys := map[string]string{"": "", "host": h.HostKey()}
				for _, name := range []string{"alerts", "look", "act", "alert-fired", "signed-in"} {
					keys[name] = h.KeyOf(name)
				}
				for of, key := range keys {
					status, body := ask(t, h, c.method, c.path, key)
					if opened := status != 401; opened != (of == c.function || of == "host") {
						t.Errorf("%s %s with the key of %q: %d %s", c.method, c.path, of, status, body)
					}
				}
			}
			for _, path := range []string{"/api/apps", "/api/health", "/api/x", "/api", "/api/apps/shop"} { // nothing but commands
				if status, body := ask(t, h, "POST", path, h.HostKey()); status != 404 || body != "" {
					t.Errorf("POST %s reaches the app: %d %s", path, status, body)
				}
			}
			for _, path := range []string{"/api/signed-in/apps", "/api/signed-in/apps/shop/switch", "/api/Signed-In/Health/"} {
				for _, method := range []string{"GET", "POST"} {
					if status, body := ask(t, h, method, path, h.HostKey()); status != 401 || !strings.Contains(body, `"identity"`) {
						t.Errorf("%s %s with a key alone: %d %s", method, path, status, body)
					}
				}
			}
		}
	}
}

// TestNoPathLeavesTheFunctionOfSignedInCallers: the host lets everybody through to it, and a path
// that led out of it on the way to the handler would be taken for one whose key was checked.
func TestNoPathLeavesTheFunctionOfSignedInCallers(t *testing.T) {
	for _, proxying := range []string{"true", "false"} {
		h := behindHost(t, fake.NewStore(nil), signIn, proxying)
		for _, path := range []string{
			"/api/signed-in/../apps/shop/switch", "/api/signed-in/%2e%2e/apps/shop/switch", "/api/signed-in/%252e%252e/apps/shop/switch", "/api/signed-in/.%2e/apps/shop/switch",
			"/api/signed-in/apps/shop/..%2f..%2f..%2fapps%2fshop%2fswitch", "/api/signed-in/..%5capps%5cshop%5cswitch", "/api/signed-in/;/../../apps/shop/switch", "/api/signed-in/%00/apps/shop/switch",
			"/api/signed-in%2f..%2fapps/shop/switch", "/api/signed-in/apps/shop%2fswitch%3f", "/api/signed-in//apps/shop/switch", "/api/signed-in",
		} {
			for _, method := range []string{"GET", "POST"} {
				if status, body := ask(t, h, method, path, "wrong"); body != "" || status != 401 && status != 404 {
					t.Errorf("%s %s, proxying %s: %d %s", method, path, proxying, status, body)
				}
			}
		}
	}
}

// TestATokenHasTheRightsOfItsRoles asks with tokens only, as people and pipelines do.
func TestATokenHasTheRightsOfItsRoles(t *testing.T) {
	roles := func(token string) ([]host.Claim, error) {
		return []host.Claim{{Typ: "oid", Val: "oid-of-" + token}, {Typ: "preferred_username", Val: token + "@example.com"}, {Typ: "roles", Val: "bluegreen." + token}}, nil
	}
	for _, proxying := range []string{"true", "false"} {
		h := behindHost(t, fake.NewStore(nil), roles, proxying)
		for _, c := range []struct {
			token, method, path string
			status              int
		}{
			{"stranger", "GET", "/api/signed-in/apps/shop", 403},
			{"viewer", "GET", "/api/signed-in/apps/shop", 200},
			{"viewer", "GET", "/api/signed-in/apps", 200},
			{"viewer", "POST", "/api/signed-in/apps/shop/pause", 403},
			{"operator", "POST", "/api/signed-in/apps/shop/pause", 409}, // let in: the app is not served
			{"operator", "POST", "/api/signed-in/apps/shop/forget", 403},
			{"admin", "POST", "/api/signed-in/apps/shop/forget", 409},
			{"admin", "POST", "/api/apps/shop/pause", 401}, // by the host, which wants a key there
			{"admin", "GET", "/api/apps", 401},
		} {
			r, err := http.NewRequestWithContext(t.Context(), c.method, h.URL()+c.path, strings.NewReader(`{"tag": "1.0.0"}`))
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(c.path, "/pause") {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
			}
			r.Header.Set("Authorization", "Bearer "+c.token)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "k")
			r.Header.Set("X-MS-CLIENT-PRINCIPAL", "eyJjbGFpbXMiOltdfQ==") // which the platform replaces
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("%s: %s %s, proxying %s: %d %s", c.token, c.method, c.path, proxying, resp.StatusCode, body)
			}
		}
	}
}
