package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// env is one app on fakes, in virtual time: sleeping moves the clock.
type env struct {
	t       testing.TB
	clock   time.Time
	store   engine.Store
	wakeups *fake.Wakeups
	gateway *fake.Gateway
	cluster *fake.Cluster
	topic   *topic
	live    string // what the probe of the public address answers; "" passes
	sees    func() release.Color
	app     engine.App
	engine  *engine.Engine
	pushes  int
	ticked  time.Time
	invoked []time.Duration // each invocation of a function by until
}

// topic is a receiver.
type topic struct {
	down  bool
	fails func(engine.Message) error
	sent  map[int]release.Fact
	got   []engine.Message // in order
	all   int
}

func (n *topic) Notify(_ context.Context, m engine.Message) error {
	if n.down {
		return fmt.Errorf("the topic does not answer")
	}
	if n.fails != nil {
		if err := n.fails(m); err != nil {
			return err
		}
	}
	n.sent[m.Fact.Number], n.got = m.Fact, append(n.got, m)
	n.all++
	return nil
}

// newEnv is an app with 1.0 live on blue with three pods, and nothing on green.
func newEnv(t testing.TB, hook fake.Hook) *env {
	w := &env{t: t, clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), topic: &topic{sent: map[int]release.Fact{}}}
	now := func() time.Time { return w.clock }
	w.store = fake.NewStore(hook)
	w.wakeups = fake.NewWakeups(hook)
	w.gateway = fake.NewGateway(release.Blue, 20*time.Second, now, hook)
	w.cluster = fake.NewCluster(now, w.sleep, hook)
	w.cluster.Behave("", fake.Behaviour{Ready: 5 * time.Second})
	w.cluster.Seed(release.Blue, img("1.0", time.Time{}), 3)
	w.app = engine.App{
		Name: "shop", Repository: "registry/shop", Gateway: w.gateway, Workloads: w.cluster,
		Before: []engine.Check{engine.GatewayHealth{Gateway: w.gateway}}, During: []engine.Check{w},
		Policy: release.Policy{
			First: release.Blue, RolloutTimeout: 10 * time.Minute, PullGrace: 5 * time.Minute, VerifyTimeout: 5 * time.Minute,
			SwitchTimeout: 10 * time.Minute, Bake: 15 * time.Minute, ProbeEvery: 15 * time.Second, ProbeMisses: 3,
			RollbackWindow: 24 * time.Hour, RetireAfter: 30 * time.Minute,
		},
		Channels: []engine.Channel{{Name: "topic", Notifier: w.topic, Kinds: release.PublishedKinds(), Heir: true}},
	}
	w.restart()
	return w
}

// restart gives the app to a new process.
func (w *env) restart() {
	w.engine = engine.New(engine.Options{
		Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app},
		Now: func() time.Time { return w.clock }, Sleep: w.sleep, Beside: func(work func()) { work() },
	})
}

func (w *env) sleep(ctx context.Context, d time.Duration) error {
	w.clock = w.clock.Add(d)
	return ctx.Err()
}

// Run implements engine.Check for the public address.
func (w *env) Run(_ context.Context, s engine.Subject) engine.Result {
	if w.sees != nil && w.sees() != s.Color {
		return engine.Result{Verdict: release.Undecided, Detail: "answered by the other color"}
	}
	if w.live != "" {
		return engine.Result{Verdict: release.Undecided, Detail: w.live}
	}
	return engine.Result{Verdict: release.Passed}
}

// publicAddress makes the check of the public address see which color answers.
func (w *env) publicAddress() { w.sees = func() release.Color { return w.gateway.Effective() } }

func img(tag string, at time.Time) release.Image {
	return release.Image{Tag: tag, Digest: "sha256:" + tag, PushedAt: at}
}

func (w *env) push(tag string) {
	w.t.Helper()
	if _, err := w.engine.Push("event-"+tag, img(tag, w.clock)).Accept(w.t.Context(), "shop"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) alert(id string) {
	w.t.Helper()
	if _, err := w.engine.Accept(w.t.Context(), "shop", engine.AlertEntry(id, release.AlertFired{ID: id, Rule: "errors", At: w.clock}, w.clock)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) command(c release.Command) {
	w.t.Helper()
	w.pushes++
	if _, err := w.engine.Accept(w.t.Context(), "shop", engine.CommandEntry(fmt.Sprint(w.pushes), release.Commanded{Command: c, By: release.Actor{Name: "ana"}}, w.clock)); err != nil {
		w.t.Fatal(err)
	}
}

// run lets time pass, with the queue and the minute tick at work.
func (w *env) run(d time.Duration) {
	w.t.Helper()
	w.until(w.clock.Add(d), func() bool { return false })
}

// reach lets time pass until the app is in a phase, at most a day.
func (w *env) reach(p release.Phase) {
	w.t.Helper()
	if !w.until(w.clock.Add(24*time.Hour), func() bool { return w.state().Release.Phase == p }) {
		w.t.Fatalf("never %s: %s", p, w.sentence())
	}
}

func (w *env) until(end time.Time, done func() bool) bool {
	w.t.Helper()
	for w.clock.Before(end) {
		if done() {
			return true
		}
		if wake, ok := w.wakeups.Due(w.clock); ok {
			began := w.clock
			if err := w.engine.Step(w.t.Context(), wake.App, 0); err != nil {
				w.t.Fatal(err)
			}
			w.invoked = append(w.invoked, w.clock.Sub(began))
			continue
		}
		next := w.ticked.Add(time.Minute)
		if at, ok := w.wakeups.Next(); ok && at.Before(next) {
			next = at
		}
		if next.After(w.clock) {
			w.clock = next
		}
		if !w.clock.Before(w.ticked.Add(time.Minute)) {
			w.ticked = w.clock
			if err := w.engine.Tick(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
			w.invoked = append(w.invoked, w.clock.Sub(w.ticked))
		}
	}
	return done()
}

func (w *env) state() release.State {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Record.State
}

func (w *env) sentence() string { return release.StatusOf(w.state(), w.app.Policy, w.clock).String() }

// users fails the test unless users are answered by this image now.
func (w *env) users(tag string) {
	w.t.Helper()
	color := w.gateway.Effective()
	i, ready := w.cluster.Running(color)
	if i.Tag != tag || ready == 0 {
		w.t.Fatalf("users are answered by %s (%d ready) on %s, not by %s: %s", i, ready, color, tag, w.sentence())
	}
}
