package engine_test

import (
	"context"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// slowRegistry takes 45 s for a listing. An alert arrives meanwhile, with its wake-up.
type slowRegistry struct {
	w               *env
	asked, resolved int
}

func (r *slowRegistry) Resolve(context.Context, string) (release.Image, error) {
	r.resolved++
	return release.Image{}, engine.ErrNotFound
}

func (r *slowRegistry) Newest(ctx context.Context, _ int) ([]release.Image, error) {
	if r.asked++; r.asked == 1 {
		r.w.alert("a1")
		if err := r.w.engine.Step(ctx, "shop", 0); err != nil {
			r.w.t.Error(err)
		}
		if p := r.w.state().Release.Phase; p != release.RolledBack {
			r.w.t.Errorf("while the registry is asked, the release is %s", p)
		}
	}
	r.w.clock = r.w.clock.Add(45 * time.Second)
	return nil, ctx.Err()
}

func TestAnAlertDoesNotWaitForASlowRegistry(t *testing.T) {
	w := newEnv(t, nil)
	registry := &slowRegistry{w: w}
	w.app.Registry, w.app.Policy.Standby.Size = registry, release.StandbyReady
	w.push("2.0")
	w.reach(release.Completed)
	w.clock = w.clock.Add(time.Hour) // all periodic tasks are due
	w.restart()
	w.until(w.clock.Add(30*time.Minute), func() bool { return registry.asked > 0 })
	w.users("1.0")
}

// TestPeriodicWorkKeepsItsPeriod ticks as the host does: now and then some milliseconds before
// the minute, and not at all in a minute that falls into a run that takes long.
func TestPeriodicWorkKeepsItsPeriod(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	registry := &slowRegistry{w: w, asked: 1}
	w.app.Registry, w.app.Policy.Standby.Size = registry, release.StandbyReady
	w.push("2.0")
	w.restart()
	w.reach(release.Completed)
	w.run(time.Hour) // the standby is made
	done := func() map[string]int {
		return map[string]int{"look": c.made["live"], "list-registry": registry.asked, "ask-for-images": registry.resolved, "sweep": c.made["sweep"]}
	}
	every := map[string]int{"look": 5, "list-registry": 10, "ask-for-images": 360, "sweep": 1440} // minutes
	began, before := w.clock.Truncate(time.Minute), done()
	leftOut := func(minute int) bool { return minute%7 == 6 }
	ran, runs := map[string]int{}, map[string]int{} // the minute of the last run, and how many there were
	for minute := 1; minute < 4*24*60; minute++ {
		if leftOut(minute) {
			continue
		}
		w.clock = began.Add(time.Duration(minute)*time.Minute + time.Duration(minute%3-1)*2*time.Millisecond)
		if err := w.engine.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		for task, n := range done() {
			if n == before[task] {
				continue
			}
			due := ran[task] + every[task]
			if leftOut(due) {
				due++
			}
			if runs[task]++; runs[task] > 2 && minute != due { // the first runs of apps are spread
				t.Fatalf("%s ran in the minutes %d and %d, expected %d", task, ran[task], minute, due)
			}
			ran[task] = minute
		}
		before = done()
	}
	for task := range every {
		if runs[task] < 3 {
			t.Errorf("%s ran %d times in four days", task, runs[task])
		}
	}
}

// The time of each tick is kept, and a tick that cannot keep it has failed: the host then counts
// it as such, and the alert on its absence fires.
func TestATickKeepsItsTime(t *testing.T) {
	w := newEnv(t, nil)
	if at, err := w.engine.LastTick(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("before the first tick: %s, %v", at, err)
	}
	if err := w.engine.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at, err := w.engine.LastTick(t.Context()); err != nil || !at.Equal(w.clock) {
		t.Errorf("the tick was at %s and is kept as %s, %v", w.clock, at, err)
	}
}
