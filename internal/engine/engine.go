// Package engine is the loop around the core: an event is put durably into its app's
// inbox; one worker at a time loads the app, lets the core decide, saves the decision,
// and then carries out the pending effects of the saved state. Save first, act second;
// every step may be repeated. The ports that it needs are declared here.
package engine

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"bluegreen/internal/release"
	"bluegreen/internal/round"
)

// App is one configured app with the adapters that act for it.
type App struct {
	Name      string
	Policy    release.Policy
	Gateway   Gateway
	Workloads Workloads
	Registry  Registry // nil: tags cannot be resolved and missed pushes are not looked for
	// Repository is "registry/repository", the identity of what is pushed for the app.
	Repository string
	// Before are the checks of the idle color before a switch, in order. A check that is to
	// pass several times in a row is listed as often.
	Before []Check
	// During confirms a switch on the data path, and goes on during the bake.
	During []Check
	// Fingerprint changes with the app's configuration: its resources are then checked again.
	Fingerprint string
	// Channels get what became of the app's releases.
	Channels []Channel
	// Problems are sentences that keep the app from being served.
	Problems []string
	// Warnings are sentences about its configuration, which works and may not be meant.
	Warnings []string
	// Held are sentences that keep releases from starting: the mistakes of a configuration in
	// whose place this earlier one serves. What runs goes on, and alerts return traffic.
	Held []string
	// Unusable are sentences that keep releases from starting as well: what the configuration
	// names and cannot be used, such as a setting that is not set.
	Unusable []string
}

// held are all sentences that keep releases from starting.
func (a *App) held() []string { return append(slices.Clone(a.Held), a.Unusable...) }

// Options are what an Engine needs. Store, Wakeups and Apps are required.
type Options struct {
	Store   Store
	Wakeups Wakeups
	Apps    []App
	Log     *slog.Logger
	Now     func() time.Time
	Sleep   func(ctx context.Context, d time.Duration) error
	// Lease is how long a worker's claim lasts unless renewed; 60 s by default. A gateway
	// write is only begun when the claim outlasts it.
	Lease time.Duration
	// Budget bounds one Step; 4 minutes by default, well under the function timeout.
	Budget time.Duration
	// Poll is how long a worker watches before it looks at the inbox again; 1 s by default.
	Poll time.Duration
	// Random returns a name that nobody can guess; by default of 128 bits or more, from the system.
	Random func() string
	// Name distinguishes this process's workers in records; random by default.
	Name string
	// Address is where this app is reached, https://HOST, for links; "" where that is not known.
	Address string
	// Beside starts work that no other waits for; in a goroutine by default.
	Beside func(work func())
	// Examinations are those of what all apps share.
	Examinations []Examination
}

// Engine serves a set of apps. It keeps no state of theirs in memory.
type Engine struct {
	Options
	apps  map[string]*App
	names []string

	mu      sync.Mutex
	later   map[string]time.Time // wake-ups sent for apps that another worker holds
	sending map[string]bool      // deliveries under way, by app and channel; true when facts came meanwhile
	workers int

	examining singleflight.Group // by app
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
	o.Lease = orDefault(o.Lease, time.Minute)
	o.Budget = orDefault(o.Budget, 4*time.Minute)
	o.Poll = orDefault(o.Poll, time.Second)
	if o.Random == nil {
		o.Random = func() string { return strings.ToLower(crand.Text()) }
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("%08x", rand.Uint32())
	}
	e := &Engine{Options: o, apps: map[string]*App{}, later: map[string]time.Time{}, sending: map[string]bool{}}
	for i := range o.Apps {
		for _, list := range []*[]string{&o.Apps[i].Problems, &o.Apps[i].Warnings, &o.Apps[i].Held} {
			*list = withoutSecrets(*list)
		}
		e.apps[o.Apps[i].Name] = &o.Apps[i]
		e.names = append(e.names, o.Apps[i].Name)
	}
	slices.Sort(e.names)
	return e
}

func withoutSecrets(list []string) []string {
	var out []string
	for _, text := range list {
		out = append(out, release.WithoutSecrets(text))
	}
	return out
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

// longestID is the most bytes that the identity of an entry has.
const longestID = 400

// PushEntry is the inbox entry of a pushed image; id is the push's identity, the same for
// every delivery and replica of it.
func PushEntry(id string, i release.Image, now time.Time) Entry {
	return newEntry("push|"+id, release.ImagePushed{Image: i}, now)
}

// AlertEntry is the inbox entry of an alert; id is the alert's identity.
func AlertEntry(id string, a release.AlertFired, now time.Time) Entry {
	return newEntry("alert|"+id, a, now)
}

// ResolvedEntry is the inbox entry of the end of an alert; id is that of the alert.
func ResolvedEntry(id string, a release.AlertResolved, now time.Time) Entry {
	return newEntry("alert|"+id+"|resolved", a, now)
}

// CommandEntry is the inbox entry of a command; key is its idempotency key.
func CommandEntry(key string, c release.Commanded, now time.Time) Entry {
	return newEntry("command|"+key, c, now)
}

// newEntry makes an entry whose texts fit. Too long an identity is cut, and its hash keeps it
// distinct.
func newEntry(id string, e release.Event, now time.Time) Entry {
	if len(id) > longestID {
		hash := sha256.Sum256([]byte(id))
		id = strings.ToValidUTF8(id[:longestID-2*len(hash)-1], "") + "~" + hex.EncodeToString(hash[:])
	}
	return Entry{ID: id, Event: release.Bounded(e), At: now}
}

// Accept puts an entry into the app's inbox and wakes the app. It reports whether the
// entry was new. Once it has returned without an error the entry cannot be lost.
func (e *Engine) Accept(ctx context.Context, app string, entry Entry) (bool, error) {
	if _, ok := e.apps[app]; !ok {
		return false, fmt.Errorf("app %q: %w", app, ErrNotFound)
	}
	fresh, err := e.Store.Accept(ctx, app, entry)
	if err != nil {
		return false, fmt.Errorf("accept %s for %s: %w", entry.ID, app, err)
	}
	if fresh {
		if err := e.Wakeups.Wake(ctx, app, e.Now()); err != nil {
			e.Log.Warn("wake-up not sent: the clock tick will find the event", "app", app, "error", err)
		}
	}
	// After the entry: a tick that has not seen it cannot take this mark away. For a duplicate too:
	// whoever has stored it may have died before this. After the wake-up: an alert waits for none.
	if _, err := e.Store.Mark(ctx, app); err != nil {
		return false, fmt.Errorf("accept %s for %s: %w", entry.ID, app, err)
	}
	return fresh, nil
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// Step works on an app until no effect is pending or the budget is used up; 0 stands for
// Options.Budget. It returns nil as well when another worker holds the app.
func (e *Engine) Step(ctx context.Context, app string, budget time.Duration) error {
	var sent sync.WaitGroup
	defer sent.Wait()
	return e.work(ctx, app, orDefault(budget, e.Budget), &sent)
}

// work makes a worker of this process work on an app. It does not wait for the deliveries that
// it adds to sent.
func (e *Engine) work(ctx context.Context, name string, budget time.Duration, sent *sync.WaitGroup) error {
	app, ok := e.apps[name]
	if !ok {
		e.Log.Warn("wake-up for an app that is not configured: dropped", "app", name)
		return nil
	}
	if len(app.Problems) > 0 {
		return nil
	}
	return e.worker(app, budget, sent).do(ctx)
}

func (e *Engine) worker(app *App, budget time.Duration, sent *sync.WaitGroup) *worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.workers++
	return &worker{Engine: e, app: app, owner: fmt.Sprintf("%s/%d", e.Name, e.workers), end: e.Now().Add(budget), sent: sent, glances: map[string]Glance{}}
}

// do runs the worker. That another one has the app is no error.
func (w *worker) do(ctx context.Context) error {
	w.round = round.Of(ctx)
	err := w.run(round.Without(ctx))
	if errors.Is(err, errTaken) || errors.Is(err, ErrFenced) {
		return nil
	}
	if err != nil {
		w.giveBack(ctx)
	}
	return wrap(err, "work on %s", w.app.Name)
}

// comeBack wakes the app when the lease that another worker holds could have ended; once
// for each such time, however many messages meet it.
func (e *Engine) comeBack(ctx context.Context, app string, at time.Time) error {
	e.mu.Lock()
	before := e.later[app]
	known := !before.Before(at)
	if !known {
		e.later[app] = at
	}
	e.mu.Unlock()
	if known {
		return nil
	}
	err := e.Wakeups.Wake(ctx, app, at.Add(time.Second))
	if err != nil {
		e.mu.Lock()
		e.later[app] = before
		e.mu.Unlock()
	}
	return err
}
