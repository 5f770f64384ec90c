package host_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"testing"

	"bluegreen/internal/emulator/host"
	"bluegreen/internal/signin"
)

// TestOnlyAppServiceAuthenticationSetsThePrincipal sends forged headers as well.
func TestOnlyAppServiceAuthenticationSetsThePrincipal(t *testing.T) {
	t.Parallel()
	forged := base64.StdEncoding.EncodeToString([]byte(`{"claims":[{"typ":"name","val":"eve"},{"typ":"roles","val":"Sender"}]}`))
	var seen http.Header
	w := startWith(t, host.Options{
		Root: folder(t, httpApp),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.Header.Clone()
			w.WriteHeader(http.StatusTeapot)
		}),
		SignIn: func(token string) ([]host.Claim, error) {
			if token != "good" {
				return nil, errors.New("not ours")
			}
			return []host.Claim{{Typ: "oid", Val: "7"}, {Typ: "appid", Val: "caller"}, {Typ: "roles", Val: "Sender"}}, nil
		},
	}, proxying)
	for name, c := range map[string]struct {
		headers []string
		status  int
		name    string
		role    bool
	}{
		"no token":                       {nil, 418, "", false},
		"another scheme":                 {[]string{"Authorization", "Basic eDp5"}, 418, "", false},
		"a token":                        {[]string{"Authorization", "Bearer good"}, 418, "7", true},
		"a wrong token":                  {[]string{"Authorization", "bearer bad"}, 401, "", false},
		"a forged principal":             {[]string{"X-MS-CLIENT-PRINCIPAL", forged, "x-ms-client-principal-name", "eve", "X-MS-CLIENT-PRINCIPAL-ID", "1"}, 418, "", false},
		"a forged one and a token":       {[]string{"X-Ms-Client-Principal", forged, "Authorization", "Bearer good"}, 418, "7", true},
		"a forged one and a wrong token": {[]string{"X-Ms-Client-Principal", forged, "Authorization", "Bearer bad"}, 401, "", false},
	} {
		seen = nil
		if got := w.call("GET", "/api/x", "", c.headers...); got.status != c.status || (seen != nil) != (c.status == 418) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		p, err := signin.Read(seen)
		if err != nil || p.ID != c.name || p.Has("Sender") != c.role || seen.Get("X-MS-CLIENT-PRINCIPAL-ID") != c.name {
			t.Errorf("%s: %+v %v, headers %v", name, p, err, seen)
		}
	}
}
