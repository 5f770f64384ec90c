package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bluegreen/internal/release"
)

// fencing is how long a cluster may take to answer where traffic does not wait for it.
const fencing = 3 * time.Second

// noImage keeps the image that a color has.
var noImage release.Image

// deploy orders the image on its color, once for each worker, and watches the rollout.
func (w *worker) deploy(ctx context.Context, e release.Deploy) stepResult {
	if !w.orders.sent(e.Release, e.Color, e.Image) {
		looked, idle, err := w.withoutTraffic(ctx)
		switch {
		case err != nil:
			return failed(err)
		case !idle:
			return saw(looked)
		case w.resolversFollow(looked):
			return stepResult{Wait: w.Poll}
		case !e.Cleared:
			if why := w.usersElsewhere(ctx); why != "" {
				return failed(errors.New(why))
			}
			return saw(looked, release.DeployCleared{Release: e.Release, Color: e.Color, Holds: w.holds()})
		}
		size := w.sizeOf(ctx, e.Live, e.Size)
		if err := w.order(ctx, Order{Color: e.Color, Image: e.Image, Size: size, Shrink: true}); err != nil {
			return failed(err)
		}
		w.orders.note(e.Release, e.Color, e.Image)
	}
	o, err := w.app.Workloads.Observe(ctx, e.Color, e.Image, w.Poll)
	if err != nil {
		return failed(fmt.Errorf("watch %s: %w", e.Color, err))
	}
	r := stepResult{}
	if !o.Matches {
		w.orders.forget() // it was changed outside bluegreen: order again, after a wait
		o.Status, r.Wait = release.Progressing, w.Poll
	}
	seen := release.RolloutObserved{
		Release: e.Release, Color: e.Color, Status: o.Status, Seen: *observed(o), Detail: o.Detail,
	}
	if o.Status == release.Complete {
		if seen.Held, seen.Unheld, err = w.holdSize(ctx, e.Color); err != nil {
			return failed(err)
		}
	}
	r.Seen = append(r.Seen, seen)
	return r
}

// usersElsewhere is why users may still be on the color that a release is to be deployed
// to, although the gateway does not say so.
func (w *worker) usersElsewhere(ctx context.Context) string {
	s := w.record.State
	if s.Serving.Color == "" || w.Now().Sub(s.Release.Since) >= release.UnseenFor {
		return ""
	}
	why := w.unseen(ctx, s.Serving.Color, s.Serving.Image)
	if to := s.Release.To; why == "" || w.unseen(ctx, to, s.Color(to).Observed.Image) != "" {
		return "" // a live version that fails is not users elsewhere: this may be its fix
	}
	return why
}

// orders is the color that this worker last gave an order to, for which release and image.
type orders struct {
	release int
	color   release.Color
	digest  string
}

func (o *orders) sent(id int, c release.Color, i release.Image) bool {
	return *o == orders{id, c, i.Digest}
}
func (o *orders) note(id int, c release.Color, i release.Image) { *o = orders{id, c, i.Digest} }
func (o *orders) forget()                                       { *o = orders{} }

// sizeOf is the size that a color has now, and the remembered one where its cluster cannot
// be asked, so that a deployment does not depend on the other cluster.
func (w *worker) sizeOf(ctx context.Context, c release.Color, remembered []int32) []int32 {
	if c == "" {
		return remembered
	}
	_, size := w.sizeNow(ctx, c)
	return orLarger(size, remembered)
}

// order asks a color for an image and a size, under this worker's fence.
func (w *worker) order(ctx context.Context, o Order) error {
	ctx, cancel, err := w.claimed(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	o.Fence = w.record.Lease.Fence
	return wrap(w.app.Workloads.Deploy(ctx, o), "deploy %s to %s", o.Image, o.Color)
}

// fenceOff makes this worker the last one that acted on a color, so that what a stale one
// still has under way there is fenced. It changes nothing else, and traffic does not wait
// for a cluster that cannot be reached.
func (w *worker) fenceOff(ctx context.Context, id int, c release.Color) error {
	if w.orders.sent(id, c, noImage) {
		return nil
	}
	bounded, cancel := context.WithDeadline(ctx, w.Now().Add(fencing))
	defer cancel()
	err := w.order(bounded, Order{Color: c})
	if errors.Is(err, ErrFenced) {
		return err
	}
	if err != nil {
		w.Log.Warn("a color could not be taken from earlier workers", "app", w.app.Name, "color", c, "error", err)
	}
	w.orders.note(id, c, noImage)
	return nil
}

// liveIsWell reports why the live color may need the other one: it carries less than it
// must, or that cannot be seen.
func (w *worker) liveIsWell(ctx context.Context) error {
	s := w.record.State
	live := s.Serving.Color
	if live == "" {
		return nil
	}
	o, err := w.app.Workloads.Observe(ctx, live, noImage, 0)
	if err != nil {
		return fmt.Errorf("look at %s: %w", live, err)
	}
	if needed := release.Largest(o.Replicas, s.Color(live).Observed.Needed); !w.app.Policy.Capacity.AsLive(*observed(o), needed) {
		return fmt.Errorf("%s is live and too few of the %d pods that it needs are ready: %s", live, sum(needed), o.Detail)
	}
	if why := w.unseen(ctx, live, s.Serving.Image); why != "" {
		return errors.New(why)
	}
	return nil
}
