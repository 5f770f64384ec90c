package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// clinic is a gateway and the workloads of an app, with what their checks find.
type clinic struct {
	engine.Gateway
	engine.Workloads
	lacking   []engine.Finding
	unknown   error
	found     map[release.Color][]engine.Finding
	unreached map[release.Color]error
	health    map[release.Color]engine.Health
}

func (c *clinic) Lacking(context.Context) ([]engine.Finding, error) { return c.lacking, c.unknown }

func (c *clinic) Place(color release.Color) string { return "shop-" + string(color) }

func (c *clinic) Reach(context.Context, release.Color) ([]engine.Finding, error) { return nil, nil }

func (c *clinic) PreflightOf(_ context.Context, color release.Color) ([]engine.Finding, error) {
	return c.found[color], c.unreached[color]
}

func (c *clinic) Health(_ context.Context, color release.Color) (engine.Health, error) {
	if h, ok := c.health[color]; ok {
		return h, nil
	}
	return engine.Health{Healthy: true}, nil
}

func newClinic(t *testing.T) (*env, *clinic) {
	w := newEnv(t, nil)
	w.run(time.Minute)
	c := &clinic{Gateway: w.gateway, Workloads: w.cluster, found: map[release.Color][]engine.Finding{}, unreached: map[release.Color]error{}, health: map[release.Color]engine.Health{}}
	w.app.Gateway, w.app.Workloads = c, c
	w.restart()
	return w, c
}

// examined are the checks that found something, or could not be made, in words.
func (w *env) examined() (ill []string) {
	w.t.Helper()
	all, err := w.engine.Examine(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, x := range all {
		for _, f := range x.Found {
			cause, fix := f.Parts()
			kind := "problem"
			if f.Warning {
				kind = "warning"
			}
			ill = append(ill, fmt.Sprintf("%s %s (%s): %s → %s", x.Check, kind, x.Target, cause, fix))
		}
		if x.Err != nil {
			ill = append(ill, fmt.Sprintf("%s unknown (%s): %v", x.Check, x.Target, x.Err))
		}
	}
	return ill
}

func TestEachCheckOfTheDoctorIsApart(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *env, c *clinic)
		want  []string
	}{
		"nothing": {func(*env, *clinic) {}, nil},
		"a right": {func(_ *env, c *clinic) { c.lacking = []engine.Finding{{Text: "the identity lacks write: grant it"}} },
			[]string{"gateway rights problem (the gateway): the identity lacks write → grant it"}},
		"one cluster away, and a fault of the other": {func(_ *env, c *clinic) {
			c.unreached[release.Green] = errors.New("the API server does not answer")
			c.found[release.Blue] = []engine.Finding{{Text: "no probe: add one", Warning: true}}
		}, []string{"workloads warning (blue: shop-blue): no probe → add one", "workloads unknown (green: shop-green): the API server does not answer"}},
		"no pods of the live color": {func(w *env, _ *clinic) { w.cluster.Gone(release.Blue, true) },
			[]string{"workloads problem (blue: shop-blue): blue has the users, and not all of its pods are ready: "}},
		"the live color is not healthy": {func(_ *env, c *clinic) { c.health[release.Blue] = engine.Health{Detail: "10.0.0.4 is Unhealthy"} },
			[]string{"gateway problem (the gateway): the gateway does not find blue healthy, which has the users: 10.0.0.4 is Unhealthy → compare the probe with what the pods answer, or leave the color with bluegreen failover shop"}},
		"the idle color is scaled down": {func(_ *env, c *clinic) { c.health[release.Green] = engine.Health{Detail: "no servers answer"} }, nil},
		"no health": {func(_ *env, c *clinic) {
			c.health[release.Green] = engine.Health{Unknown: true, Detail: "ports are blocked"}
		},
			[]string{"gateway unknown (the gateway): the gateway does not say whether green is healthy: ports are blocked"}},
		"the public address": {func(w *env, _ *clinic) { w.live = "answered 502" },
			[]string{"confirm problem (a check): what users get of blue is not as confirm in bluegreen.yaml expects: answered 502 → open the address, then correct what answers there, or confirm"}},
		"a mistake that the last good configuration replaces": {func(w *env, _ *clinic) { w.app.Held = []string{"line 3: bake: is wrong"}; w.restart() },
			[]string{"configuration problem (bluegreen.yaml): line 3: bake: is wrong → correct bluegreen.yaml until"}},
		"a configuration that cannot be used": {func(w *env, _ *clinic) { w.app.Problems = []string{"line 3: bake: is wrong"}; w.restart() },
			[]string{"configuration problem (bluegreen.yaml): line 3: bake: is wrong → correct bluegreen.yaml until"}},
		"a missing setting": {func(w *env, _ *clinic) { w.app.Unusable = []string{"CHECK_KEY is missing"}; w.restart() },
			[]string{"configuration problem (bluegreen.yaml): CHECK_KEY is missing → set what is named"}},
		"advice": {func(w *env, _ *clinic) { w.app.Warnings = []string{"no confirm"}; w.restart() },
			[]string{"configuration warning (bluegreen.yaml): no confirm → see docs/bluegreen.schema.json"}},
		"drift": {func(w *env, _ *clinic) {
			w.push("2.0")
			w.reach(release.Completed)
			w.gateway.Rival(release.Blue)
			w.run(time.Hour)
		},
			[]string{"state warning (shop): no release starts: traffic was moved to blue outside bluegreen"}},
		"a gate": {func(w *env, _ *clinic) {
			w.app.Policy.Manual = true
			w.restart()
			w.push("2.0")
			w.reach(release.Awaiting)
		}, []string{"state warning (shop): 2.0 (2.0) passed its checks on green and waits for approval → bluegreen promote shop --digest sha256:2.0 (lets it go live), or bluegreen cancel shop"}},
		"a receiver of outcomes": {func(w *env, _ *clinic) { w.topic.down = true; w.push("2.0"); w.reach(release.Completed) },
			[]string{"state warning (shop): the channel topic has failed since"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, clinic := newClinic(t)
			c.spoil(w, clinic)
			ill := w.examined()
			if len(ill) != len(c.want) {
				t.Fatalf("found %q", ill)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(ill[i], want) {
					t.Errorf("found %q, expected %q", ill[i], want)
				}
			}
		})
	}
}

// certified is a check of an address whose certificate ends.
type certified struct {
	answering
	until time.Time
	err   error
}

func (c certified) Certificate(context.Context, engine.Subject) (time.Time, error) {
	return c.until, c.err
}

func TestACertificateThatEndsSoonIsAWarning(t *testing.T) {
	w, _ := newClinic(t)
	for days, want := range map[int]int{0: 0, 13: 1, 15: 0} {
		check := certified{answering: "ok"}
		if days > 0 {
			check.until = w.clock.Add(time.Duration(days) * 24 * time.Hour)
		}
		w.app.During = []engine.Check{check}
		w.restart()
		if ill := w.examined(); len(ill) != want || want > 0 && !strings.Contains(ill[0], "confirm warning (a check): the certificate that users are shown ends on") {
			t.Errorf("%d days before its end: %q", days, ill)
		}
	}
}

func TestTheDoctorKnowsNoOtherApp(t *testing.T) {
	w, _ := newClinic(t)
	if _, err := w.engine.Examine(t.Context(), "nope"); !errors.Is(err, engine.ErrNotFound) {
		t.Error(err)
	}
}

// TestOneExaminationAtATime: whoever asks meanwhile gets the same answer, and a panic is the check's own.
func TestOneExaminationAtATime(t *testing.T) {
	var asked atomic.Int32
	begun, end := make(chan struct{}), make(chan struct{})
	e := engine.New(engine.Options{Examinations: []engine.Examination{
		{Check: "slow", Run: func(context.Context) ([]engine.Finding, error) {
			if asked.Add(1) == 1 {
				close(begun)
			}
			<-end
			return nil, nil
		}},
		{Check: "broken", Run: func(context.Context) ([]engine.Finding, error) { panic("oops") }},
	}})
	answers := make(chan []engine.Examined, 2)
	ask := func() {
		all, err := e.Examine(t.Context(), "")
		if err != nil {
			t.Error(err)
		}
		answers <- all
	}
	go ask()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Examine(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away got %v", err)
	}
	close(end)
	all := <-answers
	if asked.Load() != 1 || len(all) != 2 || all[0].Err != nil || all[1].Err == nil || !strings.Contains(all[1].Err.Error(), "oops") {
		t.Errorf("asked %d times, %+v", asked.Load(), all)
	}
}

// TestACheckThatDoesNotEndIsNotKnown, and keeps none of the others.
func TestACheckThatDoesNotEndIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine.New(engine.Options{Examinations: []engine.Examination{
			{Check: "stuck", Run: func(ctx context.Context) ([]engine.Finding, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}},
			{Check: "quick", Run: func(context.Context) ([]engine.Finding, error) { return []engine.Finding{{Text: "a: b"}}, nil }},
		}})
		began := time.Now()
		all, err := e.Examine(t.Context(), "")
		if err != nil || all[0].Err == nil || all[0].Err.Error() != "no answer within 20s" || len(all[1].Found) != 1 || time.Since(began) != 20*time.Second {
			t.Errorf("%+v, %v after %s", all, err, time.Since(began))
		}
	})
}

func TestTheCauseOfADenialStandsWithoutWhereItCameUp(t *testing.T) {
	for err, want := range map[error]engine.Finding{
		fmt.Errorf("cluster aks: %w: there is no AKS cluster aks: correct its id", engine.ErrDenied): {Text: "there is no AKS cluster aks: correct its id"},
		errors.New("read the gateway: a lock forbids it: remove it"):                                 {Text: "read the gateway: a lock forbids it: remove it"},
	} {
		if got := engine.Denied(err); got != want {
			t.Errorf("%+v", got)
		}
	}
	if cause, fix := (engine.Finding{Text: "a: b", Fix: "c: d"}).Parts(); cause != "a: b" || fix != "c: d" {
		t.Errorf("%q, %q", cause, fix)
	}
	if cause, fix := (engine.Finding{Text: "a: b: c"}).Parts(); cause != "a" || fix != "b: c" {
		t.Errorf("%q, %q", cause, fix)
	}
}
