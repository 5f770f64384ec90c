package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Resume wakes the apps that workers of an ended process have left in the middle of their
// work, when their claims end. To be called when a process starts: the messages of those
// workers stay hidden for minutes, and the clock tick may be as late. It looks for twice as long
// as a claim lasts, since a process that is stopped goes on with its work for a while.
func (e *Engine) Resume(ctx context.Context) {
	rows, err := e.Store.ListDue(ctx)
	if err != nil {
		e.Log.Warn("what an ended worker may have left waits for the clock tick", "error", err)
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, 8)
	for _, d := range rows {
		app := e.apps[d.App]
		if app == nil || len(app.Problems) > 0 || !e.mayBeClaimed(app, d) {
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			if err := e.resume(ctx, d.App, free); err != nil && ctx.Err() == nil {
				e.Log.Warn("what an ended worker may have left waits for the clock tick", "app", d.App, "error", err)
			}
		})
	}
}

// mayBeClaimed by the row of an app: who claims it has marked it, unless an effect was pending, by its
// wake-up, or by another configuration than the row's.
func (e *Engine) mayBeClaimed(app *App, d Due) bool {
	return d.Marked || d.Config != app.Fingerprint || !e.Now().Before(d.At.Add(-wakeupLostAfter))
}

// resume sends one wake-up, and none where the claim is given back. It begins with a place in free,
// and has none while it waits.
func (e *Engine) resume(ctx context.Context, name string, free chan struct{}) error {
	for end := e.Now().Add(2 * e.Lease); ; free <- struct{}{} {
		snap, err := e.Store.Load(ctx, name)
		<-free
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if why := unusable(snap.Record); why != "" {
			return errors.New(why)
		}
		l := snap.Record.Lease
		if l.Owner == "" {
			return nil
		}
		left := l.Until.Sub(e.Now())
		if left <= 0 {
			return wrap(e.Wakeups.Wake(ctx, name, e.Now()), "wake")
		}
		if err := e.Sleep(ctx, left); err != nil || !e.Now().Before(end) {
			return err
		}
	}
}
