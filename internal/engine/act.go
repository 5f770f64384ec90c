package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"bluegreen/internal/release"
)

// hurry is for how long a color that cannot take traffic back is watched without a rest.
const hurry = 2 * time.Minute

// margin is how much longer than a gateway write the claim on an app must last.
const margin = 5 * time.Second

// act takes one bounded step towards making an effect true and returns what was seen.
// What fails for a reason that may pass is seen as a stumble; an error ends the worker.
func (w *worker) act(ctx context.Context, effect release.Effect) ([]release.Event, error) {
	w.look, w.watching = false, false
	before := w.stumbles
	seen, err := w.perform(ctx, effect)
	if errors.Is(err, ErrFenced) || errors.Is(err, errTaken) || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	kind := reflect.TypeOf(effect)
	if err != nil {
		w.stumbles, w.stuck = w.stumbles+1, kind
		w.watching = true
		w.Log.Warn("a step could not be taken", "app", w.app.Name, "step", fmt.Sprintf("%T", effect), "error", err)
		seen = []release.Event{release.Stumbled{Detail: err.Error()}}
		if w.stumbles < patience {
			return seen, w.Sleep(ctx, w.Look)
		}
		return seen, nil
	}
	switch {
	case w.stumbles > before:
		w.stuck = kind
	case w.stuck == kind: // what succeeds beside it mends nothing
		w.stumbles = 0
	}
	return seen, nil
}

func (w *worker) perform(ctx context.Context, effect release.Effect) ([]release.Event, error) {
	switch effect := effect.(type) {
	case preflight:
		return w.preflight(ctx)
	case release.Look:
		return w.lookAround(ctx)
	case release.Deploy:
		return w.deploy(ctx, effect)
	case release.Verify:
		return w.verify(ctx, effect)
	case release.Route:
		return w.route(ctx, effect)
	case release.Restore:
		return w.restore(ctx, effect)
	case release.Probe:
		return w.probe(ctx, effect)
	case release.Retire:
		return w.retire(ctx, effect)
	}
	return nil, fmt.Errorf("no worker knows how to do %T", effect)
}

// preflight checks once for each configuration that what it names exists and may be used.
func (w *worker) preflight(ctx context.Context) ([]release.Event, error) {
	var missing, warnings []string
	for _, port := range []any{w.app.Gateway, w.app.Workloads, w.app.Registry} {
		adapter, ok := port.(Preflight)
		if !ok {
			continue
		}
		found, err := adapter.Preflight(ctx)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if f.Warning {
				warnings = append(warnings, f.Text)
			} else {
				missing = append(missing, f.Text)
			}
		}
	}
	if len(missing) > 0 {
		return nil, errors.New(strings.Join(missing, "; "))
	}
	w.record.Checked, w.record.Warnings, w.dirty = w.app.Fingerprint, warnings, true
	return nil, nil
}

// lookAround reads the gateway and what the live color runs; for an app not yet taken
// over, what both run.
func (w *worker) lookAround(ctx context.Context) ([]release.Event, error) {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the gateway: %w", err)
	}
	looked := release.Looked{Live: reading.Live, Detail: reading.Detail}
	if !w.record.State.Known {
		if reading.Live == "" {
			return nil, fmt.Errorf("the gateway points at neither color alone (%s): point it at one, the app is then taken over", reading.Detail)
		}
		if looked.Blue, err = w.slot(ctx, release.Blue); err != nil {
			return nil, err
		}
		if looked.Green, err = w.slot(ctx, release.Green); err != nil {
			return nil, err
		}
		return []release.Event{looked}, nil
	}
	if w.record.State.Live == release.Blue {
		looked.Blue, err = w.slot(ctx, release.Blue)
	} else if w.record.State.Live == release.Green {
		looked.Green, err = w.slot(ctx, release.Green)
	}
	if err != nil {
		w.Log.Warn("what the live color runs could not be compared", "app", w.app.Name, "error", err)
	}
	return []release.Event{looked}, nil
}

func (w *worker) slot(ctx context.Context, c release.Color) (*release.Slot, error) {
	o, err := w.app.Workloads.Observe(ctx, c, release.Image{}, 0)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", c, err)
	}
	return &release.Slot{Image: o.Running, Replicas: o.Replicas}, nil
}

// unmoved reads the gateway before something is done to the idle color, and reports
// whether that color really has no traffic.
func (w *worker) unmoved(ctx context.Context) (release.Looked, bool, error) {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return release.Looked{}, false, fmt.Errorf("read the gateway: %w", err)
	}
	live := w.record.State.Live
	return release.Looked{Live: reading.Live, Detail: reading.Detail}, live == "" || reading.Live == live, nil
}

func (w *worker) deploy(ctx context.Context, e release.Deploy) ([]release.Event, error) {
	if w.ordered != (order{e.Release, e.Color}) {
		looked, unmoved, err := w.unmoved(ctx)
		if err != nil {
			return nil, err
		}
		if !unmoved {
			return []release.Event{looked}, nil
		}
		if err := w.tellColor(ctx, e.Color, e.Image, e.Like, e.AtLeast); err != nil {
			return nil, err
		}
		w.ordered = order{e.Release, e.Color}
	}
	o, err := w.app.Workloads.Observe(ctx, e.Color, e.Image, w.Look)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", e.Color, err)
	}
	if !o.Matches {
		w.ordered = order{} // somebody changed it: ask again, but not in a rage
		o.Status = release.Progressing
		err = w.Sleep(ctx, w.Look)
	}
	w.watching = o.Status != release.Complete
	return []release.Event{release.RolloutObserved{
		Release: e.Release, Color: e.Color, Status: o.Status, Ready: o.Ready, Replicas: o.Replicas, Detail: o.Detail,
	}}, err
}

// claimed bounds what changes the world by this worker's claim: a worker that slept past
// its end sends nothing, and what it has sent is done before another worker acts.
func (w *worker) claimed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, w.record.Lease.Until.Add(-margin))
}

// order is what a worker has told a color.
type order struct {
	release int
	color   release.Color
}

func (w *worker) tellColor(ctx context.Context, c release.Color, i release.Image, like release.Color, atLeast []int32) error {
	ctx, cancel := w.claimed(ctx)
	defer cancel()
	return wrap(w.app.Workloads.Deploy(ctx, Order{
		Color: c, Image: i, Like: like, AtLeast: atLeast, Fence: w.record.Lease.Fence,
	}), "deploy %s to %s", i, c)
}

// verify runs all checks in one go, each as often in a row as it asks for.
func (w *worker) verify(ctx context.Context, e release.Verify) ([]release.Event, error) {
	verdict, detail, err := w.judge(ctx, e)
	if err != nil {
		return nil, err
	}
	seen := []release.Event{release.ChecksObserved{Release: e.Release, Color: e.Color, Verdict: verdict, Detail: detail}}
	if verdict == release.Undecided {
		w.watching = true
		return seen, w.Sleep(ctx, w.Look)
	}
	return seen, nil
}

func (w *worker) judge(ctx context.Context, e release.Verify) (release.Verdict, string, error) {
	o, err := w.app.Workloads.Observe(ctx, e.Color, e.Image, 0)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("look at %s: %w", e.Color, err)
	case o.Status == release.Broken:
		return release.Refuted, o.Detail, nil
	case !o.Matches:
		return release.Refuted, fmt.Sprintf("%s runs %s, which is not what was deployed: somebody changed it", e.Color, o.Running), nil
	case o.Status != release.Complete:
		return release.Undecided, o.Detail, nil
	}
	if w.app.Job != "" {
		if runner, ok := w.app.Workloads.(JobRunner); ok {
			verdict, detail, err := runner.RunJob(ctx, e.Color, w.app.Job, e.Release, e.Image)
			if err != nil || verdict != release.Passed {
				return verdict, detail, wrap(err, "run the check %s", w.app.Job)
			}
		}
	}
	if failure, err := w.inARow(ctx, w.app.Checks, e.Color, e.Image); failure != "" || err != nil {
		return release.Undecided, failure, err
	}
	health, err := w.app.Gateway.Health(ctx, e.Color)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("ask the gateway for the health of %s: %w", e.Color, err)
	case health.Unknown:
		return release.Passed, "the gateway cannot tell the health of " + string(e.Color) + ": " + health.Detail, nil
	case !health.Healthy:
		return release.Undecided, "the gateway sees " + string(e.Color) + " as unhealthy: " + health.Detail, nil
	}
	return release.Passed, "", nil
}

// inARow makes checks as often as they want to pass in a row, a look apart. It returns
// what was wrong with the answer, and an error when it could not go on.
func (w *worker) inARow(ctx context.Context, checks []Check, color release.Color, i release.Image) (string, error) {
	for _, c := range checks {
		c = c.expand(color, i)
		for n := range max(1, c.Times) {
			if n > 0 {
				if err := w.Sleep(ctx, w.Look); err != nil {
					return "", err
				}
			}
			if err := w.keep(ctx); err != nil { // a hundred checks take longer than a claim lasts
				return "", err
			}
			if err := w.app.Prober.Probe(ctx, c); err != nil {
				return err.Error(), nil
			}
		}
	}
	return "", nil
}

func (c Check) expand(color release.Color, i release.Image) Check {
	r := strings.NewReplacer("{color}", string(color), "{digest}", i.Digest, "{tag}", i.Tag)
	c.URL, c.Contains = r.Replace(c.URL), r.Replace(c.Contains)
	headers := make(map[string]string, len(c.Headers))
	for k, v := range c.Headers {
		headers[k] = r.Replace(v)
	}
	c.Headers = headers
	return c
}

// restore finds out whether the way back can take traffic. It asks nothing of the color
// that traffic is to leave: its pods, its cluster and its API may all be gone.
func (w *worker) restore(ctx context.Context, e release.Restore) ([]release.Event, error) {
	seen := release.WayBackObserved{Release: e.Release, Color: e.Color}
	o, err := w.app.Workloads.Observe(ctx, e.Color, e.Image, 0)
	if err != nil {
		health, herr := w.app.Gateway.Health(ctx, e.Color)
		if herr != nil || !health.Healthy || w.stumbles == 0 || w.changed {
			return nil, fmt.Errorf("look at %s: %w", e.Color, err)
		}
		return w.fitFor(seen, "its cluster cannot be asked, but the gateway sees it healthy")
	}
	small := sum(o.Replicas) < sum(e.AtLeast) || sum(o.Replicas) == 0
	if small {
		if err := w.tellColor(ctx, e.Color, e.Image, "", e.AtLeast); err != nil {
			return nil, err
		}
	} else if err := w.take(ctx, e.Release, e.Color); err != nil {
		return nil, err
	}
	seen.Detail = o.Detail
	switch {
	case !o.Matches && e.Image.Digest != "" && o.Running.Digest != e.Image.Digest:
		w.changed = true
		seen.Detail = fmt.Sprintf("it runs %s, not %s, which it ran when it was live", o.Running, e.Image)
	case o.Ready > 0 && (o.Ready >= sum(o.Replicas) || o.Ready > w.readyNow(ctx, e.Like)):
		return w.fitFor(seen, o.Detail)
	}
	if reading, err := w.app.Gateway.Live(ctx); err == nil && reading.Live == e.Color && o.Ready > 0 {
		return w.fitFor(seen, "somebody has sent traffic there already")
	}
	w.fit, w.watching = false, true
	if w.Now().Sub(w.record.State.Release.Since) > hurry {
		w.stumbles++
	}
	return []release.Event{seen}, w.Sleep(ctx, w.Look)
}

func (w *worker) fitFor(seen release.WayBackObserved, why string) ([]release.Event, error) {
	w.fit, seen.Fit, seen.Detail = true, true, why
	return []release.Event{seen}, nil
}

// readyNow is how many pods of a color are ready; 0 when it cannot be asked.
func (w *worker) readyNow(ctx context.Context, c release.Color) int32 {
	o, err := w.app.Workloads.Observe(ctx, c, release.Image{}, 0)
	if err != nil {
		return 0
	}
	return o.Ready
}

func sum(replicas []int32) (total int32) {
	for _, n := range replicas {
		total += n
	}
	return total
}

func (w *worker) probe(ctx context.Context, e release.Probe) ([]release.Event, error) {
	seen := release.Probed{Release: e.Release, LiveOK: true, BackOK: true}
	var events []release.Event
	if reading, err := w.app.Gateway.Live(ctx); err == nil {
		events = append(events, release.Looked{Live: reading.Live, Detail: reading.Detail})
	}
	var found []string
	live, err := w.app.Workloads.Observe(ctx, e.Live, e.Image, 0)
	if err == nil && live.Ready == 0 {
		seen.LiveOK = false
		found = append(found, fmt.Sprintf("no pod of %s is ready: %s", e.Live, live.Detail))
	}
	for _, check := range w.app.Confirm {
		if err := w.app.Prober.Probe(ctx, check.expand(e.Live, e.Image)); err != nil {
			seen.LiveOK = false
			found = append(found, err.Error())
		}
	}
	if e.Back != "" {
		if back, err := w.app.Workloads.Observe(ctx, e.Back, release.Image{}, 0); err == nil && (back.Ready == 0 || back.Ready < sum(back.Replicas)) {
			seen.BackOK = false
			found = append(found, fmt.Sprintf("%s: %s", e.Back, back.Detail))
		}
	}
	seen.Detail = strings.Join(found, "; ")
	return append(events, seen), nil
}

func (w *worker) retire(ctx context.Context, e release.Retire) ([]release.Event, error) {
	looked, unmoved, err := w.unmoved(ctx)
	if err != nil {
		return nil, err
	}
	if !unmoved {
		return []release.Event{looked}, nil
	}
	if live := w.record.State.Live; live != "" {
		o, err := w.app.Workloads.Observe(ctx, live, noImage, 0)
		if err == nil && o.Ready == 0 {
			err = fmt.Errorf("%s is live and has no ready pod, %s is kept", live, e.Color)
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s before %s is scaled down: %w", live, e.Color, err)
		}
	}
	ctx, cancel := w.claimed(ctx)
	defer cancel()
	if err := w.app.Workloads.Scale(ctx, e.Color, e.Replicas, w.record.Lease.Fence); err != nil {
		return nil, fmt.Errorf("scale %s down: %w", e.Color, err)
	}
	return []release.Event{release.Retired{Color: e.Color}}, nil
}
