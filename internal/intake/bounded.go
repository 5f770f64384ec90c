package intake

import (
	"context"
	"fmt"
	"runtime/debug"
)

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
