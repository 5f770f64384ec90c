package release

import (
	"slices"
	"time"

	"bluegreen/internal/release/reason"
)

const (
	// corroborateFor is for how long the live color is looked at because of an alert that has
	// to be corroborated.
	corroborateFor = 10 * time.Minute
	// mostFiring is how many alerts that are not resolved are remembered.
	mostFiring = 20
)

// PendingAlert is an alert that moves traffic only when a look at the color agrees that it is
// bad. The zero PendingAlert means that there is none.
type PendingAlert struct {
	Alert AlertFired // the newest, where several wait
	Color Color
	// Firing are the ids of the alerts that were not resolved.
	Firing []string
	// LookedAt is zero until the first look; the looks end at Until. Result and Seen are what
	// the last one came to.
	LookedAt time.Time
	Until    time.Time
	Result   reason.Reason
	Seen     string
}

// IsZero reports whether no alert waits.
func (p PendingAlert) IsZero() bool { return p.Color == "" }

// AlertResolved says that an alert has ended, and who sent that.
type AlertResolved struct {
	ID, Rule string
	By       Actor
}

func (AlertResolved) event() {}

// subject is the color that users are on, or on their way to: an alert without a color is
// about it.
func (s State) subject() Color {
	switch r := s.Release; {
	case r.Phase == Switching && !r.untouched() || r.Phase == Returning:
		return r.To
	case !s.Drift.IsZero() && !s.Drift.Watched:
		return s.Drift.Live
	}
	return s.Serving.Color
}

// await lets an alert wait for a look that agrees. One that waits already is not looked at
// sooner, or for longer, because another one fires.
func (d *decision) await(e AlertFired, a about) {
	p := &d.s.Alert
	p.Alert, p.Color = e, d.s.subject()
	if len(p.Firing) < mostFiring {
		p.Firing = append(slices.Clone(p.Firing), e.ID)
	}
	d.report(Decided, reason.AlertPending, a)
}

// resolved ends the wait of an alert.
func (d *decision) resolved(e AlertResolved) {
	d.by = e.By
	p := &d.s.Alert
	n := slices.Index(p.Firing, e.ID)
	if n < 0 {
		d.report(Dropped, reason.AlertResolved, about{Rule: e.Rule})
		return
	}
	p.Firing = slices.Delete(slices.Clone(p.Firing), n, n+1)
	a := about{Rule: e.Rule}
	if len(p.Firing) == 0 {
		a.Then = d.words(reason.AlertStays, about{Color: p.Color})
		*p = PendingAlert{}
	}
	d.report(Decided, reason.AlertResolved, a)
}

// corroborated judges the alert that waits by a look at its color. What is unknown does not
// agree. Then it is treated as an alert of any other rule, as of the time that it measured.
func (d *decision) corroborated(e Probed) {
	p := &d.s.Alert
	if p.IsZero() || e.Color != p.Color {
		return
	}
	if d.agrees(e) {
		alert := p.Alert
		*p = PendingAlert{}
		alert.Corroborate, alert.Summary = false, shortened(alert.Summary, mostMessage/2)
		alert.Summary = shortened(d.words(reason.AlertCorroborated, about{Rule: alert.Summary, Detail: e.Detail}), mostMessage)
		d.alerted(alert)
		return
	}
	if p.LookedAt.IsZero() {
		p.Until = d.now.Add(corroborateFor)
	}
	was := p.Result
	p.LookedAt, p.Result, p.Seen = d.now, reason.AlertDoubted, d.found(e)
	if e.Checks != Passed { // nothing says that users are served
		p.Result = reason.AlertUnseen
	}
	a := about{Rule: p.Alert.Rule, Color: p.Color, Detail: p.Seen, Span: corroborateFor, At: p.Until}
	switch {
	case !d.now.Before(p.Until):
		*p = PendingAlert{}
		d.report(NeedsHelp, reason.AlertNotCorroborated, a)
	case was == p.Result || was == reason.AlertUnseen:
	case p.Result == reason.AlertUnseen:
		d.report(NeedsHelp, reason.AlertUnseen, a)
	default:
		d.report(Decided, reason.AlertDoubted, a)
	}
}

// agrees reports whether a look found the live color bad. Checks that failed before its switch
// too say nothing.
func (d *decision) agrees(e Probed) bool {
	refuted := e.Checks == Refuted && d.s.Release.Unconfirmed == ""
	short := e.Live != nil && !d.p.Capacity.AsLive(*e.Live, d.s.Color(e.Color).Observed.size())
	return refuted || short || e.Health == Refuted
}

// overtaken drops the alert that waits when its color is left, for whatever reason.
func (d *decision) overtaken() {
	p, s := &d.s.Alert, d.s
	switch {
	case p.IsZero():
	case s.Release.Phase == Returning:
		*p = PendingAlert{}
	case p.Color != s.subject():
		a := about{Rule: p.Alert.Rule, Color: p.Color}
		*p = PendingAlert{}
		d.report(Dropped, reason.AlertOfIdle, a)
	}
}

// corroborate is the look that an alert waits for, or when it is due. In the bake its own looks
// serve; while a switch is carried out its end is waited for.
func (s State) corroborate(p Policy, now time.Time) (Effect, time.Time) {
	r, a := s.Release, s.Alert
	if a.IsZero() || r.Phase == Baking || r.Phase == Returning || r.Phase == Switching && !r.untouched() {
		return nil, time.Time{}
	}
	if next := a.LookedAt.Add(max(p.ProbeEvery, time.Second)); now.Before(next) {
		return nil, next
	}
	return Probe{Release: r.ID, Live: a.Color, Image: s.Serving.Image, Health: true}, now
}
