package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// scheduleStatus is the stored status of a timer. Next is the running or next occurrence, as
// recorded after the last run.
type scheduleStatus struct{ Last, Next, LastUpdated time.Time }

// timer serves one timer trigger.
type timer struct {
	h         *Host
	f         *function
	monitored bool
	file      string // keeps the status; "" keeps it in memory

	mu     sync.Mutex
	status scheduleStatus
}

func (h *Host) timer(f *function) *timer {
	t := &timer{h: h, f: f, monitored: !f.schedule.often && (f.trigger.UseMonitor == nil || *f.trigger.UseMonitor)}
	if h.o.TimerStatus != "" {
		t.file = filepath.Join(h.o.TimerStatus, f.name+".json")
	}
	h.timers = append(h.timers, t)
	return t
}

// early is how long before its time a timer may fire.
const early = 2 * time.Millisecond

// listen runs the timer until ctx ends, while this host has its lock. Runs never overlap: when one
// takes longer than until the next occurrence, the next one begins as soon as it ends, and the
// occurrences between are left out.
func (t *timer) listen(ctx context.Context) {
	if !t.lock(ctx) {
		return
	}
	late, err := t.catchUp(time.Now())
	if err != nil {
		t.h.say(slog.LevelError, "Host.Triggers.Timer", "the timer's status cannot be kept", "function", t.f.name, "error", err)
	}
	if late || t.f.trigger.RunOnStartup {
		t.run(late)
	}
	for {
		select {
		case <-time.After(time.Until(t.next()) - early):
			t.run(false)
		case <-ctx.Done():
			return
		}
	}
}

func (t *timer) next() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status.Next
}

// catchUp finds an occurrence that was missed while no host was running. After a change of the
// schedule there is none.
func (t *timer) catchUp(now time.Time) (late bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.monitored {
		t.status.Next = t.f.schedule.after(now)
		return false, nil
	}
	known, err := t.read()
	if err != nil || !known {
		t.status.Next = t.f.schedule.after(now)
	}
	if err != nil {
		return false, err
	}
	if !known {
		return false, t.write(scheduleStatus{Next: t.status.Next, LastUpdated: now.UTC()})
	}
	from := t.status.Last
	if from.IsZero() {
		from = now
	}
	if expected := t.f.schedule.after(from); !expected.Equal(t.status.Next) {
		if now.After(expected) {
			expected = t.f.schedule.after(now)
		}
		t.status.Next, t.status.LastUpdated = expected, now.UTC()
		return false, t.write(t.status)
	}
	return now.After(t.status.Next), nil
}

// run calls the function. A failure is only logged: the schedule continues. A run that begins
// before its occurrence counts for it.
func (t *timer) run(late bool) {
	began := time.Now().UTC()
	if _, err := t.h.invoke(t.f, t.info(late), metadata{}); err != nil && t.h.ctx.Err() != nil {
		return // not run: a later host finds the missed occurrence
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if soon := t.status.Next.Sub(began); 0 < soon && soon <= early {
		began = t.status.Next
	}
	t.status = scheduleStatus{Last: began, Next: t.f.schedule.after(began), LastUpdated: began}
	if !t.monitored {
		return
	}
	if err := t.write(t.status); err != nil {
		t.h.say(slog.LevelError, "Host.Triggers.Timer", "the timer's status cannot be kept", "function", t.f.name, "error", err)
	}
}

// info is the trigger's value.
func (t *timer) info(late bool) object {
	t.mu.Lock()
	defer t.mu.Unlock()
	info := object{"Schedule": object{"AdjustForDST": true}, "ScheduleStatus": nil, "IsPastDue": late}
	if t.monitored {
		form := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999-07:00") }
		info["ScheduleStatus"] = object{"Last": form(t.status.Last), "Next": form(t.status.Next), "LastUpdated": form(t.status.LastUpdated)}
	}
	return info
}

func (t *timer) read() (known bool, err error) {
	if t.file == "" {
		return false, nil
	}
	data, err := os.ReadFile(t.file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &t.status)
	}
	if err != nil {
		return false, fmt.Errorf("read the status of timer %s: %w", t.f.name, err)
	}
	return true, nil
}

func (t *timer) write(s scheduleStatus) error {
	if t.file == "" {
		return nil
	}
	if err := os.WriteFile(t.file, toJSON(s), 0o600); err != nil {
		return fmt.Errorf("write the status of timer %s: %w", t.f.name, err)
	}
	return nil
}
