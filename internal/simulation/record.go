package simulation

import (
	"slices"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// saved is what the promises read of a saved record. Only this file knows its form.
type saved struct {
	lease  engine.Lease
	wakeAt time.Time

	known  bool          // the app was taken over
	live   release.Color // as recorded
	blue   release.Image // that the color is recorded to run
	green  release.Image
	paused bool
	// sizeHeld are the colors of which an autoscaler's minimum may be raised.
	sizeHeld map[release.Color]bool
	by       release.Actor // who asked for the release
	served   release.Serving
	// standbyOrder is the digest that a color was to be brought back to; spoiled is set
	// where traffic must not go to what bluegreen has put there.
	standbyOrder map[release.Color]string
	spoiled      map[release.Color]bool
	// suspect are the colors that a failover left.
	suspect map[release.Color]bool
	// size is how many pods a color was last seen to need.
	size    map[release.Color]int32
	held    bool
	drift   bool
	badLive bool          // what serves is known to be bad: no return of it was carried out
	watched bool          // what serves since the drift is recorded
	trouble bool          // the last step failed
	waiting release.Image // for its release
	good    []release.Image

	id       int // of the release
	phase    release.Phase
	image    release.Image
	to, from release.Color
	forced   bool
	writes   bool // traffic may have left
	// returnForced is set when an operator sends traffic back whatever was seen.
	returnForced bool
	ordered      bool // by an operator
	routedAt     time.Time
	since        time.Time // of the phase
	ended        bool
	target       release.Target // of a rollback
	previous     release.Target // that a rollback is offered to
	why          reason.Reason  // of its return or its end
	unconfirmed  bool           // its checks failed before its switch too
	// alert is the color that an alert is about which waits for a look that agrees; alertAt is
	// set until the first look.
	alert   release.Color
	alertAt time.Time
	// probedAt is when users were last seen to be served.
	probedAt, bakeUntil time.Time
}

func read(r engine.Record) *saved {
	s := r.State
	var alertAt time.Time
	if s.Alert.LookedAt.IsZero() {
		alertAt = s.Alert.Alert.At
	}
	return &saved{
		why: s.Release.Reason, unconfirmed: s.Release.Unconfirmed != "", alert: s.Alert.Color, alertAt: alertAt,
		lease: r.Lease, wakeAt: r.WakeAt,
		sizeHeld: map[release.Color]bool{release.Blue: s.Blue.Held, release.Green: s.Green.Held},
		by:       s.Release.By, served: s.Serving,
		standbyOrder: map[release.Color]string{release.Blue: standbyOrder(s.Blue), release.Green: standbyOrder(s.Green)},
		spoiled:      map[release.Color]bool{release.Blue: spoiled(s, s.Blue), release.Green: spoiled(s, s.Green)},
		suspect:      map[release.Color]bool{release.Blue: !s.Blue.Suspect.IsZero(), release.Green: !s.Green.Suspect.IsZero()},
		size:         map[release.Color]int32{release.Blue: needed(s.Blue), release.Green: needed(s.Green)},
		known:        s.Known, live: s.Serving.Color, waiting: s.Waiting, good: s.Good,
		blue: runsOn(s, release.Blue), green: runsOn(s, release.Green), target: s.RollbackTarget(), previous: s.Serving.Previous,
		paused: !s.Pause.IsZero(), held: !s.Hold.IsZero(), drift: !s.Drift.IsZero(), badLive: s.Release.Reason == reason.Fought || s.Release.Reason == reason.ReturnGivenUp, watched: s.Drift.Watched, trouble: !s.Trouble.IsZero(),
		id: s.Release.ID, phase: s.Release.Phase, image: s.Release.Image, to: s.Release.To, from: s.Release.From,
		forced: s.Release.Force, writes: !s.Release.Progress.Writes.IsZero(), returnForced: s.Release.Progress.Forced, ordered: !s.Release.By.IsZero(),
		routedAt: routedAt(s), since: s.Release.Since, ended: s.Release.Phase.Ended(), probedAt: s.Release.Progress.ProbedAt, bakeUntil: s.Release.Progress.BakeUntil,
	}
}

func standbyOrder(c release.ColorState) string {
	if c.Ordered.Release != 0 || c.Ordered.At.IsZero() {
		return ""
	}
	return c.Ordered.Image.Digest
}

// spoiled reports whether a color was given an image by a release, and is recorded to run it,
// that is neither good, nor live, nor the rollback target.
func spoiled(s release.State, c release.ColorState) bool {
	i := c.Ordered.Image
	allowed := append([]release.Image{s.Serving.Image, s.Serving.Previous.Image}, s.Good...)
	return !c.Ordered.At.IsZero() && c.Image().Same(i) && !slices.ContainsFunc(allowed, i.Same) && slices.ContainsFunc(s.Good, s.MayStart)
}

// needed is how many pods a color was last seen to need: when it was whole, or when it was seen.
func needed(c release.ColorState) (n int32) {
	sizes := c.Observed.Needed
	if len(sizes) == 0 {
		sizes = c.Observed.Replicas
	}
	for _, r := range sizes {
		n += r
	}
	return n
}

// runsOn is what a color is recorded to run: for the live color what serves.
func runsOn(s release.State, c release.Color) release.Image {
	if c == s.Serving.Color {
		return s.Serving.Image
	}
	return s.Color(c).Image()
}

// routedAt is when traffic was first sent to the version that an alert is about.
func routedAt(s release.State) time.Time {
	if s.Release.Phase == release.Switching && !s.Release.Progress.Writes.IsZero() {
		return s.Release.Progress.Writes
	}
	return s.Serving.RoutedAt
}

// runs returns what a color is recorded to run.
func (s *saved) runs(c release.Color) release.Image {
	if c == release.Green {
		return s.green
	}
	return s.blue
}

// forward reports whether traffic is to be moved to a color of a new version.
func (s *saved) forward(to release.Color) bool { return s.phase == release.Switching && s.to == to }

// back reports whether traffic is to be moved back to a color.
func (s *saved) back(to release.Color) bool { return s.phase == release.Returning && s.from == to }

// adopted reports whether the record has taken over what the gateway and the live color
// are: for the first time, or because an operator accepted a change made outside bluegreen.
func adopted(before, after *saved) bool {
	return before.drift && !after.drift || !before.known && after.known
}

// explain is the status of a record on one line.
func explain(r engine.Record, p release.Policy, now time.Time) string {
	return release.StatusOf(r.State, p, now).String()
}
