package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	// or a table that is slow. A worker decides what it found. Nil: a worker looks at the app.
	beside func(context.Context, *Engine, *App, release.State) (found, error)
	// glance returns the hash of what the task sees now, without the record. While it is that of
	// the last run, nothing needs to be decided. Nil: the task needs the record.
	glance func(context.Context, *Engine, *App) (saw string, err error)
	// again is when the task runs with the record again although each glance saw the same; 0:
	// never.
	again time.Duration
	found found     // by this run of beside
	tick  time.Time // when this run was found to be due
}

// found is what a task beside the claim found: events to decide, and what a glance is to see
// while nothing has changed; "" where that is not known.
type found struct {
	events []release.Event
	saw    string
}

const (
	// lookAgain is how old an observation in the record may become.
	lookAgain = time.Hour
)

var lookTask = task{name: "look", every: 5 * time.Minute, when: atRest, soon: changing, glance: glanceAtColors, again: lookAgain}

var periodicTasks = []task{
	lookTask,
	{name: "list-registry", every: 10 * time.Minute, beside: listRegistry, glance: glanceAtRegistry},
	{name: "ask-for-images", every: 6 * time.Hour, beside: askForImages},
	{name: "sweep", every: 24 * time.Hour, beside: sweep},
}

func listRegistry(ctx context.Context, e *Engine, app *App, s release.State) (found, error) {
	saw, err := e.missed(ctx, app, s)
	return found{saw: saw}, wrap(err, "look for missed pushes")
}

func glanceAtRegistry(ctx context.Context, e *Engine, app *App) (string, error) {
	if app.Registry == nil {
		return nothing, nil
	}
	images, err := app.Registry.Newest(ctx, listed)
	return hashOf(images), wrap(err, "list the newest images")
}

// newest lists the images of the registry that may start, and returns the hash of the whole list. A
// listing that the round shares may be from before the state: what would be news is listed once more.
func (e *Engine) newest(ctx context.Context, app *App, s release.State) (may []release.Image, saw string, err error) {
	images, err := app.Registry.Newest(ctx, listed)
	may = slices.DeleteFunc(slices.Clone(images), func(i release.Image) bool { return !s.MayStart(i) })
	if round.Of(ctx) != nil && len(may) > 0 && may[0].Digest != s.Newest.Digest {
		return e.newest(round.Without(ctx), app, s)
	}
	return may, hashOf(images), err
}

func sweep(ctx context.Context, e *Engine, app *App, _ release.State) (found, error) {
	return found{}, wrap(e.Store.Sweep(ctx, app.Name, e.Now().Add(-retention)), "delete old rows")
}

// nothing is seen where there is nothing to see. hashOf is none that is like it.
const nothing = "-"

// hashOf is a short hash of what was seen.
func hashOf(seen ...any) string {
	data, err := json.Marshal(seen)
	if err != nil {
		return "" // is like no other
	}
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:12])
}

// atRest reports whether no worker looks at the gateway for a release.
func atRest(s release.State) bool {
	return s.Known && (!s.Release.Phase.Active() || s.Release.Phase == release.Awaiting)
}

// changing reports whether what a look sees is to change soon.
func changing(s release.State) bool { return !s.Drift.IsZero() || s.StandbyComing() }

// isDue reports whether a task is to run with the record.
func (w *worker) isDue(t task) bool {
	state := w.record.State
	switch {
	case t.when != nil && !t.when(state):
		return false
	case t.soon != nil && t.soon(state):
		return true
	}
	last := w.ranLast(t)
	return w.Now().After(last.Add(t.every-tickEvery/2)) || last.After(w.Now().Add(skew)) // by a clock that was ahead
}

// ranLast is when a task last ran, with the record or as a glance.
func (w *worker) ranLast(t task) time.Time {
	if g := w.glances[t.name].At; g.After(w.record.Ran[t.name]) {
		return g
	}
	return w.record.Ran[t.name]
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
	w.record.Ran = maps.Clone(w.record.Ran)
	if w.record.Ran == nil {
		w.record.Ran = map[string]time.Time{}
	}
	// The apps of a new installation, and those that no tick has reached for long, are not all due
	// at once again.
	ran, glanced := t.tick, t.tick
	if t.tick.Sub(w.ranLast(t)) > 2*max(t.every, lookAgain) {
		ran, glanced = ran.Add(-spread(w.app.Name, max(t.every, t.again))), ran.Add(-spread(w.app.Name, t.every))
	}
	w.record.Ran[t.name], w.dirty = ran, true
	r, saw := stepResult{Seen: t.found.events}, t.found.saw
	if t.beside == nil {
		r = w.lookInRound(ctx)
		if saw = w.saw; saw != "" && w.seen.At.Before(glanced) && !w.seen.At.IsZero() {
			glanced = w.seen.At // by reads that the round shares
		}
	}
	if delete(w.glances, t.name); saw != "" {
		w.glances[t.name] = Glance{At: glanced, Saw: saw, Until: t.until(w.app, ran)}
	}
	return r
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
			r.Seen[n], w.seen = seen, &seen
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

// until is from when on a task runs with the record again; zero for never. It is not as long for all
// apps, or those that are in step once would stay so.
func (t task) until(app *App, ran time.Time) time.Time {
	if t.again == 0 {
		return time.Time{}
	}
	return ran.Add(t.again - spread(app.Name+"|"+t.name, t.again/3))
}

// spread is a part of a duration that differs from app to app.
func spread(name string, d time.Duration) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(name))
	return d * time.Duration(h.Sum32()%1024) / 1024
}
