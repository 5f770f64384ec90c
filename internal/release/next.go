package release

import (
	"fmt"
	"slices"
	"time"
)

const (
	// patience is how many releases in a row may be superseded before the next one is
	// left to finish: a stream of pushes must not keep everything from going live.
	patience = 3
	// skew is by how much the clocks of an alert and of this app may differ.
	skew = 5 * time.Second
	// memory is how many quarantined digests are kept.
	memory = 50
)

// Next returns the state after the event, and the facts to be told. An event that means
// nothing now changes nothing. Events from outside are only for states that are Known.
func Next(s State, e Event, p Policy, now time.Time) (State, []Fact) {
	d := &decision{s: s, p: p, now: now}
	switch e := e.(type) {
	case ImagePushed:
		d.pushed(e.Image)
	case AlertFired:
		d.alerted(e)
	case Commanded:
		d.commanded(e)
	case Looked:
		d.looked(e)
	case RolloutObserved:
		d.rollout(e)
	case ChecksObserved:
		d.checks(e)
	case RouteObserved:
		d.route(e)
	case WayBackObserved:
		d.wayBack(e)
	case Probed:
		d.probed(e)
	case Retired:
		d.retired(e)
	case Stumbled:
		d.stumbled(e.Detail)
	}
	d.settle()
	return d.s, d.facts
}

type decision struct {
	s     State
	p     Policy
	now   time.Time
	facts []Fact
}

func (d *decision) tell(k FactKind, format string, args ...any) {
	d.s.Facts++
	r := d.s.Release
	d.facts = append(d.facts, Fact{
		Number: d.s.Facts, At: d.now, Kind: k, Release: r.ID, Phase: r.Phase,
		Image: r.Image, Live: d.s.Live, By: r.By, Text: plain(fmt.Sprintf(format, args...)),
	})
}

// settle does what only time, or the end of something else, had held back.
func (d *decision) settle() {
	r := &d.s.Release
	if r.Phase == Awaiting && d.s.Pause.IsZero() {
		if !d.p.Manual && !r.Approved {
			r.Approved = true
		}
		if !r.Approved && d.p.Deadline > 0 && !d.now.Before(r.Since.Add(d.p.Deadline)) {
			d.gateDefault()
		} else if r.Approved {
			d.enter(Verifying, "checks %s once more before the switch", r.To)
		}
	}
	w := d.s.Waiting
	if !d.s.Known || w.IsZero() || r.Phase.Active() || d.heldBack(w) != "" {
		return
	}
	d.s.Waiting = Image{}
	if q, bad := d.s.quarantined(w.Digest); bad {
		d.tell(Dropped, "%s, which waited, stays out: quarantined since %s, %s", w, clock(q.Since), q.Why)
		return
	}
	d.start(w, d.s.Idle(d.p.First), "", "")
}

func (d *decision) gateDefault() {
	if d.p.Default == "promote" {
		d.s.Release.Approved = true
		d.enter(Verifying, "nobody decided within %s: promoted, as configured", span(d.p.Deadline))
		return
	}
	d.end(Canceled, Decided, fmt.Sprintf("nobody approved %s within %s: canceled, as configured", d.s.Release.Image, span(d.p.Deadline)))
}

// heldBack says why an image must not start by itself now; "" when it may.
func (d *decision) heldBack(i Image) string {
	s := d.s
	switch {
	case !s.Pause.IsZero():
		return "releases are paused by " + s.Pause.By
	case !s.Drift.IsZero():
		return "the gateway was changed by somebody else"
	case !s.Hold.IsZero() && !i.PushedAt.After(s.Hold.Since):
		return "automation holds after a rollback"
	}
	return ""
}

func (d *decision) pushed(i Image) {
	s, r := &d.s, d.s.Release
	older := !s.Newest.IsZero() && s.Newest.Digest != i.Digest && d.p.newer(s.Newest, i)
	seen := s.Newest
	if !older {
		s.Newest = i
	}
	q, bad := s.quarantined(i.Digest)
	switch {
	case bad:
		d.tell(Dropped, "%s stays out: quarantined since %s, %s", i, clock(q.Since), q.Why)
	case s.Live != "" && s.Slot(s.Live).Image.Digest == i.Digest && !r.Phase.Moving():
		d.tell(Dropped, "%s is already live on %s", i, s.Live)
	case r.Phase.Active() && r.Image.Digest == i.Digest:
		d.tell(Dropped, "%s is already known: release %d %s", i, r.ID, r.Phase.told())
	case s.Waiting.Digest == i.Digest && i.Digest != "":
		d.tell(Dropped, "%s already waits for its turn", i)
	case r.Image.Digest == i.Digest && !i.PushedAt.After(r.EndedAt):
		d.tell(Dropped, "%s was already tried: release %d %s", i, r.ID, r.Phase.told())
	case older:
		d.tell(Dropped, "%s is older than %s, which was seen before", i, seen)
	case r.Phase.Moving():
		d.wait(i, fmt.Sprintf("release %d is %s", r.ID, r.Phase))
	case d.heldBack(i) != "":
		d.wait(i, d.heldBack(i))
	case r.Phase.Preparing() && s.Overtaken >= patience:
		d.wait(i, fmt.Sprintf("release %d is let finish after %d were superseded", r.ID, s.Overtaken))
	default:
		d.supersede(i)
		d.start(i, s.Idle(d.p.First), "", "")
	}
}

func (d *decision) wait(i Image, why string) {
	if w := d.s.Waiting; !w.IsZero() {
		why += "; it replaces " + w.String() + ", which waited"
	}
	d.s.Waiting = i
	d.tell(Decided, "%s waits: %s", i, why)
}

func (d *decision) supersede(by Image) {
	if !d.s.Release.Phase.Preparing() {
		return
	}
	d.s.Overtaken++
	overtaken := d.s.Overtaken
	d.end(Superseded, Advanced, by.String()+" takes its place")
	d.s.Overtaken = overtaken
}

func (d *decision) start(i Image, to Color, by, why string) {
	s := &d.s
	s.Hold = Note{}
	s.Release = Release{
		ID: s.Release.ID + 1, Phase: Deploying, Image: i, To: to, From: s.Live,
		By: by, Why: why, Began: d.now, Since: d.now, Progress: d.now,
	}
	slot := s.slot(to)
	slot.Image, slot.Verified, slot.Retired = i, false, false
	d.tell(ReleaseStarted, "release %d: %s goes to %s%s", s.Release.ID, i, to, said(by, why))
}

func (d *decision) enter(p Phase, format string, args ...any) {
	r := &d.s.Release
	r.Phase, r.Since, r.Detail = p, d.now, ""
	d.tell(Advanced, "release %d %s: "+format, append([]any{r.ID, p.told()}, args...)...)
}

func (d *decision) end(p Phase, k FactKind, why string) {
	r := &d.s.Release
	r.Phase, r.Since, r.EndedAt, r.Cause, r.Operation = p, d.now, d.now, why, ""
	d.s.Overtaken = 0
	d.tell(k, "release %d %s: %s", r.ID, p.told(), why)
}

func (d *decision) fail(why string) { d.end(Failed, ReleaseFailed, why) }

// turnBack begins the return of traffic, or fails the release where there is nowhere to return to.
func (d *decision) turnBack(cause string, outcome Phase) {
	r := &d.s.Release
	if r.From == "" {
		d.fail(cause + "; there is no way back: nothing was live before it")
		return
	}
	r.Cause, r.Outcome, r.Fit, r.Operation = cause, outcome, false, ""
	d.enter(Returning, "traffic goes back to %s: %s", r.From, cause)
}

func (d *decision) alerted(e AlertFired) {
	s, r := &d.s, d.s.Release
	subject := s.Live
	switch {
	case r.Phase == Switching || r.Phase == Returning:
		subject = r.To
	case !s.Drift.IsZero():
		subject = s.Drift.Live
	}
	name := "alert " + e.Rule
	switch {
	case !s.Drift.IsZero() && (e.Color == "" || subject == "" || e.Color == subject):
		d.tell(NeedsHelp, "%s: the gateway was changed by somebody else (%s), and nothing is overwritten without a person's word: %s", name, s.Drift.Detail, s.Drift.remedy())
	case r.Phase == Returning && e.Color == r.From && e.Color != "":
		d.tell(Dropped, "%s speaks of %s, to which traffic is on its way back", name, e.Color)
	case e.Color != "" && e.Color != subject:
		d.tell(Dropped, "%s speaks of %s, which is not live", name, e.Color)
	case r.Phase == Returning:
		d.tell(Decided, "%s: traffic is already on its way back to %s", name, r.From)
	case r.Phase.Preparing():
		d.tell(NeedsHelp, "%s: nothing to return to, %s is being prepared for release %d; roll forward, or cancel and switch by hand", name, r.To, r.ID)
	case !r.Phase.Moving() && (r.Phase != Completed || r.To != s.Live):
		d.tell(Dropped, "%s: no release is in its bake or rollback window", name)
	case !e.FiredAt.IsZero() && e.FiredAt.Before(r.RoutedAt.Add(-skew)):
		d.tell(Dropped, "%s fired at %s, before release %d got traffic", name, clock(e.FiredAt), r.ID)
	case r.Phase == Completed && d.now.After(r.SwitchedAt.Add(d.p.RollbackWindow)):
		d.tell(Dropped, "%s: the rollback window of release %d ended at %s", name, r.ID, clock(r.SwitchedAt.Add(d.p.RollbackWindow)))
	case r.From == "":
		d.tell(NeedsHelp, "%s: nothing was live before release %d, so there is no way back: roll forward", name, r.ID)
	default:
		cause := name
		if e.Summary != "" {
			cause += ": " + e.Summary
		}
		d.turnBack(cause, RolledBack)
	}
}

func (d *decision) looked(e Looked) {
	s := &d.s
	s.Trouble = Note{}
	if !s.Known {
		d.adopt(e)
		return
	}
	if s.Live == "" || s.Release.Phase == Switching || s.Release.Phase == Returning {
		return
	}
	if e.Live == s.Live {
		if !s.Drift.IsZero() {
			s.Drift = Drift{}
			d.tell(Decided, "the gateway is back on %s", s.Live)
		}
		d.compare(map[Color]*Slot{Blue: e.Blue, Green: e.Green}[s.Live])
		return
	}
	d.drifted(e.Live, e.Detail)
}

// adopt takes over what is there. A live color that runs nothing counts as nothing live.
func (d *decision) adopt(e Looked) {
	s := &d.s
	if e.Live == "" {
		d.stumbled("the gateway points at neither color alone: " + e.Detail)
		return
	}
	s.Known, s.Live = true, e.Live
	for c, seen := range map[Color]*Slot{Blue: e.Blue, Green: e.Green} {
		if seen != nil {
			*s.slot(c) = *seen
		}
	}
	if slices.Max(append([]int32{0}, s.Slot(s.Live).Replicas...)) == 0 {
		s.Live = ""
		d.tell(Decided, "taken over: the gateway points at %s, where nothing runs; the first release goes to %s", e.Live, d.p.First)
		return
	}
	d.tell(Decided, "taken over: %s is live with %s", s.Live, s.Slot(s.Live).Image)
}

// compare corrects what is recorded of the live color, when it was seen to run something
// else: somebody deployed there, or traffic was forced to what was not yet known.
func (d *decision) compare(seen *Slot) {
	slot := d.s.slot(d.s.Live)
	if seen == nil || seen.Image.Digest == "" || seen.Image.Digest == slot.Image.Digest {
		return
	}
	was := slot.Image
	slot.Image, slot.Verified, slot.Replicas = seen.Image, false, seen.Replicas
	d.tell(NeedsHelp, "%s is live and runs %s, not %s as recorded: somebody changed it; recorded as it is, nothing is deployed there", d.s.Live, seen.Image, was)
}

func (d *decision) drifted(live Color, detail string) {
	s := &d.s
	if !s.Drift.IsZero() && s.Drift.Live == live && s.Drift.Detail == detail {
		return
	}
	s.Drift = Drift{Live: live, Detail: detail, Since: d.now}
	d.tell(DriftFound, "the gateway was changed by somebody else: %s, not %s as recorded; nothing is overwritten until a person resumes or moves it back", detail, s.Live)
	if s.Release.Phase.Active() {
		if s.Release.Phase.Preparing() && s.Release.By == "" && s.Waiting.IsZero() {
			s.Waiting = s.Release.Image
		}
		d.end(Canceled, Advanced, "the gateway was changed by somebody else")
	}
}

func (d *decision) rollout(e RolloutObserved) {
	r := &d.s.Release
	if e.Release != r.ID || r.Phase != Deploying || e.Color != r.To {
		return
	}
	d.s.Trouble, r.Detail = Note{}, e.Detail
	if e.Ready > r.Ready {
		r.Ready, r.Progress = e.Ready, d.now
	}
	if e.Status != PullFailing {
		r.PullFailing = time.Time{}
	} else if r.PullFailing.IsZero() {
		r.PullFailing = d.now
	}
	switch {
	case e.Status == Complete:
		d.s.slot(r.To).Replicas = e.Replicas
		d.enter(Verifying, "%s runs %s with %d ready", r.To, r.Image, e.Ready)
	case e.Status == Broken:
		d.fail(e.Detail)
	case !r.PullFailing.IsZero() && d.now.Sub(r.PullFailing) >= d.p.PullGrace:
		d.fail(fmt.Sprintf("the image could not be pulled for %s: %s", span(d.p.PullGrace), e.Detail))
	default:
		d.overdue()
	}
}

// overdue ends what has waited too long in its phase. It is asked only after an
// observation, so that time spent asleep is not held against a release.
func (d *decision) overdue() {
	r := &d.s.Release
	switch {
	case r.Phase == Deploying && d.now.Sub(r.Progress) >= d.p.RolloutTimeout:
		d.fail(fmt.Sprintf("no progress for %s%s", span(d.p.RolloutTimeout), colon(r.Detail)))
	case r.Phase == Verifying && d.now.Sub(r.Since) >= d.p.VerifyTimeout:
		d.fail(fmt.Sprintf("the checks did not pass within %s%s", span(d.p.VerifyTimeout), colon(r.Detail)))
	case r.Phase == Switching && d.now.Sub(r.Since) >= d.p.SwitchTimeout:
		d.turnBack(fmt.Sprintf("the switch was not confirmed within %s%s", span(d.p.SwitchTimeout), colon(r.Detail)), Failed)
	}
}

func (d *decision) checks(e ChecksObserved) {
	r := &d.s.Release
	if e.Release != r.ID || r.Phase != Verifying || e.Color != r.To {
		return
	}
	d.s.Trouble, r.Detail = Note{}, e.Detail
	switch {
	case e.Verdict == Refuted:
		d.fail(e.Detail)
	case e.Verdict != Passed:
		d.overdue()
	case !d.s.Pause.IsZero():
		d.s.slot(r.To).Verified = true
		d.enter(Awaiting, "checks passed; releases are paused by %s", d.s.Pause.By)
	case d.p.Manual && !r.Approved:
		d.s.slot(r.To).Verified = true
		d.enter(Awaiting, "checks passed; a person decides")
	default:
		d.s.slot(r.To).Verified = true
		d.beginSwitch("checks passed")
	}
}

func (d *decision) beginSwitch(why string) {
	r := &d.s.Release
	r.RoutedAt = d.now
	d.s.Overtaken = 0
	d.enter(Switching, "%s; traffic goes to %s", why, r.To)
}

func (d *decision) route(e RouteObserved) {
	r := &d.s.Release
	forward := r.Phase == Switching && e.To == r.To
	back := r.Phase == Returning && e.To == r.From
	if e.Release != r.ID || !forward && !back {
		return
	}
	r.Detail, r.Operation = e.Detail, e.Operation
	if e.Status == Lost || e.Status == Denied {
		r.Fit = false // before traffic is sent there again, it is to be fit again
	}
	if e.Status != Denied {
		d.s.Trouble = Note{}
	}
	switch {
	case e.Status == Confirmed && forward:
		d.switched()
	case e.Status == Confirmed:
		d.returned()
	case e.Status == Denied && back:
		d.stumbled(e.Detail)
	case e.Status == Denied && (e.Live == r.From || r.From == ""):
		d.fail(e.Detail)
	case e.Status == Denied:
		d.turnBack(e.Detail, Failed)
	default:
		d.overdue()
	}
}

func (d *decision) switched() {
	s, r := &d.s, &d.s.Release
	s.Live, r.SwitchedAt, r.ProbedAt, r.Misses = r.To, d.now, d.now, 0
	r.Phase, r.Since, r.Detail, r.Operation = Baking, d.now, "", ""
	d.tell(ReleaseSwitched, "release %d is baking until %s: traffic goes to %s with %s%s", r.ID, clock(d.now.Add(d.p.Bake)), r.To, r.Image, keeps(r.From))
}

func (d *decision) returned() {
	s, r := &d.s, &d.s.Release
	cause := r.Cause
	s.Live = r.From
	s.slot(r.To).Verified, s.slot(r.From).Retired = false, false
	if r.Outcome != RolledBack {
		d.fail(fmt.Sprintf("traffic is back on %s: %s", r.From, cause))
		return
	}
	d.end(RolledBack, ReleaseReturned, fmt.Sprintf("traffic is back on %s: %s", r.From, cause))
	if r.Image.Digest != "" {
		s.Quarantined = slices.DeleteFunc(slices.Clone(s.Quarantined), func(q Quarantine) bool { return q.Image.Digest == r.Image.Digest })
		s.Quarantined = append(s.Quarantined, Quarantine{Image: r.Image, Why: cause, Since: d.now})
		s.Quarantined = s.Quarantined[max(0, len(s.Quarantined)-memory):]
	}
	s.Hold = Note{By: "bluegreen", Why: cause, Since: d.now}
	d.tell(HoldSet, "automation holds: %s is quarantined; a newer image or a person's resume goes on", r.Image)
}

func (d *decision) wayBack(e WayBackObserved) {
	r := &d.s.Release
	if e.Release != r.ID || r.Phase != Returning || e.Color != r.From {
		return
	}
	r.Fit = e.Fit
	if e.Fit {
		r.Detail = e.Detail // trouble ends with the gateway's word, or each denial would be told anew
		return
	}
	d.stumbled(fmt.Sprintf("%s cannot take traffic back yet: %s", r.From, e.Detail))
}

func (d *decision) probed(e Probed) {
	r := &d.s.Release
	if e.Release != r.ID || r.Phase != Baking {
		return
	}
	d.s.Trouble, r.ProbedAt, r.Detail = Note{}, d.now, e.Detail
	if e.LiveOK {
		r.Misses = 0
	} else {
		r.Misses++
	}
	if !e.BackOK {
		d.stumbled("the way back is not healthy: " + e.Detail)
	}
	switch {
	case r.Misses >= max(1, d.p.ProbeMisses):
		d.turnBack(fmt.Sprintf("%d probes in a row failed: %s", r.Misses, e.Detail), RolledBack)
	case r.Misses == 0 && !d.now.Before(r.SwitchedAt.Add(d.p.Bake)):
		d.end(Completed, ReleaseCompleted, fmt.Sprintf("%s is live on %s after its bake", r.Image, r.To))
	}
}

func (d *decision) retired(e Retired) {
	s := &d.s
	if e.Color == s.Live || s.Release.Phase.Active() {
		return
	}
	slot := s.slot(e.Color)
	slot.Retired, s.Trouble = true, Note{}
	d.tell(Advanced, "%s is scaled down to %d: release %d ended at %s", e.Color, d.p.RetireReplicas, s.Release.ID, clock(s.Release.EndedAt))
}

func (d *decision) stumbled(detail string) {
	s, r := &d.s, &d.s.Release
	since := d.now
	if !s.Trouble.IsZero() {
		since = s.Trouble.Since
	}
	fresh := s.Trouble.IsZero()
	s.Trouble = Note{By: "bluegreen", Why: detail, Since: since}
	if r.Phase.Active() {
		r.Detail = detail
	}
	if fresh && r.Phase == Returning {
		d.tell(NeedsHelp, "release %d cannot return to %s yet and keeps trying: %s", r.ID, r.From, detail)
	}
	d.overdue()
}

func said(by, why string) string {
	text := ""
	if by != "" {
		text = ", asked by " + by
	}
	if why != "" {
		text += ": " + why
	}
	return text
}

func keeps(from Color) string {
	if from == "" {
		return ""
	}
	return ", " + string(from) + " stays as the way back"
}
