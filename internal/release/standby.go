package release

import (
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/release/reason"
)

// standbyAge is how old a look may be for the standby to count as ready: two looks at rest
// and what a busy worker may delay them by.
const standbyAge = 12 * time.Minute

// StandbySize is how large the standby is kept.
type StandbySize string

const (
	StandbyReady   StandbySize = "ready"   // as large as what the live color needs
	StandbyMinimum StandbySize = "minimum" // one pod for each Deployment, or an autoscaler's minimum
	StandbyZero    StandbySize = "zero"
)

// StandbyPolicy is what the color without traffic is for between releases: it runs the version that
// served before, or with Same the live one once the rollback window is over. "" stands for
// StandbyZero.
type StandbyPolicy struct {
	Same bool
	Size StandbySize
}

func (p StandbyPolicy) zero() bool { return p.Size == "" || p.Size == StandbyZero }

// FailoverMode says what moves traffic to the standby between releases.
type FailoverMode string

const (
	FailoverManual FailoverMode = "manual" // a command only; "" stands for it
	FailoverOff    FailoverMode = "off"
	FailoverAlert  FailoverMode = "alert" // an alert on the live color too
)

// Standby is what a color was made after a release. It is zero until then, and again once a
// release is deployed there or traffic goes there. Replicas is nil while only the image was
// brought back.
type Standby struct {
	Image    Image
	Replicas []int32
	Since    time.Time
}

// Retired reports whether the color is scaled down after its release.
func (c ColorState) Retired() bool {
	return !c.Standby.Since.IsZero() && len(c.Standby.Replicas) > 0 && total(c.Standby.Replicas) == 0
}

// KeepStandby is to give the color without traffic the size, and unless it is zero the image,
// of the standby. Spoiled is set when no traffic may go to what the color runs: then it is
// made good whatever the live color is like, and not made smaller. Cleared is set once
// StandbyCleared is recorded; no image is ordered before.
type KeepStandby struct {
	Color   Color
	Image   Image
	Size    []int32
	Spoiled bool
	Cleared bool
}

func (KeepStandby) effect() {}

// StandbyCleared says that the gateway was read and sends no traffic to the color that is to
// be brought back to a good image. The order goes out after it is saved.
type StandbyCleared struct {
	Color Color
	Image Image
}

// StandbyMade says that the color without traffic was given the size of the standby, and the
// image unless that is zero.
type StandbyMade struct {
	Color    Color
	Image    Image
	Replicas []int32 // nil when only the image was brought back
}

func (StandbyCleared) event() {}
func (StandbyMade) event()    {}

// mayServe reports whether traffic may go to an image on a color by itself.
func (s State) mayServe(c Color, i Image) bool {
	if _, bad := s.quarantined(i.Digest); bad || i.IsZero() {
		return false
	}
	t := s.Serving.Previous
	return slices.ContainsFunc(s.Good, i.Same) || t.Color == c && t.Trusted && t.Image.Same(i) || s.Serving.Trusted && s.Serving.Image.Same(i)
}

// spoiled reports whether a color runs an image of a release that did not go well. What a
// person put there is left alone.
func (s State) spoiled(c Color) bool {
	color := s.Color(c)
	if _, bad := s.quarantined(color.Image().Digest); bad && color.Ordered.At.IsZero() {
		return true // the app was taken over anew since, and its orders are forgotten
	}
	return !color.Ordered.At.IsZero() && color.Image().Same(color.Ordered.Image) && !s.mayServe(c, color.Ordered.Image)
}

// standbyImage is the image that a standby is brought to: the last good one that is not
// live, or else the live one. Zero when there is none with a digest.
func (s State) standbyImage() Image {
	for _, i := range s.Good {
		if i.Digest != "" && !i.Same(s.Serving.Image) && s.MayStart(i) {
			return i
		}
	}
	if s.Serving.Image.Digest != "" && s.mayServe(s.Serving.Color, s.Serving.Image) {
		return s.Serving.Image
	}
	return Image{}
}

// standby is what is to be done to the color without traffic, or when.
func (s State) standby(p Policy, now time.Time) (Effect, time.Time) {
	at := s.standbyAt(p)
	if at.IsZero() {
		return nil, time.Time{}
	}
	idle := s.Idle(p.First)
	c := s.Color(idle)
	e := KeepStandby{Color: idle, Size: s.standbySize(idle, p), Spoiled: s.spoiled(idle)}
	same, next := latest(at, s.Serving.until(p)), time.Time{}
	switch {
	case c.standbyOrdered() && !s.isBad(c.Ordered.Image):
		e.Image, e.Cleared, e.Spoiled = c.Ordered.Image, true, !s.mayServe(idle, c.Observed.Image)
	case e.Spoiled:
		e.Image = s.standbyImage()
	case !p.Standby.Same || !s.Serving.Trusted || s.Serving.Image.Digest == "" || c.Image().Same(s.Serving.Image) || c.changed():
	case now.Before(same):
		next = same
	default:
		e.Image = s.Serving.Image
	}
	switch {
	case e.Image.IsZero() && (len(e.Size) == 0 || !c.Standby.Since.IsZero() && slices.Equal(c.Standby.Replicas, e.Size)):
		return nil, next
	case now.Before(at):
		return nil, at
	}
	return e, now
}

// changed reports whether the standby runs another image than it was made with, or none: a
// person has changed it.
func (c ColorState) changed() bool {
	return !c.Standby.Since.IsZero() && !c.Image().Same(c.Standby.Image)
}

// standbyOrdered reports whether an image was recorded as ordered for the standby, and it is
// not known to have gone out.
func (c ColorState) standbyOrdered() bool {
	return c.Standby.Since.IsZero() && !c.Ordered.At.IsZero() && c.Ordered.Release == 0
}

// standbyAt is when the color without traffic becomes the standby: some time after the last
// release ended, and after that color last served; at once where it is to be able to serve
// and a release spoiled it. Zero when it is left alone.
func (s State) standbyAt(p Policy) time.Time {
	idle := s.Idle(p.First)
	if s.Serving.Color == "" || !s.Release.Phase.Ended() || !s.Pause.IsZero() || !s.Drift.IsZero() || !s.Color(idle).Suspect.IsZero() {
		return time.Time{}
	}
	if why := s.Release.Reason; !s.Hold.IsZero() && (why == reason.Fought || why == reason.ReturnGivenUp) {
		return time.Time{} // what serves is known to be bad, until an operator resumes
	}
	from := latest(s.Release.Since, s.Serving.Since)
	if p.Standby.zero() {
		return from.Add(p.RetireAfter)
	}
	if c := s.Color(idle); s.spoiled(idle) && !s.standbyImage().IsZero() || c.standbyOrdered() || !c.Standby.Since.IsZero() {
		return from
	}
	return from.Add(p.RetireAfter)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// standbySize is the size of the standby for each Deployment, in configured order.
func (s State) standbySize(idle Color, p Policy) []int32 {
	needed := s.Color(s.Serving.Color).Observed.size()
	if p.Standby.Size == StandbyReady {
		return needed
	}
	size := make([]int32, max(1, len(needed), len(s.Color(idle).Observed.Replicas)))
	for i := range size {
		if p.Standby.Size == StandbyMinimum {
			size[i] = 1
		}
	}
	return size
}

// standbyCleared records the order for the standby before it goes out.
func (d *decision) standbyCleared(e StandbyCleared) {
	s := &d.s
	if e.Color == s.Serving.Color || s.Release.Phase.Active() {
		return
	}
	c := s.color(e.Color)
	s.Trouble = Note{}
	c.Observed.Needed, c.Standby = nil, Standby{}
	c.Ordered, c.Checked = Ordered{Image: e.Image, At: d.now}, Checked{}
	if s.Serving.Previous.Color == e.Color && !s.Serving.Previous.Image.Same(e.Image) {
		s.Serving.Previous = Target{}
	}
}

// standbyMade records what the standby was made. An image that is not the live one is a
// rollback target again.
func (d *decision) standbyMade(e StandbyMade) {
	s := &d.s
	if e.Color == s.Serving.Color || s.Release.Phase.Active() {
		return
	}
	c := s.color(e.Color)
	s.Trouble = Note{}
	made := c.Image()
	if e.Image.IsZero() && !c.Standby.Since.IsZero() {
		made = c.Standby.Image // the size says nothing of it
	}
	c.Standby = Standby{Image: made, Replicas: e.Replicas, Since: d.now}
	if e.Image.IsZero() {
		a := about{Color: e.Color, Image: c.Image(), Count: int(total(e.Replicas)), At: s.Release.Since}
		if why := reason.StandbySized; total(e.Replicas) > 0 {
			d.report(Advanced, why, a)
		} else {
			d.report(Advanced, reason.ScaledDown, a)
		}
		return
	}
	d.report(Advanced, reason.StandbyRestored, about{Color: e.Color, Image: e.Image})
	if !e.Image.Same(s.Serving.Image) && !s.isBad(e.Image) {
		s.Serving.Previous = Target{Color: e.Color, Image: e.Image, Replicas: s.Color(s.Serving.Color).Observed.size(), Trusted: true}
	}
}

// StandbyComing reports whether a standby is on its way to what it was made.
func (s State) StandbyComing() bool {
	c := s.Color(s.Serving.Color.Other())
	return s.Serving.Color != "" && total(c.Standby.Replicas) > 0 && c.Suspect.IsZero() && (c.Observed.At.Before(c.Standby.Since) || c.Observed.Ready < total(c.Standby.Replicas))
}

// standbyProblem is what is wrong with the standby, as a look at rest saw it.
func (d *decision) standbyProblem(c Color, seen Observed) (reason.Reason, about) {
	made := d.s.Color(c).Standby
	gone := seen.Image.IsZero() && d.s.Serving.Previous.Color != c // which is reported as the rollback target
	if total(made.Replicas) == 0 || d.now.Sub(made.Since) < d.p.RolloutTimeout || !seen.Image.Same(made.Image) && !gone || d.p.Capacity.AsLive(seen, made.Replicas) {
		return "", about{}
	}
	seen.At = d.now
	return reason.StandbyNotReady, about{Color: c, Image: made.Image, Detail: readyOf(seen, made.Replicas)}
}

// FailoverTarget returns where a failover moves traffic: to what the color without traffic
// was seen to run, or to the last good image, which is then deployed there first. why is
// set when that is not seen ready now, or there is none; then an alert moves nothing.
func (s State) FailoverTarget(p Policy, now time.Time) (t Target, why reason.Reason) {
	idle := s.Idle(p.First)
	c := s.Color(idle)
	needed := s.Color(s.Serving.Color).Observed.size()
	t = Target{Color: idle, Image: c.Image(), Replicas: needed, Trusted: true}
	switch {
	case s.Serving.Color == "":
		return Target{}, reason.NothingBefore
	case !s.mayServe(idle, t.Image):
		t.Image = s.standbyImage()
		if t.Image.IsZero() {
			return Target{}, reason.NoStandby
		}
		return t, reason.StandbyNotGood
	case !c.Suspect.IsZero():
		return t, reason.StandbySuspect
	case now.Sub(c.Observed.At) > standbyAge || c.Ordered.At.After(c.Observed.At) || c.Standby.Since.After(c.Observed.At):
		return t, reason.StandbyUnseen
	case !p.Capacity.AsLive(c.Observed, needed):
		return t, reason.StandbyNotReady
	}
	return t, ""
}

// failover moves traffic to the standby. Nothing is held against the version that is left:
// its color is, until an operator resumes.
func (d *decision) failover(t Target, why reason.Reason, a about) {
	s := &d.s
	cause := d.words(why, a)
	s.Releases++
	s.Release = Release{
		ID: s.Releases, Image: s.Serving.Image, To: s.Serving.Color, From: t.Color, By: a.By, Why: a.Why,
		Began: d.now, Since: d.now,
	}
	d.enter(Returning, reason.FailingOver, about{Color: t.Color, Detail: cause})
	r := &s.Release
	r.Reason, r.Cause = why, cause
	r.Progress.Target, r.Progress.TargetSince, r.Progress.Outcome = t, d.now, RolledBack
}

// failsOver reports whether traffic is on its way to the standby, or went there.
func (r Release) failsOver() bool {
	return r.Reason == reason.FailedOver || r.Reason == reason.FailoverByAlert
}

// failedOver records that the standby serves. The color that traffic left is bad, and not
// its version.
func (d *decision) failedOver(to, left Color) {
	s := &d.s
	why, cause := s.Release.Reason, s.Release.Cause
	d.end(RolledBack, ReleaseReturned, reason.StandbyServes, about{Color: to, Detail: cause})
	d.facts[len(d.facts)-1].Text = fmt.Sprintf("release %d: %s", s.Release.ID, s.Release.Cause)
	s.Release.Reason, s.Release.Cause = why, cause
	s.color(left).Suspect = Note{By: bluegreen, Why: cause, Since: d.now}
	d.report(NeedsHelp, reason.Suspect, about{Color: left, Detail: cause})
}

// failoverImpossible ends a failover that an alert asked for and whose standby turned out
// not to be ready.
func (d *decision) failoverImpossible(detail string) bool {
	r := d.s.Release
	if r.Phase != Returning || r.Reason != reason.FailoverByAlert || r.Progress.Operation != "" || !r.Progress.Writes.IsZero() {
		return false
	}
	d.end(Failed, NeedsHelp, reason.StandbyNotReady, about{Color: r.From, Image: r.Progress.Target.Image, Detail: detail})
	return true
}

// alertBetween follows an alert that no release answers for.
func (d *decision) alertBetween(e AlertFired, otherwise reason.Reason, a about) {
	s := d.s
	switch {
	case d.p.Failover != FailoverAlert || s.Serving.Color == "" || !s.Drift.IsZero():
		d.report(Dropped, otherwise, a)
		return
	case s.Release.Phase.Active():
		a.Then = d.words(reason.ReleaseUnderway, about{})
		d.report(NeedsHelp, reason.AlertNoFailover, a)
		return
	}
	t, why := s.FailoverTarget(d.p, d.now)
	switch {
	case !e.At.IsZero() && e.At.Before(s.Serving.Since.Add(-skew)):
		a.Color = s.Serving.Color
		d.report(Dropped, reason.AlertBeforeServing, a)
	case why != "":
		a.Then = d.words(why, about{Color: s.Idle(d.p.First), Image: t.Image, Detail: readyOf(s.Color(t.Color).Observed, t.Replicas)})
		d.report(NeedsHelp, reason.AlertNoFailover, a)
	case e.Corroborate:
		d.await(e, a)
	default:
		d.failover(t, reason.FailoverByAlert, a)
	}
}

// runsReady reports whether a color was last seen to run an image with a ready pod, and was
// not scaled down since.
func (s State) runsReady(c Color, i Image) bool {
	color := s.Color(c)
	return !color.Observed.At.IsZero() && color.Observed.Image.Same(i) && color.Image().Same(i) && color.Observed.Ready > 0 && !color.Retired()
}

func (d *decision) commandFailover(c Commanded) {
	s, r := &d.s, d.s.Release
	t, why := s.FailoverTarget(d.p, d.now)
	a := about{Color: t.Color, Image: t.Image}
	switch {
	case d.p.Failover == FailoverOff:
		d.report(Refused, reason.FailoverOff, a)
	case r.Phase == Returning && r.failsOver() && c.Force && !s.runsReady(r.From, r.Progress.Target.Image):
		d.report(Refused, reason.StandbyIsDown, about{Color: r.From, Image: r.Progress.Target.Image})
	case r.Phase == Returning && r.failsOver() && c.Force:
		d.forceReturn(c)
	case r.Phase == Returning:
		d.report(Decided, reason.AlreadyReturning, about{Color: r.From})
	case r.Phase.Preparing() || r.untouched():
		d.report(Refused, reason.PromoteOrCancel, about{Color: r.To})
	case r.Phase.Moving():
		d.report(Refused, reason.RollBackInstead, a)
	case !s.Drift.IsZero():
		d.report(Refused, reason.Drifted, a)
	case t.Color == "":
		d.report(Refused, reason.NoStandby, about{Color: s.Idle(d.p.First)})
	case why == reason.StandbySuspect && !c.Force:
		d.report(Refused, reason.StandbySuspect, a)
	case c.Force && !s.runsReady(t.Color, t.Image):
		d.report(Refused, reason.StandbyIsDown, a)
	default:
		d.failover(t, reason.FailedOver, about{By: c.By, Why: c.Why})
		if c.Force {
			d.forceReturn(c)
		}
	}
}
