package engine

import (
	"context"
	"errors"
	"fmt"

	"bluegreen/internal/release"
)

// keepStandby gives the color without traffic the size of the standby, or brings it back to a
// good image. What could serve now is changed only while the live color is well, and nothing
// where users may still be.
func (w *worker) keepStandby(ctx context.Context, e release.KeepStandby) stepResult {
	if e.Image.IsZero() || !e.Spoiled {
		if err := w.liveIsWell(ctx); err != nil {
			return failed(fmt.Errorf("%s is kept: %w", e.Color, err))
		}
	}
	looked, idle, err := w.withoutTraffic(ctx) // right before the write: the checks may have taken long
	if err != nil {
		return failed(err)
	}
	switch {
	case !idle:
		return saw(looked)
	case w.resolversFollow(looked):
		return stepResult{Wait: w.Poll}
	case e.Image.IsZero():
		return w.sizeStandby(ctx, e)
	case !e.Cleared:
		if s := w.record.State; s.Serving.Color != "" {
			if why := w.unseen(ctx, s.Serving.Color, s.Serving.Image); why != "" && w.unseen(ctx, e.Color, s.Color(e.Color).Observed.Image) == "" {
				return failed(errors.New(why))
			}
		}
		return saw(looked, release.StandbyCleared{Color: e.Color, Image: e.Image})
	}
	if err := w.order(ctx, Order{Color: e.Color, Image: e.Image, Size: e.Size}); err != nil {
		return failed(err)
	}
	return saw(release.StandbyMade{Color: e.Color, Image: e.Image})
}

// sizeStandby orders the size of the standby alone.
func (w *worker) sizeStandby(ctx context.Context, e release.KeepStandby) stepResult {
	if sum(e.Size) > 0 {
		if err := w.order(ctx, Order{Color: e.Color, Size: e.Size, Shrink: true}); err != nil {
			return failed(err)
		}
		return saw(release.StandbyMade{Color: e.Color, Replicas: e.Size})
	}
	ctx, cancel, err := w.claimed(ctx)
	if err != nil {
		return failed(err)
	}
	defer cancel()
	if err := w.app.Workloads.Scale(ctx, e.Color, 0, w.record.Lease.Fence); err != nil {
		return failed(fmt.Errorf("scale %s down: %w", e.Color, err))
	}
	return saw(release.StandbyMade{Color: e.Color, Replicas: e.Size})
}
