package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// wakeupLostAfter is how long after its time a wake-up counts as lost.
const wakeupLostAfter = 10 * time.Second

// Tick looks after the apps that are due: it wakes those whose wake-up was lost, lets channels
// that are behind go on, and runs periodic tasks. To be called every minute. After an error it is
// not known what is due, or the time of this tick could not be kept: what waits for a tick may
// wait for longer.
func (e *Engine) Tick(ctx context.Context) error {
	r := &tour{Engine: e}
	defer r.sent.Wait()
	rows, err := e.Store.ListDue(ctx)
	if err != nil {
		return err
	}
	load, glance := e.turns(rows)
	r.take(ctx, load, glance)
	r.save(ctx)
	e.forget(ctx, rows)
	return wrap(e.Store.Ticked(ctx, e.Now()), "keep the time of the tick")
}

// TickApp does for one app what Tick does for all.
func (e *Engine) TickApp(ctx context.Context, name string) error {
	r := &tour{Engine: e}
	defer r.sent.Wait()
	rows, err := e.Store.ListDue(ctx)
	if err != nil {
		return err
	}
	load, glance := e.turns(rows)
	for _, t := range slices.Concat(load, glance) {
		if t.app.Name == name {
			err = r.turn(ctx, t)
		}
	}
	r.save(ctx)
	return err
}

// LastTick is when the clock last ticked; zero when it never did.
func (e *Engine) LastTick(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return e.Store.LastTick(ctx)
}

func (e *Engine) overdue(app *App, snap Snapshot) bool {
	now, r := e.Now(), snap.Record
	if r.Preflight.Config != app.Fingerprint || r.Lease.Owner != "" || len(snap.Inbox) > 0 {
		return true
	}
	effect, at := r.State.NextEffect(app.Policy, now)
	return (effect != nil || !at.IsZero()) && (r.WakeAt.IsZero() || now.After(r.WakeAt.Add(wakeupLostAfter)))
}

// missed compares the registry with the newest image that was seen, and returns the hash of its
// list where nothing was missed.
func (e *Engine) missed(ctx context.Context, app *App, s release.State) (saw string, err error) {
	if app.Registry == nil || s.LastPush.At.IsZero() && s.Newest.IsZero() {
		return nothing, nil
	}
	images, saw, err := e.newest(ctx, app, s)
	if err != nil {
		return "", err
	}
	if len(images) == 0 || images[0].Digest == s.Newest.Digest {
		return saw, nil
	}
	if app.Policy.Newer != nil && !s.Newest.IsZero() && !app.Policy.Newer(images[0], s.Newest) {
		return saw, nil
	}
	id := PushIdentity(app.Repository, images[0], images[0].PushedAt.UTC().Format(time.RFC3339))
	fresh, err := e.Accept(ctx, app.Name, PushEntry(id, images[0], e.Now()))
	if fresh {
		e.Log.Info("found a push whose event was lost", "app", app.Name, "image", images[0].String())
		return "", err
	}
	return saw, err
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

// Push is one push to a repository, whose apps share the question to the registry.
type Push struct {
	engine *Engine
	event  string
	image  release.Image
	mu     sync.Mutex
	asked  map[string]func() error // by the repository as an app names it
}

// Push begins a push. The event's id is the same for each of its deliveries.
func (e *Engine) Push(event string, i release.Image) *Push {
	return &Push{engine: e, event: event, image: i, asked: map[string]func() error{}}
}

// Accept accepts the pushed image for an app of the repository. The event is a hint: the registry is
// asked once what its tag names. Errors: ErrNotAnImage, or ErrNotPushed, where the registry knows no
// such push; any other means that it is to be delivered again.
func (p *Push) Accept(ctx context.Context, name string) (bool, error) {
	e := p.engine
	app, ok := e.apps[name]
	if !ok {
		return false, fmt.Errorf("app %q: %w", name, ErrNotFound)
	}
	if err := p.known(ctx, app); err != nil {
		return false, err
	}
	return e.Accept(ctx, name, PushEntry(PushIdentity(app.Repository, p.image, p.event), p.image, e.Now()))
}

func (p *Push) known(ctx context.Context, app *App) error {
	if app.Registry == nil { // an app that is not served
		return nil
	}
	p.mu.Lock()
	ask := p.asked[app.Repository]
	if ask == nil {
		ask = sync.OnceValue(func() error { return p.engine.known(ctx, app, p.image) })
		p.asked[app.Repository] = ask
	}
	p.mu.Unlock()
	return ask()
}

// known is nil when the registry has the image under its tag.
func (e *Engine) known(ctx context.Context, app *App, i release.Image) error {
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
