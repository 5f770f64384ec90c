package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"bluegreen/internal/release"
)

const (
	// leaseMargin is how much longer than a write the claim on an app must last.
	leaseMargin = 5 * time.Second
	// movingLease is how long a claim lasts while traffic moves or returns: when its worker
	// dies, users are where they should not be until another one may act.
	movingLease = 15 * time.Second
)

// claim takes the app. The first fence of a record is the time: when the store was lost or
// the app has been given a new one, clusters remember the fences from before.
func (w *worker) claim() {
	fence := cmp.Or(w.record.Lease.Fence, w.Now().Unix()) + 1
	w.record.Lease = Lease{Owner: w.owner, Until: w.Now().Add(w.Lease), Fence: fence}
	w.dirty = true
}

// fenced goes on above a fence that is higher than this worker's, where the app is still
// its own: no worker has written that fence. Otherwise a newer one has the app, and the
// error ends this worker.
func (w *worker) fenced(ctx context.Context, r *stepResult) error {
	w.Log.Warn("a write was refused by its fence", "app", w.app.Name, "fence", w.record.Lease.Fence, "error", r.Failed)
	snap, err := w.Store.Load(ctx, w.app.Name)
	if err != nil {
		return fmt.Errorf("see whose the app is: %w", err)
	}
	var above Fenced
	if l := snap.Record.Lease; !errors.As(r.Failed, &above) || l.Owner != w.owner || l.Fence != w.record.Lease.Fence || !w.Now().Before(l.Until) {
		return r.Failed
	}
	w.record.Lease.Fence, w.dirty = above.Held+1, true
	r.Seen = []release.Event{release.FenceRaised{Detail: r.Failed.Error()}}
	return nil
}

// lasts is how long a claim lasts while an effect is carried out: short while the worker only
// watches how traffic moves or returns. A write to the gateway that was not answered may still
// take effect: no other worker is let in sooner than after any other write.
func (w *worker) lasts(effect release.Effect) time.Duration {
	phase := w.record.State.Release.Phase
	moving := phase == release.Switching || phase == release.Returning
	if moving && !w.unanswered && w.last == reflect.TypeOf(effect) && !writes(effect) {
		return min(movingLease, w.Lease)
	}
	return w.Lease
}

// writes reports whether an effect begins with a write to the gateway.
func writes(effect release.Effect) bool {
	r, ok := effect.(release.Route)
	return ok && r.Write && r.Operation == ""
}

// renew makes the claim longer when a good part of it is used up, and shorter where that is
// long enough.
func (w *worker) renew(effect release.Effect) bool {
	lasts, left := w.lasts(effect), w.record.Lease.Until.Sub(w.Now())
	if left >= lasts*2/3 && left <= lasts {
		return false
	}
	w.record.Lease.Until = w.Now().Add(lasts)
	return true
}

// claimed bounds a write by this worker's claim: a worker that slept past its end sends
// nothing, and what it has sent is done before another worker acts. A claim of which little is
// left is first made as long as for any write.
func (w *worker) claimed(ctx context.Context) (context.Context, context.CancelFunc, error) {
	left := w.record.Lease.Until.Sub(w.Now())
	if 0 < left && left < w.Lease*2/3 && left <= movingLease {
		w.record.Lease.Until = w.Now().Add(w.Lease)
		if err := w.commit(ctx); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithDeadline(ctx, w.record.Lease.Until.Add(-leaseMargin))
	return ctx, cancel, nil
}
