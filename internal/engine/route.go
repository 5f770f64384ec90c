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
	if !e.Write {
		return w.clear(ctx, e)
	}
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
	case op.Lost && op.Denied:
		return w.denied(ctx, seen, denial(op.Detail))
	case op.Lost:
		return w.lost(seen, op.Detail)
	case !op.Done:
		r.Seen = []release.Event{seen}
		return r
	}
	return w.confirm(ctx, e, seen)
}

// clear finds out whether traffic may move to a new color: the gateway is at rest, since
// a write would cancel what another writer does, and the color carries what the live one
// carries now. It also finds out whether the checks of the public address pass before.
func (w *worker) clear(ctx context.Context, e release.Route) stepResult {
	seen := release.RouteObserved{Release: e.Release, To: e.To, Status: release.Underway}
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return failed(fmt.Errorf("read the gateway: %w", err))
	}
	if seen.Live = reading.Live; reading.Underway {
		seen.Detail = "another change of the gateway is carried out first: " + reading.Detail
		return stepResult{Seen: []release.Event{seen}, Wait: w.Poll}
	}
	if e.From != "" && reading.Live != e.From {
		return saw(w.looked(ctx, reading)) // it was changed outside bluegreen
	}
	events, why, err := w.notReady(ctx, e, w.Poll) // it is read afresh before the write
	switch {
	case errors.Is(err, ErrDenied):
		return w.denied(ctx, seen, err)
	case err != nil:
		return failed(err)
	case why != "":
		seen.Detail = why
		return stepResult{Seen: append(events, seen), Wait: w.Poll}
	}
	seen.Status = release.Clear
	if e.From != "" && !w.record.State.Release.Force {
		seen.Unconfirmed = w.alwaysUnseen(ctx, e.From, w.record.State.Serving.Image)
	}
	return saw(append(events, seen)...)
}

// alwaysUnseen is why the public address does not show a color at two tries.
func (w *worker) alwaysUnseen(ctx context.Context, c release.Color, i release.Image) string {
	why := w.unseen(ctx, c, i)
	if why == "" || w.Sleep(ctx, w.Poll) != nil {
		return why
	}
	return w.unseen(ctx, c, i)
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
	if w.record.State.Release.Phase == release.Switching { // else PrepareTarget has just looked
		if _, why, err := w.notReady(ctx, e, 0); why != "" || err != nil {
			return Operation{Lost: true, Detail: why}, err
		}
	}
	return w.write(ctx, e.To)
}

// notReady says why traffic must not be sent to a new color although its checks passed,
// and what both colors were seen to run. The live color may have grown meanwhile, and an
// autoscaler may have made the other one smaller: the size is made right. When what it
// runs was changed outside bluegreen, the checks were of something else: that is ErrDenied,
// and stays so if it is changed back. Only the color that is to receive traffic can forbid
// a switch: nothing is asked of the other one that is not remembered.
func (w *worker) notReady(ctx context.Context, e release.Route, wait time.Duration) (seen []release.Event, why string, err error) {
	o, err := w.app.Workloads.Observe(ctx, e.To, e.Image, wait)
	forced := w.record.State.Release.Force
	signed := w.app.Policy.Signed // then what runs there must be known, forced or not
	switch {
	case err != nil && forced && !signed: // an operator knows better
		return nil, "", w.fenceOff(ctx, e.Release, e.To)
	case err != nil:
		return nil, "", fmt.Errorf("look at %s before traffic goes there: %w", e.To, err)
	case forced && o.Ready == 0:
		return nil, "", denial(fmt.Sprintf("no pod of %s is ready, so that users would be answered by nothing: %s", e.To, o.Detail))
	}
	seen = append(seen, release.ColorSeen{Color: e.To, Seen: *observed(o)})
	switch {
	case forced && signed && o.Running.Digest != e.Image.Digest:
		return seen, "", denial(fmt.Sprintf("%s runs %s, which is not what was verified: it was changed outside bluegreen%s", e.To, o.Running, by(o)))
	case forced:
		return seen, "", w.fenceOff(ctx, e.Release, e.To)
	}
	size := e.Size
	if e.From != "" {
		events, live := w.sizeNow(ctx, e.From)
		seen, size = append(seen, events...), orLarger(live, size)
	}
	needed := sum(size)
	if needed == 0 {
		size, needed = o.Replicas, sum(o.Replicas)
	}
	switch {
	case e.Image.Digest != "" && o.Running.Digest == "":
		return seen, fmt.Sprintf("what %s runs is not known: %s", e.To, o.Detail), nil
	case e.Image.Digest != "" && o.Running.Digest != e.Image.Digest:
		return seen, "", denial(fmt.Sprintf("%s runs %s, which is not what was checked: it was changed outside bluegreen%s", e.To, o.Running, by(o)))
	case !o.Matches || smaller(o.Replicas, size):
		if err := w.order(ctx, Order{Color: e.To, Image: e.Image, Size: size}); err != nil {
			return seen, "", err
		}
		if _, _, err := w.holdSize(ctx, e.To); err != nil {
			return seen, "", err
		}
		return seen, fmt.Sprintf("%s is brought to the size of the live color (%d pods) first: %s", e.To, needed, o.Detail), nil
	case !w.app.Policy.Capacity.AtSwitch(*observed(o), size):
		return seen, fmt.Sprintf("%s does not carry the traffic yet, it needs %d ready pods: %s", e.To, needed, o.Detail), nil
	}
	return seen, "", nil
}

// sizes is the size that a color had when this worker last looked at it.
type sizes struct {
	color release.Color
	size  []int32
	at    time.Time
}

// sizeNow is the size that a color has, or had less than a poll ago: a release asks for it when its
// way is cleared, and again before the write. It is empty where it cannot be seen.
func (w *worker) sizeNow(ctx context.Context, c release.Color) ([]release.Event, []int32) {
	now := w.Now()
	if w.sizes.color == c && now.Sub(w.sizes.at) < w.Poll {
		return nil, w.sizes.size
	}
	o, err := w.app.Workloads.Observe(ctx, c, noImage, 0)
	if err != nil {
		return nil, nil
	}
	w.sizes = sizes{c, o.Replicas, now}
	return []release.Event{release.ColorSeen{Color: c, Seen: *observed(o)}}, o.Replicas
}

// orLarger is the present size, or the remembered one where the color is empty now.
func orLarger(now, remembered []int32) []int32 {
	if sum(now) == 0 {
		return remembered
	}
	return now
}

// smaller reports whether a Deployment has fewer replicas than it needs.
func smaller(have, needs []int32) bool {
	for i := range min(len(have), len(needs)) {
		if have[i] < needs[i] {
			return true
		}
	}
	return false
}

// by names who changed a color outside bluegreen, where that is known.
func by(o Workload) string {
	if o.ChangedBy == "" {
		return ""
	}
	return " by " + o.ChangedBy
}

// denial is a reason, in words for people, that is ErrDenied.
type denial string

func (r denial) Error() string { return string(r) }

func (r denial) Unwrap() error { return ErrDenied }

// write asks the gateway to move traffic, while this worker's claim surely lasts.
func (w *worker) write(ctx context.Context, to release.Color) (Operation, error) {
	ctx, cancel, err := w.claimed(ctx)
	if err != nil {
		return Operation{}, err
	}
	defer cancel()
	w.unanswered = true
	op, err := w.app.Gateway.Switch(ctx, to, w.record.Lease.Fence)
	w.unanswered = err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrDenied) && !errors.Is(err, ErrFenced)
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
		seen.Rival = true
		return w.lost(seen, "another change won: "+reading.Detail)
	}
	during := w.app.During
	if w.record.State.Release.Phase == release.Switching && w.routing.seen < len(during) {
		found := during[w.routing.seen].Run(ctx, Subject{Release: e.Release, Color: e.To, Image: e.Image})
		if found.Verdict != release.Passed {
			return w.unconfirmed(ctx, e, seen, found.Detail)
		}
		if w.routing.seen++; w.routing.seen < len(during) {
			return stepResult{Seen: []release.Event{seen}, Wait: w.again(during, w.routing.seen)}
		}
	}
	seen.Status, seen.Detail = release.Confirmed, ""
	w.routing.losses, w.routing.seen = 0, 0
	return saw(seen)
}

// unconfirmed judges a check of the public address that does not pass although the gateway
// has moved. While it passes for the color before, users are still there. Where it failed
// before the switch as well, it says nothing of the new version.
func (w *worker) unconfirmed(ctx context.Context, e release.Route, seen release.RouteObserved, why string) stepResult {
	w.routing.seen = 0
	if w.record.State.Release.Unconfirmed != "" {
		seen.Status, seen.Detail = release.Confirmed, ""
		return saw(seen)
	}
	seen.Failing = e.From == "" || w.unseen(ctx, e.From, w.record.State.Serving.Image) != ""
	seen.Detail = "the gateway has moved, not yet seen on the data path: " + why
	return stepResult{Seen: []release.Event{seen}, Wait: w.Poll}
}

// again is the wait before the n-th check: one that repeats the check before it waits.
func (w *worker) again(checks []Check, n int) time.Duration {
	if checks[n] == checks[n-1] {
		return w.Poll
	}
	return 0
}
