// Package access decides who may do what. What a command needs follows from its definition;
// what a caller may follows from the app roles that Entra has assigned to it, or, for the
// holder of a function key, from one setting of the installation.
package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/release"
)

// Right is what a caller may do; each right includes those below it.
type Right int

const (
	None     Right = iota
	Viewer         // read
	Operator       // give commands that keep to checks, quarantine and pushes
	Admin          // give every command
)

var names = []string{"none", "viewer", "operator", "admin"}

// String is the name of the right, as in the settings.
func (r Right) String() string { return names[r] }

// setting names the app setting that says what the holder of a function key may do.
const setting = "BLUEGREEN_KEYS_MAY"

// Keys reads the value of the setting BLUEGREEN_KEYS_MAY. Without one it is Operator.
func Keys(value string) (Right, error) {
	n := slices.Index(names, cmp.Or(value, Operator.String()))
	if n <= int(None) {
		return None, fmt.Errorf("%s: %q is not viewer, operator or admin", setting, value)
	}
	return Right(n), nil
}

// Rules say who has which right in an app: names of app roles of the app registration, or
// object ids.
type Rules struct{ Viewers, Operators, Admins []string }

// Default are the rules where the configuration has none.
var Default = Rules{Viewers: []string{"bluegreen.viewer"}, Operators: []string{"bluegreen.operator"}, Admins: []string{"bluegreen.admin"}}

// of returns who has a right by name.
func (r Rules) of(right Right) []string {
	return map[Right][]string{Viewer: r.Viewers, Operator: r.Operators, Admin: r.Admins}[right]
}

// Caller is who asks, with the app roles of its token.
type Caller struct {
	release.Actor
	Roles []string
}

// Right returns what a caller may do. Who is signed in has the right of its roles alone,
// whatever key comes with the request; keys is the right of any other holder of a key.
func (r Rules) Right(c Caller, keys Right) Right {
	switch {
	case c.Proven == "" && c.Key == "":
		return None
	case c.Proven == "":
		return keys
	}
	for _, right := range []Right{Admin, Operator, Viewer} {
		if slices.ContainsFunc(r.of(right), func(who string) bool { return strings.EqualFold(who, c.Proven) || slices.Contains(c.Roles, who) }) {
			return right
		}
	}
	return None
}

// Remedy says how a caller gets a right.
func (r Rules) Remedy(c Caller, need Right) string {
	if c.Proven == "" {
		return fmt.Sprintf("sign in with a role that has it, or set %s=%s for all function keys", setting, need)
	}
	return fmt.Sprintf("it comes with one of the app roles or object ids %q", r.of(need))
}

// Needs returns the right that a command needs. pushed is, for the deployment of an image,
// whether a push could have released it.
func Needs(c release.Commanded, pushed bool) Right {
	v, known := release.VerbOf(c.Command)
	if !known || v.Widens || c.Force || c.Command == release.DeployImage && !pushed {
		return Admin
	}
	return Operator
}
