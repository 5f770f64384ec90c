package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// hanging is a store that does not answer.
type hanging struct{ engine.Store }

func (hanging) Load(ctx context.Context, _ string) (engine.Snapshot, error) {
	<-ctx.Done()
	return engine.Snapshot{}, ctx.Err()
}

func (hanging) History(ctx context.Context, _ string, _, _ int) ([]release.Fact, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) Accepted(ctx context.Context, _, _ string) (engine.Entry, error) {
	<-ctx.Done()
	return engine.Entry{}, ctx.Err()
}

func TestAReadOfTheStateIsBounded(t *testing.T) {
	for name, read := range map[string]func(context.Context, *engine.Engine) error{
		"view":     func(ctx context.Context, e *engine.Engine) error { _, err := e.View(ctx, "shop"); return err },
		"history":  func(ctx context.Context, e *engine.Engine) error { _, err := e.History(ctx, "shop", 1, 0); return err },
		"accepted": func(ctx context.Context, e *engine.Engine) error { _, err := e.Accepted(ctx, "shop", "x"); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			e := engine.New(engine.Options{Store: hanging{}, Apps: []engine.App{{Name: "shop"}}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the caller gives up
			defer cancel()
			began := time.Now()
			if err := read(ctx, e); err == nil || time.Since(began) > 15*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
		})
	}
}

// TestWhenARecordWasSavedNeverGoesBack has a drift that ends, and a worker whose clock is slow.
func TestWhenARecordWasSavedNeverGoesBack(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	var last time.Time
	for n := range 40 {
		v, err := w.engine.View(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if v.SavedAt.Before(last) || v.SavedAt.IsZero() {
			t.Fatalf("saved at %v, and before that at %v", v.SavedAt, last)
		}
		last = v.SavedAt
		w.run(time.Minute)
		if n == 20 {
			w.clock = w.clock.Add(-10 * time.Second)
			w.push("3.0")
			w.restart()
		}
	}
}

// TestManyAppsAreReadWithARequestEach: what glances have seen meanwhile is listed, and says the same
// of each app as its own row.
func TestManyAppsAreReadWithARequestEach(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	f := newFleet(t, 40, func(call string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if !after {
			calls[call]++
		}
		return nil
	})
	f.run(time.Hour)
	f.clock = f.clock.Add(2 * time.Minute) // what was seen is not of the last minute
	names := f.engine.Apps()
	var each []engine.View
	for _, name := range names {
		v, err := f.engine.View(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, v)
	}
	clear(calls)
	views, errs := f.engine.Views(t.Context(), append(slices.Clone(names), "unknown"))
	for n, err := range errs {
		if unknown := n == len(names); unknown != errors.Is(err, engine.ErrNotFound) || !unknown && err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	for n := range each {
		if got, want := fmt.Sprintf("%+v %+v", views[n].Status, views[n].State), fmt.Sprintf("%+v %+v", each[n].Status, each[n].State); got != want {
			t.Errorf("%s is\n%s, by itself\n%s", names[n], got, want)
		}
	}
	if calls["load"] != len(names) || calls["list due"] != 1 || len(calls) != 2 {
		t.Errorf("%d apps are read with %v", len(names), calls)
	}
}

// TestAListThatFailsHidesNoApp: what was seen of each is in a row of its own too, and an app that
// releases needs none.
func TestAListThatFailsHidesNoApp(t *testing.T) {
	fails := false
	f := newFleet(t, 4, func(call string, _ bool) error {
		if fails && call == "list due" {
			return errors.New("the server is busy")
		}
		return nil
	})
	f.run(time.Hour)
	fails = true
	if _, errs := f.engine.Views(t.Context(), f.engine.Apps()); errors.Join(errs...) != nil {
		t.Error(errs)
	}
}
