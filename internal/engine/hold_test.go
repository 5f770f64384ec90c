package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// scalers are workloads whose autoscalers cannot be changed, for the reasons that a test gives.
type scalers struct {
	*fake.Cluster
	why          string // why a size is not held
	hold, free   error
	holds, frees int
}

func (s *scalers) HoldSize(ctx context.Context, c release.Color, fence int64) (bool, string, error) {
	s.holds++
	if s.why != "" || s.hold != nil {
		return false, s.why, s.hold
	}
	return s.Cluster.HoldSize(ctx, c, fence)
}

func (s *scalers) FreeSize(ctx context.Context, c release.Color, fence int64) error {
	s.frees++
	if s.free != nil {
		return s.free
	}
	return s.Cluster.FreeSize(ctx, c, fence)
}

// scaled is an app of which both colors have an autoscaler with a minimum of 2.
func scaled(t *testing.T) (*env, *scalers) {
	w := newEnv(t, nil)
	s := &scalers{Cluster: w.cluster}
	w.app.Workloads = s
	w.cluster.Autoscale(release.Blue, 2)
	w.cluster.Autoscale(release.Green, 2)
	w.restart()
	w.run(2 * time.Minute)
	return w, s
}

func (w *env) minimum(c release.Color, want int32) {
	w.t.Helper()
	if minimum, _ := w.cluster.Minimum(c); minimum != want {
		w.t.Errorf("the autoscaler of %s has the minimum %d, not %d: %s", c, minimum, want, w.sentence())
	}
}

// reported counts how often the facts have a text.
func (w *env) reported(text string) (n int) {
	w.t.Helper()
	facts, err := w.store.History(w.t.Context(), "shop", 1000, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range facts {
		n += strings.Count(f.Text, text)
	}
	return n
}

func TestAnAutoscalerDoesNotShrinkAReleaseUntilItsBakeIsOver(t *testing.T) {
	w, _ := scaled(t)
	w.app.Policy.Manual = true
	w.restart()
	w.push("2.0")
	w.reach(release.Awaiting)
	w.cluster.Resize(release.Green, 1) // it has no load
	if n := w.cluster.Wanted(release.Green); n != 3 {
		t.Errorf("green was made %d pods", n)
	}
	w.minimum(release.Green, 3)
	w.cluster.Resize(release.Blue, 5) // the live color grows
	w.command(release.Promote)
	w.reach(release.Baking)
	w.minimum(release.Green, 5)
	w.reach(release.Completed)
	w.run(time.Minute)
	w.minimum(release.Green, 2)
	w.minimum(release.Blue, 2)
	w.users("2.0")
	if n := w.reported("autoscaler"); n != 1 {
		t.Errorf("reported %d times", n)
	}
}

// However a release ends, the minimum is put back.
func TestTheMinimumIsPutBackHoweverAReleaseEnds(t *testing.T) {
	for name, end := range map[string]struct {
		at   release.Phase
		do   func(w *env)
		ends release.Phase
	}{
		"canceled":    {release.Awaiting, func(w *env) { w.command(release.Cancel) }, release.Canceled},
		"rolled back": {release.Awaiting, func(w *env) { w.command(release.Promote); w.reach(release.Baking); w.alert("a1") }, release.RolledBack},
		"failed":      {release.Awaiting, func(w *env) { w.cluster.Edit(release.Green, img("9.9", time.Time{})); w.command(release.Promote) }, release.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := scaled(t)
			w.app.Policy.Manual = true
			w.restart()
			w.push("2.0")
			w.reach(end.at)
			w.minimum(release.Green, 3)
			end.do(w)
			w.reach(end.ends)
			w.run(time.Minute)
			w.minimum(release.Green, 2)
		})
	}
}

func TestASizeThatCannotBeHeldIsReportedAndHoldsNothingUp(t *testing.T) {
	for name, s := range map[string]scalers{
		"no right":  {why: "the identity may not patch autoscaler podinfo"},
		"no answer": {hold: errors.New("the identity may not patch autoscaler podinfo: 500")},
	} {
		t.Run(name, func(t *testing.T) {
			w, all := scaled(t)
			all.why, all.hold = s.why, s.hold
			began := w.clock
			w.push("2.0")
			w.reach(release.Baking)
			if took := w.clock.Sub(began); took > 2*time.Minute {
				t.Errorf("it took %s until the switch", took)
			}
			if all.holds == 0 || w.reported("may not patch autoscaler podinfo") != 1 {
				t.Errorf("%d tries, reported %d times", all.holds, w.reported("may not patch autoscaler podinfo"))
			}
			w.reach(release.Completed)
			w.users("2.0")
		})
	}
}

func TestAMinimumThatCannotBePutBackHoldsNothingUp(t *testing.T) {
	w, all := scaled(t)
	all.free = errors.New("the cluster answered 500")
	w.push("2.0")
	w.reach(release.Completed)
	w.run(10 * time.Minute)
	if all.frees < 5 || all.frees > 40 || !strings.Contains(w.sentence(), "the cluster answered 500") {
		t.Errorf("%d tries in ten minutes: %s", all.frees, w.sentence())
	}
	w.run(40 * time.Minute)
	if n := w.cluster.Wanted(release.Blue); n != 0 {
		t.Errorf("the idle color has %d pods: %s", n, w.sentence())
	}
	w.cluster.Seed(release.Blue, img("1.0", time.Time{}), 3)
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
	all.free = nil
	w.run(5 * time.Minute)
	w.minimum(release.Green, 2)
	if strings.Contains(w.sentence(), "trouble") {
		t.Error(w.sentence())
	}
}

func TestAMinimumThatMayNotBePutBackIsReportedOnceAndGivenUp(t *testing.T) {
	w, all := scaled(t)
	all.free = fmt.Errorf("horizontalpodautoscalers/patch is missing: %w", engine.ErrDenied)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(time.Hour)
	facts, err := w.store.History(t.Context(), "shop", 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	asks := slices.DeleteFunc(facts, func(f release.Fact) bool { return f.Kind != release.NeedsHelp })
	if len(asks) != 1 || !strings.Contains(asks[0].Text, "horizontalpodautoscalers/patch is missing") || all.frees != 1 {
		t.Errorf("%d tries, asked for help: %+v", all.frees, asks)
	}
	if strings.Contains(w.sentence(), "trouble") {
		t.Error(w.sentence())
	}
}
