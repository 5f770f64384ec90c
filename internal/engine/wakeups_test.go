package engine_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/google/go-cmp/cmp"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// together is a store in which further workers come between a worker's load and its commit.
type together struct {
	engine.Store
	others int
	step   func()
}

func (s *together) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	if s.others > 0 {
		s.others--
		s.step()
	}
	return s.Store.Commit(ctx, from, c)
}

// azurite is a store on a table of its own.
func azurite(t *testing.T) engine.Store {
	service, err := aztables.NewServiceClientFromConnectionString(testbed.SharedAzurite(t).ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tables.New(service.NewClient("t" + rand.Text()))
}

// moments are what the app waits for when the messages arrive.
var moments = map[string]func(w *env){
	"deploying": func(w *env) { w.push("2.0") },
	"verifying": func(w *env) { w.slowly(release.Verifying) },
	"switching": func(w *env) { w.slowly(release.Switching) },
	"baking":    func(w *env) { w.push("2.0"); w.reach(release.Baking) },
	"returning": func(w *env) { w.push("2.0"); w.reach(release.Baking); w.alert("a1") },
	"completed": func(w *env) { w.push("2.0"); w.reach(release.Completed) },
	"unscheduled": func(w *env) { // as after the configuration was changed: claimed and freed in one commit
		w.push("2.0")
		w.reach(release.Completed)
		snap, err := w.store.Load(w.t.Context(), "shop")
		if err != nil {
			w.t.Fatal(err)
		}
		next := snap.Record
		next.WakeAt = time.Time{}
		if _, err := w.store.Commit(w.t.Context(), snap, engine.Change{Record: next}); err != nil {
			w.t.Fatal(err)
		}
	},
}

// slowly brings a new release to a phase with workers that leave after each step.
func (w *env) slowly(p release.Phase) {
	w.push("2.0")
	slow := engine.New(engine.Options{
		Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app}, Budget: time.Nanosecond,
		Now: func() time.Time { return w.clock }, Sleep: w.sleep,
	})
	for range 100 {
		if w.state().Release.Phase == p {
			return
		}
		if err := slow.Step(w.t.Context(), "shop", 0); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Fatalf("never %s: %s", p, w.sentence())
}

// arrive makes so many messages for the app arrive at once, at the moment that it waits
// for, and returns how often each thing was done and how many wake-ups are left.
func arrive(t *testing.T, store engine.Store, moment func(*env), messages int) map[string]int {
	done := map[string]int{}
	w := newEnv(t, func(call string, after bool) error {
		if after && (call == "deploy" || call == "scale" || call == "switch") {
			done[call]++
		}
		return nil
	})
	s := &together{Store: store}
	w.store = s
	w.app.During = []engine.Check{&counted{w, done}}
	w.restart()
	step := func() {
		if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
			t.Error(err)
		}
	}
	s.step = step
	moment(w)
	due := w.clock // all that are under way arrive together, when the next one is due
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if at := snap.Record.WakeAt; at.After(due) {
		due = at
	}
	for ok := true; ok; _, ok = w.wakeups.Due(w.clock.Add(48 * time.Hour)) {
	}
	w.clock = due.Add(time.Second)
	clear(done)
	s.others = messages - 1
	step()
	if s.others > 0 {
		t.Errorf("%d messages found nothing to do", s.others)
	}
	for {
		if _, ok := w.wakeups.Due(w.clock.Add(48 * time.Hour)); !ok {
			return done
		}
		done["wake-up"]++
	}
}

type counted struct {
	*env
	done map[string]int
}

func (c *counted) Run(ctx context.Context, s engine.Subject) engine.Result {
	c.done["check"]++
	return c.env.Run(ctx, s)
}

// Only the worker whose own commit was done acts and sends a wake-up: many messages at once
// for one app must not become many streams of messages.
func TestManyMessagesAtOnceAreOneStepAndOneWakeup(t *testing.T) {
	stores := map[string]func(*testing.T) engine.Store{"azurite": azurite, "memory": func(t *testing.T) engine.Store { return newEnv(t, nil).store }}
	for kind, open := range stores {
		if kind == "azurite" && testing.Short() {
			continue // another process
		}
		for name, moment := range moments {
			t.Run(fmt.Sprint(kind, "/", name), func(t *testing.T) {
				one, many := arrive(t, open(t), moment, 1), arrive(t, open(t), moment, 7)
				if diff := cmp.Diff(one, many); diff != "" || many["wake-up"] > 1 || len(many) == 0 {
					t.Errorf("7 messages at once do other things than one (-one +seven):\n%s", diff)
				}
			})
		}
	}
}
