package probe

import (
	"net/url"
	"regexp"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/setting"
)

// Settings are the app settings of checks, by name; "" is one that is not there.
type Settings func(name string) string

// problem is why a setting cannot be used; "" when it can.
func (s Settings) problem(name string) string { return setting.Problem(name, s(name)) }

// reference is a setting of a check. Others are not, whatever a configuration says: the storage account
// and the identity are among them.
var reference = regexp.MustCompile(`\{setting:(CHECK_[A-Za-z0-9_]+)\}`)

// settings are the names of the settings that a request uses.
func (r Request) settings() []string {
	var names []string
	for _, found := range reference.FindAllStringSubmatch(r.template(), -1) {
		names = append(names, found[1])
	}
	return names
}

// template is all of the request that may name settings.
func (r Request) template() string {
	text := r.URL
	for _, v := range r.Headers {
		text += "\n" + v
	}
	return text
}

// filled is the request about one subject. What it puts into path and query is escaped there, so
// that a tag cannot lead the request to another place.
func (r Request) filled(s engine.Subject, settings Settings) Request {
	fill := func(text string, escape func(string) string) string {
		text = reference.ReplaceAllStringFunc(text, func(found string) string {
			return escape(settings(reference.FindStringSubmatch(found)[1]))
		})
		return strings.NewReplacer("{color}", escape(string(s.Color)), "{digest}", escape(s.Image.Digest), "{tag}", escape(s.Image.Tag)).Replace(text)
	}
	plain := func(text string) string { return text }
	place, query, asks := strings.Cut(r.URL, "?")
	if r.URL = fill(place, url.PathEscape); asks {
		r.URL += "?" + fill(query, url.QueryEscape)
	}
	r.Contains = fill(r.Contains, plain)
	headers := make(map[string]string, len(r.Headers))
	for k, v := range r.Headers {
		headers[k] = fill(v, plain)
	}
	r.Headers = headers
	return r
}
