package engine

import (
	"context"
	"fmt"
	"time"

	"bluegreen/internal/release"
)

// watchClosely is for how long a rollback target that is not ready is watched without a rest.
const watchClosely = 2 * time.Minute

// targetSeen is what this worker has seen of the rollback target.
type targetSeen struct {
	ready   time.Time // it can take the traffic, as was seen in the lease that ends then
	changed bool      // it runs another image than when it served
	silent  bool      // the color that traffic leaves does not answer
}

// lookFirst makes a worker look at the rollback target itself before it begins to send
// traffic there: another worker has seen it ready, perhaps long ago.
func (t *targetSeen) lookFirst(effect release.Effect, s release.State, p release.Policy, now time.Time) release.Effect {
	route, ok := effect.(release.Route)
	if !ok || s.Release.Phase != release.Returning || s.Release.Progress.Forced || route.Operation != "" || now.Before(t.ready) {
		return effect
	}
	s.Release.Progress.TargetReady = false
	effect, _ = s.NextEffect(p, now)
	return effect
}

// prepareTarget finds out whether the rollback target can take the traffic. It does not
// depend on the color that traffic is to leave, whose cluster may be gone: its size is read
// where it answers at once. Where image and size of the target are right, no write into the
// target's cluster has to succeed.
func (w *worker) prepareTarget(ctx context.Context, e release.PrepareTarget) stepResult {
	from := w.leaving(ctx, e.From)
	e.Target.Replicas = release.Largest(e.Target.Replicas, from.Replicas) // users may have become more
	t := e.Target
	o, err := w.app.Workloads.Observe(ctx, t.Color, t.Image, 0)
	if err != nil {
		return w.targetUnseen(ctx, e, err)
	}
	unknown := o.Running.Digest == "" && o.Ready > 0 // a tag is no digest, and its pods differ
	changed := t.Image.Digest != "" && o.Running.Digest != t.Image.Digest && !unknown
	detail := o.Detail
	if changed {
		w.target.changed = true
		detail = fmt.Sprintf("it runs %s%s, not %s, which it ran when it was live: %s", o.Running, by(o), t.Image, o.Detail)
	}
	if !changed && w.carries(e, o, from) {
		if err := w.fenceOff(ctx, e.Release, t.Color); err != nil {
			return failed(err)
		}
		return w.targetReady(e, &o, o.Detail)
	}
	reading, err := w.app.Gateway.Live(ctx)
	unmoved := reading.Live == e.From && !reading.Underway
	switch {
	case err != nil:
		return failed(fmt.Errorf("read the gateway: %w", err))
	case reading.Live == t.Color && o.Ready > 0:
		return w.targetReady(e, &o, "traffic was sent there outside bluegreen already")
	case changed && o.Ready > 0 && (reading.Live != e.From || reading.Underway || w.Now().Sub(w.record.State.Release.Since) < reading.Lag): // its users may be there
		return w.targetNotReady(e, o, unmoved, detail)
	case changed || smaller(o.Replicas, t.Replicas) || sum(o.Replicas) == 0:
		if err := w.order(ctx, Order{Color: t.Color, Image: t.Image, Size: t.Replicas}); err != nil {
			return failed(err)
		}
	}
	return w.targetNotReady(e, o, unmoved, detail)
}

// targetUnseen takes the gateway's word for a target whose cluster does not answer, and that was
// last seen with its image.
func (w *worker) targetUnseen(ctx context.Context, e release.PrepareTarget, err error) stepResult {
	health, herr := w.app.Gateway.Health(ctx, e.Target.Color)
	if herr != nil || health.Unknown || !health.Healthy || w.failures == 0 || w.target.changed || e.Other {
		return failed(fmt.Errorf("look at %s: %w", e.Target.Color, err))
	}
	return w.targetReady(e, nil, "its cluster cannot be reached, but the gateway sees it healthy")
}

// carries reports whether the target carries more than users have now: all that it needs,
// or as much as makes a live color good, or more than the ready pods of the bad one. Those
// count for nothing where its version is bad; then it is waited a while for more.
func (w *worker) carries(e release.PrepareTarget, o, from Workload) bool {
	size := release.Largest(o.Replicas, e.Target.Replicas)
	needed := sum(size)
	capacity := w.app.Policy.Capacity
	waited := w.Now().Sub(w.record.State.Release.Since) > watchClosely
	switch {
	case o.Ready == 0 || o.Ready < needed && capacity.FullRollback:
		return false
	case o.Ready >= needed || capacity.AsLive(*observed(o), size):
		return true
	case (e.Sick || w.target.silent) && waited:
		return true
	}
	return !w.target.silent && o.Ready > from.Ready
}

func (w *worker) targetReady(e release.PrepareTarget, o *Workload, why string) stepResult {
	w.target.ready = w.record.Lease.Until
	ready := release.TargetObserved{Release: e.Release, Color: e.Target.Color, Ready: true, Detail: why}
	if o == nil {
		return saw(ready)
	}
	return saw(release.ColorSeen{Color: e.Target.Color, Seen: *observed(*o)}, ready)
}

// targetNotReady looks again soon in the beginning, and with rests after a while.
func (w *worker) targetNotReady(e release.PrepareTarget, o Workload, unmoved bool, why string) stepResult {
	w.target.ready = time.Time{}
	r := stepResult{Wait: w.Poll, Seen: []release.Event{release.TargetObserved{
		Release: e.Release, Color: e.Target.Color, Unmoved: unmoved, Detail: why,
		Hopeless: o.Ready == 0 && o.Matches, Broken: o.Status == release.Broken || o.Status == release.PullFailing,
	}}}
	if w.Now().Sub(w.record.State.Release.Since) > watchClosely {
		r.Failed = fmt.Errorf("%s cannot take the traffic back yet: %s", e.Target.Color, why)
	}
	return r
}

// leaving is the color that traffic leaves, as far as it can be seen at once: empty when
// its cluster does not answer, and it is not asked again by this worker.
func (w *worker) leaving(ctx context.Context, c release.Color) Workload {
	if w.target.silent {
		return Workload{}
	}
	ctx, cancel := context.WithDeadline(ctx, w.Now().Add(fencing))
	defer cancel()
	o, err := w.app.Workloads.Observe(ctx, c, noImage, 0)
	if err != nil {
		w.target.silent = true
		return Workload{}
	}
	return o
}

func sum(replicas []int32) (total int32) {
	for _, n := range replicas {
		total += n
	}
	return total
}
