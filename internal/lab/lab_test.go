package lab_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/lab"
	"bluegreen/internal/release"
)

// TestMain is the handler in the processes that labs start.
func TestMain(m *testing.M) {
	lab.Handle()
	os.Exit(m.Run())
}

func start(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestEveryStepOfTheDemoIsSeenInTheDataPlane(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for _, gateway := range lab.Gateways {
		t.Run(gateway, func(t *testing.T) { t.Parallel(); playsTheDemo(t, gateway) })
	}
}

func playsTheDemo(t *testing.T, gateway string) {
	l := start(t, lab.Options{Bake: 4 * time.Second, Retire: 4 * time.Second, Users: 100, Gateway: gateway})
	var watched strings.Builder
	watching, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Watch(watching, &watched); close(done) }()
	var shown strings.Builder
	err := l.Demo(t.Context(), &shown)
	stop()
	<-done
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, shown.String(), watched.String())
	}
	for _, line := range []string{
		"release 1 is completed", "2.1.0", "the alert shop-5xx fires", "automation is on hold", "release 4 is baking",
		"is put on the standby blue", "traffic is on the standby blue", "kill: killed process",
	} {
		if !strings.Contains(watched.String(), line) {
			t.Errorf("%q was not printed:\n%s", line, watched.String())
		}
	}
}

// env is a lab in which commands are given as a person gives them.
type env struct {
	*testing.T
	*lab.Lab
}

func (e env) do(words string) string {
	e.Helper()
	done, err := e.Do(e.Context(), strings.Fields(words)...)
	if err != nil {
		e.Fatalf("%s: %v", words, err)
	}
	return done
}

// until waits for an app to be as wanted.
func (e env) until(app, want string, met func(api.App) bool) api.App {
	e.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		a, err := e.Client().App(e.Context(), app)
		if err == nil && met(a) {
			return a
		}
		if time.Now().After(deadline) {
			e.Fatalf("%s is not %s after a minute: %v %s", app, want, err, a.Status.String())
		}
	}
}

func in(phase release.Phase) func(api.App) bool {
	return func(a api.App) bool { return a.Release != nil && a.Release.Phase == phase }
}

func live(color release.Color, tag string) func(api.App) bool {
	return func(a api.App) bool {
		seen := map[release.Color]api.Color{release.Blue: a.Colors.Blue, release.Green: a.Colors.Green}[color]
		return a.Live == color && seen.Observed.Tag == tag
	}
}

func TestABadReleaseCanBeWatched(t *testing.T) {
	t.Parallel()
	e := env{t, start(t, lab.Options{Bake: 10 * time.Second, Retire: time.Hour})}
	e.do("push pay 2.0.0")
	e.until(lab.Pay, "waiting for an operator", in(release.Awaiting))
	e.do("push shop 2.0.0 confirm")
	e.until(lab.Shop, "baking", in(release.Baking))
	e.until(lab.Shop, "rolled back in its bake", func(a api.App) bool {
		return in(release.RolledBack)(a) && strings.Contains(a.Release.Cause, "/confirm answered 500")
	})
	e.do("retag shop 2.0.0 2.0.1")
	e.finds(lab.Shop, "2.0.1", "is not released: quarantined")
	if got := e.do("who"); !strings.Contains(got, "shop  1.0.0 on blue") || !strings.Contains(got, "pay   1.0.0 on blue") {
		t.Errorf("users are answered by\n%s", got)
	}
}

func TestAReleaseGoesOnWhenItsHandlerIsKilled(t *testing.T) {
	t.Parallel()
	e := env{t, start(t, lab.Options{Bake: time.Hour})}
	e.do("push shop 2.0.0")
	e.until(lab.Shop, "deploying", in(release.Deploying))
	if done := e.do("kill"); !strings.Contains(done, "killed process") || !strings.Contains(done, "which answers") {
		t.Error(done)
	}
	e.until(lab.Shop, "live", func(a api.App) bool { return in(release.Baking)(a) && live(release.Green, "2.0.0")(a) })
	e.do("kill") // the host starts it again however often it ends
	e.do("kill")
	e.do("alert shop")
	e.until(lab.Shop, "rolled back by the alert", func(a api.App) bool {
		return in(release.RolledBack)(a) && strings.Contains(a.Release.Cause, "shop-5xx")
	})
}

func TestChangesOutsideBluegreenAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	for _, gateway := range lab.Gateways {
		e := env{t, start(t, lab.Options{Gateway: gateway})}
		e.until(lab.Shop, "taken over", func(a api.App) bool { return a.Live == release.Blue })
		e.do("reroute shop")
		e.until(lab.Shop, "reported as drift", func(a api.App) bool { return a.Drift != nil && a.Drift.Live == release.Green })
	}
	e := env{t, start(t, lab.Options{})}
	e.do("lose-pods shop blue")
	e.until(lab.Shop, "seen without pods", func(a api.App) bool { return a.Live == release.Blue && a.Colors.Blue.Ready == 0 })
	e.do("return-pods shop blue")
	e.until(lab.Shop, "seen with its pods", func(a api.App) bool { return a.Colors.Blue.Ready == 3 })
	e.do("edit shop green 7.7.7")
	e.until(lab.Shop, "seen with another image on green", func(a api.App) bool { return a.Colors.Green.Observed.Tag == "7.7.7" })
	e.do("push pay 2.0.0")
	e.until(lab.Pay, "waiting", func(a api.App) bool { return a.Release != nil && a.Release.Phase == release.Awaiting })
	e.do("edit pay blue 2.0.0")
	e.finds(lab.Pay, "blue is live and runs 2.0.0", "changed outside bluegreen")
}

// finds waits for a fact, or a part of the status, with both texts.
func (e env) finds(app, one, other string) {
	e.Helper()
	e.until(app, "saying "+one+" "+other, func(a api.App) bool {
		h, err := e.Client().History(e.Context(), app, 50, 0)
		if err != nil {
			return false
		}
		texts := []string{a.Status.String()}
		for _, f := range h.Facts {
			texts = append(texts, f.Text)
		}
		for _, text := range texts {
			if strings.Contains(text, one) && strings.Contains(text, other) {
				return true
			}
		}
		return false
	})
}

// TestAFlawOfAnImageIsTheReasonOfItsEnd: each flaw that shows before the switch.
func TestAFlawOfAnImageIsTheReasonOfItsEnd(t *testing.T) {
	t.Parallel()
	e := env{t, start(t, lab.Options{})}
	for flaw, want := range map[string]struct {
		app, tag string
		met      func(api.App) bool
	}{
		"verify": {lab.Shop, "2.0.0", func(a api.App) bool {
			return in(release.Failed)(a) && strings.Contains(a.Release.Cause, "checks did not pass")
		}},
		"name": {lab.Pay, "2.0.1", func(a api.App) bool {
			return in(release.Failed)(a) && strings.Contains(a.Release.Cause, "InvalidImageName")
		}},
	} {
		e.do("push " + want.app + " " + want.tag + " " + flaw)
		e.until(want.app, "failed by the flaw "+flaw, want.met)
		resp, err := http.Get(e.Address(want.app))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("X-Color"); got != "blue" {
			t.Errorf("%s: users are answered by %s", flaw, got)
		}
	}
}

func TestTheLabSaysWhatIsWrongWithACommand(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	for words, want := range map[string]string{
		"push shop latest":         "is not a version",
		"push shop 2.0.0 rotten":   "is not a flaw of an image: confirm, errors, name, pull, unready, verify",
		"push cart 2.0.0":          "the lab has no app \"cart\": shop or pay",
		"push shop":                "use: push APP TAG [FLAW]",
		"kill -9":                  "use: kill",
		"lose-pods shop red":       "is not a color: blue or green",
		"retag shop 8.0.0 8.0.1":   "retag",
		"explode":                  "the lab has no command \"explode\"",
		"alert nothing":            "has no app",
		"reroute nothing":          "has no app",
		"edit nothing blue 1.0.0":  "has no app",
		"return-pods nothing blue": "has no app",
		"who nothing":              "has no app",
	} {
		if done, err := l.Do(t.Context(), strings.Fields(words)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", words, done, err)
		}
	}
	if _, err := lab.Start(t.Context(), lab.Options{Gateway: "frontdoor"}); err == nil || !strings.Contains(err.Error(), "appgateway or trafficmanager") {
		t.Errorf("a gateway that there is not: %v", err)
	}
}
