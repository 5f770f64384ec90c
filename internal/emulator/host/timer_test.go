package host_test

import (
	"fmt"
	"path/filepath"
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
