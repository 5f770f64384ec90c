package intake

import (
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// concern is an app that an alert is about, and the color that the alert names.
type concern struct {
	app   config.App
	color release.Color
}

// concerned finds the apps that watch the alert's rule, and beside them, with the reason,
// those that do but that the alert is not about.
func (i *Intake) concerned(a monitor.Alert) (apps []concern, others []AppAnswer) {
	named := i.named(a.Custom)
	for _, app := range i.Apps {
		if !slices.ContainsFunc(a.Names, func(name string) bool { return app.Watches(name, a.Severity) }) {
			continue
		}
		color, elsewhere := colorOf(app, a)
		switch {
		case named != "" && named != app.Name:
			others = append(others, AppAnswer{App: app.Name, Result: "ignored: the rule's custom properties name the app " + named})
		case named == "" && elsewhere != "":
			others = append(others, AppAnswer{App: app.Name, Result: fmt.Sprintf("ignored: the alert is about the backend pool %q, which is not the app's", elsewhere)})
		default:
			apps = append(apps, concern{app, color})
		}
	}
	return apps, others
}

// named is the app that the custom properties of a rule name; "" when they name none that
// is configured, for instance because "app" means something else there.
func (i *Intake) named(custom map[string]string) string {
	for _, key := range []string{"bluegreen.app", "app"} {
		for name, value := range custom {
			at := slices.IndexFunc(i.Apps, func(app config.App) bool { return strings.EqualFold(app.Name, value) })
			if strings.EqualFold(name, key) && at >= 0 {
				return i.Apps[at].Name
			}
		}
	}
	return ""
}

// colorOf is the one color that an alert names: in its dimensions by the color's pool or
// its own name, or by a resource that serves only that color; "" when it names none or
// both. When the dimensions name pools, and none of them is the app's, elsewhere is one of
// those: a rule on a gateway that several apps share fires for each.
func colorOf(app config.App, a monitor.Alert) (color release.Color, elsewhere string) {
	found := targeted(app, a.Targets)
	other := ""
	for _, d := range a.Dimensions {
		pool, isPool := pool(d)
		known := false
		for _, c := range []release.Color{release.Blue, release.Green} {
			if isPool && strings.EqualFold(pool, app.Backend(c)) || strings.EqualFold(d.Name, "color") && strings.EqualFold(d.Value, string(c)) {
				known = true
				found = append(found, c)
			}
		}
		if isPool && !known && app.Backend(release.Blue) != "" {
			other = pool
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	switch len(found) {
	case 0:
		return "", other
	case 1:
		return found[0], ""
	}
	return "", ""
}

// targeted are the colors whose own resources an alert is about.
func targeted(app config.App, targets []string) (found []release.Color) {
	for _, c := range []release.Color{release.Blue, release.Green} {
		own := app.Color(c).Resources
		if cluster := app.Color(c).Cluster; !strings.EqualFold(cluster, app.Color(c.Other()).Cluster) {
			own = append(slices.Clone(own), cluster)
		}
		for _, id := range own {
			if slices.ContainsFunc(targets, func(t string) bool { return strings.EqualFold(t, id) }) {
				found = append(found, c)
			}
		}
	}
	return found
}

// pool is the backend pool that a dimension of Application Gateway's metrics names. In
// BackendSettingsPool the setting follows after a tilde.
func pool(d monitor.Dimension) (string, bool) {
	switch {
	case d.Value == "" || d.Value == "*":
	case strings.EqualFold(d.Name, "BackendPool"):
		return d.Value, true
	case strings.EqualFold(d.Name, "BackendSettingsPool"):
		name, _, _ := strings.Cut(d.Value, "~")
		return name, true
	}
	return "", false
}
