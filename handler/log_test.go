package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestWhatAllAppsHaveInCommonIsLoggedBounded: ten thousand apps of a template with a mistake, at each
// start, and of a gateway that does not answer, at each tick.
func TestWhatAllAppsHaveInCommonIsLoggedBounded(t *testing.T) {
	var out, errs bytes.Buffer
	log := newLog(&out, &errs)
	at := func(second int, message string) {
		r := slog.NewRecord(time.Date(2026, 11, 24, 12, 0, second, 0, time.UTC), slog.LevelWarn, message, 0)
		r.AddAttrs(slog.String("app", "shop"))
		if err := log.With("version", "1").Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	for range 10_000 {
		at(0, "an app is not served")
	}
	at(1, "a step failed")
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	if len(lines) != mostAlike+1 || !strings.Contains(lines[mostAlike-1], `"omitting":true`) || !strings.Contains(lines[mostAlike], "a step failed") {
		t.Fatalf("%d lines, the last one %s", len(lines), lines[len(lines)-1])
	}
	errs.Reset()
	at(60, "an app is not served")
	at(61, "an app is not served")
	lines = strings.Split(strings.TrimSpace(errs.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"omitted":9900`) || strings.Contains(lines[1], "omitt") {
		t.Error(errs.String())
	}
	for range 10_000 { // what was done is logged, whatever else is
		log.Info("request answered")
	}
	if n := strings.Count(out.String(), "\n"); n != 10_000 {
		t.Errorf("%d lines", n)
	}
}

// TestReadsThatFailHideNoChange: open pages and watches read on while the storage is away.
func TestReadsThatFailHideNoChange(t *testing.T) {
	var out, errs bytes.Buffer
	log := newLog(&out, &errs)
	for range 200 {
		log.Error("request answered", "method", "GET", "status", 503)
	}
	log.Error("request answered", "method", "POST", "status", 503, "app", "shop", "who", "ana")
	if n := strings.Count(errs.String(), "\n"); n != mostAlike+1 || !strings.Contains(errs.String(), `"who":"ana"`) {
		t.Errorf("%d lines are logged, with the change: %v", n, strings.Contains(errs.String(), "ana"))
	}
}
