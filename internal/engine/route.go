package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"bluegreen/internal/release"
)

// calm is the longest wait between writes to a gateway whose operations are canceled.
const calm = 32 * time.Second

// route begins or follows a gateway operation. Nobody's word is taken for its success:
// it is confirmed by reading back and, towards a new color, on the data path.
func (w *worker) route(ctx context.Context, e release.Route) ([]release.Event, error) {
	seen := release.RouteObserved{Release: e.Release, To: e.To, Operation: e.Operation, Status: release.Underway}
	op, err := w.operation(ctx, e)
	seen.Operation, seen.Detail = op.Token, op.Detail
	w.watching = true
	switch {
	case errors.Is(err, ErrDenied):
		return w.denied(ctx, seen, err)
	case errors.Is(err, ErrBusy):
		return w.lost(ctx, seen, err.Error())
	case err != nil:
		return nil, err
	case op.Lost:
		return w.lost(ctx, seen, op.Detail)
	case !op.Done:
		return []release.Event{seen}, nil
	}
	return w.confirm(ctx, e, seen)
}

func (w *worker) operation(ctx context.Context, e release.Route) (Operation, error) {
	if e.Operation != "" {
		if err := w.Sleep(ctx, w.Look); err != nil {
			return Operation{}, err
		}
		op, err := w.app.Gateway.Poll(ctx, e.Operation)
		return op, wrap(err, "follow the gateway's operation")
	}
	if w.Now().Before(w.again) && w.againTo == e.To {
		return Operation{Lost: true, Detail: w.record.State.Release.Detail}, nil
	}
	if why, err := w.unfit(ctx, e); why != "" || err != nil {
		return Operation{Lost: true, Detail: why}, err
	}
	return w.write(ctx, e.To)
}

// unfit says why traffic must not be sent to a new color although its checks passed:
// an operation that was lost is begun again minutes later, when its pods may be gone. When
// somebody has changed what it runs, the checks were of something else: that is ErrDenied,
// and stays so if it is changed back. A forced switch asks nothing, but takes the color
// from any worker that still acts on it.
func (w *worker) unfit(ctx context.Context, e release.Route) (string, error) {
	r := w.record.State.Release
	if r.Phase != release.Switching {
		return "", nil // Restore has just looked
	}
	if r.Force {
		return "", w.take(ctx, e.Release, e.To)
	}
	o, err := w.app.Workloads.Observe(ctx, e.To, e.Image, 0)
	switch {
	case err != nil:
		return "", fmt.Errorf("look at %s before traffic goes there: %w", e.To, err)
	case !o.Matches:
		return changed(e, o)
	case o.Ready == 0:
		return fmt.Sprintf("no pod of %s is ready: %s", e.To, o.Detail), nil
	}
	return "", nil
}

// changed says how a color differs from what was checked on it. One that only became
// smaller may grow again.
func changed(e release.Route, o Workload) (string, error) {
	if o.Running.Digest == e.Image.Digest {
		return fmt.Sprintf("%s is smaller than it was when it was checked: %s", e.To, o.Detail), nil
	}
	return "", refused(fmt.Sprintf("%s runs %s, which is not what was checked: somebody changed it", e.To, o.Running))
}

// refused is a reason, in words for people, that is ErrDenied.
type refused string

func (r refused) Error() string { return string(r) }

func (r refused) Unwrap() error { return ErrDenied }

// take makes this worker the last one that acted on a color, so that what a stale one
// still has under way there is fenced. It changes nothing else, and traffic does not wait
// for a cluster that cannot be asked.
func (w *worker) take(ctx context.Context, id int, c release.Color) error {
	if w.ordered == (order{id, c}) {
		return nil
	}
	err := w.tellColor(ctx, c, noImage, "", nil)
	if errors.Is(err, ErrFenced) {
		return err
	}
	if err != nil {
		w.Log.Warn("a color could not be taken from earlier workers", "app", w.app.Name, "color", c, "error", err)
	}
	w.ordered = order{id, c}
	return nil
}

// noImage keeps the image that a color has.
var noImage release.Image

// write asks the gateway to move traffic, while this worker's claim surely lasts.
func (w *worker) write(ctx context.Context, to release.Color) (Operation, error) {
	ctx, cancel := w.claimed(ctx)
	defer cancel()
	op, err := w.app.Gateway.Switch(ctx, to, w.record.Lease.Fence)
	return op, wrap(err, "ask the gateway to send traffic to %s", to)
}

// lost says that the operation is to be begun again, at once the first time and ever
// later after that: two apps of one gateway that begin again whenever the other has
// canceled them would go on for ever.
func (w *worker) lost(ctx context.Context, seen release.RouteObserved, why string) ([]release.Event, error) {
	seen.Status, seen.Operation, seen.Detail = release.Lost, "", why
	if now := w.Now(); !now.Before(w.again) || w.againTo != seen.To {
		if w.againTo != seen.To {
			w.losses = 0
		}
		wait := min(w.Look<<min(w.losses, 10), calm)
		w.losses++
		w.againTo, w.again = seen.To, now.Add(wait/2+w.spread(wait))
	}
	return []release.Event{seen}, w.Sleep(ctx, w.Look)
}

// spread is a part of a duration that differs from app to app and from loss to loss.
func (w *worker) spread(d time.Duration) time.Duration {
	h := fnv.New32a()
	fmt.Fprint(h, w.app.Name, w.losses, w.record.Lease.Fence)
	return d * time.Duration(h.Sum32()%1024) / 1024
}

func (w *worker) denied(ctx context.Context, seen release.RouteObserved, why error) ([]release.Event, error) {
	seen.Status, seen.Operation, seen.Detail = release.Denied, "", why.Error()
	if reading, err := w.app.Gateway.Live(ctx); err == nil {
		seen.Live = reading.Live
	}
	w.stumbles++
	return []release.Event{seen}, w.Sleep(ctx, w.Look)
}

func (w *worker) confirm(ctx context.Context, e release.Route, seen release.RouteObserved) ([]release.Event, error) {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the gateway back: %w", err)
	}
	seen.Live = reading.Live
	if reading.Live != e.To {
		return w.lost(ctx, seen, "another change won: "+reading.Detail)
	}
	if w.record.State.Release.Phase == release.Switching {
		failure, err := w.inARow(ctx, w.app.Confirm, e.To, e.Image)
		if err != nil {
			return nil, err
		}
		if failure != "" {
			seen.Detail = "the gateway has moved, not yet seen on the data path: " + failure
			return []release.Event{seen}, w.Sleep(ctx, w.Look)
		}
	}
	seen.Status, seen.Detail = release.Confirmed, ""
	w.watching, w.losses = false, 0
	return []release.Event{seen}, nil
}
