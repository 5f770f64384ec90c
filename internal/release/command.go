package release

import (
	"slices"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

// Command names what an operator can ask for.
type Command string

const (
	Switch            Command = "switch"
	DeployImage       Command = "deploy"
	Promote           Command = "promote"
	Rollback          Command = "rollback"
	ExtendBake        Command = "extend"
	PauseReleases     Command = "pause"
	ResumeReleases    Command = "resume"
	Failover          Command = "failover"
	Cancel            Command = "cancel"
	ReleaseQuarantine Command = "release-quarantine"
	Forget            Command = "forget"
)

// Verb is the definition of a command. API, command line and documentation are made from
// it. Fields that every command has (why, by, wait) are not listed. How far a command is
// follows from OutcomeOf.
type Verb struct {
	Command Command
	Does    string // one sentence without a full stop, in the imperative
	Takes   []Field
	// Moves reports whether the command is done only when traffic has moved.
	Moves bool
	// Widens reports whether it lets images go live that were kept from it. So does force.
	Widens bool
	// Refusals are the reasons that it can be refused for.
	Refusals []reason.Reason
	decide   func(*decision, Commanded)
}

// Field is one thing that a command takes: a field of the request's body, a flag of the
// command line, or its argument after the app.
type Field struct {
	Name     string // as Commanded has it, in lower case
	Kind     string // color, image (a tag or a digest), reference (to an image that the app knows), tag (as it is), duration, or flag
	Required bool
	Argument bool // an argument on the command line, not a flag
	Help     string
}

// Commands are all commands, in the order in which they are listed.
var Commands = []Verb{
	{
		Command: Switch, Does: "Move traffic to the other color after its checks", Moves: true,
		Takes: []Field{
			{Name: "to", Kind: "color", Help: "blue or green; the color without traffic by default"},
			{Name: "force", Kind: "flag", Help: "skip the checks, and a quarantine; it is recorded"},
		},
		Refusals: []reason.Reason{reason.AlreadyLive, reason.PromoteOrCancel, reason.RollBackInstead, reason.Drifted, reason.Paused, reason.NothingThere, reason.Quarantined, reason.IsScaledDown, reason.ForceForbidden, reason.NotVerified},
		decide:   (*decision).switchTo,
	},
	{
		Command: DeployImage, Does: "Release an image", Moves: true,
		Takes:    []Field{{Name: "image", Kind: "image", Required: true, Help: "tag, digest sha256:…, or the beginning of the digest of an image that the app knows"}},
		Refusals: []reason.Reason{reason.Quarantined, reason.Paused, reason.Drifted, reason.AlreadyReleasing, reason.AlreadyLive},
		decide:   (*decision).deploy,
	},
	{
		Command: Promote, Does: "Let the waiting release go live, or end the bake now", Moves: true,
		Takes:    []Field{{Name: "digest", Kind: "reference", Help: "digest, or its beginning, or tag; refused when the release is of another image"}},
		Refusals: []reason.Reason{reason.NotTheRelease, reason.Paused, reason.NothingToPromote, reason.OwnRelease, reason.ApproverUnproven, reason.StarterUnproven},
		decide:   (*decision).promote,
	},
	{
		Command: Rollback, Does: "Return traffic to the color that served before, or to a version that was good", Moves: true,
		Takes: []Field{
			{Name: "to", Kind: "reference", Help: "a good version: tag, digest, or its beginning; the rollback target by default, and any other is a release of it, with its checks"},
			{Name: "force", Kind: "flag", Help: "take the rollback target although it is not seen ready; it is recorded"},
		},
		Refusals: []reason.Reason{reason.NotServed, reason.Drifted, reason.NoTarget, reason.ForceForbidden, reason.NotGood, reason.NotOneImage, reason.AlreadyLive, reason.TargetFirst, reason.AlreadyReleasing, reason.Quarantined, reason.Paused},
		decide:   (*decision).rollback,
	},
	{
		Command: Failover, Does: "Move traffic to the standby, and hold nothing against the version that it leaves", Moves: true,
		Takes:    []Field{{Name: "force", Kind: "flag", Help: "take the standby whatever was seen of it; it is recorded"}},
		Refusals: []reason.Reason{reason.FailoverOff, reason.PromoteOrCancel, reason.RollBackInstead, reason.Drifted, reason.NoStandby, reason.StandbySuspect, reason.StandbyIsDown, reason.ForceForbidden},
		decide:   (*decision).commandFailover,
	},
	{
		Command: ExtendBake, Does: "Let the running bake end later",
		Takes:    []Field{{Name: "for", Kind: "duration", Required: true, Argument: true, Help: "by how much the bake is longer: 1m to 24h, such as 30m"}},
		Refusals: []reason.Reason{reason.NotBaking, reason.OutOfRange},
		decide:   (*decision).extend,
	},
	{
		Command: PauseReleases, Does: "Start and switch no release until resume; rollbacks still happen",
		decide: (*decision).pause,
	},
	{
		Command: ResumeReleases, Does: "Resume after a pause, a hold, a failover, or a gateway change made outside bluegreen",
		Refusals: []reason.Reason{reason.NothingToResume, reason.AmbiguousGateway},
		decide:   (*decision).resume,
	},
	{
		Command: Cancel, Does: "Give up a release without traffic, an image that waits, or a return that cannot be carried out",
		Refusals: []reason.Reason{reason.RollBackInstead, reason.NothingToCancel},
		decide:   (*decision).cancel,
	},
	{
		Command: ReleaseQuarantine, Does: "Remove an image from quarantine, without deploying it", Widens: true,
		Takes:    []Field{{Name: "digest", Kind: "reference", Required: true, Argument: true, Help: "the tag, the digest, or the beginning of the digest, as status shows it"}},
		Refusals: []reason.Reason{reason.NotQuarantined, reason.NotOneImage},
		decide:   (*decision).unquarantine,
	},
	{
		Command: Forget, Does: "Drop a tag that was pushed by mistake: it is quarantined, and keeps no other image back", Widens: true,
		Takes:    []Field{{Name: "tag", Kind: "tag", Required: true, Argument: true, Help: "the tag as it was pushed"}},
		Refusals: []reason.Reason{reason.TagNotKnown, reason.AlreadyLive, reason.PromoteOrCancel, reason.RollBackInstead},
		decide:   (*decision).forgetTag,
	},
}

// VerbOf returns the definition of a command, and whether there is one.
func VerbOf(c Command) (Verb, bool) {
	for _, v := range Commands {
		if v.Command == c {
			return v, true
		}
	}
	return Verb{}, false
}

// Knows reports whether a digest was pushed, released or served before.
func (s State) Knows(digest string) bool {
	return digest != "" && slices.ContainsFunc(s.known(), func(i Image) bool { return i.Digest == digest })
}

func (s State) known() []Image {
	return append([]Image{s.Serving.Image, s.Serving.Previous.Image, s.Release.Image, s.Waiting, s.Newest, s.LastPush.Image}, s.Good...)
}

// longestExtension bounds by how much one command extends a bake.
const longestExtension = 24 * time.Hour

// commanded follows a command, or says why it is refused and what to do.
func (d *decision) commanded(c Commanded) {
	d.by = c.By
	v, ok := VerbOf(c.Command)
	if !ok {
		d.report(Refused, reason.NoSuchCommand, about{Detail: string(c.Command)})
		return
	}
	if c.Force && d.p.NoForce {
		d.report(Refused, reason.ForceForbidden, about{})
		return
	}
	v.decide(d, c)
}

func (d *decision) switchTo(c Commanded) {
	s, r := &d.s, d.s.Release
	to := c.To
	if to == "" {
		to = s.Idle(d.p.First)
	}
	image := s.Color(to).Observed.Image // the last order may not have got there, or was canceled
	a := about{Color: to, Image: image}
	q, bad := s.quarantined(image.Digest)
	switch {
	case r.Phase == Returning && to == r.From && c.Force:
		d.forceReturn(c)
	case s.Drift.Watched && (r.Phase == Baking || !r.Phase.Active()) && to != s.Serving.Color && !image.IsZero() && (!bad || c.Force):
		if r.Phase == Baking {
			d.end(Canceled, Advanced, reason.TakenBack, about{Color: to, By: c.By})
		}
		s.Drift = Drift{}
		d.switchTo(c)
	case to == s.Serving.Color && (s.Drift.IsZero() || s.Drift.Watched):
		d.report(Refused, reason.AlreadyLive, about{Color: to, Image: s.Serving.Image})
	case r.Phase.Preparing():
		d.report(Refused, reason.PromoteOrCancel, about{Color: r.To})
	case r.Phase.Moving() && r.From == "":
		d.report(Refused, reason.NothingThere, about{Color: r.To.Other()})
	case r.Phase.Moving():
		d.report(Refused, reason.RollBackInstead, a)
	case !s.Drift.IsZero():
		d.report(Refused, reason.Drifted, a)
	case !s.Pause.IsZero() && !c.Force:
		d.report(Refused, reason.Paused, about{ForceWouldHelp: true})
	case image.IsZero():
		d.report(Refused, reason.NothingThere, a)
	case bad && !c.Force:
		d.report(Refused, reason.Quarantined, about{Image: image, At: q.Since, Detail: q.Why, ForceWouldHelp: true})
	case c.Force && (s.Color(to).Retired() || s.Color(to).Observed.Ready == 0):
		d.report(Refused, reason.IsScaledDown, a)
	case c.Force && !d.signed(to, image):
		d.report(Refused, reason.NotVerified, s.unsigned(to, image))
	default:
		d.start(image, to, Note{By: c.By, Why: c.Why, Since: d.now})
		if c.Force {
			d.s.Release.Force = true
			d.beginSwitch(reason.Forced)
		}
	}
}

func (d *decision) deploy(c Commanded) {
	s, r := &d.s, d.s.Release
	a := about{Image: c.Image, Color: s.Serving.Color}
	q, bad := s.quarantined(c.Image.Digest)
	switch {
	case bad:
		d.report(Refused, reason.Quarantined, about{Image: c.Image, At: q.Since, Detail: q.Why})
	case !s.Pause.IsZero():
		d.report(Refused, reason.Paused, a)
	case !s.Drift.IsZero():
		d.report(Refused, reason.Drifted, a)
	case r.Phase.Active() && r.Image.Digest == c.Image.Digest:
		d.report(Refused, reason.AlreadyReleasing, a)
	case s.Serving.Color != "" && s.Serving.Image.Digest == c.Image.Digest:
		d.report(Refused, reason.AlreadyLive, a)
	case r.Phase.Moving():
		d.wait(c.Image, Note{By: c.By, Why: c.Why, Since: d.now}, reason.ReleaseUnderway)
	default:
		d.supersede(c.Image)
		d.start(c.Image, s.Idle(d.p.First), Note{By: c.By, Why: c.Why, Since: d.now})
	}
}

func (d *decision) promote(c Commanded) {
	s, r := &d.s, &d.s.Release
	switch {
	case c.Digest != "" && len(named(c.Digest, r.Image)) == 0:
		d.report(Refused, reason.NotTheRelease, about{Image: r.Image, Detail: briefRef(c.Digest)})
	case !s.Pause.IsZero() && r.Phase.Preparing():
		d.report(Refused, reason.Paused, about{})
	case r.Phase.Preparing() && d.unapproved(c.By) != "":
		d.report(Refused, d.unapproved(c.By), about{By: c.By})
	case r.Phase.Preparing():
		r.Approved = true
		d.report(Decided, reason.Approved, about{By: c.By, Why: c.Why})
	case r.Phase == Baking:
		d.complete(reason.BakeEndedEarly, about{By: c.By, Why: c.Why})
	default:
		d.report(Refused, reason.NothingToPromote, about{})
	}
}

// unapproved says why an approval does not count where another than who began the release has
// to give it; "" where it does. A release of a push has no starter.
func (d *decision) unapproved(by Actor) reason.Reason {
	began := d.s.Release.By
	switch {
	case !d.p.OtherApproves:
		return ""
	case by.Proven == "":
		return reason.ApproverUnproven
	case began.Proven == by.Proven:
		return reason.OwnRelease
	case began.Proven == "" && !began.IsZero():
		return reason.StarterUnproven
	}
	return ""
}

func (d *decision) extend(c Commanded) {
	s, r := &d.s, &d.s.Release
	switch {
	case r.Phase != Baking:
		d.report(Refused, reason.NotBaking, about{})
	case c.For < time.Minute || c.For > longestExtension:
		d.report(Refused, reason.OutOfRange, about{Span: c.For})
	default:
		until := s.bakeUntil(d.p)
		if until.Before(d.now) { // only failed probes keep the bake from its end
			until = d.now
		}
		until = until.Add(c.For)
		r.Progress.BakeUntil = until
		if s.Serving.until(d.p).Before(until) {
			s.Serving.Until = until
		}
		d.report(Decided, reason.BakeExtended, about{Span: c.For, At: until, By: c.By, Why: c.Why})
	}
}

func (d *decision) pause(c Commanded) {
	if n := d.s.Pause; !n.IsZero() {
		d.report(Decided, reason.AlreadyPaused, about{At: n.Since, Detail: n.Why, By: c.By, Why: c.Why})
		return
	}
	d.s.Pause = Note{By: c.By, Why: c.Why, Since: d.now}
	d.report(Decided, reason.PausedNow, about{By: c.By, Why: c.Why})
	if r := d.s.Release; r.Phase == Switching && r.untouched() && !r.Force {
		d.enter(Awaiting, reason.AwaitsResume, about{})
	}
}

func (d *decision) resume(c Commanded) {
	s, was := &d.s, d.s
	switch {
	case s.Pause.IsZero() && s.Hold.IsZero() && s.Drift.IsZero() && s.Blue.Suspect.IsZero() && s.Green.Suspect.IsZero():
		d.report(Refused, reason.NothingToResume, about{})
		return
	case !s.Drift.IsZero() && s.Drift.Live == "":
		d.report(Refused, reason.AmbiguousGateway, about{Detail: s.Drift.Detail, Then: "change it to point at one of them, then resume"})
		return
	case !s.Drift.IsZero() && !s.Drift.Watched:
		d.accept()
	}
	if r := &s.Release; r.Phase == Awaiting && !s.Pause.IsZero() {
		r.Progress.Stood += d.now.Sub(latest(s.Pause.Since, r.Since))
	}
	s.Pause, s.Hold, s.Drift = Note{}, Note{}, Drift{}
	s.Blue.Suspect, s.Green.Suspect = Note{}, Note{}
	d.report(Decided, reason.Resumed, about{By: c.By, Why: c.Why, Detail: strings.Join(lifted(was, *s, d.now), "; ")})
}

// accept takes the app over anew, as the gateway has it now: what the colors run may have
// changed as well. The idle color was live a moment ago; it is kept for as long as after
// a release.
func (d *decision) accept() {
	s := &d.s
	s.Serving = Serving{Color: s.Drift.Live, Image: s.Color(s.Drift.Live).Image(), Since: d.now}
	s.Known = false
}

func (d *decision) cancel(c Commanded) {
	s, r := &d.s, d.s.Release
	a := about{By: c.By, Why: c.Why, Image: s.Waiting}
	switch {
	case r.untouched():
		d.end(Canceled, Decided, reason.Canceled, a)
	case r.Phase == Returning && s.Alarmed != "":
		a.Color = r.To
		s.color(r.From).Standby, s.color(r.From).Observed.At = Standby{}, time.Time{} // it was brought up, as far as that was possible
		d.end(Failed, Decided, reason.ReturnGivenUp, a)
		s.Known = s.Serving.Color == r.To // else the gateway is read anew: a switch was under way
		s.Hold = Note{By: c.By, Why: c.Why, Since: d.now}
	case r.Phase.Moving() && s.Waiting.IsZero():
		d.report(Refused, reason.RollBackInstead, about{})
	case !s.Waiting.IsZero():
		d.report(Decided, reason.WaitingCanceled, a)
		s.Waiting, s.WaitingBy = Image{}, Note{}
	default:
		d.report(Refused, reason.NothingToCancel, about{})
	}
}

func (d *decision) unquarantine(c Commanded) {
	s := &d.s
	var images []Image
	for _, q := range s.Quarantined {
		images = append(images, q.Image)
	}
	found := named(c.Digest, images...)
	switch len(found) {
	case 0:
		d.report(Refused, reason.NotQuarantined, about{Detail: briefRef(c.Digest), Then: listed(images)})
	case 1:
		s.Quarantined = slices.DeleteFunc(slices.Clone(s.Quarantined), func(o Quarantine) bool { return o.Image.Digest == found[0].Digest })
		d.report(Decided, reason.Unquarantined, about{Image: found[0], By: c.By, Why: c.Why})
	default:
		d.report(Refused, reason.NotOneImage, about{Detail: briefRef(c.Digest), Then: listed(found)})
	}
}

// forgetTag drops the newest image, or one that waits, that was pushed by mistake.
func (d *decision) forgetTag(c Commanded) {
	s, r := &d.s, d.s.Release
	var i Image
	for _, known := range []Image{s.Newest, s.Waiting, s.LastPush.Image, r.Image, s.Serving.Image} {
		if known.Tag == c.Tag {
			i = known
			break
		}
	}
	a := about{Image: i, Color: s.Serving.Color, By: c.By, Why: c.Why}
	switch {
	case i.IsZero():
		d.report(Refused, reason.TagNotKnown, about{Image: Image{Tag: c.Tag}, Other: s.Newest})
	case i.Same(s.Serving.Image) && s.Serving.Color != "" && i.Tag != s.Serving.Image.Tag:
		s.Newest = s.Serving.Image // another name of the live image, which is no mistake
		d.report(Decided, reason.Dropped, a)
	case i.Same(s.Serving.Image) && s.Serving.Color != "":
		d.report(Refused, reason.AlreadyLive, a)
	case r.untouched() && i.Same(r.Image):
		d.report(Refused, reason.PromoteOrCancel, about{Color: r.To})
	case r.Phase.Moving() && i.Same(r.Image):
		d.report(Refused, reason.RollBackInstead, a)
	default:
		d.quarantine(i, d.words(reason.Forgotten, about{By: c.By, Why: c.Why}))
		if s.Waiting.Same(i) {
			s.Waiting, s.WaitingBy = Image{}, Note{}
		}
		if s.Newest.Same(i) {
			s.Newest = s.Serving.Image
		}
		d.report(Decided, reason.Dropped, a)
	}
}
