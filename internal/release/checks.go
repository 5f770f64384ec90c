package release

import (
	"time"

	"bluegreen/internal/release/reason"
)

// CheckRun is one run of the checks on the idle color, as long as something that they have made
// for it may be there. ID is random, and known before anything is made; Made identifies what was
// made, as the cluster returned it. Since is the beginning of the phase that it is for: another
// verification, of the same release too, has a run of its own.
type CheckRun struct {
	ID      string
	Made    string
	Release int
	Color   Color
	Image   Image
	Since   time.Time
}

// EndChecks is to delete what a run of the checks has made.
type EndChecks struct{ Run CheckRun }

func (EndChecks) effect() {}

// running reports whether the recorded run is the one of the present verification.
func (s State) running() bool {
	return s.CheckRun.ID != "" && s.Release.Phase == Verifying && s.CheckRun.Release == s.Release.ID && s.CheckRun.Since.Equal(s.Release.Since)
}

// endChecks is pending once a run is over; nil without one.
func (s State) endChecks() Effect {
	if s.CheckRun.ID == "" || s.running() {
		return nil
	}
	return EndChecks{s.CheckRun}
}

func (s State) verify(now time.Time) (Effect, time.Time) {
	if e := s.endChecks(); e != nil {
		return e, now
	}
	r := s.Release
	return Verify{Release: r.ID, Color: r.To, Image: r.Image, Run: s.CheckRun.ID, Made: s.CheckRun.Made}, now
}

func (d *decision) checksBegun(e ChecksBegun) {
	s, r := &d.s, d.s.Release
	if e.Release != r.ID || r.Phase != Verifying || e.Color != r.To || e.Run == "" {
		return
	}
	s.CheckRun = CheckRun{ID: e.Run, Release: r.ID, Color: r.To, Image: r.Image, Since: r.Since}
}

func (d *decision) checksEnded(e ChecksEnded) {
	if d.s.CheckRun.ID == e.Run {
		d.s.CheckRun = CheckRun{}
	}
}

func (d *decision) checks(e ChecksObserved) {
	s, r := &d.s, &d.s.Release
	if e.Release != r.ID || r.Phase != Verifying || e.Color != r.To || e.Run != s.CheckRun.ID || e.Run != "" && !s.running() {
		return
	}
	if e.Made != "" {
		s.CheckRun.Made = e.Made
	}
	if e.Seen != nil {
		d.observe(e.Color, *e.Seen)
	}
	s.Trouble, r.Progress.Detail = Note{}, e.Detail
	d.signatures(e)
	switch {
	case e.Verdict == Refuted:
		d.fail(reason.ChecksFailed, about{Detail: e.Detail})
	case e.Verdict != Passed || !d.signed(r.To, r.Image):
		d.overdue()
	default:
		d.passed()
	}
}
