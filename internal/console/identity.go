package console

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"bluegreen/internal/release"
	"bluegreen/internal/signin"
)

// identity says who asks, for the record. The host has already checked the key or the
// sign-in; a request with neither came past it. claimed is who the body says to be.
func (c *console) identity(r *http.Request, claimed string) (string, error) {
	name, err := principal(r.Header)
	if err != nil {
		return "", err
	}
	key := r.Header.Get("x-functions-key") != "" || keyed(r.URL.Query())
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

// keyed reports whether a query carries a function key; the host reads names in any case.
func keyed(query url.Values) bool {
	for name := range query {
		if strings.EqualFold(name, "code") {
			return true
		}
	}
	return false
}

// principal is the name of the signed-in user; "" when there is none.
func principal(h http.Header) (string, error) {
	p, err := signin.Read(h)
	if err != nil {
		return "", invalid(signin.Header, "%v", err)
	}
	return plain(signin.Header, p.Name)
}

// mostName is how long a name may be, in characters.
const mostName = 200

func plain(field, text string) (string, error) {
	if err := legible(field, text, mostName); err != nil {
		return "", err
	}
	return text, nil
}

// legible refuses text that would break a line of the history or a terminal, or be shown
// in another order than it was written in.
func legible(field, text string, most int) error {
	if strings.ContainsFunc(text, func(r rune) bool { return release.Hidden(r) || r == unicode.ReplacementChar }) {
		return invalid(field, "holds a line break or another character that cannot be shown: keep it to one line of text")
	}
	if n := len([]rune(text)); n > most {
		return invalid(field, "has %d characters, at most %d are kept", n, most)
	}
	return nil
}
