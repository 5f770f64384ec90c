package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bluegreen/internal/release"
)

// holding is how long a cluster may take to hold a size: the release goes on without.
const holding = 10 * time.Second

// holds reports whether autoscalers can be kept from shrinking a color at all.
func (w *worker) holds() bool {
	_, ok := w.app.Workloads.(Autoscaled)
	return ok
}

// holdSize keeps autoscalers from shrinking a color of which it is saved that its size may
// be held. unheld is why they can, in words; the error is only that of a fence.
func (w *worker) holdSize(ctx context.Context, c release.Color) (held bool, unheld string, err error) {
	scaled, ok := w.app.Workloads.(Autoscaled)
	if !ok || !w.record.State.Color(c).Held {
		return false, "", nil
	}
	ctx, cancel, err := w.claimed(ctx)
	if err != nil {
		return false, "", err
	}
	defer cancel()
	ctx, cancel = context.WithDeadline(ctx, w.Now().Add(holding))
	defer cancel()
	held, unheld, err = scaled.HoldSize(ctx, c, w.record.Lease.Fence)
	switch {
	case errors.Is(err, ErrFenced):
		return false, "", err
	case err != nil:
		return false, err.Error(), nil
	}
	return held, unheld, nil
}

// freeSize puts back what holdSize raised.
func (w *worker) freeSize(ctx context.Context, e release.FreeSize) stepResult {
	freed := release.SizeFreed{Color: e.Color}
	scaled, ok := w.app.Workloads.(Autoscaled)
	if !ok { // another version of bluegreen held it
		return saw(freed)
	}
	ctx, cancel, err := w.claimed(ctx)
	if err != nil {
		return failed(err)
	}
	defer cancel()
	err = scaled.FreeSize(ctx, e.Color, w.record.Lease.Fence)
	switch {
	case errors.Is(err, ErrDenied):
		freed.Denied = err.Error()
	case err != nil:
		return failed(fmt.Errorf("put back the minimum of the autoscaler of %s: %w", e.Color, err))
	}
	return saw(freed)
}
