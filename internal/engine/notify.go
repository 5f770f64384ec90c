package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// Channel is one receiver of what becomes of an app's releases. Kinds are those of the facts
// that it gets; what needs an operator it always gets.
type Channel struct {
	Name     string
	Notifier Notifier
	Kinds    []release.FactKind
	// Heir is set for the channel that goes on with what an earlier version of bluegreen has
	// left in its outbox.
	Heir bool
}

func (c Channel) reports(k release.FactKind) bool {
	return k == release.NeedsHelp || slices.Contains(c.Kinds, k)
}

const (
	// sendTime bounds one message, whatever a receiver does.
	sendTime = 20 * time.Second
	// claimTime is for how long a process claims a channel of an app: until it saves the outcome.
	claimTime = sendTime + 25*time.Second
	// roundTime is for how long one delivery begins messages; a later tick goes on.
	roundTime = 15 * time.Second
	// page is how many facts of the history are read at once.
	page = 20
	// giveUpAfter is how old a fact is before a channel that fails does without it.
	giveUpAfter = 72 * time.Hour
	// passAfter is how long a channel is refused a message before the next one is tried.
	passAfter = 10 * time.Minute
	// firstPause doubles with each failure up to longestPause; a receiver may ask for up to mostPause.
	firstPause, longestPause, mostPause = 50 * time.Second, 5 * time.Minute, time.Hour
)

// progress is how far each configured channel of the app is.
func (a *App) progress(snap Snapshot) (all []Progress) {
	for _, c := range a.Channels {
		if p, ok := find(snap, c.Name); ok {
			all = append(all, p)
		}
	}
	return all
}

func find(snap Snapshot, channel string) (Progress, bool) {
	at := slices.IndexFunc(snap.Channels, func(p Progress) bool { return p.Name == channel })
	if at < 0 {
		return Progress{}, false
	}
	return snap.Channels[at], true
}

// behind reports whether a channel of the app may have something to deliver.
func behind(a *App, snap Snapshot) bool {
	return slices.ContainsFunc(a.progress(snap), func(p Progress) bool { return p.Done < snap.Record.State.Facts })
}

// begin is where the channels begin that this app never had: at the facts of the commit that
// begins them.
func (w *worker) begin() (begun []Progress) {
	for _, c := range w.app.Channels {
		if _, known := find(w.snap, c.Name); known {
			continue
		}
		p := Progress{Name: c.Name, Done: w.snap.Record.State.Facts}
		if c.Heir && w.snap.Outbox > 0 {
			p.Done = w.snap.Outbox - 1
		}
		begun = append(begun, p)
	}
	return begun
}

// publish lets the channels report facts that were saved, beside the work and never in its way.
func (w *worker) publish(ctx context.Context, facts []release.Fact) {
	for _, f := range facts {
		if f.Kind.Published() && len(w.app.Channels) > 0 {
			w.deliver(ctx, w.app, w.sent)
			return
		}
	}
}

// deliver lets each channel of an app go on beside the caller.
func (e *Engine) deliver(ctx context.Context, app *App, sent *sync.WaitGroup) {
	for _, c := range app.Channels {
		work := func() { e.deliverTo(context.WithoutCancel(ctx), app, c) }
		if e.Beside != nil {
			e.Beside(work)
		} else {
			sent.Go(work)
		}
	}
}

// deliverTo lets a channel of an app go on, once at a time in this process.
func (e *Engine) deliverTo(ctx context.Context, app *App, c Channel) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	key := app.Name + "|" + c.Name
	for mine := e.sends(key); mine; mine = e.sendsMore(ctx, key) {
		if err := e.round(ctx, app, c); err != nil && !errors.Is(err, ErrChanged) {
			e.Log.Warn("a delivery is left to a later tick", "app", app.Name, "channel", c.Name, "error", err)
		}
	}
}

// sends reports whether a delivery may begin: none is under way, or else that one goes on.
func (e *Engine) sends(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, under := e.sending[key]
	e.sending[key] = under
	return !under
}

// sendsMore reports whether facts came during a delivery; otherwise it is over.
func (e *Engine) sendsMore(ctx context.Context, key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sending[key] && ctx.Err() == nil {
		e.sending[key] = false
		return true
	}
	delete(e.sending, key)
	return false
}

// round delivers what a channel of an app has not got, unless another process does so or it is
// to rest after a failure.
func (e *Engine) round(ctx context.Context, app *App, c Channel) error {
	for ctx.Err() == nil {
		snap, err := e.Store.Load(ctx, app.Name)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		p, ok := find(snap, c.Name)
		if now := e.Now(); !ok || p.Done >= snap.Record.State.Facts || now.Before(p.Until) || now.Before(p.Next) {
			return nil
		}
		facts, err := e.since(ctx, app.Name, p.Done, snap.Record.State.Facts)
		if err != nil {
			return err
		}
		d := delivery{Engine: e, app: app, channel: c, snap: snap, p: p}
		if more, err := d.run(ctx, facts); !more || err != nil {
			return err
		}
	}
	return nil
}

// since are the first facts after a number, oldest first. What is swept is left out.
func (e *Engine) since(ctx context.Context, app string, done, last int) ([]release.Fact, error) {
	facts, err := e.Store.History(ctx, app, page, min(done+page, last)+1)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	facts = slices.DeleteFunc(facts, func(f release.Fact) bool { return f.Number <= done })
	slices.Reverse(facts)
	return facts, nil
}

// delivery is one page of facts for one channel of an app.
type delivery struct {
	*Engine
	app     *App
	channel Channel
	snap    Snapshot
	p       Progress
}

// run delivers facts, oldest first, and reports whether there may be more to do. A message
// that the receiver refuses for long is passed over once it takes a later one.
func (d *delivery) run(ctx context.Context, facts []release.Fact) (more bool, err error) {
	end := min(d.p.Done+page, d.snap.Record.State.Facts)
	reported := slices.DeleteFunc(slices.Clone(facts), func(f release.Fact) bool { return !d.channel.reports(f.Kind) })
	if len(reported) > 0 {
		if err := d.claim(ctx); err != nil {
			return false, err
		}
	}
	var refused []int
	var refusal error
	for _, f := range reported {
		if ctx.Err() != nil {
			return false, d.leave(ctx)
		}
		err := d.send(ctx, f)
		switch {
		case err == nil:
			d.giveUp(refused)
			refused = nil
			if err := d.succeeded(ctx, f.Number); err != nil {
				return false, err
			}
		case errors.Is(err, ErrRefused) && d.refusing():
			refused, refusal = append(refused, f.Number), err
		default:
			return false, d.failed(ctx, reported, err)
		}
	}
	if len(refused) > 0 {
		return false, d.failed(ctx, reported, refusal)
	}
	d.p.Done = end
	return true, d.leave(ctx)
}

// refusing reports whether the channel has failed for so long that the message after one that is
// refused is tried.
func (d *delivery) refusing() bool {
	return !d.p.Failing.IsZero() && d.Now().Sub(d.p.Failing) >= passAfter
}

func (d *delivery) claim(ctx context.Context) error {
	d.p.Until = d.Now().Add(claimTime)
	return d.save(ctx)
}

// save has a time of its own: what was delivered is saved, or it is delivered again.
func (d *delivery) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
	defer cancel()
	p, err := d.Store.Advance(ctx, d.app.Name, d.p)
	if err != nil {
		return fmt.Errorf("save how far the channel is: %w", err)
	}
	d.p = p
	return nil
}

// send delivers one message. It is not cut off by the end of the round: it could have arrived.
func (d *delivery) send(ctx context.Context, f release.Fact) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // here it would end the process
			d.Log.Error("deliver", "app", d.app.Name, "channel", d.channel.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("a mistake in bluegreen: %v", p)
		}
	}()
	m := Message{
		App: d.app.Name, Fact: f, Status: release.StatusOf(d.snap.Record.State, d.app.Policy, d.Now()),
		Colors: release.ColorTexts(d.snap.Record.State),
	}
	if d.Address != "" {
		m.Link = d.Address + "/api/ui/apps/" + d.app.Name
	}
	return d.channel.Notifier.Notify(ctx, m)
}

func (d *delivery) succeeded(ctx context.Context, number int) error {
	if !d.p.Failing.IsZero() {
		d.Log.Info("a channel works again", "app", d.app.Name, "channel", d.channel.Name, "failing", d.p.Failing)
	}
	d.p = Progress{Name: d.p.Name, Version: d.p.Version, Done: number, Until: d.Now().Add(claimTime), GivenUp: d.p.GivenUp}
	return d.save(ctx)
}

// failed saves why the channel fails and when it is tried again. Facts that are too old by now
// are given up.
func (d *delivery) failed(ctx context.Context, facts []release.Fact, err error) error {
	now, old := d.Now(), []int(nil)
	for _, f := range facts {
		if f.Number > d.p.Done && now.Sub(f.At) > giveUpAfter {
			old = append(old, f.Number)
		}
	}
	d.giveUp(old)
	if d.p.Failing.IsZero() {
		d.p.Failing = now
	}
	pause := min(firstPause<<min(d.p.Tries, 10), longestPause)
	var later Later
	if errors.As(err, &later) {
		pause = min(max(pause, later.After), mostPause)
	}
	d.p.Why, d.p.Next, d.p.Tries = shortText(err), now.Add(pause), d.p.Tries+1
	d.Log.Warn("a channel fails; what it did not get is delivered later", "app", d.app.Name, "channel", d.channel.Name, "failing", d.p.Failing, "error", err)
	return d.leave(ctx)
}

// leave gives the claim back.
func (d *delivery) leave(ctx context.Context) error {
	d.p.Until = time.Time{}
	return d.save(ctx)
}

// giveUp passes over facts, which the channel never gets.
func (d *delivery) giveUp(numbers []int) {
	for _, n := range numbers {
		d.Log.Error("a channel never gets an outcome: it is given up", "app", d.app.Name, "channel", d.channel.Name, "fact", n, "error", d.p.Why)
		d.p.Done = max(d.p.Done, n)
	}
	d.p.GivenUp += len(numbers)
}

// mostWhy is how long the reason of a failure may be, in bytes.
const mostWhy = 500

// shortText is an error as it is kept: short, in one line, and without secrets.
func shortText(err error) string {
	text := strings.Join(strings.Fields(release.WithoutSecrets(err.Error())), " ")
	if len(text) > mostWhy {
		text = strings.ToValidUTF8(text[:mostWhy], "") + "…"
	}
	return strings.ToValidUTF8(text, "")
}
