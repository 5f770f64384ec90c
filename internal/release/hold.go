package release

import (
	"time"

	"bluegreen/internal/release/reason"
)

// afterRelease is what is pending while no release is under way: the size of a color that
// is held is freed, then the idle color becomes the standby. A step that fails does not keep
// it from that.
func (s State) afterRelease(p Policy, now time.Time) (Effect, time.Time) {
	effect, at := s.standby(p, now)
	c := s.heldColor()
	if c == "" || effect != nil && !s.Trouble.IsZero() {
		return effect, at
	}
	return FreeSize{Color: c}, now
}

// heldColor is a color whose size is held, the live one first.
func (s State) heldColor() Color {
	live := s.Serving.Color
	switch {
	case live != "" && s.Color(live).Held:
		return live
	case s.Blue.Held:
		return Blue
	case s.Green.Held:
		return Green
	}
	return ""
}

// holding says what became of holding the size of a release's color.
func (d *decision) holding(e RolloutObserved) string {
	switch {
	case e.Unheld != "":
		return d.words(reason.SizeNotHeld, about{Color: e.Color, Detail: e.Unheld})
	case e.Held:
		return d.words(reason.SizeHeld, about{Color: e.Color})
	}
	return ""
}

func (d *decision) freed(e SizeFreed) {
	s := &d.s
	if s.Release.Phase.Active() || !s.Color(e.Color).Held {
		return
	}
	s.color(e.Color).Held = false
	if s.Alarmed == "" { // what a look found stays
		s.Trouble = Note{}
	}
	if e.Denied != "" {
		d.report(NeedsHelp, reason.SizeNotFreed, about{Color: e.Color, Detail: e.Denied})
	}
}
