// Package matching says which apps a push or an alert is for, and why it is not for the others.
package matching

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// Concern is an app that an alert is about, and the color that the alert names. Without one,
// Doubt says why it could be about either.
type Concern struct {
	App         config.App
	Color       release.Color
	Doubt       string
	Corroborate bool
}

// Ignored is an app that an event is not for, and why.
type Ignored struct{ App, Why string }

// Alerted says what an alert is about. Why is set when it moves nothing.
type Alerted struct {
	Apps    []Concern
	Ignored []Ignored
	Why     string
}

// Alert says which apps an alert is about.
func Alert(apps []config.App, a monitor.Alert) Alerted {
	concerned, others, mild := concerns(apps, a)
	if !a.Fired { // nothing waits for the end of any other
		concerned = slices.DeleteFunc(concerned, func(c Concern) bool { return !c.Corroborate })
	}
	switch {
	case a.Costs:
		return Alerted{Why: "the alert is about a budget, which moves no traffic"}
	case a.Test:
		return Alerted{Why: "this is a test from the portal, and it has arrived"}
	case !a.Fired && len(concerned) == 0:
		return Alerted{Why: "the alert was resolved, which moves no traffic"}
	case len(concerned)+len(others)+len(mild) == 0:
		return Alerted{Why: fmt.Sprintf("no app watches the rule %q; %s", a.Rule(), watched(apps))}
	case len(concerned)+len(others) == 0:
		return Alerted{Ignored: mild, Why: fmt.Sprintf("no app watches the rule %q with severity %q", a.Rule(), a.Severity)}
	case len(concerned) == 0:
		return Alerted{Ignored: append(others, mild...), Why: "the alert is about none of the apps that watch its rule"}
	}
	return Alerted{Apps: concerned, Ignored: append(others, mild...)}
}

// Fired is what an app learns of an alert that has fired.
func (c Concern) Fired(a monitor.Alert, received time.Time) release.AlertFired {
	event := release.AlertFired{ID: a.ID, Rule: a.Rule(), Severity: a.Severity, Summary: a.Summary, At: a.At, Color: c.Color, Corroborate: c.Corroborate}
	if c.Doubt != "" {
		event.Summary += "; " + c.Doubt
	}
	if event.At.IsZero() || event.At.After(received) {
		event.At = received
	}
	return event
}

// concerns finds the apps that watch the alert's rule, and beside them, with the reason, those
// that do but that the alert is not about, and those that it is too mild for.
func concerns(apps []config.App, a monitor.Alert) (concerned []Concern, others, mild []Ignored) {
	owner := named(apps, a.Custom)
	for _, app := range apps {
		watched, ok := app.Watches(a.Severity, a.Names...)
		if !ok {
			if least := app.Severities(a.Names...); len(least) > 0 {
				mild = append(mild, Ignored{app.Name, fmt.Sprintf("it watches the rule with severity %s, and this alert has %q", strings.Join(least, " or "), a.Severity)})
			}
			continue
		}
		elsewhere := foreignPool(app, a)
		switch {
		case owner != "" && owner != app.Name:
			others = append(others, Ignored{app.Name, "the rule's custom properties name the app " + owner})
		case owner == "" && elsewhere != "":
			others = append(others, Ignored{app.Name, fmt.Sprintf("the alert is about the backend pool %q, which is not the app's", elsewhere)})
		default:
			color, doubt := colorOf(app, a)
			concerned = append(concerned, Concern{app, color, doubt, watched.Corroborate})
		}
	}
	return concerned, others, mild
}

// watched are the rules that apps watch.
func watched(apps []config.App) string {
	var rules []string
	for _, app := range apps {
		for _, alert := range app.Alerts {
			rules = append(rules, alert.Rule)
		}
	}
	if len(rules) == 0 {
		return "none is watched"
	}
	slices.Sort(rules)
	return "watched are " + strings.Join(slices.Compact(rules), ", ")
}

// named is the app that the custom properties of a rule name; "" when they name none that
// is configured, for instance because "app" means something else there.
func named(apps []config.App, custom map[string]string) string {
	for _, key := range []string{"bluegreen.app", "app"} {
		for name, value := range custom {
			at := slices.IndexFunc(apps, func(app config.App) bool { return strings.EqualFold(app.Name, value) })
			if strings.EqualFold(name, key) && at >= 0 {
				return apps[at].Name
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
