package signin_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"bluegreen/internal/signin"
)

func read(principal string) (signin.Principal, error) {
	h := http.Header{}
	h.Set(signin.Header, principal)
	h.Set(signin.Header+"-NAME", "eve")
	return signin.Read(h)
}

func TestWithoutHeadersNoPrincipalIsSignedIn(t *testing.T) {
	if p, err := signin.Read(http.Header{}); err != nil || p.Name != "" || p.Has("") {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAPrincipalHasTheRolesOfItsClaims(t *testing.T) {
	text := base64.StdEncoding.EncodeToString([]byte(`{"role_typ":"r","claims":[{"typ":"oid","val":"7"},{"typ":"r","val":"A"},{"typ":"roles","val":"B"},{"typ":"x","val":"C"}]}`))
	p, err := read(text)
	if err != nil || p.ID != "7" || !p.Has("A") || !p.Has("B") || p.Has("C") {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"role_typ":"r","claims":[{"typ":"oid","val":"7"}]}`)
	f.Add(`{"claims":null}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := read(base64.StdEncoding.EncodeToString([]byte(text))); err == nil && text != "" && p.ID == "" {
			t.Errorf("%q is read as %+v", text, p)
		}
	})
}
