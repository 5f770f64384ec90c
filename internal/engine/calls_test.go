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
	storage = []string{"load", "commit", "accept", "accepted", "history", "advance", "sweep", "ticked", "last-tick"}
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

// TestCallsStayWithinTheirBudget counts what leaves the process for each thing that an app does.
// A call more is a decision: the file is the budget.
func TestCallsStayWithinTheirBudget(t *testing.T) {
	c := &tally{}
	w := newEnv(t, c.hook)
	plain := w.store
	w.engine = engine.New(engine.Options{
		Store: countedStore{plain, c}, Wakeups: w.wakeups, Apps: []engine.App{w.app},
		Now: func() time.Time { return w.clock }, Sleep: w.sleep, Beside: func(work func()) { work() },
	})
	w.run(2 * time.Minute)
	var table strings.Builder
	fmt.Fprintf(&table, "%-44s %8s %8s %8s %8s\n", "", "storage", "queue", "gateway", "cluster")
	count := func(made, names []string) (n int) {
		for _, call := range made {
			if slices.Contains(names, call) {
				n++
			}
		}
		return n
	}
	row := func(what string, made []string, times float64) {
		for _, call := range made {
			if !slices.Contains(slices.Concat(storage, queue, gateway, cluster), call) {
				t.Errorf("%s: the call %s belongs to no column", what, call)
			}
		}
		fmt.Fprintf(&table, "%-44s", what)
		for _, names := range [][]string{storage, queue, gateway, cluster} {
			fmt.Fprintf(&table, " %8.4g", float64(count(made, names))/times)
		}
		table.WriteString("\n")
	}

	c.take()
	w.run(24 * time.Hour)
	row("a minute at rest, over a day", c.take(), 24*60)
	w.push("2.0")
	row("accept a push", c.take(), 1)
	w.reach(release.Baking)
	row("release until its bake, rollout 5 s, switch 20 s", c.take(), 1)
	w.run(time.Minute)
	c.take()
	w.run(5 * time.Minute)
	row("a minute of bake", c.take(), 5)
	w.alert("a")
	w.reach(release.RolledBack)
	made := c.take()
	row("alert until the gateway's write", made[:slices.Index(made, "switch")], 1)
	row("alert until rolled back, switch 20 s", made, 1)
	golden.Check(t, "testdata/calls.txt", table.String())
}
