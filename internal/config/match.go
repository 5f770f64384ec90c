package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"bluegreen/internal/release"
)

// attached matches the tags under which signatures, attestations and other referrers of an
// image are pushed (cosign's convention and the OCI referrers tag schema).
var attached = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\..*)?$`)

// Tags is a tag policy, compiled once for all apps that have the same.
type Tags struct {
	kind, value string
	once        sync.Once
	constraint  *semver.Constraints
	expression  *regexp.Regexp
}

func tagsOf(policy string) *Tags {
	kind, value, found := strings.Cut(policy, ":")
	if !found {
		kind, value = "", policy
	}
	return &Tags{kind: kind, value: value}
}

// Tags is the app's tag policy.
func (a App) Tags() *Tags {
	if a.tags != nil {
		return a.tags
	}
	return tagsOf(a.Image.Tags) // an app that is not of a file
}

// Admits reports whether a pushed tag is to be released.
func (a App) Admits(tag string) bool { return a.Tags().Admits(tag) }

// Admits reports whether a pushed tag is to be released. An empty tag is not, and neither
// is the tag of a signature or attestation. For semver, see Image.Tags.
func (t *Tags) Admits(tag string) bool {
	if tag == "" || attached.MatchString(tag) {
		return false
	}
	t.once.Do(t.compile)
	switch t.kind {
	case "":
		return tag == t.value
	case "semver":
		v := version(tag)
		return t.constraint != nil && v != nil && t.constraint.Check(v)
	case "glob":
		return like(t.value, tag)
	case "regex":
		return t.expression != nil && t.expression.MatchString(tag)
	}
	return false
}

// compile leaves nil what is no policy, which Load refuses: it admits nothing.
func (t *Tags) compile() {
	switch t.kind {
	case "semver":
		t.constraint, _ = semver.NewConstraint(t.value)
	case "regex":
		t.expression, _ = regexp.Compile(`^(?:` + t.value + `)$`)
	}
}

// version reads a tag as a full semantic version, with or without a leading v; nil when it
// is none. Floating tags such as 6 or 6.1 move from version to version and are none.
func version(tag string) *semver.Version {
	v, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v"))
	if err != nil {
		return nil
	}
	return v
}

// newer compares by version where the tag policy is one of versions and both tags are
// versions, and by the time of the push otherwise.
func (a App) newer() func(x, y release.Image) bool {
	if !strings.HasPrefix(a.Image.Tags, "semver:") {
		return nil
	}
	return newerVersion
}

func newerVersion(x, y release.Image) bool {
	vx, vy := version(x.Tag), version(y.Tag)
	if vx == nil || vy == nil || vx.Equal(vy) {
		return x.PushedAt.After(y.PushedAt)
	}
	return vx.GreaterThan(vy)
}

// like reports whether a text matches a pattern, in which * stands for any characters and ? for one.
func like(pattern, text string) bool {
	for pattern != "" {
		p, size := utf8.DecodeRuneInString(pattern)
		if p == '*' {
			rest := strings.TrimLeft(pattern, "*")
			return rest == "" || likeSomewhere(rest, text)
		}
		t, width := utf8.DecodeRuneInString(text)
		if text == "" || p != '?' && p != t {
			return false
		}
		pattern, text = pattern[size:], text[width:]
	}
	return text == ""
}

// likeSomewhere reports whether the end of a text, from anywhere, matches a pattern. The part up
// to the next * is best found as early as possible.
func likeSomewhere(pattern, text string) bool {
	part, rest, more := strings.Cut(pattern, "*")
	if !more { // the end
		count := utf8.RuneCountInString(text) - utf8.RuneCountInString(part)
		for ; count > 0; count-- {
			_, width := utf8.DecodeRuneInString(text)
			text = text[width:]
		}
		return count == 0 && like(part, text)
	}
	length := utf8.RuneCountInString(part)
	for {
		end := 0
		for range length {
			_, width := utf8.DecodeRuneInString(text[end:])
			end += width
		}
		switch {
		case like(part, text[:end]):
			return like("*"+rest, text[end:])
		case text == "":
			return false
		}
		_, width := utf8.DecodeRuneInString(text)
		text = text[width:]
	}
}

// Fold is a text, or a pattern, in the form in which names of rules are compared: without case.
func Fold(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, text)
}

// Matches reports whether the alert is one of a rule with any of the names, as Fold has them.
func (a Alert) Matches(folded ...string) bool {
	pattern := Fold(a.Rule)
	return slices.ContainsFunc(folded, func(name string) bool { return like(pattern, name) })
}

func foldAll(names []string) []string {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = Fold(name)
	}
	return folded
}

// Watches reports whether an alert of a rule, by any of its names, returns the app's traffic;
// alert is the first entry that it matches. A severity that cannot be read counts as severe
// enough: an alert must not be lost to its spelling.
func (a App) Watches(severity string, names ...string) (alert Alert, watched bool) {
	folded := foldAll(names)
	for _, alert := range a.Alerts {
		if alert.Matches(folded...) && alert.Severe(severity) {
			return alert, true
		}
	}
	return Alert{}, false
}

// Severities are the severities that the app watches a rule with, in quotes as they are
// configured; none where it does not watch it.
func (a App) Severities(names ...string) (list []string) {
	folded := foldAll(names)
	for _, alert := range a.Alerts {
		if alert.Matches(folded...) {
			list = append(list, strconv.Quote(alert.Severity))
		}
	}
	return list
}

// Severe reports whether a severity is one that the entry is for. One that cannot be read is.
func (a Alert) Severe(severity string) bool {
	have, err := strconv.Atoi(strings.TrimPrefix(strings.ToLower(severity), "sev"))
	if a.Severity == "" || err != nil {
		return true
	}
	want := int(a.Severity[len(a.Severity)-1] - '0')
	switch strings.TrimRight(a.Severity[:len(a.Severity)-len("Sev0")], " ") {
	case "<=":
		return have <= want
	case ">=":
		return have >= want
	case "<":
		return have < want
	case ">":
		return have > want
	}
	return have == want
}
