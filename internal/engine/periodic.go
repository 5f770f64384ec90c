package engine

import (
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/round"
)

// retention is for how long accepted events and history are kept. Event Grid delivers an event
// again for at most a day.
const retention = 30 * 24 * time.Hour

// tickEvery is the time between two ticks.
const tickEvery = time.Minute

// task is work that is due every so often, beside what the core asks for. When it last ran
// is in the app's record, so that a tick that did not happen only makes it late.
type task struct {
	name  string
	every time.Duration
	when  func(release.State) bool // nil: always
	soon  func(release.State) bool // at every tick; nil: never
	// beside is work that needs no claim on the app: an alert does not wait for a registry
	// or a table that is slow. The events that it returns are decided by a worker. Nil: a
	// worker looks at the app.
	beside func(context.Context, *Engine, *App, release.State) ([]release.Event, error)
	seen   []release.Event // by this run of beside
	tick   time.Time       // when this run was found to be due
}

var periodicTasks = []task{
	{name: "look", every: 5 * time.Minute, when: atRest, soon: changing},
	{name: "list-registry", every: 10 * time.Minute, beside: listRegistry},
	{name: "ask-for-images", every: 6 * time.Hour, beside: askForImages},
	{name: "sweep", every: 24 * time.Hour, beside: sweep},
}

func listRegistry(ctx context.Context, e *Engine, app *App, s release.State) ([]release.Event, error) {
	return nil, wrap(e.missed(ctx, app, s), "look for missed pushes")
}

// newest lists the images of the registry that may start. A listing that the round shares may be from
// before the state: what would be news is listed once more.
func (e *Engine) newest(ctx context.Context, app *App, s release.State) ([]release.Image, error) {
	images, err := app.Registry.Newest(ctx, listed)
	images = slices.DeleteFunc(images, func(i release.Image) bool { return !s.MayStart(i) })
	if round.Of(ctx) != nil && len(images) > 0 && images[0].Digest != s.Newest.Digest {
		return e.newest(round.Without(ctx), app, s)
	}
	return images, err
}

func sweep(ctx context.Context, e *Engine, app *App, _ release.State) ([]release.Event, error) {
	return nil, wrap(e.Store.Sweep(ctx, app.Name, e.Now().Add(-retention)), "delete old rows")
}

// atRest reports whether no worker looks at the gateway for a release.
func atRest(s release.State) bool {
	return s.Known && (!s.Release.Phase.Active() || s.Release.Phase == release.Awaiting)
}

// changing reports whether what a look sees is to change soon.
func changing(s release.State) bool { return !s.Drift.IsZero() || s.StandbyComing() }

func (t task) due(r Record, now time.Time) bool {
	if t.when != nil && !t.when(r.State) {
		return false
	}
	// The tick of the minute in which it is due may come some milliseconds early.
	return t.soon != nil && t.soon(r.State) || now.Sub(r.Ran[t.name]) > t.every-tickEvery/2
}

// periodic is the engine's own effect: to run a periodic task.
type periodic struct {
	release.Effect
	task
}

// runTask records that a periodic task ran, and runs it unless the tick has done so beside
// the claim. One that fails is tried again when it is due again.
func (w *worker) runTask(ctx context.Context, t task) stepResult {
	w.tasks = w.tasks[1:]
	if t.when != nil && !t.when(w.record.State) {
		return stepResult{} // another worker has changed it since the tick
	}
	last := t.tick
	if w.record.Ran[t.name].IsZero() { // the apps of a new installation are not all due at once
		last = last.Add(-spread(w.app.Name, t.every))
	}
	w.record.Ran = maps.Clone(w.record.Ran)
	if w.record.Ran == nil {
		w.record.Ran = map[string]time.Time{}
	}
	w.record.Ran[t.name], w.dirty = last, true
	if t.beside != nil {
		return stepResult{Seen: t.seen}
	}
	return w.lookInRound(ctx)
}

// skew is how much the clocks of two processes may differ.
const skew = 5 * time.Second

// lookInRound looks with reads that the round shares, none of them from before this app was
// last worked on: they would show it as it was then. What is seen counts from the beginning of
// the oldest read.
func (w *worker) lookInRound(ctx context.Context) stepResult {
	ctx, shared := w.round.Join(ctx, min(w.Now().Sub(w.since)-skew, w.Lease))
	r := w.look(ctx)
	for n, e := range r.Seen {
		if seen, ok := e.(release.Looked); ok && shared.Age() > 0 {
			seen.At = w.Now().Add(-shared.Age())
			r.Seen[n] = seen
		}
	}
	return r
}

// lastWork is until when the worker before may have changed something.
func lastWork(r Record) time.Time {
	if r.Lease.Owner != "" && r.Lease.Until.After(r.SavedAt) { // it has not given the app back
		return r.Lease.Until
	}
	return r.SavedAt
}

// spread is a part of a duration that differs from app to app.
func spread(app string, d time.Duration) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(app))
	return d * time.Duration(h.Sum32()%1024) / 1024
}
