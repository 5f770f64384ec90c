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
	w     *env
	asked int
}

func (*slowRegistry) Resolve(context.Context, string) (release.Image, error) {
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
