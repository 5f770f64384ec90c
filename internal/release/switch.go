package release

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/release/reason"
)

func (d *decision) route(e RouteObserved) {
	r := &d.s.Release
	forward := r.Phase == Switching && e.To == r.To
	back := r.Phase == Returning && e.To == r.From
	if e.Release != r.ID || !forward && !back {
		return
	}
	p := &r.Progress
	p.Detail, p.Operation = e.Detail, e.Operation
	if e.Status == Lost || e.Status == Denied {
		p.TargetReady = false // it is looked at again before traffic is sent there again
	}
	if e.Status != Denied {
		d.s.Trouble, p.DeniedAt = Note{}, time.Time{}
	}
	if e.Rival {
		d.report(Advanced, reason.AnotherChange, about{Detail: e.Detail})
		if d.fought() {
			d.giveUp(e)
			return
		}
	}
	switch {
	case e.Status == Clear && forward && r.By.IsZero() && d.p.newer(d.s.Serving.Image, r.Image):
		d.fail(reason.Older, about{Image: r.Image, Other: d.s.Serving.Image}) // what is live was changed outside bluegreen
	case e.Status == Clear && forward:
		p.Writes, r.Unconfirmed = d.now, e.Unconfirmed
	case e.Status == Confirmed && forward:
		d.switched()
	case forward && d.badAtOnce(e.Failing):
		d.turnBack(RolledBack, reason.BadAtOnce, about{Detail: e.Detail})
	case e.Status == Confirmed:
		d.returned()
	case e.Status == Denied && back:
		d.denied(e.Detail)
	case e.Status == Denied && (r.untouched() || e.Live == r.From):
		d.fail(reason.SwitchDenied, about{Detail: e.Detail})
	case e.Status == Denied:
		d.turnBack(Failed, reason.SwitchDenied, about{Detail: e.Detail})
	default:
		d.overdue()
	}
}

// denied records that the gateway refuses the return until an operator fixes something.
func (d *decision) denied(detail string) {
	s, r := &d.s, &d.s.Release
	if s.Trouble.IsZero() {
		s.Trouble.Since = d.now
	}
	s.Trouble.By, s.Trouble.Why = bluegreen, detail
	r.Progress.DeniedAt = d.now
	d.ask(reason.ReturnDenied, d.words(reason.ReturnDenied, about{Color: r.From, Detail: detail, Span: deniedEvery}))
}

// badAfter is for how long the public address must fail until a new version is bad from
// its first moment: instances of a gateway follow one after the other.
const badAfter = 10 * time.Second

// badAtOnce counts the failures at the public address since the gateway has moved, and
// reports whether they are enough.
func (d *decision) badAtOnce(failing bool) bool {
	p := &d.s.Release.Progress
	switch p.Misses = inARow(p.Misses, failing); {
	case !failing:
		p.BadSince = time.Time{} // not the time now: a state that stays the same need not be saved
	case p.Misses == 1:
		p.BadSince = d.now
	}
	return p.Misses >= max(2, d.p.ProbeMisses) && d.now.Sub(p.BadSince) >= badAfter
}

// switched records what serves now, and what served before as the rollback target.
func (d *decision) switched() {
	s, r := &d.s, &d.s.Release
	s.Serving = Serving{
		Color: r.To, Image: r.Image, Since: d.now, Release: r.ID, RoutedAt: r.Progress.Writes, Previous: s.standing(), Trusted: !r.Force || s.Color(r.To).Passed(),
	}
	if _, bad := s.quarantined(s.Serving.Previous.Image.Digest); bad {
		s.Serving.Previous = Target{}
	}
	s.Serving.Until, s.Drift = s.Serving.until(d.p), Drift{}
	s.color(r.To).Standby, s.color(r.To).Suspect = Standby{}, Note{}
	bake := d.now.Add(d.p.Bake)
	d.enter(Baking, reason.Switched, about{Color: r.To, Image: r.Image, At: bake, To: r.From, Then: d.verified(r.To)})
	d.beginBake()
}

// returned records that the rollback target serves again. It stays without a rollback
// target of its own, since the color that lost the traffic is bad.
func (d *decision) returned() {
	s, r := &d.s, &d.s.Release
	t, cause, outcome := r.Progress.Target, r.Cause, r.Progress.Outcome
	bad := r.Image
	if s.Serving.Color == r.To { // perhaps another image, put there outside bluegreen
		bad = s.Serving.Image
	}
	if seen := s.Color(t.Color).Observed.Image; seen.Digest != "" && seen.Digest != t.Image.Digest && !t.Image.IsZero() {
		t.Image, t.Trusted = seen, false // it was changed outside bluegreen
		d.report(NeedsHelp, reason.LiveChanged, about{Color: t.Color, Image: seen, Other: r.Progress.Target.Image, ChangedBy: s.Color(t.Color).Observed.By})
	}
	if s.Serving.Color != t.Color {
		s.Serving = Serving{Color: t.Color, Image: t.Image, Since: d.now, Baked: slices.ContainsFunc(s.Good, t.Image.Same), Trusted: t.Trusted}
	}
	s.color(r.To).Checked, s.Drift = Checked{}, Drift{}
	s.color(t.Color).Standby, s.color(t.Color).Suspect = Standby{}, Note{}
	why, left := r.Reason, r.To
	if outcome != RolledBack {
		d.fail(reason.Returned, about{Color: t.Color, Detail: cause})
		r.Reason = why
		return
	}
	if r.failsOver() {
		d.failedOver(t.Color, left)
		return
	}
	d.end(RolledBack, ReleaseReturned, reason.Returned, about{Color: t.Color, Detail: cause})
	r.Reason = why
	held := fmt.Sprintf("%s serves on %s as well", bad, t.Color)
	if !bad.Same(t.Image) {
		held = fmt.Sprintf("%s is quarantined", bad)
		d.quarantine(bad, cause)
	}
	s.Hold = Note{By: bluegreen, Why: cause, Since: d.now}
	d.report(HoldSet, reason.HoldAfterRollback, about{Detail: held}).Image = bad
}

// quarantine keeps an image from going live by itself, as the rollback target too.
func (d *decision) quarantine(i Image, why string) {
	s := &d.s
	if s.Serving.Previous.Image.Same(i) {
		s.Serving.Previous = Target{}
	}
	if i.Digest == "" {
		return
	}
	s.Good = slices.DeleteFunc(slices.Clone(s.Good), i.Same)
	s.Quarantined = slices.DeleteFunc(slices.Clone(s.Quarantined), func(q Quarantine) bool { return q.Image.Digest == i.Digest })
	s.Quarantined = append(s.Quarantined, Quarantine{Image: i, Why: why, Since: d.now})
	s.Quarantined = s.Quarantined[max(0, len(s.Quarantined)-quarantines):]
}

// brokenAfter is how long a rollback target may say that waiting does not help.
const brokenAfter = 2 * time.Minute

func (d *decision) targetSeen(e TargetObserved) {
	r := &d.s.Release
	if e.Release != r.ID || r.Phase != Returning || e.Color != r.From {
		return
	}
	r.Progress.TargetReady = e.Ready
	if e.Unmoved {
		r.Progress.Writes = time.Time{}
	}
	if e.Ready {
		r.Progress.Writes = d.now
		r.Progress.Detail = e.Detail // trouble ends with the gateway's answer, or each denial would be reported anew
		return
	}
	if d.failoverImpossible(e.Detail) {
		return
	}
	patience, normal := d.p.RolloutTimeout, min(d.p.RolloutTimeout, comesUp)
	if e.Broken {
		patience, normal = brokenAfter, askAfter
	}
	d.blocked(d.words(reason.TargetNotReady, about{Color: r.From, Detail: e.Detail}), normal)
	if e.Hopeless && d.now.Sub(r.Progress.TargetSince) >= patience {
		d.otherTarget()
	}
}

// otherTarget lets another good image take the place of a rollback target that cannot come
// up: it may be gone from the registry.
func (d *decision) otherTarget() {
	s := &d.s
	p := &s.Release.Progress
	bad := cmp.Or(s.Serving.Image.Digest, s.Release.Image.Digest)
	tried := slices.IndexFunc(s.Good, p.Target.Image.Same) // -1: before all
	for _, good := range s.Good[tried+1:] {
		if _, quarantined := s.quarantined(good.Digest); quarantined || good.Digest == bad || good.Digest == s.Release.Image.Digest {
			continue
		}
		d.report(Advanced, reason.TargetReplaced, about{Color: p.Target.Color, Image: good, Other: p.Target.Image})
		p.Target.Image, p.Target.Trusted, p.TargetReady, p.TargetSince = good, true, false, d.now
		return
	}
}
