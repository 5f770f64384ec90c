package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
)

// identity says who asks, for the record. The host has already checked the key or the
// sign-in; a request with neither came past it. claimed is who the body says to be.
//
// The headers are those of App Service authentication ("Work with user identities in
// Azure App Service authentication", Microsoft Learn).
func (c *console) identity(r *http.Request, claimed string) (string, error) {
	name, err := principal(r.Header)
	if err != nil {
		return "", err
	}
	key := r.Header.Get("x-functions-key") != "" || r.URL.Query().Has("code")
	var who []string
	if claimed != "" {
		who = append(who, claimed+" (claimed)")
	}
	switch {
	case name != "" && c.SignIn:
		return strings.Join(append(who, name), ", "), nil
	case !key:
		return "", problem(http.StatusUnauthorized, "identity", "who asks is not known: send a function key as x-functions-key, or sign in")
	case name != "":
		who = append(who, name+" (claimed)")
	}
	return strings.Join(append(who, "function key"), ", "), nil
}

// principal reads the signed-in person from the headers; "" when there is none.
func principal(h http.Header) (string, error) {
	encoded := h.Get("X-MS-CLIENT-PRINCIPAL")
	if encoded == "" {
		return plain("X-MS-CLIENT-PRINCIPAL-NAME", h.Get("X-MS-CLIENT-PRINCIPAL-NAME"))
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", invalid("X-MS-CLIENT-PRINCIPAL", "is not base64: leave the header to the platform")
	}
	var p struct {
		Claims []struct{ Typ, Val string }
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return "", invalid("X-MS-CLIENT-PRINCIPAL", "is not the JSON of a principal: leave the header to the platform")
	}
	for _, typ := range []string{
		"preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
		"name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
		"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier", "appid",
	} {
		for _, claim := range p.Claims {
			if claim.Typ == typ && claim.Val != "" {
				return plain("X-MS-CLIENT-PRINCIPAL", claim.Val)
			}
		}
	}
	return "", invalid("X-MS-CLIENT-PRINCIPAL", "names nobody: it has none of the claims preferred_username, name, oid")
}

// mostName is how long a name may be, in characters.
const mostName = 200

func plain(field, text string) (string, error) {
	if err := legible(field, text, mostName); err != nil {
		return "", err
	}
	return text, nil
}

// legible refuses text that would break a line of the history or a terminal.
func legible(field, text string, most int) error {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return invalid(field, "holds a line break or another character that cannot be shown: keep it to one line of text")
	}
	if n := len([]rune(text)); n > most {
		return invalid(field, "has %d characters, at most %d are kept", n, most)
	}
	return nil
}
