package matching

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/azure/push"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// scanned is what looking at every app finds.
func scanned(apps []config.App, a monitor.Alert) (concerned []Concern, others, mild []string) {
	owner := ""
	for _, key := range []string{"bluegreen.app", "app"} {
		for name, value := range a.Custom {
			at := slices.IndexFunc(apps, func(app config.App) bool { return strings.EqualFold(app.Name, value) })
			if owner == "" && strings.EqualFold(name, key) && at >= 0 {
				owner = apps[at].Name
			}
		}
	}
	for _, app := range apps {
		watched, ok := app.Watches(a.Severity, a.Names...)
		switch {
		case !ok && len(app.Severities(a.Names...)) > 0:
			mild = append(mild, app.Name)
		case !ok:
		case owner != "" && owner != app.Name, owner == "" && foreignPool(&app, a) != "":
			others = append(others, app.Name)
		default:
			color, doubt := colorOf(app, a)
			concerned = append(concerned, Concern{app, color, doubt, watched.Corroborate})
		}
	}
	return concerned, others, mild
}

// chance makes apps and events of few names, so that they meet.
type chance struct{ *rand.Rand }

func (c chance) of(list ...string) string { return list[c.IntN(len(list))] }

func (c chance) apps() []config.App {
	apps := make([]config.App, c.IntN(60))
	for n := range apps {
		a := &apps[n]
		a.Name = fmt.Sprintf("app-%d", n)
		a.Image = config.Image{Registry: c.of("a.azurecr.io", "b.azurecr.io"), Repository: c.of("shop", "team/shop", "Pay"), Tags: c.of("semver:>=2", "glob:1.*", "regex:[a-z]+", "latest", "semver:>=1")}
		if c.IntN(3) > 0 {
			a.Colors.Blue.Backend, a.Colors.Green.Backend = fmt.Sprintf("Blue-%d", c.IntN(9)), fmt.Sprintf("green-%d", c.IntN(9))
		}
		a.Colors.Blue.Cluster, a.Colors.Green.Cluster = "/subscriptions/s/"+c.of("x", "y"), "/subscriptions/s/"+c.of("x", "z")
		for range c.IntN(4) {
			a.Alerts = append(a.Alerts, config.Alert{Rule: c.of("*", "agw-*", "AGW-5xx", a.Name+"-*", "*-5xx", "?gw-5*", a.Name), Severity: c.of("", "Sev0", "<=Sev2"), Corroborate: c.IntN(2) == 0})
		}
	}
	return apps
}

func (c chance) alert() monitor.Alert {
	app := fmt.Sprintf("app-%d", c.IntN(60))
	a := monitor.Alert{Fired: c.IntN(4) > 0, Severity: c.of("Sev0", "Sev1", "Sev3", "odd")}
	for range 1 + c.IntN(2) {
		a.Names = append(a.Names, c.of("agw-5xx", "Agw-unhealthy", app+"-5xx", strings.ToUpper(app), "disk"))
	}
	for range c.IntN(3) {
		a.Dimensions = append(a.Dimensions, monitor.Dimension{Name: c.of("BackendPool", "BackendServerPool", "Computer"), Value: c.of(fmt.Sprintf("blue-%d", c.IntN(9)), fmt.Sprintf("GREEN-%d", c.IntN(9)), "foreign")})
	}
	if c.IntN(4) == 0 {
		a.Custom = map[string]string{c.of("app", "bluegreen.app", "App", "team"): c.of(app, strings.ToUpper(app), "none")}
	}
	if c.IntN(3) == 0 {
		a.Targets = []string{"/subscriptions/S/" + c.of("x", "z")}
	}
	return a
}

// TestTheIndexFindsWhatAScanFinds compares both on random configurations and events.
func TestTheIndexFindsWhatAScanFinds(t *testing.T) {
	concerned, ignored, cut, taken := 0, 0, 0, 0
	for seed := range uint64(3000) {
		c := chance{rand.New(rand.NewPCG(seed, 1))}
		apps := c.apps()
		x := New(apps)
		for range 5 {
			a := c.alert()
			want, others, mild := scanned(apps, a)
			got := x.Alert(a)
			if !a.Fired {
				want = slices.DeleteFunc(want, func(c Concern) bool { return !c.Corroborate })
			}
			if !slices.EqualFunc(want, got.Apps, func(a, b Concern) bool {
				return a.App.Name == b.App.Name && a.Color == b.Color && a.Doubt == b.Doubt && a.Corroborate == b.Corroborate
			}) {
				t.Fatalf("seed %d: %+v concerns %d apps, a scan finds %d", seed, a, len(got.Apps), len(want))
			}
			named := slices.Concat(others[:min(len(others), mostNamed)], mild[:min(len(mild), mostNamed)])
			if !a.Fired && len(want) == 0 {
				named, others, mild = nil, nil, nil
			}
			if !slices.EqualFunc(named, got.Ignored, func(name string, i Ignored) bool { return name == i.App && i.Why != "" }) {
				t.Fatalf("seed %d: %+v is not for %v, a scan finds %v", seed, a, got.Ignored, named)
			}
			if more := len(others) > mostNamed || len(mild) > mostNamed; more != got.Others {
				t.Fatalf("seed %d: more than %d: %v", seed, len(got.Ignored), got.Others)
			} else if more {
				cut++
			}
			if (len(want) == 0) != (got.Why != "") || got.Unwatched != (a.Fired && len(want)+len(named) == 0) {
				t.Fatalf("seed %d: %+v", seed, got)
			}
			concerned, ignored = concerned+len(want), ignored+len(named)

			p := push.Push{Registry: c.of("a.azurecr.io", "b.azurecr.io", "c.azurecr.io"), Repository: c.of("shop", "SHOP", "pay", "none"), Image: release.Image{Tag: c.of("1.2.3", "2.0.0", "latest", "x1"), Digest: "sha256:0"}}
			var takers, no []string
			for _, app := range apps {
				if p.From(app.Image.Registry) && strings.EqualFold(app.Image.Repository, p.Repository) {
					if app.Admits(p.Image.Tag) {
						takers = append(takers, app.Name)
					} else {
						no = append(no, app.Name)
					}
				}
			}
			about := x.Push(p)
			if !slices.EqualFunc(takers, about.Apps, func(name string, a config.App) bool { return name == a.Name }) {
				t.Fatalf("seed %d: %+v is taken by %d apps, a scan finds %v", seed, p, len(about.Apps), takers)
			}
			if !slices.EqualFunc(no[:min(len(no), mostNamed)], about.Ignored, func(name string, i Ignored) bool { return name == i.App }) || about.Others != (len(no) > mostNamed) || (about.Why != "") != (len(takers)+len(no) == 0) {
				t.Fatalf("seed %d: %+v is dropped by %v, a scan finds %v", seed, p, about.Ignored, no)
			}
			taken += len(takers)
		}
	}
	if concerned < 1000 || ignored < 1000 || cut < 100 || taken < 1000 {
		t.Errorf("little is compared: %d concerned, %d not, %d times more than are named, %d pushes taken", concerned, ignored, cut, taken)
	}
}

// alike are apps of one template, on one gateway.
func alike(n int) []config.App {
	apps := make([]config.App, n)
	for i := range apps {
		a := &apps[i]
		a.Name = fmt.Sprintf("shop-%05d", i)
		a.Image = config.Image{Registry: "a.azurecr.io", Repository: "team/" + a.Name, Tags: "semver:>=1"}
		a.Colors.Blue.Backend, a.Colors.Green.Backend = a.Name+"-blue", a.Name+"-green"
		a.Alerts = []config.Alert{{Rule: a.Name + "-*"}, {Rule: "agw-*", Severity: "<=Sev2"}}
	}
	return apps
}

// BenchmarkFind compares finding the app of an event among 10,000 with finding it among 100.
func BenchmarkFind(b *testing.B) {
	few, many := New(alike(100)), New(alike(10_000))
	own := monitor.Alert{Fired: true, Severity: "Sev1", Names: []string{"shop-00042-5xx"}}
	pooled := monitor.Alert{Fired: true, Severity: "Sev1", Names: []string{"agw-5xx"}, Dimensions: []monitor.Dimension{{Name: "BackendPool", Value: "shop-00042-green"}}}
	pushed := push.Push{Registry: "a.azurecr.io", Repository: "team/shop-00042", Image: release.Image{Tag: "1.2.3"}}
	for _, c := range []struct {
		name string
		find func(x *Index) int
	}{
		{"alert by its rule", func(x *Index) int { return len(x.Alert(own).Apps) }},
		{"alert by its pool", func(x *Index) int { return len(x.Alert(pooled).Apps) }},
		{"push by its repository", func(x *Index) int { return len(x.Push(pushed).Apps) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			took := func(x *Index) time.Duration {
				began := time.Now()
				if n := c.find(x); n != 1 {
					b.Fatalf("%d apps", n)
				}
				return time.Since(began)
			}
			var small, large time.Duration
			for b.Loop() {
				for range 1000 {
					small, large = small+took(few), large+took(many)
				}
			}
			b.ReportMetric(float64(large)/float64(1000*b.N), "ns/event")
			b.ReportMetric(float64(large)/float64(small), "10000/100-apps")
			b.ReportMetric(0, "ns/op")
		})
	}
}
