package app_test

import (
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
			for _, path := range []string{"/api/signed-in/apps", "/api/signed-in/apps/shop/switch", "/api/Signed-In/", "/api/signed-in"} {
				for _, method := range []string{"GET", "POST"} {
					if status, body := ask(t, h, method, path, h.HostKey()); status != 401 || !strings.Contains(body, `"identity"`) {
						t.Errorf("%s %s with a key alone: %d %s", method, path, status, body)
					}
				}
			}
		}
	}
}
