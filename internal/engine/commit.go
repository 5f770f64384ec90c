package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"bluegreen/internal/release"
)

// schema is the form of the record that this version writes. It works with records of the
// schema before and of the one after: handlers of two versions run beside each other
// during a rolling deployment, and when it is undone.
const schema = 5

// unusable says why a record cannot be worked with; "" when it can.
func unusable(r Record) string {
	if r.Schema > schema+1 {
		return fmt.Sprintf("its record is of schema %d, and this version of bluegreen works with schemas up to %d: deploy the newer version again; until then nothing is changed, and events are kept", r.Schema, schema+1)
	}
	if p := r.State.Release.Phase; !p.Known() {
		return fmt.Sprintf("its release is in the phase %q, which this version of bluegreen does not know: deploy the newer version again; until then nothing is changed, and events are kept", p)
	}
	return ""
}

// reload reads the app afresh and gives up what was not saved.
func (w *worker) reload(ctx context.Context) error {
	snap, err := w.Store.Load(ctx, w.app.Name)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if why := unusable(snap.Record); why != "" {
		return errors.New(why)
	}
	w.loaded = w.Now()
	w.row.seenAgain(&snap)
	if len(snap.Inbox) > 0 {
		if err := w.seenAgain(ctx, w.app, &snap); err != nil {
			return err
		}
	}
	w.adopt(snap)
	if l := snap.Record.Lease; l.Owner != "" && l.Owner != w.owner && w.Now().Before(l.Until) {
		if err := w.comeBack(ctx, w.app.Name, l.Until); err != nil {
			return fmt.Errorf("come back later: %w", err)
		}
		return errTaken
	}
	return nil
}

func (w *worker) adopt(snap Snapshot) {
	w.snap, w.record = snap, snap.Record
	w.record.Schema = schema
	w.record.State.App = w.app.Name
	w.facts, w.decided, w.dirty = nil, nil, false
}

// acts reports whether the decision and the claim must be saved before an effect is carried
// out: it changes a gateway or a cluster, or it is a probe, which messages that arrive
// together must not multiply.
func acts(effect release.Effect) bool {
	switch effect := effect.(type) {
	case release.Verify:
		return effect.Run != ""
	case release.EndChecks:
		return true
	case release.Deploy, release.Route, release.PrepareTarget, release.KeepStandby, release.FreeSize, release.Probe:
		return true
	}
	return false
}

// save commits what is decided when the effect acts, or goes on with what the last step
// has begun, so that it can be seen; and keeps the lease alive.
func (w *worker) save(ctx context.Context, effect release.Effect) error {
	if w.dirty && (acts(effect) || w.last == reflect.TypeOf(effect) || len(w.facts) >= mostFacts) {
		w.renew(effect)
		return w.commit(ctx)
	}
	if !w.renew(effect) {
		return nil
	}
	return w.commit(ctx)
}

// commit saves what is decided. A commit whose outcome is not known is settled by
// loading: its mark, which no other commit has, says whether it was done. Owner and fence
// do not: a commit that frees the app looks like that of any other worker that freed it.
// A claim that ran out unnoticed does no harm here: no other worker has taken the app when
// the record is still as we know it.
func (w *worker) commit(ctx context.Context) error {
	var failed error
	w.commits++
	w.record.Commit = w.lastCommit()
	if now := w.Now(); now.After(w.record.SavedAt) {
		w.record.SavedAt = now
	}
	for try := range 4 {
		snap, err := w.Store.Commit(ctx, w.snap, Change{Record: w.record, Consumed: w.decided, Facts: w.facts, Begun: w.begin()})
		if err == nil {
			w.saved(ctx, snap)
			return nil
		}
		failed = err
		if snap, err = w.Store.Load(ctx, w.app.Name); err == nil && snap.Version != w.snap.Version {
			if snap.Record.Commit != w.record.Commit {
				return errTaken
			}
			w.saved(ctx, snap)
			return nil
		}
		if err == nil {
			w.snap.Channels = snap.Channels // one has begun since they were read
		}
		if err := w.Sleep(ctx, time.Duration(try+1)*100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("save: %w", failed)
}

// lastCommit is the mark of this worker's last commit in the record.
func (w *worker) lastCommit() string { return fmt.Sprintf("%s.%d", w.owner, w.commits) }

// saved goes on from a commit that was done.
func (w *worker) saved(ctx context.Context, snap Snapshot) {
	facts := w.facts
	if len(w.decided) > 0 {
		clear(w.glances) // they are of the state before
	}
	w.adopt(snap)
	w.publish(ctx, facts)
}

// free gives the lease back, with the time at which the app is to be worked on again. Only
// the worker whose commit stored that time sends the wake-up for it.
func (w *worker) free(ctx context.Context) error {
	w.record.Lease.Owner, w.record.Lease.Until = "", time.Time{}
	at := w.wakeAt()
	wake := !at.IsZero() && !at.Equal(w.record.WakeAt)
	w.record.WakeAt = at
	if err := w.commit(ctx); err != nil {
		return err
	}
	if wake {
		if err := w.Wakeups.Wake(ctx, w.app.Name, at); err != nil {
			w.Log.Warn("wake-up not sent: the clock tick will notice", "app", w.app.Name, "at", at, "error", err)
		}
	}
	return nil
}

// giveBack frees an app whose worker was broken off, so that the next one need not wait for
// the end of the claim. A write to a gateway that is not answered may still be on its way,
// and keeps it.
func (w *worker) giveBack(ctx context.Context) {
	if w.snap.Record.Lease.Owner != w.owner || w.last == reflect.TypeFor[release.Route]() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseMargin)
	defer cancel()
	w.adopt(w.snap)
	if err := w.free(ctx); err != nil {
		w.Log.Warn("the claim of a worker that was broken off is kept until its end", "app", w.app.Name, "error", err)
	}
}

func (w *worker) wakeAt() time.Time {
	now := w.Now()
	effect, at := w.record.State.NextEffect(w.app.Policy, now)
	unchecked := w.record.Preflight.Config != w.app.Fingerprint
	switch {
	case unchecked && waitsForPreflight(effect) || !w.record.State.Known:
		again := now.Add(time.Minute)
		if effect == nil && !at.IsZero() && at.Before(again) {
			return at
		}
		return again
	case w.failures >= mostFailures && !w.record.State.Release.Phase.Active() && w.record.State.Alert.IsZero():
		return now.Add(time.Minute) // neither a release nor an alert waits for it
	case w.failures >= mostFailures:
		return now.Add(retryAfter)
	case effect != nil || len(w.pendingEntries()) > 0:
		return now
	}
	return at
}

// schedule makes sure that a wake-up is under way for an app that needs nothing now.
func (w *worker) schedule(ctx context.Context) error {
	_, at := w.record.State.NextEffect(w.app.Policy, w.Now())
	if at.IsZero() || at.Equal(w.record.WakeAt) || w.resting() > 0 {
		return nil
	}
	if err := w.mark(ctx); err != nil {
		return err
	}
	w.claim()
	return w.free(ctx)
}
