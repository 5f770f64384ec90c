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
	var all sync.WaitGroup
	free := make(chan struct{}, 8)
	for _, name := range e.names {
		free <- struct{}{} // before it begins: of many apps, few are in the middle of their work
		all.Go(func() {
			if err := e.resume(ctx, name, free); err != nil && ctx.Err() == nil {
				e.Log.Warn("what an ended worker may have left waits for the clock tick", "app", name, "error", err)
			}
		})
	}
	all.Wait()
}

// resume sends one wake-up, and none where the claim is given back. It begins with a place in free.
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
		if err := e.Sleep(ctx, left); err != nil {
			return err
		}
		if !e.Now().Before(end) {
			return nil
		}
	}
}
