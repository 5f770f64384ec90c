package intake

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// placeFor is how long a call keeps another from its place: one that hangs keeps none waiting.
const placeFor = 500 * time.Millisecond

// each calls do with the numbers below n, in so many places at the same time, and returns when all
// have ended, and how many have begun: those after the end of ctx do not.
func each(ctx context.Context, n, places int, do func(int)) (begun int) {
	free := make(chan struct{}, places)
	var all sync.WaitGroup
	defer all.Wait()
	for i := range n {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return i
		}
		all.Go(func() {
			var once sync.Once
			leave := func() { once.Do(func() { <-free }) }
			defer leave()
			defer time.AfterFunc(placeFor, leave).Stop()
			do(i)
		})
	}
	return n
}

// bounded calls f on a goroutine of its own, and gives up when ctx ends: f may hear of no
// deadline, as those do that wait for another's token. A panic of f is its error; on a
// goroutine it would end the process.
func bounded[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			done <- o
		}()
		o.value, o.err = f()
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("no answer in time: %w", context.Cause(ctx))
	}
}
