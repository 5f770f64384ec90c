package release

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

// shortLooks is at how many looks in a row too few ready pods make a live color bad.
const shortLooks = 2

// compare corrects what is recorded of the live color, when it was seen to run something
// else: it was changed outside bluegreen, or traffic was forced to an unknown image.
func (d *decision) compare(seen Observed) {
	s := &d.s
	d.observe(s.Serving.Color, seen)
	if seen.Image.Digest == "" || seen.Image.Digest == s.Serving.Image.Digest {
		return
	}
	if t := s.Release.Progress.Target; s.Release.Phase == Returning && t.Color == s.Serving.Color && t.Image.Same(seen.Image) {
		s.Serving.Image, s.Serving.Trusted = t.Image, t.Trusted // as a return has ordered
		return
	}
	was := s.Serving.Image
	s.Serving.Image, s.Serving.Baked, s.Serving.Trusted = s.named(seen.Image), false, false
	d.report(NeedsHelp, reason.LiveChanged, about{Color: s.Serving.Color, Image: s.Serving.Image, Other: was, ChangedBy: seen.By})
	if s.Release.Phase == Baking && s.Release.To == s.Serving.Color {
		d.beginBake() // of what is there now
	}
}

// beginBake lets the bake begin now.
func (d *decision) beginBake() {
	s := &d.s
	p := &s.Release.Progress
	p.BakeUntil, p.ProbedAt, p.Misses, p.Short, p.Good = d.now.Add(d.p.Bake), d.now, 0, 0, 0
	if until := s.Serving.until(d.p); until.Before(p.BakeUntil) {
		s.Serving.Until = p.BakeUntil
	}
}

// probed judges a look at the live color, of the bake or because of an alert.
func (d *decision) probed(e Probed) {
	r := &d.s.Release
	baking := e.Release == r.ID && r.Phase == Baking
	if !baking && (d.s.Alert.IsZero() || e.Color != d.s.Alert.Color) {
		return
	}
	if e.Live != nil {
		d.compare(*e.Live)
	}
	if d.corroborated(e); baking && r.Phase == Baking {
		d.baked(e)
	}
}

// baked judges a look during the bake. The bake is as long as its good looks: time without
// one is added to it.
func (d *decision) baked(e Probed) {
	s, r := &d.s, &d.s.Release
	v := d.judge(e)
	p := &r.Progress
	missed := v.missing(d.now.Sub(p.ProbedAt), d.p.ProbeEvery)
	if d.extendBy(missed); missed > 0 {
		p.Good = 0 // what was good before is too old
	}
	p.ProbedAt, p.Detail = d.now, e.Detail
	p.Misses, p.Short, p.Good = inARow(p.Misses, v.refuted), inARow(p.Short, v.short), inARow(p.Good, v.good)
	switch {
	case v.bad() && p.BadSince.IsZero():
		p.BadSince = d.now
	case p.Good >= d.p.goodLooks():
		p.BadSince = time.Time{}
	}
	backIsWell := d.bakeTroubles(e, v) || e.Target == nil && r.From != ""
	switch {
	case p.Short >= shortLooks:
		d.turnBack(RolledBack, reason.TooFewReady, about{Detail: e.Detail})
	case p.Misses >= max(1, d.p.ProbeMisses):
		d.turnBack(RolledBack, reason.ProbesFailed, about{Count: p.Misses, Detail: e.Detail})
	case p.Good >= d.p.goodLooks() && !d.now.Before(s.bakeUntil(d.p)):
		d.complete(reason.BakeEnded, about{})
	case v.bad() && !backIsWell && d.heldBack(s.Waiting) == "" && !s.Waiting.IsZero() && d.now.Sub(p.BadSince) >= 2*d.p.Bake:
		d.fail(reason.NeitherWell, about{Image: s.Waiting, Detail: e.Detail}) // the image that waits may be the fix
	}
}

// verdict is what a look during the bake says of the live version. Unknown is neither good
// nor bad.
type verdict struct {
	good, refuted, short bool
	// broken is set when the checks already failed before the switch.
	broken bool
}

// bad reports whether users get less than they must, whatever is to blame.
func (v verdict) bad() bool { return v.refuted || v.short || v.broken }

func (d *decision) judge(e Probed) (v verdict) {
	s, r := &d.s, &d.s.Release
	live := s.Color(r.To).Observed
	known := e.Live != nil && (e.Live.Image.Digest != "" || s.Serving.Image.Digest == "")
	v.short = e.Live != nil && !d.p.Capacity.AsLive(*e.Live, live.size())
	switch {
	case e.Checks == Passed:
		r.Unconfirmed = ""
	case e.Checks == Refuted && r.Unconfirmed != "":
		v.broken = true
	case e.Checks == Refuted:
		v.refuted = true
	}
	v.good = known && !v.short && (e.Checks == Passed || e.Checks == "")
	return v
}

// missing is how much of the time since the look before brings no evidence.
func (v verdict) missing(since, every time.Duration) time.Duration {
	switch {
	case !v.good:
		return since
	case since > 2*every+90*time.Second: // no probe was made meanwhile
		return since - every
	}
	return 0
}

func (d *decision) extendBy(t time.Duration) {
	if t <= 0 {
		return
	}
	s := &d.s
	s.Release.Progress.BakeUntil = s.bakeUntil(d.p).Add(t)
	if until := s.Release.Progress.BakeUntil; s.Serving.until(d.p).Before(until) {
		s.Serving.Until = until
	}
}

func inARow(n int, again bool) int {
	if again {
		return n + 1
	}
	return 0
}

// bakeTroubles records what a look found beside the decision, and asks for help once. It
// reports whether there is a rollback target that is well.
func (d *decision) bakeTroubles(e Probed, v verdict) (backIsWell bool) {
	t := troubles{d: d}
	switch {
	case v.broken:
		t.add(reason.ChecksBroken, about{Detail: d.s.Release.Unconfirmed})
	case !v.good && !v.refuted && !v.short:
		t.add(reason.BakeUnknown, about{Detail: e.Detail})
	}
	if d.s.Release.From != "" {
		why, a := d.targetProblem(e)
		t.add(why, a)
		backIsWell = why == ""
	}
	t.warn(e.Warnings)
	d.troubled(t)
	return backIsWell
}

// troubles are what one look found wrong. An operator is asked for the first of them, and by
// one look alone only for what stays until someone acts.
type troubles struct {
	d     *decision
	why   reason.Reason
	stays bool
	texts []string
}

func (t *troubles) add(why reason.Reason, a about) {
	if why != "" {
		t.why, t.texts = cmp.Or(t.why, why), append(t.texts, t.d.words(why, a))
		t.stays = t.stays || !mayPass[why]
	}
}

// mayPass are the troubles that the next look of a bake may no longer find: one answer that was
// late, one pod that was replaced.
var mayPass = map[reason.Reason]bool{reason.BakeUnknown: true, reason.TargetUnhealthy: true}

func (t *troubles) warn(warnings []string) {
	for _, w := range warnings {
		t.add(reason.GatewayWarns, about{Detail: w})
	}
}

// troubled records what a look found wrong, and asks for help once; nothing ends it. What may
// pass is asked for when a second look in a row finds trouble.
func (d *decision) troubled(t troubles) {
	s := &d.s
	if len(t.texts) == 0 {
		s.Trouble = Note{}
		return
	}
	first := s.Trouble.IsZero()
	if first {
		s.Trouble = Note{By: bluegreen, Since: d.now}
	}
	s.Trouble.Why = strings.Join(t.texts, "; ")
	if t.stays || !first {
		d.ask(t.why, s.Trouble.Why)
	}
}

// targetProblem is what is wrong with the rollback target in the bake.
func (d *decision) targetProblem(e Probed) (reason.Reason, about) {
	if e.Target == nil {
		return reason.TargetUnhealthy, about{Detail: cmp.Or(e.TargetDetail, "it cannot be looked at")}
	}
	d.observe(d.s.Release.From, *e.Target)
	if why, a := d.targetGone(*e.Target); why != "" {
		return why, a
	}
	if seen := e.Target; seen.Ready == 0 || seen.Ready < max(total(seen.Replicas), total(d.s.Serving.Previous.Replicas)) {
		return reason.TargetUnhealthy, about{Detail: e.TargetDetail}
	}
	return "", about{}
}

// targetGone is why the rollback target is not what it was when it served.
func (d *decision) targetGone(seen Observed) (reason.Reason, about) {
	was := d.s.Serving.Previous
	switch {
	case seen.Image.IsZero():
		return reason.TargetMissing, about{Color: was.Color, Image: was.Image}
	case was.Image.Digest != "" && seen.Image.Digest != "" && seen.Image.Digest != was.Image.Digest:
		return reason.TargetChanged, about{Color: was.Color, Image: was.Image, Other: d.s.named(seen.Image), ChangedBy: seen.By}
	}
	return "", about{}
}

// complete ends a bake well: from now on the image counts as good. Another image that was
// put there meanwhile is not the release's.
func (d *decision) complete(why reason.Reason, a about) {
	s, r := &d.s, d.s.Release
	i := s.Serving.Image
	a.Image, a.Color = i, r.To
	s.Serving.Baked, s.Serving.Trusted = true, true
	s.Good = append([]Image{i}, slices.DeleteFunc(slices.Clone(s.Good), i.Same)...)
	s.Good = s.Good[:min(goods, len(s.Good))]
	if !i.Same(r.Image) && r.Image.Digest != "" {
		a.Other = r.Image
		d.end(Canceled, NeedsHelp, reason.BakeEndedOfOther, a)
		return
	}
	d.end(Completed, ReleaseCompleted, why, a)
}
