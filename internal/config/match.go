package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"bluegreen/internal/release"
)

// attached matches the tags under which signatures, attestations and other referrers of an
// image are pushed (cosign's convention and the OCI referrers tag schema).
var attached = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\..*)?$`)

// Admits reports whether a pushed tag is to be released. An empty tag is not, and neither
// is the tag of a signature or attestation. For semver, see Image.Tags.
func (a App) Admits(tag string) bool {
	if tag == "" || attached.MatchString(tag) {
		return false
	}
	kind, value, found := strings.Cut(a.Image.Tags, ":")
	switch {
	case !found:
		return tag == a.Image.Tags
	case kind == "semver":
		constraint, err := semver.NewConstraint(value)
		v := version(tag)
		return err == nil && v != nil && constraint.Check(v)
	case kind == "glob":
		return wildcard(value, "(?s)").MatchString(tag)
	case kind == "regex":
		whole, err := regexp.Compile(`^(?:` + value + `)$`)
		return err == nil && whole.MatchString(tag)
	}
	return false
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
	return func(x, y release.Image) bool {
		vx, vy := version(x.Tag), version(y.Tag)
		if vx == nil || vy == nil || vx.Equal(vy) {
			return x.PushedAt.After(y.PushedAt)
		}
		return vx.GreaterThan(vy)
	}
}

func wildcard(pattern, flags string) *regexp.Regexp {
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\*`, `.*`), `\?`, `.`)
	return regexp.MustCompile(flags + `^` + text + `$`)
}

// Watches reports whether an alert of a rule, by any of its names, returns the app's traffic;
// alert is the first entry that it matches. A severity that cannot be read counts as severe
// enough: an alert must not be lost to its spelling.
func (a App) Watches(severity string, names ...string) (alert Alert, watched bool) {
	for _, alert := range a.Alerts {
		if slices.ContainsFunc(names, wildcard(alert.Rule, "(?is)").MatchString) && alert.severe(severity) {
			return alert, true
		}
	}
	return Alert{}, false
}

// Severities are the severities that the app watches a rule with, in quotes as they are
// configured; none where it does not watch it.
func (a App) Severities(names ...string) (list []string) {
	for _, alert := range a.Alerts {
		if slices.ContainsFunc(names, wildcard(alert.Rule, "(?is)").MatchString) {
			list = append(list, strconv.Quote(alert.Severity))
		}
	}
	return list
}

func (a Alert) severe(severity string) bool {
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
