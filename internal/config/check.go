package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// problem reports a mistake at a path, or at the nearest place above it that is in the file.
func (r *reader) problem(app *App, path, format string, args ...any) Problem {
	line, ok := 0, false
	for p := path; p != "" && !ok; p = above(p) {
		line, ok = r.lines[p]
	}
	if !ok {
		line = app.Line
	}
	return Problem{line, path, fmt.Sprintf(format, args...)}
}

func above(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// check finds mistakes in the combination of several keys of one app.
func (r *reader) check(path string, a *App) {
	report := func(key, format string, args ...any) {
		r.problems = append(r.problems, r.problem(a, path+"."+key, format, args...))
	}
	blue, green := a.Colors.Blue, a.Colors.Green
	r.checkColor(path, "colors.blue", a, blue, report)
	r.checkColor(path, "colors.green", a, green, report)
	for _, name := range blue.Names() {
		if r.given(path+".colors.green") && blue.place(name) != "" && slices.Contains(green.Names(), name) && blue.place(name) == green.place(name) {
			report("colors.green", "runs in the same place as blue, %s: the colors must differ in cluster, namespace or deployment", name)
		}
	}
	if b, g := len(blue.Names()), len(green.Names()); b > 0 && g > 0 && b != g {
		report("colors.green", "has %d Deployments, blue has %d: both need the same, in the same order", g, b)
	}
	if a.Promotion.Mode == "auto" && r.given(path+".promotion.deadline") {
		report("promotion.deadline", "is for mode: manual, which is not set")
	}
	if a.Promotion.Approver == "other" && a.Promotion.Mode != "manual" {
		report("promotion.approver", "is for mode: manual, which is not set")
	}
	if a.Promotion.Approver == "other" && a.Promotion.Default == "promote" && a.Promotion.Deadline > 0 {
		report("promotion.default", "promote lets a release go live that nobody has approved, and approver: other wants another person's approval: leave one of them out")
	}
	r.checkGateway(path, a, report)
	r.checkTrust(path, a, report)
	if len(a.Alerts) > 0 && len(a.Confirm.HTTP) == 0 {
		a.Warnings = append(a.Warnings, r.problem(a, path+".alerts", "nothing but alerts watches the public address, and the one call of an alert can be lost: add confirm checks, which are made during the bake"))
	}
}

func (r *reader) given(path string) bool { _, ok := r.lines[path]; return ok }

type reporter func(key, format string, args ...any)

func (r *reader) checkColor(path, key string, a *App, c Color, report reporter) {
	if !r.given(path + "." + key) {
		return
	}
	one, many := r.given(path+"."+key+".deployment"), r.given(path+"."+key+".deployments")
	switch {
	case one && many:
		report(key+".deployments", "is given besides deployment: keep one of them")
	case !one && !many:
		report(key+".deployment", "is missing: name the Deployment that is given the image, or several under deployments")
	}
	for i, name := range c.Deployments {
		if slices.Contains(c.Deployments[:i], name) {
			report(at(key+".deployments", i), "is in the list already")
		}
	}
	r.checkReach(path, key, report)
}

// mover is a kind of gateway: its key, and those of each color that go with it.
type mover struct{ key, what, needs, say, may string }

var movers = []mover{
	{"applicationGateway", "an Application Gateway", "backend", "name the backend pool of this color", "settings"},
	{"trafficManager", "a Traffic Manager profile", "endpoint", "name the endpoint of this color", ""},
	{"service", "a Service", "selector", "name the labels that the Service selects for this color", ""},
}

// movers returns the kinds of gateway that an app names.
func (r *reader) movers(path string) (given []mover) {
	for _, m := range movers {
		if r.given(path + ".gateway." + m.key) {
			given = append(given, m)
		}
	}
	return given
}

// checkReach looks at how a color is reached by the app's gateway.
func (r *reader) checkReach(path, key string, report reporter) {
	given := r.movers(path)
	if len(given) != 1 {
		return
	}
	if own := given[0]; !r.given(path + "." + key + "." + own.needs) {
		report(key+"."+own.needs, "is missing: %s", own.say)
	}
	for _, m := range movers {
		for _, name := range []string{m.needs, m.may} {
			if m != given[0] && name != "" && r.given(path+"."+key+"."+name) {
				report(key+"."+name, "is for %s, the gateway is %s: leave it out", m.what, given[0].what)
			}
		}
	}
}

func (r *reader) checkGateway(path string, a *App, report reporter) {
	if !r.given(path + ".gateway") {
		return
	}
	given := r.movers(path)
	switch len(given) {
	case 0:
		report("gateway", "names nothing that moves traffic: give applicationGateway and rules, trafficManager, or service")
	case 1:
		r.checkMover(path, a, given[0].key, report)
		if given[0].key != "applicationGateway" && r.given(path+".gateway.rules") {
			report("gateway.rules", "is for an Application Gateway, the gateway is %s: leave it out", given[0].what)
		}
	default:
		for _, m := range given[1:] {
			report("gateway."+m.key, "is given besides %s: keep the one that moves the traffic", given[0].key)
		}
	}
}

func (r *reader) checkMover(path string, a *App, key string, report reporter) {
	blue, green := a.Colors.Blue, a.Colors.Green
	switch key {
	case "applicationGateway":
		if !r.given(path + ".gateway.rules") {
			report("gateway.rules", "is missing: name the routing rules that belong to the app")
		}
		if blue.Backend != "" && strings.EqualFold(blue.Backend, green.Backend) {
			report("colors.green.backend", "is the backend pool of blue too: each color needs its own")
		}
		if (blue.Settings == "") != (green.Settings == "") && r.given(path+".colors") {
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
	return cluster + " " + c.Namespace + " " + deployment
}

// compare finds resources that two apps may not share, and reports them for both: the owner
// is unknown.
func (r *reader) compare(apps []App) {
	owners := map[string]claim{}
	for i := range apps {
		for _, c := range claims(&apps[i], at("apps", i)) {
			first, taken := owners[c.what]
			if !taken {
				owners[c.what] = c
				continue
			}
			if first.app == c.app {
				continue
			}
			c.app.Problems = append(c.app.Problems, r.problem(c.app, c.path, "%s belongs to the app in line %d too: only one of them can have it", c.say, first.app.Line))
			first.app.Problems = append(first.app.Problems, r.problem(first.app, first.path, "%s belongs to the app in line %d too: only one of them can have it", c.say, c.app.Line))
		}
	}
	unique(apps)
}

// claim is something that only one app may have.
type claim struct {
	what, say, path string
	app             *App
}

func claims(a *App, path string) []claim {
	list := []claim{{"name " + a.Name, "the name " + a.Name, path + ".name", a}}
	for _, side := range []struct {
		key   string
		color Color
	}{{"blue", a.Colors.Blue}, {"green", a.Colors.Green}} {
		for _, name := range side.color.Names() {
			if place := side.color.place(name); place != "" {
				list = append(list, claim{"place " + place, "the Deployment " + name, path + ".colors." + side.key, a})
			}
		}
	}
	if g := a.Gateway; g.ApplicationGateway != "" {
		for i, rule := range g.Rules {
			list = append(list, claim{
				"rule " + strings.ToLower(g.ApplicationGateway+" "+rule), "the rule " + rule, at(path+".gateway.rules", i), a,
			})
		}
	} else if g.TrafficManager != "" {
		list = append(list, claim{"profile " + strings.ToLower(g.TrafficManager), "the profile " + g.TrafficManager[strings.LastIndex(g.TrafficManager, "/")+1:], path + ".gateway.trafficManager", a})
	} else if place := a.Colors.Blue.place(g.Service); place != "" {
		list = append(list, claim{"service " + place, "the Service " + g.Service, path + ".gateway.service", a})
	}
	return list
}

// unique gives every app but the first of a name another one, so that each can be shown.
func unique(apps []App) {
	seen := map[string]bool{}
	for i := range apps {
		for seen[apps[i].Name] {
			apps[i].Name = fmt.Sprintf("line-%d-%d", apps[i].Line, i)
		}
		seen[apps[i].Name] = true
	}
}
