package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

// tally counts the calls of an engine that leave the process, by name.
type tally struct {
	mu   sync.Mutex
	made []string // in order
}

func (c *tally) add(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = append(c.made, call)
}

// hook counts the calls of all fakes but the store, which the test itself asks as well.
func (c *tally) hook(call string, after bool) error {
	if !after && !slices.Contains(storage, call) {
		c.add(call)
	}
	return nil
}

// take returns the calls since the last take.
func (c *tally) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := c.made
	c.made = nil
	return made
}

// The calls of each port, as the fakes name them. Each of the store and of the queue is one
// request; what the others cost is counted with their adapters.
var (
	storage = []string{"load", "commit", "accept", "accepted", "history", "advance", "sweep", "ticked", "last-tick", "list due", "due", "mark", "settle", "forget"}
	queue   = []string{"wake"}
	gateway = []string{"live", "switch", "poll", "health"}
	cluster = []string{"observe", "deploy", "scale", "hold", "free"}
)

// countedStore counts the calls of an engine alone.
type countedStore struct {
	engine.Store
	c *tally
}

func (s countedStore) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	s.c.add("load")
	return s.Store.Load(ctx, app)
}

func (s countedStore) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	s.c.add("commit")
	return s.Store.Commit(ctx, from, c)
}

func (s countedStore) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	s.c.add("accept")
	return s.Store.Accept(ctx, app, e)
}

func (s countedStore) Accepted(ctx context.Context, app, id string) (engine.Entry, error) {
	s.c.add("accepted")
	return s.Store.Accepted(ctx, app, id)
}

func (s countedStore) History(ctx context.Context, app string, limit, before int) ([]release.Fact, error) {
	s.c.add("history")
	return s.Store.History(ctx, app, limit, before)
}

func (s countedStore) Advance(ctx context.Context, app string, p engine.Progress) (engine.Progress, error) {
	s.c.add("advance")
	return s.Store.Advance(ctx, app, p)
}

func (s countedStore) Sweep(ctx context.Context, app string, before time.Time) error {
	s.c.add("sweep")
	return s.Store.Sweep(ctx, app, before)
}

func (s countedStore) Ticked(ctx context.Context, at time.Time) error {
	s.c.add("ticked")
	return s.Store.Ticked(ctx, at)
}

func (s countedStore) ListDue(ctx context.Context) ([]engine.Due, error) {
	s.c.add("list due")
	return s.Store.ListDue(ctx)
}

func (s countedStore) Due(ctx context.Context, app string) (engine.Due, error) {
	s.c.add("due")
	return s.Store.Due(ctx, app)
}

func (s countedStore) Mark(ctx context.Context, app string) (string, error) {
	s.c.add("mark")
	return s.Store.Mark(ctx, app)
}

func (s countedStore) Settle(ctx context.Context, rows []engine.Due) error {
	s.c.add("settle")
	return s.Store.Settle(ctx, rows)
}

// use is what one thing that an app does takes.
type use struct {
	what  string
	made  []string
	ran   []time.Duration
	times float64 // what is counted is divided by this
}

func (u use) calls(names []string) float64 {
	n := 0
	for _, call := range u.made {
		if slices.Contains(names, call) {
			n++
		}
	}
	return float64(n) / u.times
}

// seconds are those that are billed: an execution counts as one second at least.
func (u use) seconds() (s float64) {
	for _, d := range u.ran {
		s += max(1, d.Seconds())
	}
	return s / u.times
}

func (u use) executions() float64 { return float64(len(u.ran)) / u.times }

// List prices in USD, without the monthly free grant; docs/costs.md names their sources.
const (
	perExecution = 0.40 / 1e6
	perGBSecond  = 0.000026
	perTableCall = 0.00036 / 1e4
	perQueueCall = 0.004 / 1e4
	memory       = 0.5 // GB of an instance
	// perMessage is how many queue calls a wake-up takes: it is put, taken and deleted.
	perMessage   = 3
	freeRuns     = 250_000
	freeSeconds  = 100_000 // GB-seconds
	minutesMonth = 730 * 60
)

// cost is the price of executions, GB-seconds and calls, and what of it the free grant leaves.
func cost(executions, gbSeconds, tables, wakes float64) (full, beyond float64) {
	storage := tables*perTableCall + wakes*perMessage*perQueueCall
	return executions*perExecution + gbSeconds*perGBSecond + storage,
		max(0, executions-freeRuns)*perExecution + max(0, gbSeconds-freeSeconds)*perGBSecond + storage
}

const restApps = 50

// restingFor is what a minute of apps at rest takes.
func restingFor(t *testing.T, d time.Duration) use {
	c := &tally{}
	f := newFleet(t, restApps, c.hook)
	f.run(24 * time.Hour)
	c.take()
	f.restart(countedStore{f.store, c})
	f.run(d)
	return use{fmt.Sprintf("a minute of %d apps at rest, over a day", restApps), c.take(), slices.Repeat([]time.Duration{0}, int(d.Minutes())), d.Minutes()}
}

// TestCallsStayWithinTheirBudget counts what leaves the process for each thing that an app does,
// and what that costs. A call more is a decision: the page is the budget.
func TestCallsStayWithinTheirBudget(t *testing.T) {
	c := &tally{}
	w := newEnv(t, c.hook)
	w.engine = engine.New(engine.Options{
		Store: countedStore{w.store, c}, Wakeups: w.wakeups, Apps: []engine.App{w.app},
		Now: func() time.Time { return w.clock }, Sleep: w.sleep, Beside: func(work func()) { work() },
	})
	take := func(what string, times float64) use {
		u := use{what, c.take(), w.invoked, times}
		w.invoked = nil
		for _, call := range u.made {
			if !slices.Contains(slices.Concat(storage, queue, gateway, cluster), call) {
				t.Errorf("%s: the call %s belongs to no column", what, call)
			}
		}
		return u
	}
	w.run(2 * time.Minute)
	take("", 1)
	rest := restingFor(t, 24*time.Hour)
	w.push("2.0")
	accept := take("a push is accepted", 1)
	accept.ran = []time.Duration{0} // of image-pushed
	w.reach(release.Baking)
	released := take("release until its bake; rollout 5 s, switch 20 s", 1)
	w.run(time.Minute)
	take("", 1)
	w.run(5 * time.Minute)
	bake := take("a minute of bake, a look every 15 s", 5)
	w.alert("a")
	w.reach(release.RolledBack)
	back := take("alert until rolled back; switch 20 s", 1)
	first := use{"alert until the gateway is written to", back.made[:slices.Index(back.made, "switch")], nil, 1}

	var page strings.Builder
	page.WriteString(`
Counted by a test with the engine on its fakes in virtual time, for one app with the defaults; a call more fails the test. A storage call is one request to the tables, a queue call one message. Gateway and cluster calls are those of the ports: one look at a color is one.

| | executions | seconds | storage | queue | gateway | cluster |
|---|---|---|---|---|---|---|
`)
	for _, u := range []use{accept, released, bake, first, back, rest} {
		runs, seconds := "", ""
		if u.ran != nil {
			runs, seconds = fmt.Sprintf("%.3g", u.executions()), fmt.Sprintf("%.3g", u.seconds())
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %.3g | %.3g | %.3g | %.3g |\n", u.what, runs, seconds,
			u.calls(storage), u.calls(queue), u.calls(gateway), u.calls(cluster))
	}
	page.WriteString(`
The same in USD (source 4), for an instance of 512 MB. An execution is billed as one second at least; a message is put, taken and deleted. Not included: the polls of the queue by the platform, and logs.

| apps | a month at rest | beyond the monthly free grant |
|---|---|---|
`)
	tick := rest.calls([]string{"list due", "ticked"}) // however many apps: 1,000 rows are one call
	for _, apps := range []float64{10, 100, 1000} {
		tables := tick + apps/restApps*(rest.calls(storage)-tick)
		full, beyond := cost(minutesMonth, minutesMonth*memory, minutesMonth*tables, minutesMonth*apps/restApps*rest.calls(queue))
		fmt.Fprintf(&page, "| %.0f | %.2f | %.2f |\n", apps, full, beyond)
	}
	const baking = 15 // minutes
	release, _ := cost(accept.executions()+released.executions()+baking*bake.executions(),
		memory*(accept.seconds()+released.seconds()+baking*bake.seconds()),
		accept.calls(storage)+released.calls(storage)+baking*bake.calls(storage),
		accept.calls(queue)+released.calls(queue)+baking*bake.calls(queue))
	fmt.Fprintf(&page, "\n1,000 releases with a bake of %d minutes cost %.2f, without the grant.\n", baking, 1000*release)
	golden.Part(t, "../../docs/costs.md", "use", page.String())
}
