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

// Alerted says what an alert is about. Why is set when it moves nothing, and Unwatched where that is
// because no app watches its rule. Of the apps that it is not about, Ignored names the first few;
// Others is set where there are more.
type Alerted struct {
	Apps      []Concern
	Ignored   []Ignored
	Others    bool
	Why       string
	Unwatched bool
}

// Alert says which apps an alert is about.
func (x *Index) Alert(a monitor.Alert) Alerted {
	concerned, others, mild := x.concerns(a)
	if !a.Fired { // nothing waits for the end of any other
		concerned = slices.DeleteFunc(concerned, func(c Concern) bool { return !c.Corroborate })
	}
	var about Alerted
	switch {
	case a.Costs:
		return Alerted{Why: "the alert is about a budget, which moves no traffic"}
	case a.Test:
		return Alerted{Why: "this is a test from the portal, and it has arrived"}
	case !a.Fired && len(concerned) == 0:
		return Alerted{Why: "the alert was resolved, which moves no traffic"}
	case len(concerned)+len(others)+len(mild) == 0:
		return Alerted{Unwatched: true, Why: fmt.Sprintf("no app watches the rule %q; %s", a.Rule(), x.watched())}
	case len(concerned)+len(others) == 0:
		about.Why = fmt.Sprintf("no app watches the rule %q with severity %q", a.Rule(), a.Severity)
	case len(concerned) == 0:
		about.Why = "the alert is about none of the apps that watch its rule"
	}
	about.Apps, about.Others = concerned, len(others) > mostNamed || len(mild) > mostNamed
	about.Ignored = slices.Concat(others[:min(len(others), mostNamed)], mild[:min(len(mild), mostNamed)])
	return about
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
// that do but that the alert is not about, and those that it is too mild for; of these, no more
// than the first mostNamed and one.
func (x *Index) concerns(a monitor.Alert) (concerned []Concern, others, mild []Ignored) {
	severe, lax := x.rules.find(a)
	owner := x.named(a.Custom)
	may := x.may(a, owner, severe)
	seen := make(map[int]bool, len(may))
	var foreign []int
	for _, at := range may {
		app := &x.apps[at]
		watched, ok := app.Watches(a.Severity, a.Names...)
		if !ok {
			continue
		}
		seen[at] = true
		if x.elsewhere(app, a, owner) != "" {
			foreign = append(foreign, at)
			continue
		}
		color, doubt := colorOf(*app, a)
		concerned = append(concerned, Concern{*app, color, doubt, watched.Corroborate})
	}
	for _, at := range first(severe, mostNamed+1, func(at int) bool { return !seen[at] }, foreign) {
		app := &x.apps[at]
		others = append(others, Ignored{app.Name, x.elsewhere(app, a, owner)})
	}
	isMild := func(at int) bool {
		_, watched := x.apps[at].Watches(a.Severity, a.Names...)
		return !watched
	}
	for _, at := range first(lax, mostNamed+1, isMild, nil) {
		least := x.apps[at].Severities(a.Names...)
		mild = append(mild, Ignored{x.apps[at].Name, fmt.Sprintf("it watches the rule with severity %s, and this alert has %q", strings.Join(least, " or "), a.Severity)})
	}
	return concerned, others, mild
}

// may are the apps that an alert can be about, in order: that of its owner, those whose pools it
// names and those without pools, or all of the rule. Every other one is elsewhere.
func (x *Index) may(a monitor.Alert, owner int, severe [][]int) (list []int) {
	all := 0
	for _, apps := range severe {
		all += len(apps)
	}
	if owner >= 0 {
		return []int{owner}
	}
	byPool, named := slices.Clone(x.poolless), false
	for _, n := range namesIn(a) {
		if n.kind == pool {
			byPool, named = append(byPool, x.pools[n.value]...), true
		}
	}
	if list = byPool; !named || len(byPool) > all {
		list = slices.Concat(severe...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// elsewhere is why an alert whose rule an app watches is not about it; "" when it is.
func (x *Index) elsewhere(app *config.App, a monitor.Alert, owner int) string {
	if owner >= 0 {
		if x.apps[owner].Name == app.Name {
			return ""
		}
		return "the rule's custom properties name the app " + x.apps[owner].Name
	}
	if other := foreignPool(app, a); other != "" {
		return fmt.Sprintf("the alert is about the backend pool %q, which is not the app's", other)
	}
	return ""
}

// watched are the rules that apps watch.
func (x *Index) watched() string {
	if len(x.rules.all) == 0 {
		return "none is watched"
	}
	return "watched are " + some(x.rules.all)
}

// named is the app that the custom properties of a rule name; -1 when they name none that
// is configured, for instance because "app" means something else there.
func (x *Index) named(custom map[string]string) int {
	for _, key := range []string{"bluegreen.app", "app"} {
		for name, value := range custom {
			if at, known := x.names[config.Fold(value)]; known && strings.EqualFold(name, key) {
				return at
			}
		}
	}
	return -1
}

// foreignPool is a backend pool that an alert names, when none of the pools that it names is
// the app's: a rule on a gateway that several apps share fires for each of their pools.
func foreignPool(app *config.App, a monitor.Alert) (other string) {
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
