package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"bluegreen/internal/round"
)

const (
	// beginFor is for how long a round begins turns, and roundFor when all of them end; what was
	// not reached is still due at the next tick.
	beginFor, roundFor = 40 * time.Second, 50 * time.Second
	// turnFor is how long a turn that hangs keeps another from its place.
	turnFor = 3 * time.Second
	// atOnce is how many turns of a kind go on at the same time.
	atOnce = 8
	// saveFor bounds the saving of rows, after the end of a round.
	saveFor = 10 * time.Second
)

// tour is what one tick does.
type tour struct {
	*Engine
	sent sync.WaitGroup // deliveries
	mu   sync.Mutex
	rows []Due // to be saved
}

// take takes all turns, those of each kind in their order. Neither kind waits for the other.
func (r *tour) take(ctx context.Context, kinds ...[]turn) {
	ctx, cancel := context.WithTimeout(round.With(ctx), roundFor)
	defer cancel()
	begin, stop := context.WithTimeout(ctx, beginFor)
	defer stop()
	var all sync.WaitGroup
	for _, turns := range kinds {
		all.Go(func() {
			places := make(chan struct{}, atOnce)
			for n, t := range turns {
				select {
				case places <- struct{}{}:
				case <-begin.Done():
				}
				if begin.Err() != nil {
					r.Log.Warn("the time of a tick is over; the next one goes on", "apps", len(turns)-n)
					return
				}
				all.Go(func() {
					var once sync.Once
					leave := func() { once.Do(func() { <-places }) }
					defer leave()
					defer time.AfterFunc(turnFor, leave).Stop()
					r.alone(ctx, t)
				})
			}
		})
	}
	all.Wait()
}

// alone takes a turn, whose trouble is that of its app alone.
func (r *tour) alone(ctx context.Context, t turn) {
	defer func() {
		if p := recover(); p != nil { // here it would end the process
			r.Log.Error("tick", "app", t.app.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if err := r.turn(ctx, t); err != nil {
		r.Log.Error("tick", "app", t.app.Name, "error", err)
	}
}

func (r *tour) turn(ctx context.Context, t turn) error {
	if len(t.glances) > 0 && r.glance(ctx, t) {
		return nil
	}
	return r.load(ctx, t)
}

// glance lets periodic tasks take a glance at an app, and reports whether they all see the same
// as before.
func (r *tour) glance(ctx context.Context, t turn) bool {
	row := t.row
	row.Glances = maps.Clone(row.Glances)
	now := r.Now()
	for _, task := range t.glances {
		last := row.Glances[task.name]
		if !last.Until.IsZero() && now.After(last.Until) {
			return false
		}
		ctx, shared := round.Of(ctx).Join(ctx, r.Lease)
		if last.Saw != nothing {
			if saw, err := task.glance(ctx, r.Engine, t.app); err != nil || saw != last.Saw {
				return false
			}
		}
		at := now.Add(-shared.Age())
		if now.Sub(last.At) > 2*task.every { // no tick has reached it, nor the others
			at = now.Add(-spread(t.app.Name, task.every))
		}
		row.Glances[task.name] = Glance{At: at, Saw: last.Saw, Until: last.Until}
	}
	r.keep(row)
	return true
}

// load loads an app and does what it needs now.
func (r *tour) load(ctx context.Context, t turn) error {
	snap, err := r.Store.Load(ctx, t.app.Name)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if why := unusable(snap.Record); why != "" {
		return errors.New(why)
	}
	if behind(t.app, snap) {
		r.deliver(ctx, t.app, &r.sent)
	}
	if l := snap.Record.Lease; l.Owner != "" && r.Now().Before(l.Until) {
		return wrap(r.comeBack(ctx, t.app.Name, l.Until), "wake when the lease ends")
	}
	if r.overdue(t.app, snap) {
		err = wrap(r.Wakeups.Wake(ctx, t.app.Name, r.Now()), "wake")
	}
	return errors.Join(err, r.tasks(ctx, t, snap))
}

// tasks runs the periodic tasks that are due, and of an app at rest those of which it is not known
// what a glance is to see.
func (r *tour) tasks(ctx context.Context, t turn, snap Snapshot) error {
	t.row.seenAgain(&snap)
	now, rests := r.Now(), r.rests(t.app, snap)
	w := r.worker(t.app, 0, &r.sent)
	w.record, w.before, w.row = snap.Record, snap.Record.State, t.row
	if t.row.Commit == snap.Record.Commit && t.row.Config == t.app.Fingerprint { // else what was seen may mean another thing
		maps.Copy(w.glances, t.row.Glances)
	}
	var tasks []task
	for _, task := range periodicTasks {
		_, known := w.glances[task.name]
		if w.isDue(task) || rests && task.glance != nil && !known {
			tasks = append(tasks, task)
		}
	}
	if len(tasks) == 0 && rests {
		tasks = []task{lookTask} // the row is settled by a commit
	}
	if len(tasks) == 0 {
		return nil
	}
	for _, task := range tasks {
		task.tick = now
		if task.beside != nil {
			var err error
			if task.found, err = task.beside(ctx, r.Engine, t.app, snap.Record.State); err != nil {
				r.Log.Warn("a periodic task failed", "app", t.app.Name, "task", task.name, "error", err)
			}
		}
		w.tasks = append(w.tasks, task)
	}
	w.end = r.Now().Add(budget(ctx))
	err := w.do(ctx)
	if d, ok := w.settled(); ok {
		r.keep(d)
	}
	return err
}

// budget is how long the worker of a turn works: it gives the app back by itself before the round ends
// and breaks off what it does. In steps, so that a seed repeats a run.
func budget(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return roundFor
	}
	return max(leaseMargin, (time.Until(end) - leaseMargin).Truncate(leaseMargin))
}

func (r *tour) keep(d Due) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, d)
}

// save saves the rows of the apps that this round leaves at rest.
func (r *tour) save(ctx context.Context) {
	if len(r.rows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveFor)
	defer cancel()
	if err := r.Store.Settle(ctx, r.rows); err != nil {
		r.Log.Warn("the next tick looks once more after apps at rest", "error", err)
	}
}

// forget deletes the rows of apps that are not configured any more, some time after they were
// last due. Of a row that was never settled that is not known: it is settled first.
func (e *Engine) forget(ctx context.Context, rows []Due) {
	now := e.Now()
	var old, unknown []Due
	for _, d := range rows {
		switch _, configured := e.apps[d.App]; {
		case configured:
		case d.At.IsZero():
			unknown = append(unknown, Due{App: d.App, Version: d.Version, At: now})
		case now.Sub(d.At) > forgetAfter:
			old = append(old, d)
		}
	}
	if len(old)+len(unknown) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveFor)
	defer cancel()
	if err := errors.Join(e.Store.Settle(ctx, unknown), e.Store.Forget(ctx, old)); err != nil {
		e.Log.Warn("rows of apps that are not configured are kept", "error", err)
	}
}
