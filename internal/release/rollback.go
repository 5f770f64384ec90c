package release

import (
	"slices"
	"time"

	"bluegreen/internal/release/reason"
)

// rollback returns traffic to the rollback target, or to a version that was good.
func (d *decision) rollback(c Commanded) {
	if c.Digest == "" {
		d.takeBack(c)
		return
	}
	s := d.s
	target, good := s.RollbackTarget().Image, s.goodVersions()
	switch found := named(c.Digest, good...); {
	case len(found) == 0 && s.Serving.Color != "" && len(named(c.Digest, s.Serving.Image)) > 0:
		d.report(Refused, reason.AlreadyLive, about{Image: s.Serving.Image, Color: s.Serving.Color})
	case len(found) == 0:
		d.report(Refused, reason.NotGood, about{Detail: briefRef(c.Digest), Then: listed(good)})
	case len(found) > 1:
		d.report(Refused, reason.NotOneImage, about{Detail: briefRef(c.Digest), Then: listed(found)})
	case found[0].Same(target):
		d.takeBack(c)
	default:
		d.releaseAgain(c, found[0], target)
	}
}

// goodVersions are the images that a rollback may be asked for: that of the rollback target, then
// those whose bake ended well, without the live one.
func (s State) goodVersions() (images []Image) {
	for _, i := range append([]Image{s.RollbackTarget().Image}, s.Good...) {
		live := s.Serving.Color != "" && i.Same(s.Serving.Image)
		if !i.IsZero() && !live && !slices.ContainsFunc(images, i.Same) {
			images = append(images, i)
		}
	}
	return images
}

// releaseAgain follows a rollback to a version that the rollback target does not have: it is
// released, and promised what every release is.
func (d *decision) releaseAgain(c Commanded, i, target Image) {
	why := "the rollback target has " + target.String()
	if target.IsZero() {
		why = d.words(reason.NothingBefore, about{})
	}
	if d.s.Release.Phase.Moving() || c.Force {
		d.report(Refused, reason.TargetFirst, about{Image: i, Detail: why})
		return
	}
	c.Image = i
	d.deploy(c)
	if f := &d.facts[len(d.facts)-1]; f.Kind == ReleaseStarted {
		f.Text += "; " + d.words(reason.ReleasedAgain, about{Detail: why})
	}
}

// takeBack returns traffic to the rollback target.
func (d *decision) takeBack(c Commanded) {
	s, r := d.s, d.s.Release
	switch {
	case r.Phase == Returning && c.Force:
		d.forceReturn(c)
	case r.Phase == Returning:
		d.s.Release.Progress.DeniedAt = time.Time{} // it is tried again at once
		d.report(Decided, reason.AlreadyReturning, about{Color: r.From})
	case !s.Drift.IsZero() && !s.Drift.Watched:
		d.report(Refused, reason.Drifted, about{})
	case s.RollbackTarget().Color != "":
		d.turnBack(RolledBack, reason.RolledBack, about{By: c.By, Why: c.Why})
		if c.Force && d.s.Release.Phase == Returning {
			d.forceReturn(c)
		}
	case r.untouched():
		d.report(Refused, reason.NotServed, about{})
	default:
		d.report(Refused, reason.NoTarget, about{})
	}
}

// forceReturn sends traffic to the rollback target whatever was seen of it, but for an image
// that is not the one that served and is not signed.
func (d *decision) forceReturn(c Commanded) {
	r := &d.s.Release
	if t := r.Progress.Target; !d.mayReturn(t) {
		d.report(Decided, reason.NotForced, about{Color: t.Color, Image: d.s.Color(t.Color).Image(), Other: t.Image})
		return
	}
	r.Progress.Forced, r.Progress.DeniedAt = true, time.Time{}
	d.report(Decided, reason.ReturnForced, about{Color: r.From, By: c.By, Why: c.Why})
}
