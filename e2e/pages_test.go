package e2e

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestThePagesOpenToAKeyOfTheHost signs in to the deployed package, which asks its host about
// the key at the address that the platform gives.
func TestThePagesOpenToAKeyOfTheHost(t *testing.T) {
	t.Parallel()
	m := newMarket(t, 1, 1, "  bake: 10m\n")
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	browse := func(method, path, form string, cookies ...*http.Cookie) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, m.hosts[0].URL()+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		resp, err := direct.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	if resp, text := browse("POST", "/api/ui/login", url.Values{"key": {"wrong"}}.Encode()); resp.StatusCode != 401 || len(resp.Cookies()) > 0 {
		t.Errorf("a wrong key: %d %s", resp.StatusCode, text)
	}
	resp, text := browse("POST", "/api/ui/login", url.Values{"key": {m.hosts[0].HostKey()}}.Encode())
	if resp.StatusCode != 303 || len(resp.Cookies()) != 1 {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	for path, want := range map[string]string{"/api/ui": "shop-00", "/api/ui/apps/shop-00": "Configuration in effect", "/api/ui/apps/shop-00/pause": "This will"} {
		if page, text := browse("GET", path, "", resp.Cookies()...); page.StatusCode != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, page.StatusCode, text)
		}
	}
}
