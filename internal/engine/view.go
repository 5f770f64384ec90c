package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bluegreen/internal/release"
)

// View is what is known of an app, for people.
type View struct {
	App      string
	State    release.State
	Policy   release.Policy
	Status   release.Status
	Problems []string
	Pending  int  // accepted events not decided yet
	Busy     bool // a worker holds the app
	WakeAt   time.Time
	SavedAt  time.Time  // zero for a record that an earlier version has written
	Channels []Progress // of the configured channels that have begun
}

// readTime bounds a read of the state: its caller waits for the answer.
const readTime = 10 * time.Second

// Apps returns the names of the configured apps, sorted.
func (e *Engine) Apps() []string { return e.names }

// View reads an app. Errors: ErrNotFound.
func (e *Engine) View(ctx context.Context, name string) (View, error) {
	return e.view(ctx, name, e.seenAgain)
}

const (
	// abreast is how many apps are read at once.
	abreast = 16
	// listedShare is the part of all apps for which their due rows are listed, a thousand with each
	// request, instead of read one by one.
	listedShare = 20
)

// Views reads apps, until ctx ends: each has its view or its error, as of View.
func (e *Engine) Views(ctx context.Context, names []string) ([]View, []error) {
	views, errs := make([]View, len(names)), make([]error, len(names))
	seen := e.seenAgain
	if len(names) > 1 && len(names)*listedShare >= len(e.names) {
		// Before the records: a row is of its record, or of an earlier one.
		if rows, err := e.Store.ListDue(ctx); err == nil {
			settled := make(map[string]Due, len(rows))
			for _, d := range rows {
				settled[d.App] = d
			}
			seen = func(_ context.Context, app *App, snap *Snapshot) error {
				settled[app.Name].seenAgain(snap)
				return nil
			}
		}
	}
	var all errgroup.Group
	all.SetLimit(abreast)
	for n, name := range names {
		all.Go(func() error {
			views[n], errs[n] = e.view(ctx, name, seen)
			return nil
		})
	}
	_ = all.Wait() // errors are in errs
	return views, errs
}

func (e *Engine) view(ctx context.Context, name string, seenAgain func(context.Context, *App, *Snapshot) error) (View, error) {
	app, ok := e.apps[name]
	if !ok {
		return View{}, fmt.Errorf("app %q: %w", name, ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	snap, err := e.Store.Load(ctx, name)
	if err != nil {
		return View{}, fmt.Errorf("load %s: %w", name, err)
	}
	if err := seenAgain(ctx, app, &snap); err != nil {
		return View{}, err
	}
	r := snap.Record
	v := View{
		App: name, State: r.State, Policy: app.Policy, WakeAt: r.WakeAt, SavedAt: r.SavedAt, Pending: len(snap.Inbox),
		Problems: append(append([]string(nil), app.Problems...), r.Preflight.Warnings...),
		Busy:     r.Lease.Owner != "" && e.Now().Before(r.Lease.Until),
		Status:   release.StatusOf(r.State, app.Policy, e.Now()),
		Channels: app.progress(snap),
	}
	v.State.App = name
	for _, p := range v.Channels {
		if !p.Failing.IsZero() { // nobody is called for a chat that is away
			v.Status.Trouble = strings.Trim(v.Status.Trouble+"; "+p.String(), "; ")
		}
	}
	if why := unusable(r); why != "" {
		v.Problems = append(v.Problems, why)
		v.Status.Ask(release.Need{Why: "not served: " + why})
	}
	if len(app.Held) > 0 {
		v.Problems = append(v.Problems, app.Held...)
		v.Status.Held = append(v.Status.Held, "served with its last good configuration; no release starts until the present one is fixed")
		v.Status.Ask(release.Need{Why: "its configuration has a mistake: " + strings.Join(app.Held, "; ")})
	}
	if len(app.Unusable) > 0 {
		v.Problems = append(v.Problems, app.Unusable...)
		v.Status.Held = append(v.Status.Held, "no release starts until what its configuration names can be used")
		v.Status.Ask(release.Need{Why: "what its configuration names cannot be used: " + strings.Join(app.Unusable, "; ")})
	}
	if len(app.Problems) > 0 {
		v.Status.Ask(release.Need{Why: "not served because of its configuration: " + strings.Join(app.Problems, "; ")})
	}
	return v, nil
}

// ConfigProblems returns the sentences that keep an app from being served.
func (e *Engine) ConfigProblems(name string) []string {
	if app, ok := e.apps[name]; ok {
		return app.Problems
	}
	return nil
}

// ConfigHeld returns the sentences that keep an app's releases from starting.
func (e *Engine) ConfigHeld(name string) []string {
	if app, ok := e.apps[name]; ok {
		return app.held()
	}
	return nil
}

// History returns facts of an app, newest first. Errors: ErrNotFound.
func (e *Engine) History(ctx context.Context, app string, limit, before int) ([]release.Fact, error) {
	if _, ok := e.apps[app]; !ok {
		return nil, fmt.Errorf("app %q: %w", app, ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	facts, err := e.Store.History(ctx, app, limit, before)
	return facts, wrap(err, "read the history of %s", app)
}

// headStart is how long a command's caller may be kept for the first steps.
const headStart = 2 * time.Second

// Command accepts a command under its idempotency key, takes the first steps where the app
// is free, and returns the entry, decided or pending. Errors: ErrNotFound.
func (e *Engine) Command(ctx context.Context, app string, c release.Commanded, key string) (Entry, error) {
	entry := CommandEntry(key, c, e.Now())
	fresh, err := e.Accept(ctx, app, entry)
	if err != nil {
		return Entry{}, err
	}
	if fresh {
		if err := e.work(context.WithoutCancel(ctx), app, headStart, new(sync.WaitGroup)); err != nil {
			e.Log.Warn("first steps not taken, the queue goes on", "app", app, "error", err)
		}
	}
	return e.Accepted(ctx, app, entry.ID)
}

// Accepted returns an accepted entry with its decision. Errors: ErrNotFound.
func (e *Engine) Accepted(ctx context.Context, app, id string) (Entry, error) {
	if _, ok := e.apps[app]; !ok {
		return Entry{}, fmt.Errorf("app %q: %w", app, ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	entry, err := e.Store.Accepted(ctx, app, id)
	return entry, wrap(err, "read what became of %s", id)
}

// Resolve returns the image that a tag or digest names. Errors: ErrNotFound, ErrNotAnImage.
func (e *Engine) Resolve(ctx context.Context, name, ref string) (release.Image, error) {
	app, ok := e.apps[name]
	if !ok {
		return release.Image{}, fmt.Errorf("app %q: %w", name, ErrNotFound)
	}
	if app.Registry == nil {
		return release.Image{}, errors.New("no registry can be asked for this app: name the image by its digest")
	}
	i, err := app.Registry.Resolve(ctx, ref)
	return i, wrap(err, "look up %s in %s", ref, app.Repository)
}
