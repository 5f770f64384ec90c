package release

import (
	"regexp"
	"strings"
)

var (
	address = regexp.MustCompile("[A-Za-z][A-Za-z0-9+.-]*://[^\\s\"<>`\\\\]+")
	port    = regexp.MustCompile(`^[^:]*(:[0-9]*)?$|^\[[^]]*\](:[0-9]*)?$`)
	// assigned is a secret by its name: in a form, a connection string or JSON. A code is that of a
	// function key, which is long; others are numbers.
	assigned = regexp.MustCompile(`(?i)\b((?:sig|account_?key|shared_?access_?key|shared_?access_?signature|(?:access|refresh|id)_token|client_secret|password|pwd|api_?key)(?:=|"\s*:\s*"|\\"\s*:\s*\\"))[^\s"&;\\]+|\b(code=)[^\s"&;\\]{20,}`)
	scheme   = regexp.MustCompile(`(?i)\b(bearer|basic|sharedkey|sharedaccesssignature)\s+[^\s",;\\]{20,}`)
	jwt      = regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?`)
)

// WithoutSecrets returns a text without what may be secret in it: user, query and fragment of each
// URL, tokens, and values that have the name of a key or a password. Every text that leaves
// the process passes here: on its way into a state, an answer of the API, or a line of output. Quotes and
// backslashes stay, so that JSON stays JSON.
func WithoutSecrets(text string) string {
	if strings.Contains(text, "://") {
		text = address.ReplaceAllStringFunc(text, place)
	}
	if strings.ContainsAny(text, `=:`) {
		text = assigned.ReplaceAllString(text, "$1$2…")
	}
	if len(text) > 20 {
		text = jwt.ReplaceAllString(scheme.ReplaceAllString(text, "$1 …"), "…")
	}
	return text
}

// place is scheme, host and path of a URL. A host whose port is no number may be the beginning of
// a user and a password, cut off.
func place(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, path := rest, ""
	if end := strings.IndexAny(rest, `/?#`); end >= 0 {
		host, path = rest[:end], rest[end:]
	}
	host = host[strings.LastIndex(host, "@")+1:]
	if !port.MatchString(host) {
		host = "…"
	}
	if end := strings.IndexAny(path, `?#`); end >= 0 {
		path = path[:end]
	}
	return scheme + "://" + host + path
}
