package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"bluegreen/internal/release"
)

// longestBackoff is the longest wait between writes to a gateway whose operations are canceled.
const longestBackoff = 32 * time.Second

// routing is when this worker may write to the gateway again towards a color, after so
// many operations in a row were lost.
type routing struct {
	to     release.Color
	again  time.Time
	losses int
	// move is what seen is about: checks passed on the data path in a row.
	move move
	seen int
}

// move is the traffic of a release on its way to a color.
type move struct {
	release int
	to      release.Color
}

// route begins or follows a gateway operation. Its answer is not taken for its success: it
// is confirmed by reading back and, towards a new color, on the data path.
func (w *worker) route(ctx context.Context, e release.Route) stepResult {
	seen := release.RouteObserved{Release: e.Release, To: e.To, Operation: e.Operation, Status: release.Underway}
	r := stepResult{}
	if e.Operation != "" {
		r.Wait = w.Poll
	}
	if m := (move{e.Release, e.To}); w.routing.move != m {
		w.routing.move, w.routing.seen = m, 0
	}
	op, err := w.operation(ctx, e)
	seen.Operation, seen.Detail = op.Token, op.Detail
	switch {
	case errors.Is(err, ErrDenied):
		return w.denied(ctx, seen, err)
	case errors.Is(err, ErrBusy):
		return w.lost(seen, err.Error())
	case err != nil:
		return failed(err)
	case op.Lost:
		return w.lost(seen, op.Detail)
	case !op.Done:
		r.Seen = []release.Event{seen}
		return r
	}
	return w.confirm(ctx, e, seen)
}

func (w *worker) operation(ctx context.Context, e release.Route) (Operation, error) {
	if w.routing.seen > 0 { // it is done, and checks on the data path have passed
		return Operation{Token: e.Operation, Done: true}, nil
	}
	if e.Operation != "" {
		op, err := w.app.Gateway.Poll(ctx, e.Operation)
		return op, wrap(err, "follow the gateway's operation")
	}
	if w.Now().Before(w.routing.again) && w.routing.to == e.To {
		return Operation{Lost: true, Detail: w.record.State.Release.Progress.Detail}, nil
	}
	if why, err := w.notReady(ctx, e); why != "" || err != nil {
		return Operation{Lost: true, Detail: why}, err
	}
	return w.write(ctx, e.To)
}

// notReady says why traffic must not be sent to a new color although its checks passed:
// an operation that was lost is begun again minutes later, when its pods may be gone. When
// what it runs was changed outside bluegreen, the checks were of something else: that is
// ErrDenied, and stays so if it is changed back. A forced switch asks nothing, but takes
// the color from any worker that still acts on it.
func (w *worker) notReady(ctx context.Context, e release.Route) (string, error) {
	r := w.record.State.Release
	if r.Phase != release.Switching {
		return "", nil // PrepareTarget has just looked
	}
	if r.Force {
		return "", w.fenceOff(ctx, e.Release, e.To)
	}
	o, err := w.app.Workloads.Observe(ctx, e.To, e.Image, 0)
	switch {
	case err != nil:
		return "", fmt.Errorf("look at %s before traffic goes there: %w", e.To, err)
	case !o.Matches && o.Running.Digest == e.Image.Digest: // it may grow again
		return fmt.Sprintf("%s is smaller than it was when it was checked: %s", e.To, o.Detail), nil
	case !o.Matches:
		return "", denial(fmt.Sprintf("%s runs %s, which is not what was checked: it was changed outside bluegreen", e.To, o.Running))
	case o.Ready == 0:
		return fmt.Sprintf("no pod of %s is ready: %s", e.To, o.Detail), nil
	}
	return "", nil
}

// denial is a reason, in words for people, that is ErrDenied.
type denial string

func (r denial) Error() string { return string(r) }

func (r denial) Unwrap() error { return ErrDenied }

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
func (w *worker) lost(seen release.RouteObserved, why string) stepResult {
	seen.Status, seen.Operation, seen.Detail = release.Lost, "", why
	m := &w.routing
	m.seen = 0
	if now := w.Now(); !now.Before(m.again) || m.to != seen.To {
		if m.to != seen.To {
			m.losses = 0
		}
		wait := min(w.Poll<<min(m.losses, 10), longestBackoff)
		m.losses++
		m.to, m.again = seen.To, now.Add(wait/2+w.spread(wait))
	}
	return stepResult{Seen: []release.Event{seen}, Wait: w.Poll}
}

// spread is a part of a duration that differs from app to app and from loss to loss.
func (w *worker) spread(d time.Duration) time.Duration {
	h := fnv.New32a()
	fmt.Fprint(h, w.app.Name, w.routing.losses, w.record.Lease.Fence)
	return d * time.Duration(h.Sum32()%1024) / 1024
}

func (w *worker) denied(ctx context.Context, seen release.RouteObserved, why error) stepResult {
	seen.Status, seen.Operation, seen.Detail = release.Denied, "", why.Error()
	if reading, err := w.app.Gateway.Live(ctx); err == nil {
		seen.Live = reading.Live
	}
	return stepResult{Seen: []release.Event{seen}, Wait: w.Poll, Failed: why}
}

// confirm reads the gateway back and, towards a new color, makes the next check on the
// data path.
func (w *worker) confirm(ctx context.Context, e release.Route, seen release.RouteObserved) stepResult {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return failed(fmt.Errorf("read the gateway back: %w", err))
	}
	seen.Live = reading.Live
	if reading.Live != e.To {
		return w.lost(seen, "another change won: "+reading.Detail)
	}
	during := w.app.During
	if w.record.State.Release.Phase == release.Switching && w.routing.seen < len(during) {
		found := during[w.routing.seen].Run(ctx, Subject{Release: e.Release, Color: e.To, Image: e.Image})
		if found.Verdict != release.Passed {
			w.routing.seen = 0
			seen.Detail = "the gateway has moved, not yet seen on the data path: " + found.Detail
			return stepResult{Seen: []release.Event{seen}, Wait: w.Poll}
		}
		if w.routing.seen++; w.routing.seen < len(during) {
			return stepResult{Seen: []release.Event{seen}, Wait: w.again(during, w.routing.seen)}
		}
	}
	seen.Status, seen.Detail = release.Confirmed, ""
	w.routing.losses, w.routing.seen = 0, 0
	return saw(seen)
}

// again is the wait before the n-th check: one that repeats the check before it waits.
func (w *worker) again(checks []Check, n int) time.Duration {
	if checks[n] == checks[n-1] {
		return w.Poll
	}
	return 0
}
