package fake

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Wakeups is the fake of engine.Wakeups: it keeps wake-ups until Due takes them.
type Wakeups struct {
	mu      sync.Mutex
	hook    Hook
	pending []Wakeup
}

// Wakeup is an app to be worked on at a time.
type Wakeup struct {
	App string
	At  time.Time
}

// NewWakeups makes an empty fake; hook may be nil.
func NewWakeups(hook Hook) *Wakeups { return &Wakeups{hook: hook} }

// Wake implements engine.Wakeups.
func (w *Wakeups) Wake(ctx context.Context, app string, at time.Time) error {
	return w.hook.around("wake", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pending = append(w.pending, Wakeup{App: app, At: at})
		slices.SortStableFunc(w.pending, func(a, b Wakeup) int { return a.At.Compare(b.At) })
		return nil
	})
}

// Due removes and returns the first wake-up that is due.
func (w *Wakeups) Due(now time.Time) (Wakeup, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 || w.pending[0].At.After(now) {
		return Wakeup{}, false
	}
	first := w.pending[0]
	w.pending = w.pending[1:]
	return first, true
}

// Next returns when the next wake-up is due; false when there is none.
func (w *Wakeups) Next() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		return time.Time{}, false
	}
	return w.pending[0].At, true
}
