package simulation

import (
	"encoding/json"
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// saved is what the promises read of a saved record. Only this file knows its form.
type saved struct {
	lease  engine.Lease
	wakeAt time.Time

	known   bool          // the app was taken over
	live    release.Color // as recorded
	blue    release.Image // that the color is recorded to run
	green   release.Image
	paused  bool
	held    bool
	drift   bool
	trouble bool          // the last step failed
	waiting release.Image // for its release

	id       int // of the release
	phase    release.Phase
	image    release.Image
	to, from release.Color
	forced   bool
	ordered  bool // by an operator
	routedAt time.Time
	endedAt  time.Time
	// switchedAt is when users followed, probedAt when they were last seen to be served.
	switchedAt, probedAt time.Time
}

func read(r engine.Record) *saved {
	s := r.State
	return &saved{
		lease: r.Lease, wakeAt: r.WakeAt,
		known: s.Known, live: s.Live, waiting: s.Waiting,
		blue: s.Slot(release.Blue).Image, green: s.Slot(release.Green).Image,
		paused: !s.Pause.IsZero(), held: !s.Hold.IsZero(), drift: !s.Drift.IsZero(), trouble: !s.Trouble.IsZero(),
		id: s.Release.ID, phase: s.Release.Phase, image: s.Release.Image, to: s.Release.To, from: s.Release.From,
		forced: s.Release.Force, ordered: s.Release.By != "",
		routedAt: s.Release.RoutedAt, endedAt: s.Release.EndedAt, probedAt: s.Release.ProbedAt,
		switchedAt: s.Release.SwitchedAt,
	}
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

// explain is the state of a record in one sentence.
func explain(r engine.Record, p release.Policy, now time.Time) string {
	return release.Explain(r.State, p, now)
}

// encoded is the form in which a record is stored.
func encoded(r engine.Record) []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("encode a record: %v", err))
	}
	return data
}

func decoded(data []byte) (r engine.Record) {
	if err := json.Unmarshal(data, &r); err != nil {
		panic(fmt.Sprintf("decode a record: %v", err))
	}
	return r
}
