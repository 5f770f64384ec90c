package host_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
)

func timerOf(schedule, more string) map[string]string {
	return map[string]string{"tick": fmt.Sprintf(`{"bindings":[{"type":"timerTrigger","name":"tick","direction":"in","schedule":%q%s}]}`, schedule, more)}
}

// yearly is a schedule without an occurrence during the test, and its occurrence before now.
func yearly(now time.Time) (schedule string, last time.Time) {
	last = now.UTC().AddDate(0, -6, 0)
	last = time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, time.UTC)
	return fmt.Sprintf("0 0 0 1 %d *", last.Month()), last
}

func tickOf(t *testing.T, i host.Invocation) map[string]any {
	t.Helper()
	tick, _ := readEnvelope(t, heard(t, i)).Data["tick"].(map[string]any)
	return tick
}

func TestATimerRunsOnItsScheduleAndNeverOverlaps(t *testing.T) {
	t.Parallel()
	w := start(t, timerOf("* * * * * *", "")).ready()
	first := w.ended("tick", 1)
	second := w.ended("tick", 2)
	if second.At.Before(first.At.Add(first.Duration)) {
		t.Error("runs overlap")
	}
	if tick := tickOf(t, first); tick["ScheduleStatus"] != nil || tick["IsPastDue"] != false {
		t.Errorf("a timer that runs more than once a minute is not monitored: %v", tick)
	}
}

// ticking runs a timer every second in a handler of the test.
func ticking(t *testing.T, o host.Options, handler http.HandlerFunc) *env {
	t.Helper()
	o.Root = folder(t, timerOf("* * * * * *", ""))
	o.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(w, r)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
	})
	return startWith(t, o)
}

func TestARunThatIsLateBeginsWhenTheOneBeforeEnds(t *testing.T) {
	t.Parallel()
	var once sync.Once
	w := ticking(t, host.Options{}, func(http.ResponseWriter, *http.Request) {
		once.Do(func() { time.Sleep(2500 * time.Millisecond) })
	})
	first, second, third := w.ended("tick", 1), w.ended("tick", 2), w.ended("tick", 3)
	if wait := second.At.Sub(first.At.Add(first.Duration)); wait > 300*time.Millisecond {
		t.Errorf("the second run began %v after the first had ended", wait)
	}
	if wait := third.At.Sub(second.At); wait > 900*time.Millisecond {
		t.Errorf("the third run began %v after the second, which was in the middle of a second", wait)
	}
}

func TestAnEarlyRunCountsForItsOccurrence(t *testing.T) {
	t.Parallel()
	w := ticking(t, host.Options{}, func(http.ResponseWriter, *http.Request) {})
	w.ended("tick", 5)
	for n, i := range w.Invocations("tick")[1:] {
		if before := w.Invocations("tick")[n]; i.At.Sub(before.At) < 500*time.Millisecond {
			t.Errorf("two runs for one second: %v and %v", before.At, i.At)
		}
	}
}

// TestATimerIsSilentAfterItsHostDied compares a host that was killed with one that was stopped.
func TestATimerIsSilentAfterItsHostDied(t *testing.T) {
	t.Parallel()
	for end, silent := range map[string]bool{"killed": true, "stopped": false} {
		o := host.Options{TimerStatus: t.TempDir(), Times: host.Times{TimerLock: 3 * time.Second}}
		first := ticking(t, o, func(http.ResponseWriter, *http.Request) {})
		first.ended("tick", 1)
		other := ticking(t, o, func(http.ResponseWriter, *http.Request) {})
		if end == "killed" {
			first.Close()
		} else {
			first.Stop()
		}
		began := time.Now()
		next := ticking(t, o, func(http.ResponseWriter, *http.Request) {})
		eventually(t, "a run", func() bool { return len(other.Invocations("tick"))+len(next.Invocations("tick")) > 0 })
		if took := time.Since(began); silent != (took > 1500*time.Millisecond) {
			t.Errorf("the next host runs the timer %v after the host was %s", took, end)
		}
		other.Close()
		next.Close()
	}
}

func TestAMissedOccurrenceIsMadeUpForOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	schedule, missed := yearly(time.Now())
	before := missed.AddDate(-1, 0, 0)
	status := flat(t, map[string]time.Time{"Last": before, "Next": missed, "LastUpdated": before})
	write(t, filepath.Join(dir, "tick.json"), status)
	root := folder(t, timerOf(schedule, ""))
	w := startWith(t, host.Options{Root: root, TimerStatus: dir})
	tick := tickOf(t, w.ended("tick", 1))
	kept, _ := tick["ScheduleStatus"].(map[string]any)
	if tick["IsPastDue"] != true || kept["Next"] != missed.Format("2006-01-02T15:04:05+00:00") {
		t.Errorf("tick %v", tick)
	}
	w.Close()
	again := startWith(t, host.Options{Root: root, TimerStatus: dir}).ready()
	if got := again.call("POST", "/admin/functions/tick", "{}", "x-functions-key", again.MasterKey()); got.status != 202 {
		t.Fatalf("%+v", got)
	}
	if tick := tickOf(t, again.ended("tick", 1)); tick["IsPastDue"] != false {
		t.Errorf("made up for twice: %v", tick)
	}
}

func TestANewTimerAndAChangedScheduleMissNothing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", `{"Last":"2020-01-01T00:00:00Z","Next":"2020-01-01T00:05:00Z","LastUpdated":"2020-01-01T00:00:00Z"}`} {
		dir := t.TempDir()
		schedule, _ := yearly(time.Now())
		if file != "" {
			write(t, filepath.Join(dir, "tick.json"), file)
		}
		w := startWith(t, host.Options{Root: folder(t, timerOf(schedule, "")), TimerStatus: dir}).ready()
		w.call("POST", "/admin/functions/tick", "{}", "x-functions-key", w.MasterKey())
		tick := tickOf(t, w.ended("tick", 1))
		kept, _ := tick["ScheduleStatus"].(map[string]any)
		if tick["IsPastDue"] != false || kept["Next"] == nil {
			t.Errorf("tick %v", tick)
		}
		if file == "" && kept["Last"] != "0001-01-01T00:00:00+00:00" {
			t.Errorf("the first run's status is %v", kept)
		}
	}
}

func TestAFailedRunIsForgotten(t *testing.T) {
	t.Parallel()
	// The fake handler dies with the first run, and the schedule goes on.
	w := start(t, timerOf("* * * * * *", `,"runOnStartup":true`)).ready()
	w.ended("tick", 1)
	if err := w.Freeze(); err != nil {
		t.Fatal(err)
	}
	n := len(w.Invocations("tick"))
	time.Sleep(1200 * time.Millisecond) // until a run has begun that cannot end
	if err := w.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failed run and a good one after it", func() bool {
		all := w.Invocations("tick")[n:]
		failed := false
		for _, i := range all {
			if failed && i.Err == nil {
				return true
			}
			failed = failed || i.Err != nil
		}
		return false
	})
}
