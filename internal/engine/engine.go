// Package engine is the loop around the core: an event is put durably into its app's
// inbox; one worker at a time loads the app, lets the core decide, saves the decision,
// and then makes true what the saved state owes. Save first, act second; whatever is
// done may be done again. The ports that it needs are declared here.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// App is one configured app with the adapters that act for it.
type App struct {
	Name      string
	Policy    release.Policy
	Gateway   Gateway
	Workloads Workloads
	Prober    Prober
	Registry  Registry // nil: tags cannot be resolved and missed pushes are not looked for
	// Repository is "registry/repository", the identity of what is pushed for the app.
	Repository string
	// Checks are made on the idle color before a switch, Confirm through the public address
	// after it and during the bake. In URL, header values and Contains, {color}, {digest}
	// and {tag} stand for those of the release.
	Checks  []Check
	Confirm []Check
	// Job names a CronJob that is run once as a further check; "" for none.
	Job string
	// Fingerprint changes with the app's configuration: its resources are then checked again.
	Fingerprint string
	// Problems are sentences that keep the app from being served.
	Problems []string
}

// Options are what an Engine needs. Now, Sleep and Log have defaults.
type Options struct {
	Store    Store
	Wakeups  Wakeups
	Notifier Notifier // nil: nobody is told
	Apps     []App
	Log      *slog.Logger
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error
	// Lease is how long a worker's claim lasts unless renewed; 60 s by default. A gateway
	// write is only begun when the claim outlasts it.
	Lease time.Duration
	// Budget bounds one Step; 4 minutes by default, well under the function timeout.
	Budget time.Duration
	// Look is how long a worker watches before it looks at the inbox again; 1 s by default.
	Look time.Duration
	// Name distinguishes this process's workers in records; random by default.
	Name string
}

// Engine serves a set of apps. It keeps no state of theirs in memory.
type Engine struct {
	Options
	apps  map[string]*App
	names []string

	mu    sync.Mutex
	later map[string]time.Time // wake-ups sent for apps that another worker holds
	steps int
}

// New makes an engine. App names must be unique.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notifier == nil {
		o.Notifier = silence{}
	}
	o.Lease = orDefault(o.Lease, time.Minute)
	o.Budget = orDefault(o.Budget, 4*time.Minute)
	o.Look = orDefault(o.Look, time.Second)
	if o.Name == "" {
		o.Name = fmt.Sprintf("%08x", rand.Uint32())
	}
	e := &Engine{Options: o, apps: map[string]*App{}, later: map[string]time.Time{}}
	for i := range o.Apps {
		e.apps[o.Apps[i].Name] = &o.Apps[i]
		e.names = append(e.names, o.Apps[i].Name)
	}
	slices.Sort(e.names)
	return e
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	kindPush    = "image-pushed"
	kindAlert   = "alert-fired"
	kindCommand = "command"
)

// PushEntry is the inbox entry of a pushed image; id is the push's identity, the same for
// every delivery and replica of it.
func PushEntry(id string, i release.Image, now time.Time) (Entry, error) {
	return entry("push|"+id, kindPush, release.ImagePushed{Image: i}, now)
}

// AlertEntry is the inbox entry of an alert; id is the alert's identity.
func AlertEntry(id string, a release.AlertFired, now time.Time) (Entry, error) {
	return entry("alert|"+id, kindAlert, a, now)
}

// CommandEntry is the inbox entry of a person's command; key is its idempotency key.
func CommandEntry(key string, c release.Commanded, now time.Time) (Entry, error) {
	return entry("command|"+key, kindCommand, c, now)
}

func entry(id, kind string, event release.Event, now time.Time) (Entry, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return Entry{}, fmt.Errorf("encode %s: %w", kind, err)
	}
	return Entry{ID: id, Kind: kind, Event: data, At: now}, nil
}

// Decode returns the event of an entry.
func Decode(e Entry) (release.Event, error) {
	switch e.Kind {
	case kindPush:
		return as[release.ImagePushed](e)
	case kindAlert:
		return as[release.AlertFired](e)
	case kindCommand:
		return as[release.Commanded](e)
	}
	return nil, fmt.Errorf("no event of kind %q is known", e.Kind)
}

func as[E release.Event](e Entry) (release.Event, error) {
	var event E
	if err := json.Unmarshal(e.Event, &event); err != nil {
		return nil, fmt.Errorf("decode %s: %w", e.Kind, err)
	}
	return event, nil
}

// Accept puts an entry into the app's inbox and wakes the app. It reports whether the
// entry was new. Once it has returned without an error the entry cannot be lost.
func (e *Engine) Accept(ctx context.Context, app string, entry Entry) (bool, error) {
	if _, ok := e.apps[app]; !ok {
		return false, fmt.Errorf("app %q: %w", app, ErrNotFound)
	}
	fresh, err := e.Store.Accept(ctx, app, entry)
	if err != nil || !fresh {
		return false, wrap(err, "accept %s for %s", entry.ID, app)
	}
	if err := e.Wakeups.Wake(ctx, app, e.Now()); err != nil {
		e.Log.Warn("wake-up not sent: the clock tick will find the event", "app", app, "error", err)
	}
	return true, nil
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// Step works on an app until nothing is owed any more or the budget is used up. It
// returns nil as well when another worker holds the app.
func (e *Engine) Step(ctx context.Context, app string) error {
	return e.step(ctx, app, e.Budget, false)
}

// HeadStart works on an app like Step, but for a short time: for callers that wait.
func (e *Engine) HeadStart(ctx context.Context, app string, budget time.Duration) error {
	return e.step(ctx, app, budget, false)
}

func (e *Engine) step(ctx context.Context, name string, budget time.Duration, look bool) error {
	app, ok := e.apps[name]
	if !ok {
		e.Log.Warn("an app that is not configured was to be worked on: dropped", "app", name)
		return nil
	}
	if len(app.Problems) > 0 {
		return nil
	}
	e.mu.Lock()
	e.steps++
	owner := fmt.Sprintf("%s/%d", e.Name, e.steps)
	e.mu.Unlock()
	w := &worker{Engine: e, app: app, owner: owner, end: e.Now().Add(budget), look: look}
	err := w.run(ctx)
	w.sent.Wait()
	if errors.Is(err, errTaken) || errors.Is(err, ErrFenced) {
		return nil
	}
	return wrap(err, "work on %s", name)
}

// comeBack wakes the app when the lease that another worker holds could have ended; once
// for each such time, however many messages meet it.
func (e *Engine) comeBack(ctx context.Context, app string, at time.Time) error {
	e.mu.Lock()
	known := e.later[app].Equal(at)
	e.mu.Unlock()
	if known {
		return nil
	}
	if err := e.Wakeups.Wake(ctx, app, at.Add(time.Second)); err != nil {
		return err
	}
	e.mu.Lock()
	e.later[app] = at
	e.mu.Unlock()
	return nil
}

// silence tells nobody, so that nothing piles up in the outbox.
type silence struct{}

func (silence) Notify(context.Context, string, []release.Fact) error { return nil }
