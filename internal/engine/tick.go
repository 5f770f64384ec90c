package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bluegreen/internal/release"
	"bluegreen/internal/round"
)

// wakeupLostAfter is how long after its time a wake-up counts as lost.
const wakeupLostAfter = 10 * time.Second

// due is what one app needs at a tick.
type due struct {
	state  release.State
	behind bool      // a channel has not got all
	wake   bool      // a wake-up was lost, or never sent
	held   time.Time // until when a worker holds the app; it may have died
	tasks  []task    // periodic tasks
}

// Tick wakes the apps whose wake-up was lost, lets channels that are behind go on, and runs
// periodic tasks. To be called every minute. Its error means that not even the time of this tick
// could be kept: what waits for a tick may wait for longer.
func (e *Engine) Tick(parent context.Context) error {
	var sent sync.WaitGroup
	defer sent.Wait()
	g, ctx := errgroup.WithContext(round.With(parent))
	g.SetLimit(8)
	for _, name := range e.names {
		g.Go(func() error {
			defer func() {
				if p := recover(); p != nil { // here it would end the process
					e.Log.Error("tick", "app", name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				}
			}()
			if err := e.tick(ctx, name, &sent); err != nil {
				e.Log.Error("tick", "app", name, "error", err)
			}
			return nil // one app's trouble must not keep the others waiting
		})
	}
	_ = g.Wait() // the error of an app is its own
	return wrap(e.Store.Ticked(parent, e.Now()), "keep the time of the tick")
}

// LastTick is when the clock last ticked; zero when it never did.
func (e *Engine) LastTick(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return e.Store.LastTick(ctx)
}

// TickApp does for one app what Tick does for all.
func (e *Engine) TickApp(ctx context.Context, name string) error {
	var sent sync.WaitGroup
	defer sent.Wait()
	return e.tick(ctx, name, &sent)
}

func (e *Engine) tick(ctx context.Context, name string, sent *sync.WaitGroup) error {
	d, err := e.due(ctx, name)
	if err != nil {
		return err
	}
	if d.behind {
		e.deliver(ctx, e.apps[name], sent)
	}
	if !d.held.IsZero() {
		return wrap(e.comeBack(ctx, name, d.held), "wake when the lease ends")
	}
	if d.wake {
		err = wrap(e.Wakeups.Wake(ctx, name, e.Now()), "wake")
	}
	if len(d.tasks) == 0 {
		return err
	}
	for n := range d.tasks {
		t := &d.tasks[n]
		if t.beside == nil {
			continue
		}
		var err error
		if t.seen, err = t.beside(ctx, e, e.apps[name], d.state); err != nil {
			e.Log.Warn("a periodic task failed", "app", name, "task", t.name, "error", err)
		}
	}
	return errors.Join(err, e.work(ctx, name, time.Minute, d.tasks, sent))
}

// due finds out what an app needs now. It is the only question that a tick asks, and loads
// the app to answer it; an index of the apps that are due could answer as well.
func (e *Engine) due(ctx context.Context, name string) (due, error) {
	app, ok := e.apps[name]
	if !ok || len(app.Problems) > 0 {
		return due{}, nil
	}
	snap, err := e.Store.Load(ctx, name)
	if err != nil {
		return due{}, fmt.Errorf("load: %w", err)
	}
	now, r := e.Now(), snap.Record
	if why := unusable(r); why != "" {
		return due{}, errors.New(why)
	}
	d := due{state: r.State, behind: behind(app, snap)}
	if r.Lease.Owner != "" && now.Before(r.Lease.Until) {
		d.held = r.Lease.Until
		return d, nil
	}
	d.wake = e.overdue(app, snap)
	for _, t := range periodicTasks {
		if t.due(r, now) {
			t.tick = now
			d.tasks = append(d.tasks, t)
		}
	}
	return d, nil
}

func (e *Engine) overdue(app *App, snap Snapshot) bool {
	now, r := e.Now(), snap.Record
	if r.Preflight.Config != app.Fingerprint || r.Lease.Owner != "" || len(snap.Inbox) > 0 {
		return true
	}
	effect, at := r.State.NextEffect(app.Policy, now)
	return (effect != nil || !at.IsZero()) && (r.WakeAt.IsZero() || now.After(r.WakeAt.Add(wakeupLostAfter)))
}

// missed compares the registry with the newest image that was seen.
func (e *Engine) missed(ctx context.Context, app *App, s release.State) error {
	if app.Registry == nil || s.LastPush.At.IsZero() && s.Newest.IsZero() {
		return nil
	}
	images, err := e.newest(ctx, app, s)
	if err != nil || len(images) == 0 || images[0].Digest == s.Newest.Digest {
		return err
	}
	if app.Policy.Newer != nil && !s.Newest.IsZero() && !app.Policy.Newer(images[0], s.Newest) {
		return nil
	}
	id := PushIdentity(app.Repository, images[0], images[0].PushedAt.UTC().Format(time.RFC3339))
	fresh, err := e.Accept(ctx, app.Name, PushEntry(id, images[0], e.Now()))
	if fresh {
		e.Log.Info("found a push whose event was lost", "app", app.Name, "image", images[0].String())
	}
	return err
}

// listed is how many images are listed to find the newest that is not quarantined.
const listed = 5

// PushIdentity is the identity of the source of a push: the event's own id, or
// the time that the registry lists. The core finds out which of them are one push.
func PushIdentity(repository string, i release.Image, source string) string {
	return repository + "|" + i.Digest + "|" + i.Tag + "|" + source
}

const (
	// askTime is how long the registry may take to be asked about one push.
	askTime = 10 * time.Second
	// replication is for how long a replica of the registry may not know a push.
	replication = 10 * time.Minute
)

// Pushed accepts a pushed image for an app. The event is a hint: the registry is asked what its
// tag names. The event's id is the same for each of its deliveries. Errors: ErrNotAnImage, or
// ErrNotPushed, where the registry knows no such push; any other means that it is to be
// delivered again.
func (e *Engine) Pushed(ctx context.Context, name, event string, i release.Image) (bool, error) {
	app, ok := e.apps[name]
	if !ok {
		return false, fmt.Errorf("app %q: %w", name, ErrNotFound)
	}
	if err := e.known(ctx, app, i); err != nil {
		return false, err
	}
	return e.Accept(ctx, name, PushEntry(PushIdentity(app.Repository, i, event), i, e.Now()))
}

// known is nil when the registry has the image under its tag.
func (e *Engine) known(ctx context.Context, app *App, i release.Image) error {
	if app.Registry == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	is, err := app.Registry.Resolve(ctx, i.Tag)
	switch young := e.Now().Sub(i.PushedAt) < replication; {
	case err == nil && is.Digest == i.Digest:
		return nil
	case errors.Is(err, ErrNotFound) && !young:
		return fmt.Errorf("the registry has no %s: %w", i.Tag, ErrNotPushed)
	case err == nil && (!young || is.PushedAt.After(i.PushedAt)):
		return fmt.Errorf("the tag %s names %s: %w", i.Tag, is, ErrNotPushed)
	case err == nil:
		return fmt.Errorf("the registry does not have %s yet", i)
	case errors.Is(err, ErrNotAnImage):
		return err
	}
	return wrap(err, "ask the registry about %s", i)
}
