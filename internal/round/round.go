// Package round lets the looks of one round share their reads: an Application Gateway that
// serves fifty apps is read once for all of them. A round is in the context of those who only
// look; whoever writes has none, so that the conditions of a write are read for it alone.
package round

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// longest bounds a shared read. No bound of package outbound is longer.
const longest = time.Minute

// Round is what the looks of a round have read, and are reading.
type Round struct {
	mu    sync.Mutex
	reads map[any]*read
}

// read is one read. value and err are set when done is closed.
type read struct {
	began time.Time
	done  chan struct{}
	value any
	err   error
}

// part is how a context takes part in a round.
type part struct {
	*Round
	look *Look // nil: a read of any age will do, and none is noted
}

type key struct{}

func partOf(ctx context.Context) part {
	p, _ := ctx.Value(key{}).(part)
	return p
}

// With begins a round.
func With(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, part{Round: &Round{reads: map[any]*read{}}})
}

// Of is the round of a context; nil in none.
func Of(ctx context.Context) *Round { return partOf(ctx).Round }

// Without is ctx in no round.
func Without(ctx context.Context) context.Context {
	if Of(ctx) == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, part{})
}

// Look is one look that takes part in a round.
type Look struct {
	most time.Duration

	mu     sync.Mutex
	oldest time.Time
}

// Join is ctx in the round, for one look that uses no read that began longer ago than most. It is
// ctx in no round where most is not positive, or the round is nil.
func (r *Round) Join(ctx context.Context, most time.Duration) (context.Context, *Look) {
	l := &Look{most: most}
	if r == nil || most <= 0 {
		return Without(ctx), l
	}
	return context.WithValue(ctx, key{}, part{r, l}), l
}

// Age is how long ago the oldest read began that the look has used; 0 where it has used none
// of the round.
func (l *Look) Age() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.oldest.IsZero() {
		return 0
	}
	return time.Since(l.oldest)
}

func (l *Look) uses(r *read) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.oldest.IsZero() || r.began.Before(l.oldest) {
		l.oldest = r.began
	}
}

// Read returns what do returns for a key, which is comparable: of this round where ctx is in one,
// errors included, and else of a call of its own. A caller leaves when its context ends; the read
// goes on for the others, for at most a minute. What is returned is shared: it must not be changed.
func Read[T any](ctx context.Context, k any, do func(context.Context) (T, error)) (T, error) {
	p := partOf(ctx)
	if p.Round == nil {
		return do(ctx)
	}
	r, first := p.find(k, p.look)
	if first {
		go r.make(ctx, func(ctx context.Context) (any, error) { return do(ctx) })
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	if p.look != nil {
		p.look.uses(r)
	}
	value, _ := r.value.(T)
	return value, r.err
}

// find returns the read of a key, and whether it is a new one, for the caller to make.
func (r *Round) find(k any, l *Look) (found *read, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found = r.reads[k]
	if found != nil && (l == nil || time.Since(found.began) <= l.most) {
		return found, false
	}
	found = &read{began: time.Now(), done: make(chan struct{})}
	r.reads[k] = found
	return found, true
}

// make makes a read. A panic is its error: here it would end the process.
func (r *read) make(ctx context.Context, do func(context.Context) (any, error)) {
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(Without(context.WithoutCancel(ctx)), longest)
	defer cancel()
	r.value, r.err = do(ctx)
}
