package intake

import (
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// concern is an app that an alert is about, and the color that the alert names. Without one,
// doubt says why it could be about either.
type concern struct {
	app         config.App
	color       release.Color
	doubt       string
	corroborate bool
}

// concerned finds the apps that watch the alert's rule, and beside them, with the reason,
// those that do but that the alert is not about.
func (i *Intake) concerned(a monitor.Alert) (apps []concern, others []AppAnswer) {
	named := i.named(a.Custom)
	for _, app := range i.Apps {
		watched, ok := app.Watches(a.Severity, a.Names...)
		if !ok {
			continue
		}
		elsewhere := foreignPool(app, a)
		switch {
		case named != "" && named != app.Name:
			others = append(others, AppAnswer{App: app.Name, Result: "ignored: the rule's custom properties name the app " + named})
		case named == "" && elsewhere != "":
			others = append(others, AppAnswer{App: app.Name, Result: fmt.Sprintf("ignored: the alert is about the backend pool %q, which is not the app's", elsewhere)})
		default:
			color, doubt := colorOf(app, a)
			apps = append(apps, concern{app, color, doubt, watched.Corroborate})
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

// foreignPool is a backend pool that an alert names, when none of the pools that it names is
// the app's: a rule on a gateway that several apps share fires for each of their pools.
func foreignPool(app config.App, a monitor.Alert) (other string) {
	blue, green := strings.ToLower(app.Backend(release.Blue)), strings.ToLower(app.Backend(release.Green))
	for _, n := range namesIn(a) {
		switch {
		case n.kind != pool || blue == "":
		case n.value == blue || n.value == green:
			return ""
		default:
			other = n.value
		}
	}
	return other
}
