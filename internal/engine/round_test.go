package engine_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/round"
)

// witness notes which calls of the adapters are in a round.
type witness struct {
	engine.Gateway
	engine.Workloads
	engine.Registry
	in, out map[string]int
}

func (w *witness) note(ctx context.Context, call string) {
	if round.Of(ctx) != nil {
		w.in[call]++
	} else {
		w.out[call]++
	}
}

func (w *witness) Live(ctx context.Context) (engine.Reading, error) {
	w.note(ctx, "live")
	return w.Gateway.Live(ctx)
}

func (w *witness) Switch(ctx context.Context, to release.Color, fence int64) (engine.Operation, error) {
	w.note(ctx, "switch")
	return w.Gateway.Switch(ctx, to, fence)
}

func (w *witness) Poll(ctx context.Context, token string) (engine.Operation, error) {
	w.note(ctx, "poll")
	return w.Gateway.Poll(ctx, token)
}

func (w *witness) Health(ctx context.Context, c release.Color) (engine.Health, error) {
	w.note(ctx, "health")
	return w.Gateway.Health(ctx, c)
}

func (w *witness) Observe(ctx context.Context, c release.Color, i release.Image, wait time.Duration) (engine.Workload, error) {
	w.note(ctx, "observe")
	return w.Workloads.Observe(ctx, c, i, wait)
}

func (w *witness) Deploy(ctx context.Context, o engine.Order) error {
	w.note(ctx, "deploy")
	return w.Workloads.Deploy(ctx, o)
}

func (w *witness) Scale(ctx context.Context, c release.Color, replicas int32, fence int64) error {
	w.note(ctx, "scale")
	return w.Workloads.Scale(ctx, c, replicas, fence)
}

func (w *witness) Newest(ctx context.Context, limit int) ([]release.Image, error) {
	w.note(ctx, "newest")
	return w.Registry.Newest(ctx, limit)
}

func (w *witness) HoldSize(ctx context.Context, c release.Color, fence int64) (bool, string, error) {
	w.note(ctx, "hold")
	return w.Workloads.(engine.Autoscaled).HoldSize(ctx, c, fence)
}

func (w *witness) FreeSize(ctx context.Context, c release.Color, fence int64) error {
	w.note(ctx, "free")
	return w.Workloads.(engine.Autoscaled).FreeSize(ctx, c, fence)
}

func (w *env) witness() *witness {
	n := &witness{Gateway: w.gateway, Workloads: w.cluster, Registry: &listing{images: []release.Image{img("3.0", w.clock), img("2.0", w.clock), img("1.0", w.clock)}}, in: map[string]int{}, out: map[string]int{}}
	w.app.Gateway, w.app.Workloads, w.app.Registry = n, n, n
	w.app.Before = []engine.Check{engine.GatewayHealth{Gateway: n}}
	w.restart()
	return n
}

// ticks lets a phase be reached by ticks alone: every step is then that of a worker of a tick.
func (w *env) ticks(p release.Phase) {
	w.t.Helper()
	for range 24 * 60 {
		if w.state().Release.Phase == p {
			return
		}
		w.tick()
	}
	w.t.Fatalf("never %s: %s", p, w.sentence())
}

func (w *env) tick() {
	w.t.Helper()
	w.clock = w.clock.Add(time.Minute)
	if err := w.engine.Tick(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// TestOnlyPeriodicLooksShareReads takes an app through a release, a change made outside bluegreen, a
// rollback and its time at rest, with an autoscaler.
func TestOnlyPeriodicLooksShareReads(t *testing.T) {
	w := newEnv(t, nil)
	w.cluster.Autoscale(release.Green, 1)
	n := w.witness()
	w.run(10 * time.Minute)
	w.push("2.0")
	w.ticks(release.Baking)
	w.reach(release.Completed)
	for range 90 {
		w.tick()
	}
	w.push("3.0")
	w.ticks(release.Baking)
	w.alert("a1")
	w.ticks(release.RolledBack)
	w.gateway.Rival(w.gateway.Effective().Other())
	w.ticks(release.Baking)
	for call := range n.in {
		if !slices.Contains([]string{"live", "observe", "newest"}, call) {
			t.Errorf("%s is in a round %d times", call, n.in[call])
		}
	}
	for _, call := range []string{"live", "observe", "newest"} {
		if n.in[call] == 0 {
			t.Errorf("%s is in no round: %v", call, n.in)
		}
	}
	for _, call := range []string{"live", "observe", "switch", "poll", "health", "deploy", "scale", "hold", "free"} {
		if n.out[call] == 0 {
			t.Errorf("%s was never called without a round, so that this test shows nothing of it: %v", call, n.out)
		}
	}
}

// shared is a gateway whose readings a round shares.
type shared struct{ engine.Gateway }

func (g shared) Live(ctx context.Context) (engine.Reading, error) {
	return round.Read(ctx, "gateway", g.Gateway.Live)
}

// TestALookUsesNoReadFromBeforeTheAppWasWorkedOn gives a round a reading that shows the color before
// the last one, from before or after a command of the app is carried out.
func TestALookUsesNoReadFromBeforeTheAppWasWorkedOn(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after time.Duration // from the reading to the command, from the one or the other to the look
		used          bool
	}{
		{"the command has just ended", time.Second, 0, false},
		{"by a clock that is late", time.Second, 5500 * time.Millisecond, false},
		{"long ago", time.Second, 30 * time.Second, false},
		{"read since", -10 * time.Second, time.Second, true},
		{"read since, too long ago", -10 * time.Second, 61 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lookAfterCommand(t, c.before, c.after, c.used) })
		})
	}
}

func lookAfterCommand(t *testing.T, before, after time.Duration, used bool) {
	w := newEnv(t, nil)
	w.app.Gateway = shared{w.gateway}
	w.restart()
	w.run(2 * time.Minute)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(time.Hour)
	w.pass(10 * time.Minute) // a look is due
	in := round.With(t.Context())
	read := func() {
		_, _ = round.Read(in, "gateway", func(context.Context) (engine.Reading, error) { return engine.Reading{Live: release.Blue}, nil })
	}
	if before > 0 {
		read()
	}
	w.pass(before.Abs())
	w.command(release.PauseReleases)
	if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
		t.Fatal(err)
	}
	w.pass(after)
	if before < 0 {
		w.pass(before.Abs())
		read()
		w.pass(after)
	}
	if err := w.engine.TickApp(in, "shop"); err != nil {
		t.Fatal(err)
	}
	s := w.state()
	if drifted := !s.Drift.IsZero(); drifted != used {
		t.Errorf("the reading of the round is used: %v: %s", drifted, w.sentence())
	}
	if age := w.clock.Sub(s.Green.Observed.At); used && age != after || !used && age != 0 {
		t.Errorf("what was seen is %s old", age)
	}
}

// pass lets time pass on both clocks, while nothing happens.
func (w *env) pass(d time.Duration) {
	time.Sleep(d)
	w.clock = w.clock.Add(d)
}

// TestAListingThatTheRoundSharesIsNoNews gives a round a listing from before the app's last push.
func TestAListingThatTheRoundSharesIsNoNews(t *testing.T) {
	w := newEnv(t, nil)
	r := &listing{images: []release.Image{img("1.0", w.clock)}}
	w.app.Registry = r
	w.restart()
	w.run(2 * time.Minute)
	in := round.With(t.Context())
	if _, err := r.Newest(in, 5); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(time.Hour)
	r.images = []release.Image{img("2.0", w.clock)}
	w.push("2.0")
	w.reach(release.Completed)
	w.clock = w.clock.Add(time.Hour)
	asked := r.asked
	if err := w.engine.TickApp(in, "shop"); err != nil {
		t.Fatal(err)
	}
	if s := w.state(); s.LastPush.Image.Tag != "2.0" || r.asked != asked+1 {
		t.Errorf("the registry was asked %d times; the last push is %+v", r.asked-asked, s.LastPush)
	}
}

// listing is a registry whose listings a round shares.
type listing struct {
	images []release.Image
	asked  int
}

func (r *listing) Resolve(_ context.Context, ref string) (release.Image, error) {
	for _, i := range r.images {
		if i.Tag == ref || i.Digest == ref {
			return i, nil
		}
	}
	return release.Image{}, engine.ErrNotFound
}

func (r *listing) Newest(ctx context.Context, _ int) ([]release.Image, error) {
	all, err := round.Read(ctx, "listing", func(context.Context) ([]release.Image, error) {
		r.asked++
		return r.images, nil
	})
	return slices.Clone(all), err
}
