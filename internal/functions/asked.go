package functions

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// asked is a request of the host as its caller made it, with the path in one writing. The
// host's routes ignore case and one slash at the end, and it passes the path on as it was
// written: a path that it took for that of an anonymous function must not be read as another
// here. Where it proxies, Host is this process's address, the caller's is in
// X-Forwarded-Host (a caller cannot set it there), and an encoded slash is encoded once more.
func asked(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	written := r.URL.EscapedPath()
	escaped := lower(written)
	if route := beforeKey.FindString(escaped); route != "" {
		escaped = route + written[len(route):]
	}
	escaped = strings.TrimSuffix(escaped, "/")
	if host := r.Header.Get("X-Forwarded-Host"); host != "" && isLoopback(r.Host) {
		r.Host = host
		escaped = strings.ReplaceAll(escaped, "%252f", "%2f")
	}
	if path, err := url.PathUnescape(escaped); err == nil {
		r.URL.Path, r.URL.RawPath = path, escaped
	}
	return r
}

// beforeKey is what comes before the idempotency key of a command, the one part of a path in
// which case counts.
var beforeKey = regexp.MustCompile(`^/api/(signed-in/)?apps/[^/]+/commands/`)

// lower changes the case of ASCII letters alone, as the host does when it compares routes.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && net.ParseIP(host).IsLoopback()
}
