package workload

import (
	"context"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// linger is for how long a watch stays open for the next call: a release observes its color every
// second, and a new list, with the pods and a new watch, would cost several requests each time.
const linger = 10 * time.Second

// view is a color as it was last seen, and the watch that keeps it so.
type view struct {
	seen    []*snapshot
	changes <-chan change // nil while there is no watch
	end     context.CancelFunc
	// ordered is set where the color was ordered last, and seen is what was written; unscaled where it
	// had no autoscaler then.
	ordered, unscaled bool

	stop, rested chan struct{} // while it is kept
	over         bool
}

// follow begins the watch from what was seen. It goes on when ctx has ended.
func (v *view) follow(ctx context.Context, t Target) {
	if v.changes != nil {
		return
	}
	ctx, v.end = context.WithCancel(context.WithoutCancel(ctx))
	v.changes = t.follow(ctx, v.seen)
}

func (v *view) close() {
	if v != nil && v.end != nil {
		v.end()
	}
}

// rest takes in the changes while no one observes, until stop. It reports whether the view is over.
func (v *view) rest() bool {
	defer close(v.rested)
	end := time.NewTimer(linger)
	defer end.Stop()
	for {
		select {
		case c := <-v.changes:
			if c.apply != nil {
				ctx, cancel := context.WithTimeout(context.Background(), linger)
				c.err = c.apply(ctx)
				cancel()
			}
			if c.err == nil {
				continue
			}
		case <-end.C:
		case <-v.stop:
			return false
		}
		v.over = true
		v.close()
		return true
	}
}

// views are those that may be used again, by color.
type views struct {
	mu   sync.Mutex
	open map[release.Color]*view
}

// keep keeps a view that stays as the cluster is: it is watched, or was just written.
func (k *views) keep(c release.Color, v *view) {
	if v.changes == nil && !v.ordered || slices.ContainsFunc(v.seen, func(s *snapshot) bool { return s.gone != nil }) {
		v.close()
		return
	}
	v.stop, v.rested = make(chan struct{}), make(chan struct{})
	k.mu.Lock()
	before := k.open[c]
	if k.open == nil {
		k.open = map[release.Color]*view{}
	}
	k.open[c] = v
	k.mu.Unlock()
	before.leave()
	go func() {
		if !v.rest() {
			return
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.open[c] == v {
			delete(k.open, c)
		}
	}()
}

// take returns the view of a color for one caller alone; nil without one.
func (k *views) take(c release.Color) *view {
	k.mu.Lock()
	v := k.open[c]
	delete(k.open, c)
	k.mu.Unlock()
	if v == nil {
		return nil
	}
	close(v.stop)
	<-v.rested
	if v.over {
		return nil
	}
	return v
}

// leave ends a view that another one has replaced.
func (v *view) leave() {
	if v == nil {
		return
	}
	close(v.stop)
	<-v.rested
	v.close()
}
