package engine

import (
	"cmp"
	"context"
	"hash/fnv"
	"reflect"
	"slices"
	"time"

	"bluegreen/internal/release"
)

// forgetAfter is how long the row of an app is kept that is not configured any more. It may come
// back, and its record is still there.
const forgetAfter = 30 * 24 * time.Hour

// turn is what a round does for one app: it is loaded, or its periodic tasks take a glance.
type turn struct {
	app     *App
	row     Due
	glances []task // none: load it
	rank    int64  // its place among those to load
}

// turns are the apps that a tick is to look after: those to load and those to glance at, each
// the longest waiting first.
func (e *Engine) turns(rows []Due) (load, glance []turn) {
	settled := make(map[string]Due, len(rows))
	for _, d := range rows {
		settled[d.App] = d
	}
	now := e.Now()
	for _, name := range e.names {
		t := turn{app: e.apps[name], row: settled[name]}
		switch {
		case len(t.app.Problems) > 0:
		case t.row.Marked || t.row.Config != t.app.Fingerprint || !now.Before(t.row.At) || t.row.ahead(now):
			load = append(load, t)
		default:
			if t.glances = glancesDue(t.row, now); len(t.glances) > 0 {
				glance = append(glance, t)
			}
		}
	}
	for i := range load {
		load[i].rank = load[i].ranked(now)
	}
	slices.SortStableFunc(load, func(a, b turn) int { return cmp.Compare(a.rank, b.rank) })
	slices.SortStableFunc(glance, func(a, b turn) int { return a.row.oldest(a.glances).Compare(b.row.oldest(b.glances)) })
	return load, glance
}

// ranked puts the apps that are to be loaded in order: those that are marked, then those without a
// time, then the longest waiting. The first two may stay so for long, and come each time in another
// order.
func (t turn) ranked(now time.Time) int64 {
	if !t.row.Marked && !t.row.At.IsZero() {
		return t.row.At.Unix()
	}
	h := fnv.New32a()
	h.Write([]byte(t.app.Name + now.String()))
	rank := -int64(h.Sum32())
	if t.row.Marked {
		rank -= 1 << 32
	}
	return rank
}

// glancesDue are the periodic tasks that are to take a glance at an app at rest.
func glancesDue(row Due, now time.Time) (tasks []task) {
	for _, t := range periodicTasks {
		if g, ok := row.Glances[t.name]; ok && now.After(g.At.Add(t.every-tickEvery/2)) {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// ahead reports whether a glance is from a clock that was ahead: its age says nothing.
func (d Due) ahead(now time.Time) bool {
	for _, g := range d.Glances {
		if g.At.After(now.Add(skew)) {
			return true
		}
	}
	return false
}

func (d Due) oldest(tasks []task) time.Time {
	at := d.Glances[tasks[0].name].At
	for _, t := range tasks[1:] {
		if other := d.Glances[t.name].At; other.Before(at) {
			at = other
		}
	}
	return at
}

// rests reports whether the next ticks have nothing to do for an app but to take a glance.
func (e *Engine) rests(app *App, snap Snapshot) bool {
	r, now := snap.Record, e.Now()
	if !atRest(r.State) || changing(r.State) || r.Lease.Owner != "" || behind(app, snap) || e.overdue(app, snap) {
		return false
	}
	effect, at := r.State.NextEffect(app.Policy, now)
	return effect == nil && (at.IsZero() || at.Sub(now) > 2*tickEvery)
}

// mark makes the app due before a claim on it at rest, after the record was loaded: a tick that
// settles it meanwhile has saved that record before. An app that is claimed or has a pending effect is
// due already.
func (w *worker) mark(ctx context.Context) (err error) {
	effect, _ := w.record.State.NextEffect(w.app.Policy, w.Now())
	if w.record.Lease.Owner != "" || effect != nil {
		return nil
	}
	w.due, err = w.Store.Mark(ctx, w.app.Name)
	return err
}

// settled is the due row of an app that this worker leaves at rest: what it has seen last is what
// it has committed itself, after its mark.
func (w *worker) settled() (Due, bool) {
	r := w.snap.Record
	if w.due == "" || !w.ended || r.Commit != w.lastCommit() || !w.rests(w.app, w.snap) {
		return Due{}, false
	}
	d := Due{App: w.app.Name, Version: w.due, Config: w.app.Fingerprint, Commit: r.Commit, Glances: map[string]Glance{}}
	if _, at := r.State.NextEffect(w.app.Policy, w.Now()); !at.IsZero() {
		d.sooner(at.Add(wakeupLostAfter))
		d.sooner(r.WakeAt.Add(wakeupLostAfter))
	}
	for _, t := range periodicTasks {
		if g, ok := w.glances[t.name]; ok && (t.name != lookTask.name || w.sameAgain()) {
			d.Glances[t.name] = g
		} else {
			d.sooner(r.Ran[t.name].Add(t.every - tickEvery/2))
		}
	}
	return d, true
}

func (d *Due) sooner(at time.Time) {
	if d.At.IsZero() || at.Before(d.At) {
		d.At = at
	}
}

// sameAgain reports whether a look that sees the same as the last one changes nothing but the age
// of what was seen, until the next one that is decided.
func (w *worker) sameAgain() bool {
	state := w.snap.Record.State
	if w.seen == nil {
		return reflect.DeepEqual(w.before, state)
	}
	seen := *w.seen
	seen.At = time.Time{}
	for _, at := range []time.Time{w.Now(), w.Now().Add(lookAgain)} {
		before, _ := release.Next(state, release.Ticked{}, w.app.Policy, at)
		after, facts := release.Next(before, seen, w.app.Policy, at)
		for _, s := range []*release.State{&before, &after} {
			s.Blue.Observed.At, s.Green.Observed.At = time.Time{}, time.Time{}
		}
		if len(facts) > 0 || !reflect.DeepEqual(before, after) {
			return false
		}
	}
	return true
}

// seenAgain brings a snapshot of an app at rest up to what glances have seen since it was saved:
// the same, and when.
func (e *Engine) seenAgain(ctx context.Context, app *App, snap *Snapshot) error {
	row, err := Due{}, error(nil)
	if atRest(snap.Record.State) && !slices.ContainsFunc(colorsSeen(snap), func(o *release.Observed) bool { return e.Now().Sub(o.At) < tickEvery }) {
		row, err = e.Store.Due(ctx, app.Name)
	}
	row.seenAgain(snap)
	return err
}

// seenAgain is that of the engine, by this row.
func (d Due) seenAgain(snap *Snapshot) {
	if d.Commit == "" || d.Commit != snap.Record.Commit || !atRest(snap.Record.State) {
		return
	}
	for _, o := range colorsSeen(snap) {
		if at := d.Glances[lookTask.name].At; !o.At.IsZero() && at.After(o.At) {
			o.At = at
		}
	}
}

func colorsSeen(snap *Snapshot) []*release.Observed {
	return []*release.Observed{&snap.Record.State.Blue.Observed, &snap.Record.State.Green.Observed}
}
