package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
)

// rule restricts a text. pattern is for the JSON Schema and matches every valid text; check
// returns the mistake in a text that matches the pattern, "" when it is valid.
type rule struct {
	pattern string
	say     string
	most    int // characters, 0 for any number
	check   func(string) string
	// secret texts may hold what nobody should see, so that no mistake quotes them.
	secret bool
	// pair returns the mistake in the value of a key.
	pair func(key, value string) string
}

const (
	label      = `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	host       = `^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`
	repository = `^[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$`
	tag        = `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
)

// ruleOf returns the rule that the tag `is` of a field names. The sources of the limits: OCI
// distribution specification (repository, tag), Kubernetes object names (label, object),
// Azure resource naming rules (resource).
func ruleOf(is string) rule {
	switch is {
	case "name":
		return rule{pattern: `^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$`, say: "2 to 40 lower-case letters, digits and inner dashes"}
	case "label":
		return rule{pattern: label, most: 63, say: "at most 63 lower-case letters, digits and inner dashes"}
	case "object":
		return rule{pattern: `^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`, most: 253, say: "a Kubernetes name: lower-case letters, digits, inner dashes and dots"}
	case "resource":
		return rule{pattern: `^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`, most: 80, say: "the name (not the id) of a part of the gateway: letters, digits, and inside it . _ -"}
	case "registry":
		return rule{pattern: host, most: 255, say: "a login server such as shopacr.azurecr.io, without https:// or a path", check: loginServer}
	case "repository":
		return rule{pattern: repository, most: 255, say: "a repository such as team/shop, lower case, without tag or digest"}
	case "cluster":
		return rule{pattern: `^(context:.|/[sS]ubscriptions/.)`, say: "a resource id /subscriptions/…/managedClusters/NAME, or context:NAME", check: clusterID}
	case "profile":
		return rule{pattern: `^/[sS]ubscriptions/.`, say: "a resource id /subscriptions/…/trafficManagerProfiles/NAME", check: profileID}
	case "resourceID":
		return rule{pattern: `^/[sS]ubscriptions/[^/]+/.+/[^/]+$`, say: "a resource id /subscriptions/…"}
	case "gateway":
		return rule{pattern: `^/[sS]ubscriptions/.`, say: "a resource id /subscriptions/…/applicationGateways/NAME", check: gatewayID}
	case "topic":
		return rule{pattern: `^https?://.`, say: "an address such as https://NAME.REGION.eventgrid.azure.net/api/events", check: topic, secret: true}
	case "secret":
		return rule{pattern: `^\{setting:NOTIFY_[A-Za-z0-9_]{1,100}\}$`, say: "{setting:NOTIFY_NAME}: the app setting NOTIFY_NAME that holds it, such as a Key Vault reference", secret: true}
	case "receiver":
		return rule{pattern: `^(https?://.|\{setting:NOTIFY_[A-Za-z0-9_]{1,100}\}$)`, say: "an https:// address, or {setting:NOTIFY_NAME} for the app setting NOTIFY_NAME that holds it", check: receiver, secret: true}
	case "environment":
		return rule{pattern: `^([A-Za-z0-9 ._/-]|\{app\})+$`, most: 200, say: "a name of letters, digits, spaces and . _ / -, in which {app} stands for the app"}
	case "owned":
		return rule{pattern: `^[A-Za-z0-9-]{1,39}/([A-Za-z0-9._-]{1,100}|\*)$`, say: "owner/name or owner/*"}
	case "origin":
		return rule{pattern: `^https?://[^/?#]+/?$`, say: "an address without a path, such as https://NAME.azurewebsites.net", check: receiver}
	case "url":
		return rule{pattern: `^https?://.`, say: "an http:// or https:// address", check: address, secret: true}
	case "expected":
		return rule{check: expected}
	case "headerValue":
		return rule{check: headerValue, secret: true}
	case "header":
		return rule{pattern: "^[A-Za-z0-9!#$%&'*+.^_|~-]+$", say: "the name of a header", pair: headerPair}
	case "labelKey":
		return rule{pattern: `^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`, say: "the key of a label"}
	case "labelValue":
		return rule{pattern: `^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$`, most: 63, say: "the value of a label"}
	case "publicKey":
		return rule{check: ofSetting(publicKey)}
	case "certificates":
		return rule{check: ofSetting(certificates)}
	case "trustedRoot":
		return rule{check: ofSetting(trustedRoot)}
	case "issuer":
		return rule{pattern: `^https://.`, say: "the issuer's address, such as https://token.actions.githubusercontent.com"}
	case "signer":
		return rule{pattern: `.`, say: "a name, in which * stands for any characters", most: 500, check: anyone}
	case "subject":
		return rule{pattern: `^x509\.subject: ?.*=`, say: "an identity such as 'x509.subject: C=US, ST=WA, O=acme, CN=build'", most: 500}
	case "tags":
		return rule{pattern: `.`, say: "semver:CONSTRAINT, glob:PATTERN, regex:EXPRESSION or a tag", check: tagRule}
	case "percent":
		return rule{pattern: `^([1-9][0-9]?|100)%$`, say: "a percentage from 1% to 100%"}
	case "parameter":
		return rule{pattern: `^[A-Za-z][A-Za-z0-9_-]{0,39}$`, say: "the name of a parameter: a letter and at most 39 letters, digits, _ and -"}
	case "argument":
		return rule{pattern: `^[^\x00-\x1f\x7f]*$`, say: "a text in one line of at most 500 characters", most: 500}
	case "severity":
		return rule{pattern: `^(<=|>=|<|>|=)? ?[sS]ev[0-4]$`, say: "Sev0 to Sev4, alone or with an operator, such as <=Sev2"}
	case "principal":
		return rule{pattern: `^[!-~]{1,120}$`, say: "the name of an app role, or an object id: at most 120 characters without spaces"}
	case "pattern":
		return rule{pattern: `.`, say: "the name of an alert rule, * and ? are wildcards"}
	}
	return rule{}
}

// patterns has the expression of each pattern.
var patterns sync.Map

func compiled(pattern string) *regexp.Regexp {
	if known, ok := patterns.Load(pattern); ok {
		return known.(*regexp.Regexp)
	}
	expression := regexp.MustCompile(pattern)
	patterns.Store(pattern, expression)
	return expression
}

// broken returns the mistake in a text; "" when it is valid.
func (r rule) broken(text string) string {
	if r.pattern != "" && !compiled(r.pattern).MatchString(text) || r.most > 0 && len(text) > r.most {
		if r.secret {
			return "is not " + r.say
		}
		return fmt.Sprintf("%q is not %s", shorten(text), r.say)
	}
	if r.check != nil {
		return r.check(text)
	}
	return ""
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > 120 {
		return string(runes[:120]) + "…"
	}
	return text
}

// loginServer returns the mistake in a host without a domain, which is the name of a registry.
func loginServer(text string) string {
	if name, _, port := strings.Cut(text, ":"); !strings.Contains(name, ".") && name != "localhost" && !port {
		return fmt.Sprintf("%q is the name of a registry, not its login server: write %s.azurecr.io, or what `az acr show -n %s --query loginServer` prints", text, text, text)
	}
	return ""
}

func clusterID(text string) string {
	if strings.HasPrefix(text, "context:") {
		return ""
	}
	return resourceID(text, "Microsoft.ContainerService/managedClusters")
}

func gatewayID(text string) string {
	return resourceID(text, "Microsoft.Network/applicationGateways")
}

func profileID(text string) string {
	return resourceID(text, "Microsoft.Network/trafficManagerProfiles")
}

// resourceID returns how a text differs from the id of a resource of a kind. Azure compares
// ids without case.
func resourceID(text, kind string) string {
	want := "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/" + kind + "/NAME"
	got, form := strings.Split(text, "/"), strings.Split(want, "/")
	for i, part := range form {
		free := part == "SUBSCRIPTION" || part == "GROUP" || part == "NAME"
		switch {
		case i >= len(got):
			return fmt.Sprintf("ends after %q, where /%s is missing: a resource id has the form %s", shorten(got[i-1]), part, want)
		case got[i] == "" && free:
			return fmt.Sprintf("has nothing in the place of %s: a resource id has the form %s", part, want)
		case !free && !strings.EqualFold(got[i], part):
			return fmt.Sprintf("has %q, where %q is expected: a resource id has the form %s", shorten(got[i]), part, want)
		}
	}
	if len(got) > len(form) {
		return fmt.Sprintf("goes on with %q: a resource id has the form %s", shorten("/"+strings.Join(got[len(form):], "/")), want)
	}
	return ""
}

func topic(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "is not an address such as https://NAME.REGION.eventgrid.azure.net/api/events"
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost":
		return "must begin with https://: what is sent there carries a token"
	case u.User != nil || u.RawQuery != "":
		return "holds a user or a query: give the plain endpoint, the managed identity is what signs"
	}
	return ""
}

// tagRule returns the mistake in a tag policy.
func tagRule(text string) string {
	kind, value, found := strings.Cut(text, ":")
	switch {
	case found && value == "":
		return fmt.Sprintf("%q says nothing after the colon", text)
	case kind == "semver" && found:
		if _, err := semver.NewConstraint(value); err != nil {
			return fmt.Sprintf("%q is not a version constraint such as >=6, ~1.4 or >=1.2 <2: %v", shorten(value), err)
		}
	case kind == "regex" && found:
		if _, err := regexp.Compile(`^(?:` + value + `)$`); err != nil {
			return fmt.Sprintf("%q is not a regular expression: %v", shorten(value), err)
		}
	case kind == "glob" && found:
		if strings.ContainsAny(value, "[]{}\\") {
			return fmt.Sprintf("%q is not a pattern: only * and ? are wildcards, regex: can do more", shorten(value))
		}
	case found:
		return fmt.Sprintf("%q is not a kind of tag policy%s; known are semver:, glob: and regex:, anything without a colon is the tag itself", kind, meant(kind, []string{"semver", "glob", "regex"}))
	case !compiled(`^` + tag + `$`).MatchString(text):
		return fmt.Sprintf("%q is not a tag; a policy begins with semver:, glob: or regex:", shorten(text))
	}
	return ""
}

// meant is the question after a word that is not known, "" when nothing known is near.
func meant(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// edits counts the letters to add, drop or change (Levenshtein) between two short words.
func edits(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
