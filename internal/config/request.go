package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"bluegreen/internal/engine"
)

// settingPrefix begins the names of the app settings that checks may use. All others, with the
// storage account and the identity, are out of their reach.
const settingPrefix = "CHECK_"

var (
	placeholder = regexp.MustCompile(`\{([A-Za-z]*)\}|\{(setting):([^{}]*)\}`)
	settingName = regexp.MustCompile(`^` + settingPrefix + `[A-Za-z0-9_]{1,100}$`)
	// credential is a header or a parameter of a query whose value signs a request.
	credential = regexp.MustCompile(`(?i)^(proxy-)?authorization$|^cookie$|^sig$|^code$|^pwd$|password|passwd|secret|token|signature|credential|(api|access|account|functions|subscription)[-_]?key`)
)

// address returns the mistake in the URL of a check. A tag comes from outside: what it is put into
// must not decide where the request goes.
func address(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	path, query, _ := strings.Cut(path, "?")
	if strings.Contains(host, "@") {
		return "holds a user or a password, which anyone who reads the file or the history would see: send a header with a setting instead"
	}
	for _, part := range []struct{ text, name, may string }{{host, "the host", "color"}, {path, "the path", "color digest tag"}, {query, "the query", "color digest tag setting"}} {
		if wrong := placeholders(part.text, part.name, part.may); wrong != "" {
			return wrong
		}
	}
	u, err := url.Parse(placeholder.ReplaceAllString(text, "x"))
	if err != nil || u.Host == "" {
		return "is not an http:// or https:// address"
	}
	for name, values := range u.Query() {
		if credential.MatchString(name) && slices.ContainsFunc(values, func(v string) bool { return v != "" }) && !fromSetting(query, name) {
			return literal("the parameter " + name)
		}
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && engine.Metadata(ip) {
		return "is an address at which the platform gives out credentials: a check asks the app"
	}
	return ""
}

// fromSetting reports whether each value of a parameter comes from a setting.
func fromSetting(query, name string) bool {
	for part := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(part, "=")
		if known, err := url.QueryUnescape(key); err == nil && known == name && value != "" && !strings.Contains(value, "{setting:") {
			return false
		}
	}
	return true
}

func literal(what string) string {
	return fmt.Sprintf("%s holds a literal credential, which anyone who reads the file would see: put it into an app setting %sNAME, such as a Key Vault reference, and write {setting:%[2]sNAME} here", what, settingPrefix)
}

// headerPair returns the mistake in a header of a check.
func headerPair(name, value string) string {
	if credential.MatchString(name) && value != "" && !strings.Contains(value, "{setting:") {
		return literal("the header " + name)
	}
	return ""
}

func headerValue(text string) string {
	return placeholders(text, "the value of a header", "color digest setting")
}

func expected(text string) string {
	return placeholders(text, "the expected text", "color digest tag")
}

// placeholders returns the mistake of a {word} that is not known, so that no check asks for a
// literal one, or may not be where it is.
func placeholders(text, where, may string) string {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "holds a line break or another control character: keep it on one line"
	}
	known := []string{"color", "digest", "tag", "setting"}
	for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
		word := found[1] + found[2]
		switch {
		case !slices.Contains(known, word):
			return fmt.Sprintf("%s is not known%s; known are {color}, {digest}, {tag} and {setting:%sNAME}", found[0], meant(word, known), settingPrefix)
		case !slices.Contains(strings.Fields(may), word):
			return fmt.Sprintf("%s cannot be in %s; what can is {%s}", found[0], where, strings.ReplaceAll(may, " ", "}, {"))
		case word == "setting" && !settingName.MatchString(found[3]):
			return fmt.Sprintf("%s is no setting for checks: its name has to begin with %s, and has letters, digits and _ only", found[0], settingPrefix)
		}
	}
	return ""
}
