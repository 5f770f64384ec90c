package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// timerLock is the content of a lock: who has it, and until when unless it is renewed.
type timerLock struct {
	Owner string
	Until time.Time
}

// lock returns true when this host has the timer's lock, which it then renews until it ends;
// false when ctx ends before. A lock that another host has is looked at again after as long as
// it lasts.
func (t *timer) lock(ctx context.Context) bool {
	if t.h.o.TimerStatus == "" {
		return true
	}
	lasts := t.h.o.Times.TimerLock
	for !t.take() {
		select {
		case <-time.After(lasts):
		case <-ctx.Done():
			return false
		}
	}
	t.h.group.Go(func() {
		for {
			select {
			case <-time.After(lasts / 2):
				t.take()
			case <-t.h.ctx.Done():
				return
			}
		}
	})
	return true
}

// take takes or renews the lock, unless another host has it.
func (t *timer) take() bool {
	lock, err := t.readLock()
	if err == nil && lock.Owner != "" && lock.Owner != t.h.id && time.Now().Before(lock.Until) {
		return false
	}
	if err == nil {
		err = os.WriteFile(t.lockFile(), toJSON(timerLock{t.h.id, time.Now().Add(t.h.o.Times.TimerLock)}), 0o600)
	}
	if err != nil {
		t.h.say(slog.LevelError, "Host.Triggers.Timer", "the timer's lock cannot be kept", "function", t.f.name, "error", err)
	}
	return err == nil
}

// unlock gives the lock back.
func (t *timer) unlock() {
	if lock, err := t.readLock(); err == nil && lock.Owner == t.h.id {
		_ = os.Remove(t.lockFile()) // else it ends by itself
	}
}

func (t *timer) readLock() (lock timerLock, err error) {
	data, err := os.ReadFile(t.lockFile())
	if errors.Is(err, os.ErrNotExist) {
		return lock, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &lock)
	}
	if err != nil {
		return lock, fmt.Errorf("read the lock of timer %s: %w", t.f.name, err)
	}
	return lock, nil
}

func (t *timer) lockFile() string { return filepath.Join(t.h.o.TimerStatus, t.f.name+".lock") }
