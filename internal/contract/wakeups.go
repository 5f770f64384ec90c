package contract

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
)

// arrives is how long a wake-up that is due may be on its way: generous, for a busy machine.
const arrives = 30 * time.Second

// Receive takes a wake-up that has become due off the other end, without waiting for one.
type Receive func(t *testing.T) (app string, ok bool)

// Wakeups checks engine.Wakeups's contract: a wake-up arrives, at its time or later.
// open makes an empty port and its other end.
func Wakeups(t *testing.T, open func(t *testing.T) (engine.Wakeups, Receive)) {
	for name, promise := range map[string]func(wakeups){
		"WhatIsDueArrivesAtOnce":          dueArrives,
		"NothingArrivesBeforeItsTime":     notBefore,
		"EachTimeIsKeptForItself":         eachItsTime,
		"WhatIsFarAwayIsTakenAndNotFelt":  farAway,
		"ManyAppsAreWokenAtOnceAndArrive": manyWoken,
		"NobodyIsWokenUnasked":            nobodyUnasked,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			port, receive := open(t)
			promise(wakeups{t, port, receive})
		})
	}
}

type wakeups struct {
	*testing.T
	engine.Wakeups
	receive Receive
}

func (w wakeups) wake(app string, at time.Time) {
	w.Helper()
	if err := w.Wake(w.Context(), app, at); err != nil {
		w.Fatal(err)
	}
}

// next waits for the next app.
func (w wakeups) next() string {
	w.Helper()
	for deadline := time.Now().Add(arrives); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if app, ok := w.receive(w.T); ok {
			return app
		}
	}
	w.Fatal("a wake-up does not arrive")
	return ""
}

func (w wakeups) silent() {
	w.Helper()
	if app, ok := w.receive(w.T); ok {
		w.Errorf("%s is woken", app)
	}
}

func dueArrives(w wakeups) {
	for app, at := range map[string]time.Time{
		"now":                     time.Now(),
		"past":                    time.Now().Add(-time.Hour),
		"zero":                    {},
		strings.Repeat("a-1", 13): time.Now(),
	} {
		w.wake(app, at)
		if got := w.next(); got != app {
			w.Errorf("%s is woken, not %s", got, app)
		}
	}
}

func notBefore(w wakeups) {
	for _, wait := range []time.Duration{900 * time.Millisecond, 1001 * time.Millisecond, 2 * time.Second} {
		at := time.Now().Add(wait)
		w.wake("shop", at)
		w.next()
		if early := time.Until(at); early > 0 {
			w.Errorf("what was asked for in %v came %v too early", wait, early)
		}
	}
}

func eachItsTime(w wakeups) {
	later := time.Now().Add(2 * time.Second)
	w.wake("shop", later)
	w.wake("shop", time.Now())
	w.wake("other", time.Now())
	early, got := 0, []string{}
	for range 3 {
		app := w.next()
		if got = append(got, app); app == "shop" && time.Now().Before(later) {
			early++
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"other", "shop", "shop"}) || early > 1 {
		w.Errorf("%v are woken, shop %d times before its second time", got, early)
	}
}

func farAway(w wakeups) {
	for _, days := range []int{6, 7, 8, 400} {
		w.wake(fmt.Sprint("in-", days, "-days"), time.Now().AddDate(0, 0, days))
	}
	w.silent()
}

func manyWoken(w wakeups) {
	const apps = 20
	var all sync.WaitGroup
	var want []string
	for i := range apps {
		app := fmt.Sprintf("app-%02d", i)
		want = append(want, app)
		all.Go(func() {
			if err := w.Wake(w.Context(), app, time.Now()); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	var got []string
	for len(got) < apps && !w.Failed() {
		if app := w.next(); !slices.Contains(got, app) { // at least once is promised
			got = append(got, app)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.Errorf("%v are woken", got)
	}
}

func nobodyUnasked(w wakeups) { w.silent() }
