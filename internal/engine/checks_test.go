package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

func TestAColorThatTheGatewaySeesAsUnhealthyGetsNoTraffic(t *testing.T) {
	w := newEnv(t, nil)
	w.gateway.SetHealth(release.Green, engine.Health{Detail: "10.0.0.4 is Unhealthy"})
	w.push("2.0")
	w.reach(release.Failed)
	w.users("1.0")
	if s := w.sentence(); !strings.Contains(s, "the gateway sees green as unhealthy: 10.0.0.4 is Unhealthy") {
		t.Errorf("the sentence does not say why: %s", s)
	}
}

func TestAVersionThatFailsAtThePublicAddressInTheBakeIsLeft(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(2 * time.Minute)
	w.live = "https://shop.example.com answered 502, expected 200"
	w.run(2 * time.Minute)
	w.users("1.0")
}

// inspected is a gateway whose preflight has findings.
type inspected struct {
	engine.Gateway
	found []engine.Finding
}

func (g *inspected) Preflight(context.Context) ([]engine.Finding, error) { return g.found, nil }

func TestNoReleaseStartsWhileAPreflightFindsSomethingMissing(t *testing.T) {
	w := newEnv(t, nil)
	gateway := &inspected{Gateway: w.gateway, found: []engine.Finding{{Text: "there is no pool green"}, {Text: "the gateway is stopped", Warning: true}}}
	w.app.Gateway, w.app.Fingerprint = gateway, "configuration 1"
	w.restart()
	w.push("2.0")
	w.run(10 * time.Minute)
	if s := w.sentence(); len(w.cluster.Changes()) != 0 || !strings.Contains(s, "there is no pool green") {
		t.Errorf("changes %v: %s", w.cluster.Changes(), s)
	}
	gateway.found = gateway.found[1:]
	w.reach(release.Baking)
	v, err := w.engine.View(t.Context(), "shop")
	if err != nil || len(v.Problems) != 1 || v.Problems[0] != "the gateway is stopped" {
		t.Errorf("problems are %q, %v", v.Problems, err)
	}
}

func TestAPushWhoseEventWasLostIsFound(t *testing.T) {
	byTime := func(a, b release.Image) bool { return a.PushedAt.After(b.PushedAt) }
	for name, newer := range map[string]func(a, b release.Image) bool{"by the time of the push": nil, "by the policy": byTime} {
		t.Run(name, func(t *testing.T) {
			w, registry := withRegistry(t)
			w.app.Policy.Newer = newer
			w.restart()
			w.run(time.Minute)
			w.clock = w.clock.Add(time.Second)
			registry.Push(img("3.0", w.clock))
			w.run(25 * time.Minute)
			w.users("3.0")
		})
	}
}

func TestATickSendsWhatIsUnsent(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.topic.down = true
	w.push("2.0")
	w.reach(release.Completed)
	if err := w.engine.TickApp(t.Context(), "shop"); err != nil { // with the periodic tasks
		t.Fatal(err)
	}
	w.topic.down = false
	before, fence := len(w.topic.sent), w.fence()
	for range 5 { // the channel rests after each failure
		w.clock = w.clock.Add(time.Minute)
		if fence = w.fence(); len(w.topic.sent) > before {
			break
		}
		if err := w.engine.TickApp(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	if w.fence() != fence {
		t.Fatal("a worker had the app, and may have sent them")
	}
	if before != 0 || len(w.topic.sent) != 3 {
		t.Errorf("%d facts were sent before the tick, %d with it: %v", before, len(w.topic.sent), w.topic.sent)
	}
}

func TestAnAppWithoutChecksOfItsPublicAddressIsReleased(t *testing.T) {
	w := newEnv(t, nil)
	w.app.During = nil
	w.restart()
	w.push("2.0")
	w.reach(release.Completed)
	w.users("2.0")
}

// answering is a check that passes with an answer.
type answering string

func (a answering) Run(context.Context, engine.Subject) engine.Result {
	return engine.Result{Verdict: release.Passed, Detail: string(a)}
}

func TestWhatTheChecksHaveFoundStaysInTheHistory(t *testing.T) {
	w := newEnv(t, nil)
	w.app.Before = []engine.Check{answering("/healthz answered 200"), answering("/healthz answered 200"), answering(""), answering("Job smoke succeeded"), engine.GatewayHealth{Gateway: w.gateway}}
	w.restart()
	w.push("2.0")
	w.reach(release.Baking)
	facts, err := w.engine.History(t.Context(), "shop", 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		if f.Phase == release.Switching {
			if want := "/healthz answered 200 (2 times); Job smoke succeeded; the gateway sees green as healthy"; f.Detail != want {
				t.Errorf("%q", f.Detail)
			}
			return
		}
	}
	t.Errorf("no checks in %v", facts)
}
