package release

import (
	"cmp"
	"slices"
	"time"

	"bluegreen/internal/release/reason"
)

const (
	// mostSuperseded is how many releases in a row may be superseded before the next one is
	// left to finish: a stream of pushes must not keep everything from going live.
	mostSuperseded = 3
	// quarantines and goods are how many images of each kind are remembered.
	quarantines = 50
	goods       = 5
	// observedEvery is how old an observation that did not change may become before its
	// time is written again: each write is a commit.
	observedEvery = time.Minute
	// askAfter is how long a return may be blocked until an operator is asked to look.
	askAfter = 30 * time.Second
	// comesUp is how long a rollback target that is scaled up may normally take.
	comesUp  = 5 * time.Minute
	askAgain = 30 * time.Minute
	// underwayFor is for how long an app is not taken over because its gateway carries out a
	// change. Longer ones were seen on Azure, but without end nothing would return traffic.
	underwayFor = 15 * time.Minute
	// UnseenFor is for how long users are looked for at the public address after a change.
	// Then a check that does not pass says more of the color than of the gateway.
	UnseenFor = 2 * time.Minute
)

// Next returns the state after the event, and the facts to report. An event that means
// nothing now changes nothing. Events from outside are only for states that are Known.
func Next(s State, e Event, p Policy, now time.Time) (State, []Fact) {
	d := &decision{s: s, p: p, now: now}
	switch e := Bounded(e).(type) {
	case ImagePushed:
		d.pushed(e)
	case AlertFired:
		d.alerted(e)
	case AlertResolved:
		d.resolved(e)
	case Commanded:
		d.commanded(e)
	case Looked:
		d.looked(e)
	case ColorSeen:
		d.seen(e)
	case DeployCleared:
		d.cleared(e)
	case RolloutObserved:
		d.rollout(e)
	case ChecksBegun:
		d.checksBegun(e)
	case ChecksEnded:
		d.checksEnded(e)
	case ChecksObserved:
		d.checks(e)
	case RouteObserved:
		d.route(e)
	case TargetObserved:
		d.targetSeen(e)
	case Probed:
		d.probed(e)
	case StandbyCleared:
		d.standbyCleared(e)
	case StandbyMade:
		d.standbyMade(e)
	case SizeFreed:
		d.freed(e)
	case RegistryAsked:
		d.registryAsked(e)
	case StepFailed:
		d.stepFailed(e.Detail)
	case FenceRaised:
		d.fenceRaised(e)
	}
	d.settle()
	d.forget()
	d.helped(e)
	if d.s.Trouble.IsZero() {
		d.s.Alarmed = ""
	}
	return d.s, d.facts
}

// helped ends what an operator was asked to look at.
func (d *decision) helped(e Event) {
	_, person := e.(Commanded)
	over := d.s.Alarmed == d.s.Help.Reason && d.s.Trouble.IsZero()
	for _, f := range d.facts {
		switch {
		case f.Kind == NeedsHelp:
			return
		case f.Kind == ReleaseSwitched || f.Kind == ReleaseReturned || person && f.Kind != Refused && f.Kind != Dropped:
			over = true
		case f.Kind == ReleaseStarted && (d.s.Help.Reason == reason.FromTheFuture || d.s.Help.Reason == reason.OlderThanUnreleased):
			over = true
		case doubted(d.s.Help.Reason) && (f.Reason == reason.AlertResolved && d.s.Alert.IsZero() || f.Reason == reason.Returning || f.Reason == reason.FailingOver):
			over = true
		case f.Reason == reason.DriftEnded, f.Reason == reason.ImageBack && len(d.s.Missing) == 0:
			over = true
		}
	}
	if over {
		d.s.Help = Help{}
	}
}

type decision struct {
	s     State
	p     Policy
	now   time.Time
	by    Actor // who gave the command or sent the alert, where the event is one
	facts []Fact
}

// settle runs after every event: it applies the approval deadline, and starts the image that
// waits when nothing holds it back any more.
func (d *decision) settle() {
	if d.s.Release.Phase == Awaiting && d.s.Pause.IsZero() {
		d.gate()
	}
	d.startOver()
	d.overtaken()
	if s := &d.s; !s.Waiting.IsZero() && s.Waiting.Digest == s.Serving.Image.Digest && s.Serving.Color != "" && !s.Release.Phase.Moving() {
		d.report(Dropped, reason.AlreadyLive, about{Image: s.Waiting, Color: s.Serving.Color})
		s.Waiting, s.WaitingBy = Image{}, Note{}
	}
	w, by := d.s.Waiting, d.s.WaitingBy
	if !d.s.Known || w.IsZero() || d.s.Release.Phase.Active() || d.heldBack(w) != "" {
		return
	}
	d.s.Waiting, d.s.WaitingBy = Image{}, Note{}
	if q, bad := d.s.quarantined(w.Digest); bad {
		d.report(Dropped, reason.TakenFromQueue, about{Image: w, Other: q.Image, At: q.Since, Detail: q.Why})
		return
	}
	if live := d.s.Serving.Image; by.IsZero() && d.s.Serving.Color != "" && d.p.newer(live, w) {
		d.report(Dropped, reason.Older, about{Image: w, Other: live})
		return
	}
	d.start(w, d.s.Idle(d.p.First), by)
}

// startOver lets a release in which nothing happened for long begin again, with the newest
// image that may be released. One that waits for an operator waits on.
func (d *decision) startOver() {
	s, r := &d.s, d.s.Release
	last := latest(r.Since, r.Progress.ReadySince)
	if d.p.ReleaseTimeout <= 0 || !r.untouched() || r.Phase == Awaiting || !s.Pause.IsZero() || d.now.Sub(last) < d.p.ReleaseTimeout {
		return
	}
	if !s.Waiting.IsZero() && d.heldBack(s.Waiting) != "" { // it waits on
		d.end(Superseded, Advanced, reason.StartedOver, about{Image: r.Image, Span: d.p.ReleaseTimeout})
		d.start(r.Image, s.Idle(d.p.First), Note{By: r.By, Why: r.Why, Since: d.now})
		return
	}
	if s.Waiting.IsZero() {
		s.Waiting, s.WaitingBy = r.Image, Note{By: r.By, Why: r.Why, Since: d.now}
		if _, bad := s.quarantined(s.Newest.Digest); r.By.IsZero() {
			s.WaitingBy = Note{}
			if !bad && !s.Newest.IsZero() && d.p.newer(s.Newest, r.Image) {
				s.Waiting = s.Newest
			}
		}
	}
	d.end(Superseded, Advanced, reason.StartedOver, about{Image: s.Waiting, Span: d.p.ReleaseTimeout})
}

// gate lets a release that awaits approval go on when there is one, or when its time is over.
func (d *decision) gate() {
	r := &d.s.Release
	over := d.p.Deadline > 0 && !d.now.Before(r.gateEnd(d.p))
	switch {
	case r.Approved || !d.p.Manual:
		r.Approved = true
		d.enter(Verifying, reason.CheckAgain, about{Color: r.To})
	case over && d.p.Default == "promote":
		r.Approved = true
		d.enter(Verifying, reason.GatePromoted, about{Span: d.p.Deadline})
	case over:
		d.end(Canceled, Decided, reason.GateCanceled, about{Image: r.Image, Span: d.p.Deadline})
	}
}

// gateEnd is when the gate's deadline ends while no pause lets it stand still.
func (r Release) gateEnd(p Policy) time.Time { return r.Since.Add(p.Deadline + r.Progress.Stood) }

// start begins a release. Only one that starts by itself ends the hold: an operator's is
// no sign that automation may go on.
func (d *decision) start(i Image, to Color, by Note) {
	s := &d.s
	if by.By.IsZero() {
		s.Hold = Note{}
	}
	s.Releases++
	s.Release = Release{
		ID: s.Releases, Phase: Deploying, Image: i, To: to, From: s.Serving.Color,
		By: by.By, Why: by.Why, Began: d.now, Since: d.now, Progress: Progress{ReadySince: d.now},
	}
	d.report(ReleaseStarted, reason.Started, about{Image: i, Color: to, By: by.By, Why: by.Why})
}

// enter begins a phase, with nothing of the one before but what the fact keeps.
func (d *decision) enter(p Phase, why reason.Reason, a about) {
	was, took := d.s.Release, d.now.Sub(d.s.Release.Since)
	r := &d.s.Release
	r.Phase, r.Since, r.Progress = p, d.now, Progress{}
	kind := Advanced
	if p == Baking {
		kind = ReleaseSwitched
	}
	f := d.report(kind, why, a)
	f.Text = d.ofRelease(f.Text)
	f.Took, f.Detail, f.Operation = took, was.Progress.Detail, was.Progress.Operation
}

// end ends the release for a reason, which stays with it.
func (d *decision) end(p Phase, k FactKind, why reason.Reason, a about) {
	was, took := d.s.Release, d.now.Sub(d.s.Release.Since)
	r := &d.s.Release
	r.Phase, r.Since, r.Progress = p, d.now, Progress{}
	r.Reason, r.Cause = why, d.words(why, a)
	if p == Failed && !was.failsOver() || p == Canceled && heldAgainst(why) {
		d.s.Good = slices.DeleteFunc(slices.Clone(d.s.Good), r.Image.Same)
	}
	d.s.SupersededInARow = 0
	f := d.report(k, why, a)
	f.Text = d.ofRelease(f.Text)
	f.Took, f.Detail, f.Operation = took, was.Progress.Detail, was.Progress.Operation
}

// heldAgainst reports whether a cancellation for a reason is held against the image.
func heldAgainst(why reason.Reason) bool {
	return why != reason.ChangedInMidst && why != reason.TakenBack && why != reason.BakeEndedOfOther
}

func (d *decision) fail(why reason.Reason, a about) { d.end(Failed, ReleaseFailed, why, a) }

// turnBack begins the return of traffic to the rollback target, or fails the release where
// there is none. A release that has no traffic yet makes way for the one that has.
func (d *decision) turnBack(outcome Phase, why reason.Reason, a about) {
	s := &d.s
	t := s.RollbackTarget()
	if t.Color == "" {
		first := s.Serving.Color == "" && s.Release.Phase == Switching && !s.Release.untouched()
		a.Then = d.words(reason.NothingBefore, about{})
		d.fail(why, a)
		s.Known = s.Known && !first // it may have users: the app is taken over as it is
		return
	}
	cause := d.words(why, a)
	if r := s.Release; !r.Phase.Moving() || r.untouched() {
		d.makeWay()
		s.Release = Release{
			ID: s.Serving.Release, Image: s.Serving.Image, To: s.Serving.Color, From: t.Color,
			Began: d.now, Since: d.now,
		}
	}
	d.enter(Returning, reason.Returning, about{Color: t.Color, Detail: cause})
	r := &s.Release
	r.Reason, r.Cause = why, cause
	r.Progress.Target, r.Progress.TargetSince, r.Progress.Outcome = t, d.now, outcome
}

// makeWay cancels a release in preparation, so that another one can return its traffic. An
// image that came by a push waits: it may hold the fix.
func (d *decision) makeWay() {
	r := d.s.Release
	if !r.untouched() {
		return
	}
	if r.By.IsZero() && d.s.Waiting.IsZero() {
		d.s.Waiting, d.s.WaitingBy = r.Image, Note{}
	}
	d.end(Canceled, Advanced, reason.CanceledForReturn, about{Number: d.s.Serving.Release})
}

func (d *decision) looked(e Looked) {
	if !e.At.IsZero() {
		d.now = e.At
	}
	s := &d.s
	seen := map[Color]*Observed{Blue: e.Blue, Green: e.Green}
	switch {
	case !s.Known:
		d.takeOver(e)
		return
	case s.Release.Phase != Baking: // whose looks judge all of it
		d.restTroubles(e, seen)
	}
	switch {
	case s.Serving.Color == "":
		s.Serving.Points = cmp.Or(e.Live, s.Serving.Points)
		d.seenBoth(e)
		if r := &s.Release; r.Phase == Deploying && s.Color(r.To).Ordered.Release != r.ID {
			r.To = s.Idle(r.To) // not where an image that did not go live may have users now
		}
		return
	case s.Release.Phase == Switching && !s.Release.untouched() || s.Release.Phase == Returning:
		return
	}
	d.seenBoth(e)
	switch {
	case e.Live != s.Serving.Color:
		d.drifted(e)
	case !s.Drift.IsZero() && !s.Drift.Watched:
		d.driftBack(e)
	}
}

// seenBoth records what both colors were seen to run. A color that users have left does not
// change what served there.
func (d *decision) seenBoth(e Looked) {
	for _, c := range []Color{Blue, Green} {
		switch o := map[Color]*Observed{Blue: e.Blue, Green: e.Green}[c]; {
		case o == nil:
		case e.Live == c:
			d.seen(ColorSeen{Color: c, Seen: *o})
		default:
			d.observe(c, *o)
		}
	}
}

// restTroubles reports what a look found wrong while no release is in its bake. A step that
// failed before has ended with this look.
func (d *decision) restTroubles(e Looked, seen map[Color]*Observed) {
	t := troubles{d: d}
	if live := seen[d.s.Serving.Color]; live != nil && live.Image.IsZero() {
		t.add(reason.LiveMissing, about{Color: d.s.Serving.Color, Image: d.s.Serving.Image})
	}
	if target := seen[d.s.Serving.Previous.Color]; target != nil {
		t.add(d.targetGone(*target))
	}
	idle := d.s.Serving.Color.Other()
	if standby := seen[idle]; standby != nil {
		t.add(d.standbyProblem(idle, *standby))
	}
	t.warn(e.Warnings)
	d.troubled(t)
}

// seen records what a color was seen to run.
func (d *decision) seen(e ColorSeen) {
	if e.Color == d.s.Serving.Color {
		d.compare(e.Seen)
	} else {
		d.observe(e.Color, e.Seen)
	}
}

// takeOver records an app as it is found. A live color that runs nothing counts as nothing live.
func (d *decision) takeOver(e Looked) {
	s := &d.s
	switch {
	case e.Live == "":
		d.stepFailed(d.words(reason.AmbiguousGateway, about{Detail: e.Detail}))
		return
	case !e.Reached(s.Serving.Since, d.now) && (s.Trouble.IsZero() || d.now.Sub(s.Trouble.Since) < underwayFor): // users still follow
		if e.Underway && s.Serving.Color != "" {
			s.Serving.Since = d.now
		}
		d.stepFailed(d.words(reason.GatewayUnderway, about{Detail: cmp.Or(e.Unseen, e.Detail)}))
		return
	}
	s.Known, s.Trouble = true, Note{}
	was := *s // its orders name the images
	for c, seen := range map[Color]*Observed{Blue: e.Blue, Green: e.Green} {
		if seen != nil {
			found := *seen
			found.Image, found.At = was.named(seen.Image), d.now
			if n := total(found.Replicas); n > 0 && found.Ready >= n {
				found.Needed = found.Replicas
			}
			*s.color(c) = ColorState{Observed: found, Held: s.Color(c).Held}
			if c != e.Live {
				s.color(c).Suspect = was.Color(c).Suspect
			}
		}
	}
	seen := s.Color(e.Live).Observed
	if slices.Max(append([]int32{0}, seen.Replicas...)) == 0 {
		s.Serving = Serving{Points: e.Live}
		d.report(Decided, reason.TakenOverEmpty, about{Color: e.Live, To: d.p.First})
		return
	}
	failed := s.Release.Phase == Failed && s.Release.Image.Same(seen.Image) // a first release that was not confirmed
	s.Serving = Serving{Color: e.Live, Image: seen.Image, Since: d.now, Trusted: !failed}
	d.report(Decided, reason.TakenOver, about{Color: e.Live, Image: seen.Image})
}

// observe records what a color was seen to run. An image that is known already keeps its tag.
func (d *decision) observe(c Color, seen Observed) {
	o := &d.s.color(c).Observed
	seen.Image, seen.Needed = d.s.named(seen.Image), o.Needed
	if n := total(seen.Replicas); n > 0 && seen.Ready >= n {
		seen.Needed = seen.Replicas
	}
	unchanged := seen.Image.Same(o.Image) && seen.Image.Tag == o.Image.Tag && slices.Equal(seen.Replicas, o.Replicas) && seen.Ready == o.Ready && slices.Equal(seen.ReadyOf, o.ReadyOf) && seen.By == o.By && slices.Equal(seen.Needed, o.Needed) && d.now.Sub(o.At) < observedEvery
	if unchanged && !d.s.color(c).Ordered.At.After(o.At) {
		return
	}
	*o = seen
	o.At = d.now
}

// named returns an image with the tag and time that it is known by, where only its digest
// was seen.
func (s State) named(i Image) Image {
	known := append([]Image{s.Release.Image, s.Blue.Ordered.Image, s.Green.Ordered.Image, s.Serving.Image, s.Serving.Previous.Image, s.Newest}, s.Good...)
	for _, k := range known {
		if i.Digest != "" && k.Digest == i.Digest {
			return k
		}
	}
	return i
}

// cleared records the order for a color before it goes out. What stood there, and its
// place as the rollback target, end here.
func (d *decision) cleared(e DeployCleared) {
	s, r := &d.s, &d.s.Release
	if e.Release != r.ID || r.Phase != Deploying || e.Color != r.To {
		return
	}
	s.Trouble = Note{}
	c := s.color(r.To)
	r.Progress.ReadySince = d.now
	c.Observed.Needed = nil // it was that of another image
	c.Ordered, c.Checked, c.Standby = Ordered{Image: r.Image, Release: r.ID, At: d.now}, Checked{}, Standby{}
	c.Held = c.Held || e.Holds
	if t := s.Serving.Previous; t.Color == r.To && !t.Image.Same(r.Image) {
		s.Serving.Previous = Target{}
	}
}

func (d *decision) rollout(e RolloutObserved) {
	r := &d.s.Release
	if e.Release != r.ID || r.Phase != Deploying || e.Color != r.To {
		return
	}
	d.observe(e.Color, e.Seen)
	p := &r.Progress
	d.s.Trouble, p.Detail, p.ChangedBy = Note{}, e.Detail, cmp.Or(e.Seen.By, p.ChangedBy)
	if e.Seen.Ready > p.Ready {
		p.Ready, p.ReadySince = e.Seen.Ready, d.now
	}
	if e.Status != PullFailing {
		p.PullFailing = time.Time{}
	} else if p.PullFailing.IsZero() {
		p.PullFailing = d.now
	}
	switch {
	case e.Status == Complete && r.Image.Digest == "" && e.Seen.Image.Digest != "":
		r.Image = d.s.named(e.Seen.Image) // what its tag means now is deployed by digest
	case e.Status == Complete:
		d.enter(Verifying, reason.RolledOut, about{Color: r.To, Image: r.Image, Count: int(e.Seen.Ready), Then: d.holding(e)})
	case e.Status == Broken:
		d.fail(reason.RolloutFailed, about{Detail: e.Detail})
	case !p.PullFailing.IsZero() && d.now.Sub(p.PullFailing) >= d.p.PullGrace:
		d.fail(reason.PullFailed, about{Span: d.p.PullGrace, Detail: e.Detail})
	default:
		d.overdue()
	}
}

// overdue ends what has waited too long in its phase. It is asked only after an
// observation, so that time spent asleep is not held against a release.
func (d *decision) overdue() {
	r := &d.s.Release
	detail := r.Progress.Detail
	switch {
	case r.Phase == Deploying && d.now.Sub(r.Progress.ReadySince) >= d.rolloutTime():
		d.fail(reason.RolloutTimedOut, about{Span: d.p.RolloutTimeout, Detail: detail, Then: d.changedMeanwhile()})
	case r.Phase == Verifying && d.now.Sub(r.Since) >= d.p.VerifyTimeout:
		d.notPassed(detail)
	case r.Phase != Switching || d.now.Sub(r.switchSince()) < d.p.SwitchTimeout:
	case r.untouched():
		d.fail(reason.SwitchTimedOut, about{Span: d.p.SwitchTimeout, Detail: detail, Then: d.words(reason.NoneMoved, about{})})
	default:
		d.turnBack(Failed, reason.SwitchTimedOut, about{Span: d.p.SwitchTimeout, Detail: detail})
	}
}

// changedMeanwhile names who changed the color while it was deployed.
func (d *decision) changedMeanwhile() string {
	r := d.s.Release
	if r.Progress.ChangedBy == "" {
		return ""
	}
	return string(r.To) + " was changed outside bluegreen meanwhile" + changedBy(r.Progress.ChangedBy)
}

// rolloutTime is how long a rollout may go without progress; longer before its order, which
// may wait for users to be seen elsewhere.
func (d *decision) rolloutTime() time.Duration {
	if r := d.s.Release; d.s.Color(r.To).Ordered.Release != r.ID {
		return d.p.RolloutTimeout + UnseenFor
	}
	return d.p.RolloutTimeout
}

// passed records which image has passed the checks: the one that was seen to run.
func (d *decision) passed() {
	s, r := &d.s, &d.s.Release
	c := s.color(r.To)
	c.Checked = Checked{Image: c.Observed.Image, At: d.now}
	switch {
	case !c.Observed.Image.Same(r.Image) && !r.Image.IsZero():
		d.fail(reason.ChecksOfOther, about{Color: r.To, Image: c.Observed.Image})
	case !s.Pause.IsZero():
		d.enter(Awaiting, reason.AwaitsResume, about{Then: d.verified(r.To)})
	case d.p.Manual && !r.Approved:
		d.enter(Awaiting, reason.AwaitsApproval, about{Then: d.verified(r.To)})
	default:
		d.beginSwitch(reason.ChecksPassed)
	}
}

// beginSwitch lets traffic move to a color that runs what passed its checks. Only force
// does without, and never without a signature where one is asked for.
func (d *decision) beginSwitch(why reason.Reason) {
	r := &d.s.Release
	if !r.Force && !d.s.Color(r.To).Passed() || !d.signed(r.To, r.Image) {
		return
	}
	d.s.SupersededInARow = 0
	d.enter(Switching, why, about{Color: r.To, Then: d.verified(r.To)})
}

// stepFailed records what keeps the app from going on.
func (d *decision) stepFailed(detail string) { d.blocked(detail, askAfter) }

// fenceRaised reports a fence that no worker wrote. The worker goes on above it.
func (d *decision) fenceRaised(e FenceRaised) {
	text := d.words(reason.FenceRaised, about{Detail: e.Detail})
	d.stepFailed(text)
	d.ask(reason.FenceRaised, text)
}

// blocked records what keeps the app from going on, and asks for help once when that is the
// way to a good version, and lasts for longer than is normal.
func (d *decision) blocked(detail string, normal time.Duration) {
	s, r := &d.s, &d.s.Release
	fresh := s.Trouble.IsZero()
	since := d.now
	if !fresh {
		since = s.Trouble.Since
	}
	if r.Phase == Returning && !r.Progress.DeniedAt.IsZero() {
		return // what only an operator can fix stays reported
	}
	s.Trouble = Note{By: bluegreen, Why: detail, Since: since}
	if r.Phase.Active() {
		r.Progress.Detail = detail
	}
	if d.now.Sub(r.Since) >= normal && d.failoverImpossible(detail) {
		return
	}
	if r.Phase == Returning && d.now.Sub(r.Since) >= normal {
		d.ask(reason.ReturnBlocked, d.words(reason.ReturnBlocked, about{Color: r.From, Number: r.ID, Detail: detail}))
	}
	d.overdue()
}

// ask asks an operator to look, once for each reason until there is no trouble any more, and
// for one that comes and goes not again within askAgain.
func (d *decision) ask(why reason.Reason, text string) {
	s := &d.s
	if s.Alarmed == why || s.LastAlarm == why && d.now.Sub(s.LastAlarmAt) < askAgain {
		s.Alarmed, s.Help = why, Help{Reason: why, Why: text, Since: d.now}
		return
	}
	s.Alarmed, s.LastAlarm, s.LastAlarmAt = why, why, d.now
	d.report(NeedsHelp, why, about{}).Text = text
	s.Help.Why = text
}
