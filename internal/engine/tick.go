package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"golang.org/x/sync/errgroup"

	"bluegreen/internal/release"
)

const (
	// lookEvery and listEvery are in minutes: how often an app at rest is compared with its
	// gateway, and how often the registry is asked for pushes that no event told of.
	lookEvery = 5
	listEvery = 10
	// keep is for how long accepted events and history are kept. Event Grid delivers an
	// event again for at most a day.
	keep = 30 * 24 * time.Hour
	// late is how long after its time a wake-up counts as lost.
	late = 10 * time.Second
)

// Tick wakes what is overdue, sends what is unsent, and looks at what no event tells: a
// gateway changed by hand, a push whose event was lost. To be called every minute.
func (e *Engine) Tick(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, name := range e.names {
		g.Go(func() error {
			if err := e.TickApp(ctx, name); err != nil {
				e.Log.Error("tick", "app", name, "error", err)
			}
			return nil // one app's trouble must not keep the others waiting
		})
	}
	return g.Wait()
}

// TickApp does for one app what Tick does for all.
func (e *Engine) TickApp(ctx context.Context, name string) error {
	app, ok := e.apps[name]
	if !ok || len(app.Problems) > 0 {
		return nil
	}
	snap, err := e.Store.Load(ctx, name)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	now := e.Now()
	r := snap.Record
	if len(snap.Outbox) > 0 {
		e.tell(ctx, name, snap.Outbox)
	}
	if r.Lease.Owner != "" && now.Before(r.Lease.Until) {
		return nil
	}
	minute := int(now.Unix()/60) + phase(name)
	if minute%(60*24) == 0 {
		if err := e.Store.Sweep(ctx, name, now.Add(-keep)); err != nil {
			e.Log.Warn("old rows not deleted", "app", name, "error", err)
		}
	}
	if e.overdue(app, snap) {
		return wrap(e.Wakeups.Wake(ctx, name, now), "wake")
	}
	if minute%listEvery == 0 {
		if err := e.missed(ctx, app, r.State); err != nil {
			e.Log.Warn("missed pushes not looked for", "app", name, "error", err)
		}
	}
	if quiet := !r.State.Release.Phase.Active() || r.State.Release.Phase == release.Awaiting; r.State.Known && quiet && (minute%lookEvery == 0 || !r.State.Drift.IsZero()) {
		return e.step(ctx, name, time.Minute, true)
	}
	return nil
}

// phase spreads the apps over the minutes.
func phase(name string) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % (60 * 24))
}

func (e *Engine) overdue(app *App, snap Snapshot) bool {
	now, r := e.Now(), snap.Record
	if r.Checked != app.Fingerprint || r.Lease.Owner != "" || len(snap.Inbox) > 0 {
		return true
	}
	effect, at := r.State.Owed(app.Policy, now)
	if effect != nil {
		return r.WakeAt.IsZero() || now.After(r.WakeAt.Add(late))
	}
	return !at.IsZero() && (r.WakeAt.IsZero() || now.After(r.WakeAt.Add(late)))
}

// missed compares the registry with the newest image that was seen.
func (e *Engine) missed(ctx context.Context, app *App, s release.State) error {
	if app.Registry == nil || s.Newest.IsZero() {
		return nil
	}
	images, err := app.Registry.Newest(ctx, 1)
	if err != nil || len(images) == 0 || images[0].Digest == s.Newest.Digest {
		return err
	}
	if app.Policy.Newer != nil && !app.Policy.Newer(images[0], s.Newest) {
		return nil
	}
	entry, err := PushEntry(PushIdentity(app.Repository, images[0]), images[0], e.Now())
	if err != nil {
		return err
	}
	fresh, err := e.Accept(ctx, app.Name, entry)
	if fresh {
		e.Log.Info("found a push that no event told of", "app", app.Name, "image", images[0].String())
	}
	return err
}

// PushIdentity is the identity of a push: the same for each delivery, replica and listing.
func PushIdentity(repository string, i release.Image) string {
	return repository + "|" + i.Digest + "|" + i.Tag
}

// Pushed accepts a pushed image for an app, unless the registry says that it is no image.
func (e *Engine) Pushed(ctx context.Context, name string, i release.Image, ambiguous bool) (bool, error) {
	app, ok := e.apps[name]
	if !ok {
		return false, fmt.Errorf("app %q: %w", name, ErrNotFound)
	}
	if ambiguous && app.Registry != nil {
		ask, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if _, err := app.Registry.Resolve(ask, i.Digest); errors.Is(err, ErrNotAnImage) {
			return false, err
		}
	}
	entry, err := PushEntry(PushIdentity(app.Repository, i), i, e.Now())
	if err != nil {
		return false, err
	}
	return e.Accept(ctx, name, entry)
}
