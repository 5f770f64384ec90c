package release

import (
	"time"

	"bluegreen/internal/release/reason"
)

// skew is by how much the clocks of an alert and of this app may differ.
const skew = 5 * time.Second

// alerted decides about an alert. Without a color it is taken to be about the color that
// has the traffic. In this order: a drift asks for help; an alert about the other color is
// dropped; a rollback under way answers it; in the switch, the bake and the rollback window
// it rolls back, unless what it measured ended before the traffic moved. The time that it
// measured counts, not that of the decision.
func (d *decision) alerted(e AlertFired) {
	d.by = e.By
	s, r := &d.s, d.s.Release
	a := about{Rule: e.Rule, Color: e.Color, Detail: e.Summary, At: e.At}
	subject := s.subject()
	switch {
	case !s.Drift.IsZero() && !s.Drift.Watched && (e.Color == "" || subject == "" || e.Color == subject):
		d.report(NeedsHelp, reason.AlertInDrift, a)
	case r.Phase == Returning && e.Color == r.From && e.Color != "":
		d.report(Dropped, reason.AlertOfTarget, a)
	case e.Color != "" && e.Color != subject:
		d.report(Dropped, reason.AlertOfIdle, a)
	case r.Phase == Returning:
		a.Color = r.From
		d.report(Decided, reason.AlertWhileReturning, a)
	case r.Phase == Switching && !r.untouched():
		d.alertAfter(e, r.Progress.Writes, r.ID, a)
	case s.Serving.Release == 0 && !r.Phase.Preparing() && r.Phase != Switching:
		d.alertBetween(e, reason.AlertNoRelease, a)
	case s.Serving.Release == 0:
		d.report(NeedsHelp, reason.AlertNoTarget, a)
	case d.measured(e).After(s.Serving.until(d.p)) && r.Phase != Baking:
		a.Number, a.At = s.Serving.Release, s.Serving.until(d.p)
		d.alertBetween(e, reason.AlertOutOfWindow, a)
	default:
		d.alertAfter(e, s.Serving.RoutedAt, s.Serving.Release, a)
	}
}

// measured is the time that an alert is about, as far as it can be believed.
func (d *decision) measured(e AlertFired) time.Time {
	if e.At.IsZero() || e.At.After(d.now) {
		return d.now
	}
	return e.At
}

// alertAfter follows an alert, unless it measures a time before the release got traffic.
func (d *decision) alertAfter(e AlertFired, routed time.Time, release int, a about) {
	switch {
	case !a.At.IsZero() && a.At.Before(routed.Add(-skew)):
		a.Number = release
		d.report(Dropped, reason.AlertBeforeSwitch, a)
	case d.s.RollbackTarget().Color == "":
		d.report(NeedsHelp, reason.AlertNoTarget, a)
	case e.Corroborate:
		d.await(e, a)
	default:
		d.turnBack(RolledBack, reason.Alert, a)
	}
}
