package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nearest is where a path is in the file, or the nearest place above it.
func (r *reader) nearest(path string) place {
	for p := path; p != ""; p = above(p) {
		if found, ok := r.at[p]; ok {
			return found
		}
	}
	return r.root
}

func above(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// check finds mistakes in the combination of several keys of one app.
func (r *reader) check(a *App) {
	report := func(key, format string, args ...any) {
		r.problems = append(r.problems, r.problem(r.nearest(key), key, format, args...))
	}
	blue, green := a.Colors.Blue, a.Colors.Green
	r.checkColor("colors.blue", a, blue, report)
	r.checkColor("colors.green", a, green, report)
	for _, name := range blue.Names() {
		if r.given("colors.green") && blue.place(name) != "" && slices.Contains(green.Names(), name) && blue.place(name) == green.place(name) {
			report("colors.green", "runs in the same place as blue, %s: the colors must differ in cluster, namespace or deployment", name)
		}
	}
	if b, g := len(blue.Names()), len(green.Names()); b > 0 && g > 0 && b != g {
		report("colors.green", "has %d Deployments, blue has %d: both need the same, in the same order", g, b)
	}
	if a.Promotion.Mode == "auto" && r.given("promotion.deadline") {
		report("promotion.deadline", "is for mode: manual, which is not set")
	}
	if a.Promotion.Approver == "other" && a.Promotion.Mode != "manual" {
		report("promotion.approver", "is for mode: manual, which is not set")
	}
	if a.Promotion.Approver == "other" && a.Promotion.Default == "promote" && a.Promotion.Deadline > 0 {
		report("promotion.default", "promote lets a release go live that nobody has approved, and approver: other wants another person's approval: leave one of them out")
	}
	r.checkGateway(a, report)
	r.checkTrust(a, report)
	if len(a.Alerts) > 0 && len(a.Confirm.HTTP) == 0 {
		a.Warnings = append(a.Warnings, r.problem(r.nearest("alerts"), "alerts", "nothing but alerts watches the public address, and the one call of an alert can be lost: add confirm checks, which are made during the bake"))
	}
}

// given reports whether a key is in the file, or in the app's template.
func (r *reader) given(path string) bool {
	if _, ok := r.at[path]; ok || r.base == nil {
		return ok
	}
	if list := strings.IndexByte(path, '['); list > 0 { // which replaces that of the template
		if _, ok := r.at[path[:list]]; ok {
			return false
		}
	}
	return r.base.given(path)
}

type reporter func(key, format string, args ...any)

func (r *reader) checkColor(key string, a *App, c Color, report reporter) {
	if !r.given(key) {
		return
	}
	one, many := r.given(key+".deployment"), r.given(key+".deployments")
	switch {
	case one && many:
		report(key+".deployments", "is given besides deployment: keep one of them")
	case !one && !many:
		report(key+".deployment", "is missing: name the Deployment that is given the image, or several under deployments")
	}
	for i, name := range c.Deployments {
		if slices.Contains(c.Deployments[:i], name) {
			report(item(key+".deployments", i), "is in the list already")
		}
	}
	r.checkReach(key, report)
}

// mover is a kind of gateway: its key, and those of each color that go with it.
type mover struct{ key, what, needs, say, may string }

var movers = []mover{
	{"applicationGateway", "an Application Gateway", "backend", "name the backend pool of this color", "settings"},
	{"trafficManager", "a Traffic Manager profile", "endpoint", "name the endpoint of this color", ""},
	{"service", "a Service", "selector", "name the labels that the Service selects for this color", ""},
}

// movers returns the kinds of gateway that an app names.
func (r *reader) movers() (given []mover) {
	for _, m := range movers {
		if r.given("gateway." + m.key) {
			given = append(given, m)
		}
	}
	return given
}

// checkReach looks at how a color is reached by the app's gateway.
func (r *reader) checkReach(key string, report reporter) {
	given := r.movers()
	if len(given) != 1 {
		return
	}
	if own := given[0]; !r.given(key + "." + own.needs) {
		report(key+"."+own.needs, "is missing: %s", own.say)
	}
	for _, m := range movers {
		for _, name := range []string{m.needs, m.may} {
			if m != given[0] && name != "" && r.given(key+"."+name) {
				report(key+"."+name, "is for %s, the gateway is %s: leave it out", m.what, given[0].what)
			}
		}
	}
}

func (r *reader) checkGateway(a *App, report reporter) {
	if !r.given("gateway") {
		return
	}
	given := r.movers()
	switch len(given) {
	case 0:
		report("gateway", "names nothing that moves traffic: give applicationGateway and rules, trafficManager, or service")
	case 1:
		r.checkMover(a, given[0].key, report)
		if given[0].key != "applicationGateway" && r.given("gateway.rules") {
			report("gateway.rules", "is for an Application Gateway, the gateway is %s: leave it out", given[0].what)
		}
	default:
		for _, m := range given[1:] {
			report("gateway."+m.key, "is given besides %s: keep the one that moves the traffic", given[0].key)
		}
	}
}

func (r *reader) checkMover(a *App, key string, report reporter) {
	blue, green := a.Colors.Blue, a.Colors.Green
	switch key {
	case "applicationGateway":
		if !r.given("gateway.rules") {
			report("gateway.rules", "is missing: name the routing rules that belong to the app")
		}
		if blue.Backend != "" && strings.EqualFold(blue.Backend, green.Backend) {
			report("colors.green.backend", "is the backend pool of blue too: each color needs its own")
		}
		if (blue.Settings == "") != (green.Settings == "") && r.given("colors") {
			report("colors", "only one color has settings: give both, or neither to leave the HTTP settings alone")
		}
	case "trafficManager":
		if blue.Endpoint != "" && strings.EqualFold(blue.Endpoint, green.Endpoint) {
			report("colors.green.endpoint", "is the endpoint of blue too: each color needs its own")
		}
	case "service":
		if blue.Namespace != green.Namespace && green.Namespace != "" || !strings.EqualFold(blue.Cluster, green.Cluster) && green.Cluster != "" {
			report("colors.green", "is not in blue's cluster and namespace: a Service selects only among its own")
		}
		if len(blue.Selector) > 0 && maps.Equal(blue.Selector, green.Selector) {
			report("colors.green.selector", "is the selector of blue too: each color needs its own")
		}
	}
}

// place identifies a Deployment; "" when it is not fully named.
func (c Color) place(deployment string) string {
	if c.Cluster == "" || c.Namespace == "" || deployment == "" {
		return ""
	}
	cluster := c.Cluster
	if !strings.HasPrefix(cluster, "context:") {
		cluster = strings.ToLower(cluster)
	}
	return cluster + " " + c.Namespace
}

// compare finds resources that two apps may not share, and reports them for both: the owner
// is unknown.
func (l *loader) compare(apps []App) {
	owners := make(map[string]*claim, len(l.claims))
	for i := range l.claims {
		c := &l.claims[i]
		first, taken := owners[c.key()]
		if !taken {
			owners[c.key()] = c
			continue
		}
		if first.app == c.app {
			continue
		}
		apps[c.app].conflicts(c, &apps[first.app])
		apps[first.app].conflicts(first, &apps[c.app])
	}
	unique(apps)
}

func (a *App) conflicts(c *claim, other *App) {
	a.Problems = append(a.Problems, Problem{a.File, c.at.line, c.at.column, join(c.prefix, c.path), fmt.Sprintf(
		"the %s %s belongs to the app in %s too: only one of them can have it", c.what, c.name, where(other.File, other.Line, other.Column))})
}

// claim is something that only one app may have.
type claim struct {
	what, in, name string // a kind, where it is, its name
	path           string

	app    int // index
	prefix string
	at     place
}

// claim notes what the app claims.
func (r *reader) claim(app *App, index int) {
	known := len(r.claims)
	r.claims = appendClaims(r.claims, app)
	for i := known; i < len(r.claims); i++ {
		c := &r.claims[i]
		c.app, c.prefix, c.at = index, r.prefix, r.nearest(c.path)
	}
}

// key is the same for the same thing. Azure compares names without case.
func (c *claim) key() string {
	name := c.name
	if c.what == "rule" || c.what == "profile" {
		name = strings.ToLower(name)
	}
	return c.what + " " + c.in + " " + name
}

func claims(a *App) []claim { return appendClaims(nil, a) }

func appendClaims(list []claim, a *App) []claim {
	list = append(list, claim{what: "name", name: a.Name, path: "name"})
	for _, side := range []struct {
		key   string
		color Color
	}{{"colors.blue", a.Colors.Blue}, {"colors.green", a.Colors.Green}} {
		for _, name := range side.color.Names() {
			if in := side.color.place(name); in != "" {
				list = append(list, claim{what: "Deployment", in: in, name: name, path: side.key})
			}
		}
	}
	if g := a.Gateway; g.ApplicationGateway != "" {
		for i, rule := range g.Rules {
			list = append(list, claim{what: "rule", in: strings.ToLower(g.ApplicationGateway), name: rule, path: item("gateway.rules", i)})
		}
	} else if g.TrafficManager != "" {
		at := strings.LastIndex(g.TrafficManager, "/") + 1
		list = append(list, claim{what: "profile", in: strings.ToLower(g.TrafficManager[:at]), name: g.TrafficManager[at:], path: "gateway.trafficManager"})
	} else if in := a.Colors.Blue.place(g.Service); in != "" {
		list = append(list, claim{what: "Service", in: in, name: g.Service, path: "gateway.service"})
	}
	return list
}

// unique gives every app but the first of a name another one, so that each can be shown.
func unique(apps []App) {
	seen := make(map[string]bool, len(apps))
	for i := range apps {
		for seen[apps[i].Name] {
			apps[i].Name = fmt.Sprintf("line-%d-%d", apps[i].Line, i)
		}
		seen[apps[i].Name] = true
	}
}
