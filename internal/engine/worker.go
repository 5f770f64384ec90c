package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// errTaken means that another worker holds the app now.
var errTaken = errors.New("another worker holds the app")

const (
	// batch and telling keep a commit within what one transaction of the store holds.
	batch   = 20
	telling = 12
	// fresh is how old the view of the inbox may be.
	fresh = 250 * time.Millisecond
	// early is how much too early, by its clock, a worker may be woken and then waits.
	early = 5 * time.Second
	// patience is how many steps in a row may fail before the app is left for a while.
	patience = 3
	rest     = 10 * time.Second
)

// worker holds one app for the time of one Step.
type worker struct {
	*Engine
	app   *App
	owner string
	end   time.Time
	look  bool

	snap   Snapshot // as loaded or last committed
	loaded time.Time
	record Record // with what is decided, perhaps not saved yet
	told   []release.Fact
	done   []Entry
	dirty  bool

	stumbles int          // in a row
	stuck    reflect.Type // the effect that stumbled
	watching bool         // the last act saw nothing that ends its wait
	ordered  order        // what this worker has told a color last
	again    time.Time    // not before this time is the gateway told to go to againTo again
	againTo  release.Color
	fit      bool // this worker has seen that the way back can take traffic
	changed  bool // the way back was seen to run something else than it did
	losses   int  // of operations to againTo in a row
	commits  int
	sent     sync.WaitGroup
	sending  bool
}

func (w *worker) run(ctx context.Context) error {
	for {
		if err := w.reload(ctx); err != nil {
			return err
		}
		if w.worthClaiming() {
			w.claim()
			if err := w.work(ctx); err != nil {
				return err
			}
			// An event whose wake-up met our lease is seen here, after the lease was freed.
			if err := w.reload(ctx); err != nil {
				return err
			}
			if w.news() && w.Now().Before(w.end) {
				continue
			}
		} else if err := w.schedule(ctx); err != nil {
			return err
		}
		wait := w.soon()
		if wait == 0 {
			return nil
		}
		if err := w.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// reload reads the app afresh and gives up what was not saved.
func (w *worker) reload(ctx context.Context) error {
	snap, err := w.Store.Load(ctx, w.app.Name)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if why := newer(snap.Record); why != "" {
		return errors.New(why)
	}
	w.adopt(snap)
	w.loaded = w.Now()
	if l := snap.Record.Lease; l.Owner != "" && l.Owner != w.owner && w.Now().Before(l.Until) {
		if err := w.comeBack(ctx, w.app.Name, l.Until); err != nil {
			return fmt.Errorf("come back later: %w", err)
		}
		return errTaken
	}
	return nil
}

// schema is the newest form of the record that this version knows.
const schema = 1

// newer says why a record cannot be used; "" when it can.
func newer(r Record) string {
	if r.Schema <= schema {
		return ""
	}
	return fmt.Sprintf("its record is of schema %d, and this version of bluegreen knows %d: deploy the newer version again; until then nothing is changed, and what comes is kept", r.Schema, schema)
}

func (w *worker) adopt(snap Snapshot) {
	w.snap, w.record = snap, snap.Record
	w.record.Schema = schema
	w.record.State.App = w.app.Name
	w.told, w.done, w.dirty = nil, nil, false
}

func (w *worker) worthClaiming() bool {
	if w.look || w.news() || len(w.snap.Outbox) > 0 || w.record.Lease.Owner != "" {
		return true
	}
	if w.resting() > 0 {
		return false
	}
	effect, at := w.record.State.Owed(w.app.Policy, w.Now())
	return w.unchecked() || effect != nil || !at.IsZero() && !w.Now().Before(at)
}

// news reports whether there are events that can be decided now.
func (w *worker) news() bool { return len(w.snap.Inbox) > 0 && w.record.State.Known }

// resting returns for how long an app is still left alone because its steps failed. A
// wake-up for the end of the rest is under way; without this, each message that comes
// meanwhile would try again and send one more.
func (w *worker) resting() time.Duration {
	rest := w.record.WakeAt.Sub(w.Now())
	if effect, _ := w.record.State.Owed(w.app.Policy, w.Now()); effect == nil && !w.unchecked() || rest > time.Minute {
		return 0
	}
	return max(0, rest)
}

// soon returns how long it is until something is owed; 0 when that is not worth waiting
// for. The queue's clock and ours differ: without this wait a wake-up that comes a little
// early would be spent for nothing.
func (w *worker) soon() time.Duration {
	wait := w.resting()
	if effect, at := w.record.State.Owed(w.app.Policy, w.Now()); effect == nil && !at.IsZero() {
		wait = max(0, at.Sub(w.Now()))
	}
	if wait > early || w.Now().Add(wait).After(w.end) {
		return 0
	}
	return wait
}

func (w *worker) unchecked() bool { return w.record.Checked != w.app.Fingerprint }

// claim takes the app. The first fence of a record is the time: when the store was lost or
// the app has been given a new one, clusters remember the fences from before.
func (w *worker) claim() {
	fence := cmp.Or(w.record.Lease.Fence, w.Now().Unix()) + 1
	w.record.Lease = Lease{Owner: w.owner, Until: w.Now().Add(w.Lease), Fence: fence}
	w.dirty = true
}

// work decides and acts until nothing is owed, the budget ends or nothing can be done for now.
func (w *worker) work(ctx context.Context) error {
	var seen []release.Event
	for {
		w.decide(seen)
		if err := w.peek(ctx); err != nil {
			return err
		}
		effect := w.owed()
		if w.idle(effect) {
			if len(w.pending()) == 0 || !w.record.State.Known || !w.Now().Before(w.end) {
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
		if seen, err = w.act(ctx, effect); err != nil {
			return err
		}
	}
}

// peek looks for new entries when the last look is too long ago.
func (w *worker) peek(ctx context.Context) error {
	if w.Now().Sub(w.loaded) <= fresh {
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

func (w *worker) owed() release.Effect {
	if w.look {
		return release.Look{}
	}
	if w.unchecked() {
		return preflight{}
	}
	state := w.record.State
	if r := &state.Release; r.Phase == release.Returning && r.Operation == "" && !w.fit {
		r.Fit = false // another worker has seen so, perhaps long ago: look before traffic goes there
	}
	effect, _ := state.Owed(w.app.Policy, w.Now())
	return effect
}

// preflight is the engine's own effect: to check that what the configuration names exists.
type preflight struct{ release.Effect }

// idle reports whether the worker should leave the app.
func (w *worker) idle(effect release.Effect) bool {
	return effect == nil || !w.Now().Before(w.end) || w.stumbles >= patience
}

// decide lets the core think about what was seen and what arrived. Nothing is lost when
// the worker dies here: what was seen can be seen again, what arrived is still there.
func (w *worker) decide(seen []release.Event) {
	for _, event := range append(seen, release.Ticked{}) {
		w.next(event)
	}
	if !w.record.State.Known {
		return
	}
	for _, e := range w.pending() {
		if len(w.done) >= batch || len(w.told) >= telling {
			return
		}
		w.answer(e)
	}
}

func (w *worker) pending() []Entry {
	return slices.DeleteFunc(slices.Clone(w.snap.Inbox), func(e Entry) bool {
		return slices.ContainsFunc(w.done, func(d Entry) bool { return d.ID == e.ID })
	})
}

func (w *worker) answer(e Entry) {
	event, err := Decode(e)
	if err != nil {
		e.Decision = "dropped: " + err.Error()
	} else {
		before := len(w.told)
		w.next(event)
		e.Decision = "noted"
		if len(w.told) > before {
			e.Decision = string(w.told[before].Kind) + ": " + w.told[before].Text
		}
	}
	w.done = append(w.done, e)
	w.dirty = true
}

func (w *worker) next(event release.Event) {
	state, facts := release.Next(w.record.State, event, w.app.Policy, w.Now())
	if !reflect.DeepEqual(state, w.record.State) {
		w.record.State, w.dirty = state, true
	}
	w.told = append(w.told, facts...)
	for _, f := range facts {
		w.Log.Info(f.Text, "app", w.app.Name, "kind", f.Kind, "release", f.Release)
	}
}

// acts reports whether an effect changes the world, so that its reason must be saved first.
func acts(effect release.Effect) bool {
	switch effect.(type) {
	case release.Look, release.Verify, release.Probe, preflight:
		return false
	}
	return true
}

// save commits what is decided when the effect acts or somebody may be waiting to see it,
// and keeps the lease alive.
func (w *worker) save(ctx context.Context, effect release.Effect) error {
	if w.dirty && (acts(effect) || w.watching || len(w.told) >= telling) {
		w.renew()
		return w.commit(ctx)
	}
	return w.keep(ctx)
}

// keep renews the claim on the app when a good part of it is used up.
func (w *worker) keep(ctx context.Context) error {
	if !w.renew() {
		return nil
	}
	return w.commit(ctx)
}

func (w *worker) renew() bool {
	if w.record.Lease.Until.Sub(w.Now()) >= w.Lease*2/3 {
		return false
	}
	w.record.Lease.Until = w.Now().Add(w.Lease)
	return true
}

// commit saves what is decided. A commit whose outcome is not known is settled by
// loading: its mark, which no other commit has, tells whether it was done. Owner and fence
// do not: a commit that frees the app looks like that of any other worker that freed it.
// A claim that ran out unnoticed does no harm here: nobody has taken the app when the
// record is still as we know it.
func (w *worker) commit(ctx context.Context) error {
	var failed error
	w.commits++
	w.record.Commit = fmt.Sprintf("%s.%d", w.owner, w.commits)
	for try := range 4 {
		snap, err := w.Store.Commit(ctx, w.snap, Change{Record: w.record, Consumed: w.done, Facts: w.told})
		if err == nil {
			w.adopt(snap)
			w.publish(ctx)
			return nil
		}
		failed = err
		if snap, err = w.Store.Load(ctx, w.app.Name); err == nil && snap.Version != w.snap.Version {
			if snap.Record.Commit != w.record.Commit {
				return errTaken
			}
			w.adopt(snap)
			return nil
		}
		if err := w.Sleep(ctx, time.Duration(try+1)*100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("save: %w", failed)
}

// free gives the lease back, with the time at which the app is to be looked at again.
func (w *worker) free(ctx context.Context) error {
	w.look = false
	w.record.Lease.Owner, w.record.Lease.Until = "", time.Time{}
	at := w.wakeAt()
	news := !at.IsZero() && !at.Equal(w.record.WakeAt)
	w.record.WakeAt = at
	if err := w.commit(ctx); err != nil {
		return err
	}
	if news {
		if err := w.Wakeups.Wake(ctx, w.app.Name, at); err != nil {
			w.Log.Warn("wake-up not sent: the clock tick will notice", "app", w.app.Name, "at", at, "error", err)
		}
	}
	return nil
}

func (w *worker) wakeAt() time.Time {
	now := w.Now()
	effect, at := w.record.State.Owed(w.app.Policy, now)
	switch {
	case w.unchecked() || !w.record.State.Known:
		return now.Add(time.Minute)
	case w.stumbles >= patience && !w.record.State.Release.Phase.Active():
		return now.Add(time.Minute) // nobody waits for it
	case w.stumbles >= patience:
		return now.Add(rest)
	case effect != nil || len(w.pending()) > 0:
		return now
	}
	return at
}

// schedule makes sure that a wake-up is under way for an app that needs nothing now.
func (w *worker) schedule(ctx context.Context) error {
	_, at := w.record.State.Owed(w.app.Policy, w.Now())
	if at.IsZero() || at.Equal(w.record.WakeAt) || w.resting() > 0 {
		return nil
	}
	w.claim()
	return w.free(ctx)
}

// publish tells the outside what the outbox holds, beside the work and never in its way.
func (w *worker) publish(ctx context.Context) {
	if len(w.snap.Outbox) == 0 || w.sending {
		return
	}
	w.sending = true
	facts := slices.Clone(w.snap.Outbox)
	w.sent.Go(func() { w.tell(ctx, w.app.Name, facts) })
}

// tell sends facts and takes them off the outbox; those that fail are sent by a later tick.
func (e *Engine) tell(ctx context.Context, app string, facts []release.Fact) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := e.Notifier.Notify(ctx, app, facts); err != nil {
		e.Log.Warn("events not published, they stay in the outbox", "app", app, "count", len(facts), "error", err)
		return
	}
	if err := e.Store.Sent(ctx, app, facts); err != nil {
		e.Log.Warn("published events not taken off the outbox: they will be sent again with the same ids", "app", app, "error", err)
	}
}
