package console

import (
	"net/http"
	"slices"
	"strings"
	"unicode"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/internal/signin"
)

// Routes are the functions that the API is reached by. The host lets in holders of a key of
// look and of act, and everybody to signed-in, where the platform's sign-in counts alone.
const (
	routeLook     = "look"
	routeAct      = "act"
	routeSignedIn = "signed-in"
)

// identify says who asks. The host has already checked the key; a request with neither a
// key nor a sign-in came past it.
func (c *console) identify(r *call) error {
	r.who.Route = routeOf(r)
	if c.SignIn {
		p, err := signin.Read(r.Header)
		if err != nil {
			return invalid(signin.Header, "%v", err)
		}
		r.who.Roles = p.Roles
		r.who.Actor = release.Actor{Proven: p.ID, Name: p.Name, Route: r.who.Route}.Bounded()
	}
	signedIn := r.who.Route == routeSignedIn
	if !signedIn {
		r.who.Key = signin.Key(r.Request)
	}
	switch {
	case signedIn && !c.SignIn:
		return problem(http.StatusUnauthorized, "identity", "App Service authentication is off, so that callers cannot be identified here: turn it on for this app, or use a function key without %s in the path", routeSignedIn)
	case r.who.Proven != "" || r.who.Key != "":
		return nil
	case signedIn:
		return problem(http.StatusUnauthorized, "identity", "who asks is not known: send a token for this app as Authorization: Bearer")
	}
	return problem(http.StatusUnauthorized, "identity", "who asks is not known: send a function key as x-functions-key, or a token below /api/%s", routeSignedIn)
}

func routeOf(r *call) string {
	switch inside := api.Route(r.Context()); {
	case inside != "":
		return inside
	case r.signedIn:
		return routeSignedIn
	case r.Method == http.MethodPost:
		return routeAct
	}
	return routeLook
}

// may refuses a caller without a right in the app. Nothing of that goes into the history:
// a stranger must not fill it.
func (c *console) may(r *call, app, do string, need access.Right) error {
	rules := c.rules(app)
	if has := rules.Right(r.who, c.Keys); has < need {
		return problem(http.StatusForbidden, "right", "%s is not allowed to %s: that needs the right %s, and the caller has %s; %s", r.who.Actor, do, need, has, rules.Remedy(r.who, need))
	}
	return nil
}

func (c *console) rules(app string) access.Rules {
	if rules, ok := c.Access[app]; ok {
		return rules
	}
	return access.Default
}

// visible are the apps that the caller may read.
func (c *console) visible(r *call) []string {
	return slices.DeleteFunc(slices.Clone(c.Engine.Apps()), func(app string) bool {
		return c.rules(app).Right(r.who, c.Keys) < access.Viewer
	})
}

// mostName is how long a name may be, in characters.
const mostName = 200

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
