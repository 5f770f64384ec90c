package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
	"bluegreen/internal/round"
)

// errTaken means that another worker holds the app now.
var errTaken = errors.New("another worker holds the app")

const (
	// mostDecided and mostFacts keep a commit within what one transaction of the store holds.
	mostDecided = 20
	mostFacts   = 12
	// inboxMaxAge is how old the view of the inbox may be.
	inboxMaxAge = 250 * time.Millisecond
	// earlyWakeup is how much too early, by its clock, a worker may be woken and then waits.
	earlyWakeup = 5 * time.Second
	// mostFailures is how many steps in a row may fail before the app is left for retryAfter.
	mostFailures = 3
	retryAfter   = 10 * time.Second
)

// worker holds one app for the time of one Step. Each step keeps what it remembers in a
// field of its own, which only its file writes.
type worker struct {
	*Engine
	app   *App
	owner string
	end   time.Time
	tasks []task // periodic tasks to run first
	// round is that of the tick, in which only the periodic look takes part; since is when a worker
	// may last have changed something before this one.
	round *round.Round
	since time.Time
	due   string // version of the due row after this worker's mark; "" without one
	row   Due    // as the tick has read it: a look that does not see a color forgets no glance at it
	ended bool   // it has seen that nothing is left to do now
	// glances are the last ones that the record is decided on: those of its row, in the state
	// before, or of this worker, which has seen what is in seen.
	glances map[string]Glance
	before  release.State
	seen    *release.Looked
	saw     string // its hash; "" where not all could be seen

	snap    Snapshot // as loaded or last committed
	loaded  time.Time
	record  Record // with what is decided, perhaps not saved yet
	facts   []release.Fact
	decided []Entry
	dirty   bool
	commits int
	sent    *sync.WaitGroup

	failures int          // failed steps in a row
	failing  reflect.Type // the effect that failed
	last     reflect.Type // the effect carried out last
	// unanswered is set by a write to the gateway whose outcome is not known.
	unanswered bool

	led      led
	orders   orders
	checking checking
	routing  routing
	sizes    sizes
	target   targetSeen
}

// stepResult is what one step came to. Seen are observations for the core. Wait is how long
// the next step may wait. Failed is why the step failed, where that may pass; without
// Seen the core learns of it as StepFailed.
type stepResult struct {
	Seen   []release.Event
	Wait   time.Duration
	Failed error
}

func (w *worker) run(ctx context.Context) error {
	for {
		if err := w.reload(ctx); err != nil {
			return err
		}
		if w.worthClaiming() {
			w.since = lastWork(w.record)
			if err := w.mark(ctx); err != nil {
				return err
			}
			w.claim()
			if err := w.work(ctx); err != nil {
				return err
			}
			// An event whose wake-up met our lease is seen here, after the lease was freed.
			if err := w.reload(ctx); err != nil {
				return err
			}
			if w.undecided() && w.Now().Before(w.end) {
				continue
			}
		} else if err := w.schedule(ctx); err != nil {
			return err
		}
		wait := w.soon()
		if wait == 0 {
			w.ended = true
			return nil
		}
		if err := w.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (w *worker) worthClaiming() bool {
	if len(w.tasks) > 0 || w.undecided() || w.record.Lease.Owner != "" {
		return true
	}
	if w.resting() > 0 {
		return false
	}
	effect, at := w.pendingEffect()
	return effect != nil || !at.IsZero() && !w.Now().Before(at)
}

// undecided reports whether there are events that can be decided now.
func (w *worker) undecided() bool { return len(w.snap.Inbox) > 0 && w.record.State.Known }

// resting returns for how long an app is still left alone because its steps failed. A
// wake-up for the end of the rest is under way; without this, each message that comes
// meanwhile would try again and send one more.
func (w *worker) resting() time.Duration {
	wait := w.record.WakeAt.Sub(w.Now())
	if effect, _ := w.pendingEffect(); effect == nil || wait > time.Minute {
		return 0
	}
	return max(0, wait)
}

// soon returns how long it is until an effect is pending; 0 when that is not worth waiting
// for. The queue's clock and ours differ: without this wait a wake-up that comes a little
// early would be spent for nothing.
func (w *worker) soon() time.Duration {
	wait := w.resting()
	if effect, at := w.record.State.NextEffect(w.app.Policy, w.Now()); effect == nil && !at.IsZero() {
		wait = max(0, at.Sub(w.Now()))
	}
	if wait > earlyWakeup || w.Now().Add(wait).After(w.end) {
		return 0
	}
	return wait
}

// work decides and carries out until no effect is pending, the budget ends or nothing can
// be done for now.
func (w *worker) work(ctx context.Context) error {
	var seen []release.Event
	for {
		w.decide(seen)
		if err := w.peek(ctx); err != nil {
			return err
		}
		effect := w.nextStep()
		if w.leaves(effect) {
			if len(w.pendingEntries()) == 0 || !w.record.State.Known || !w.Now().Before(w.end) {
				return w.free(ctx)
			}
			if err := w.commit(ctx); err != nil { // more entries than one commit takes
				return err
			}
			seen = nil
			continue
		}
		if err := w.save(ctx, effect); err != nil {
			return err
		}
		var err error
		if seen, err = w.carryOut(ctx, effect); err != nil {
			return err
		}
	}
}

// peek looks for new entries when the last look is too long ago.
func (w *worker) peek(ctx context.Context) error {
	if w.Now().Sub(w.loaded) <= inboxMaxAge {
		return nil
	}
	if w.dirty {
		if err := w.commit(ctx); err != nil {
			return err
		}
	}
	lease := w.record.Lease
	if err := w.reload(ctx); err != nil {
		return err
	}
	if w.record.Lease.Owner != lease.Owner || w.record.Lease.Fence != lease.Fence {
		return errTaken
	}
	w.decide(nil)
	return nil
}

// preflight is the engine's own effect: to check that what the configuration names exists.
type preflight struct{ release.Effect }

// pendingEffect is what the app needs, or when it will.
func (w *worker) pendingEffect() (release.Effect, time.Time) {
	effect, at := w.record.State.NextEffect(w.app.Policy, w.Now())
	held := len(w.app.held()) > 0
	if held && effect != nil && waitsForPreflight(effect) {
		return nil, time.Time{}
	}
	if !held && w.record.Preflight.Config != w.app.Fingerprint && waitsForPreflight(effect) {
		return preflight{}, w.Now()
	}
	return effect, at
}

// waitsForPreflight reports whether an effect comes after the preflight of a new
// configuration. It keeps an app from being taken over, a release from its start and a color from
// being scaled down, and never a bake, an alert or a return.
func waitsForPreflight(effect release.Effect) bool {
	switch e := effect.(type) {
	case nil, release.Look, release.KeepStandby:
		return true
	case release.Deploy:
		return !e.Cleared
	}
	return false
}

// nextStep is what this worker does next: its periodic tasks, then the pending effect.
func (w *worker) nextStep() release.Effect {
	if len(w.tasks) > 0 {
		return periodic{task: w.tasks[0]}
	}
	effect, _ := w.pendingEffect()
	return w.target.lookFirst(effect, w.record.State, w.app.Policy, w.Now())
}

// leaves reports whether the worker should leave the app.
func (w *worker) leaves(effect release.Effect) bool {
	return effect == nil || !w.Now().Before(w.end) || w.failures >= mostFailures
}

// decide gives the core what was seen and what arrived. Nothing is lost when the worker
// dies here: what was seen can be seen again, what arrived is still there.
func (w *worker) decide(seen []release.Event) {
	for _, event := range append(seen, release.Ticked{}) {
		w.next(event)
	}
	if !w.record.State.Known {
		return
	}
	for _, e := range w.pendingEntries() {
		if len(w.decided) >= mostDecided || len(w.facts) >= mostFacts {
			return
		}
		if e.Unreadable != nil {
			e.Decision = release.Decision{Kind: release.Dropped, Reason: reason.Unreadable, Text: e.Unreadable.Why}
		} else {
			e.Decision = release.DecisionOf(e.Event, w.next(w.beside(e)))
		}
		w.decided, w.dirty = append(w.decided, e), true
	}
}

func (w *worker) pendingEntries() []Entry {
	return slices.DeleteFunc(slices.Clone(w.snap.Inbox), func(e Entry) bool {
		return slices.ContainsFunc(w.decided, func(d Entry) bool { return d.ID == e.ID })
	})
}

// beside adds to a push those that arrived with it, so that only the newest is released.
func (w *worker) beside(e Entry) release.Event {
	push, ok := e.Event.(release.ImagePushed)
	if !ok {
		return e.Event
	}
	for _, other := range w.pendingEntries() {
		if p, ok := other.Event.(release.ImagePushed); ok && other.ID != e.ID {
			push.Beside = append(push.Beside, p.Image)
		}
	}
	return push
}

func (w *worker) next(event release.Event) []release.Fact {
	state, facts := release.Next(w.record.State, event, w.app.Policy, w.Now())
	if !reflect.DeepEqual(state, w.record.State) {
		w.record.State, w.dirty = state, true
	}
	w.facts = append(w.facts, facts...)
	for _, f := range facts {
		args := []any{"app", w.app.Name, "kind", f.Kind, "reason", f.Reason, "release", f.Release}
		if !f.By.IsZero() {
			args = append(args, "by", f.By.String(), "actor", f.By)
		}
		w.Log.Info(f.Text, args...)
	}
	return facts
}

// carryOut takes one bounded step of an effect, waits as long as it asks for, and returns
// what was seen. What fails for a reason that may pass is an observation too; an error
// ends the worker.
func (w *worker) carryOut(ctx context.Context, effect release.Effect) ([]release.Event, error) {
	kind := reflect.TypeOf(effect)
	w.last = kind
	began := w.Now()
	r := w.step(ctx, effect)
	if errors.Is(r.Failed, errTaken) || ctx.Err() != nil {
		return nil, errors.Join(r.Failed, ctx.Err())
	}
	if errors.Is(r.Failed, ErrFenced) {
		if err := w.fenced(ctx, &r); err != nil {
			return nil, err
		}
	}
	if _, routes := effect.(release.Route); r.Failed == nil && !routes && w.Now().Sub(began) >= w.Lease {
		return nil, nil // seen too long ago: this worker was held up, and looks again
	}
	switch {
	case r.Failed != nil:
		w.failures, w.failing = w.failures+1, kind
		w.Log.Warn("a step failed", "app", w.app.Name, "step", fmt.Sprintf("%T", effect), "error", r.Failed)
		if len(r.Seen) == 0 {
			r.Seen = []release.Event{release.StepFailed{Detail: r.Failed.Error()}}
		}
		if w.failures < mostFailures {
			r.Wait = max(r.Wait, w.Poll)
		}
	case w.failing == kind: // what succeeds beside it fixes nothing
		w.failures = 0
	}
	if r.Wait > 0 {
		return r.Seen, w.Sleep(ctx, r.Wait)
	}
	return r.Seen, nil
}

func (w *worker) step(ctx context.Context, effect release.Effect) stepResult {
	switch effect := effect.(type) {
	case periodic:
		return w.runTask(ctx, effect.task)
	case preflight:
		return w.preflight(ctx)
	case release.Look:
		return w.look(ctx)
	case release.Deploy:
		return w.deploy(ctx, effect)
	case release.Verify:
		return w.verify(ctx, effect)
	case release.EndChecks:
		return w.endChecks(ctx, effect)
	case release.Route:
		return w.route(ctx, effect)
	case release.PrepareTarget:
		return w.prepareTarget(ctx, effect)
	case release.Probe:
		return w.probe(ctx, effect)
	case release.KeepStandby:
		return w.keepStandby(ctx, effect)
	case release.FreeSize:
		return w.freeSize(ctx, effect)
	}
	return failed(fmt.Errorf("no step is known for the effect %T", effect))
}

func failed(err error) stepResult { return stepResult{Failed: err} }

func saw(events ...release.Event) stepResult { return stepResult{Seen: events} }
