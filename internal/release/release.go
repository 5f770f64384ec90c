// Package release decides. It holds what an app is, what a release of it goes through and
// which step comes next; it does no I/O and reads no clock. Next turns a state and an
// event into a state and the facts to report; State.NextEffect derives from a state what
// has to be carried out now. Pending effects are never listed: they follow from the state,
// so a worker that dies leaves nothing behind that the next one cannot read.
package release

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

// Color names one of the two production environments.
type Color string

const (
	Blue  Color = "blue"
	Green Color = "green"
)

// Other returns the opposite color; "" for anything that is neither.
func (c Color) Other() Color {
	switch c {
	case Blue:
		return Green
	case Green:
		return Blue
	}
	return ""
}

// Image is one manifest in the app's repository. Digest is what is deployed; Tag is the
// name that it was pushed under; PushedAt is the registry's own time of the push.
type Image struct {
	Digest   string
	Tag      string
	PushedAt time.Time
}

// IsZero reports whether there is no image.
func (i Image) IsZero() bool { return i.Digest == "" && i.Tag == "" }

// Same reports whether both are the same image: by digest, or by tag where neither has one.
func (i Image) Same(o Image) bool {
	return i.Digest == o.Digest && (i.Digest != "" || i.Tag == o.Tag)
}

// String is the image's tag with a short digest.
func (i Image) String() string {
	short := strings.TrimPrefix(i.Digest, "sha256:")
	if len(short) > 12 {
		short = short[:12]
	}
	switch {
	case i.IsZero():
		return "nothing"
	case i.Digest == "":
		return i.Tag
	case i.Tag == "":
		return short
	}
	return i.Tag + " (" + short + ")"
}

// Phase says what a release waits for.
type Phase string

const (
	Deploying  Phase = "deploying"
	Verifying  Phase = "verifying"
	Awaiting   Phase = "awaiting-approval"
	Switching  Phase = "switching"
	Baking     Phase = "baking"
	Returning  Phase = "returning"
	Completed  Phase = "completed"
	Failed     Phase = "failed"
	RolledBack Phase = "rolled-back"
	Superseded Phase = "superseded"
	Canceled   Phase = "canceled"
)

// Preparing reports whether only the idle color is touched in this phase.
func (p Phase) Preparing() bool { return p == Deploying || p == Verifying || p == Awaiting }

// Moving reports whether traffic is, or may be, on its way, so that the rollback target
// must stay as it is.
func (p Phase) Moving() bool { return p == Switching || p == Baking || p == Returning }

// Active reports whether the release has not ended.
func (p Phase) Active() bool { return p.Preparing() || p.Moving() }

// Ended reports whether the release has ended, one way or another.
func (p Phase) Ended() bool {
	return p == Completed || p == Failed || p == RolledBack || p == Superseded || p == Canceled
}

// Known reports whether this version knows the phase. "" is an app without a release.
func (p Phase) Known() bool { return p == "" || p.Active() || p.Ended() }

// State is everything that is recorded of one app. Its zero value is an app never seen.
type State struct {
	App string
	// Known is set once the gateway and both colors have been read; false again after a
	// drift was accepted, until they are read anew.
	Known   bool
	Serving Serving
	Blue    ColorState
	Green   ColorState
	Release Release
	// CheckRun is the run of the checks for which something may be there in a cluster.
	CheckRun CheckRun
	// Releases is the number of the newest release.
	Releases int
	// Good are the last images whose bake ended well and that did not fail since, newest
	// first.
	Good []Image
	// Waiting is released when nothing holds it back any more, and WaitingBy is set when an
	// operator asked for it; Newest is the newest that was pushed, released or not, and
	// LastPush the last that was pushed.
	Waiting     Image
	WaitingBy   Note
	Newest      Image
	LastPush    Push
	Quarantined []Quarantine
	// Hold follows a rollback, Pause an operator's command, Drift a gateway that was
	// changed outside bluegreen: no release starts by itself.
	Hold  Note
	Pause Note
	Drift Drift
	// Fought are the last times at which another writer changed where the gateway points.
	Fought []time.Time
	// Trouble is the last step that failed, or what a look found wrong, until it is well
	// again; Alarmed is the reason for which an operator was asked to look meanwhile.
	Trouble Note
	Alarmed reason.Reason
	// Help is what an operator was last asked to look at; no decision depends on it.
	Help Help
	// LastAlarm and LastAlarmAt are the last reason for which an operator was asked, and when.
	LastAlarm   reason.Reason
	LastAlarmAt time.Time
	// Alert waits for a look that agrees with it.
	Alert PendingAlert
	// Missing are the images of Needs that the registry was last seen not to have.
	Missing []Image
	// SupersededInARow counts releases; see mostSuperseded.
	SupersededInARow int
	// Facts numbers the facts so far, so that each has an identity.
	Facts int
}

// Serving is what the gateway was last confirmed to send traffic to.
type Serving struct {
	Color Color // "" while nothing is live
	// Points is where the gateway points while nothing is live: what is deployed there has
	// users as soon as it is ready.
	Points Color
	Image  Image
	Since  time.Time
	// Release is the release that moved traffic there; 0 when the color was taken over, or
	// traffic was returned to it. RoutedAt is when its first request to the gateway was
	// decided: an alert that fired before is about the version before.
	Release  int
	RoutedAt time.Time
	// Previous is the rollback target: what served before, until something changes that
	// color. Alerts return traffic to it before Until; an operator at any time.
	Previous Target
	Until    time.Time
	// Baked is set once the bake of Release ended well. Trusted is set for what traffic may
	// return to by itself: it passed its checks or a bake, or was live when the app was taken
	// over, and was not changed outside bluegreen since.
	Baked   bool
	Trusted bool
}

// Target is a color as it served: which image, and how many replicas each Deployment
// wanted, in configured order. Trusted is that of Serving.
type Target struct {
	Color    Color
	Image    Image
	Replicas []int32
	Trusted  bool
}

// ColorState is what is known of one color, apart by origin.
type ColorState struct {
	Ordered  Ordered
	Observed Observed
	Checked  Checked
	Verified Verified
	// Standby is what the color was made between releases.
	Standby Standby
	// Suspect is set after a failover, on the color that traffic left, until an operator resumes
	// or traffic goes there again: no release goes there by itself.
	Suspect Note
	// Held is set from the first order of a release on, where autoscalers of the color can be
	// kept from shrinking it: what was raised for that is to be put back after the release.
	Held bool
}

// Ordered is what bluegreen last asked of a color. It says nothing of what runs there.
type Ordered struct {
	Image   Image
	Release int // 0: an order for the standby
	At      time.Time
}

// Observed is what a color was last seen to run. Replicas is the wanted size of each
// Deployment in configured order, Ready the number of ready pods in all, ReadyOf that of
// each Deployment. By is who changed
// it last, where that was not bluegreen. Needed is the size that it had when all of its pods
// were last ready, which is the capacity that its traffic needs. At is exact to observedEvery.
type Observed struct {
	Image    Image
	Replicas []int32
	Ready    int32
	ReadyOf  []int32
	By       string
	Needed   []int32
	At       time.Time
}

// size is the size that a color needs; as it was last seen where it never was whole.
func (o Observed) size() []int32 {
	if total(o.Needed) > 0 {
		return o.Needed
	}
	return o.Replicas
}

func total(replicas []int32) (n int32) {
	for _, r := range replicas {
		n += r
	}
	return n
}

// Checked is the image that passed the checks on a color; gone with each deployment there.
type Checked struct {
	Image Image
	At    time.Time
}

// Image is what the color is taken to run: what was last seen there, or what was ordered
// since.
func (c ColorState) Image() Image {
	if !c.Ordered.At.IsZero() && !c.Observed.At.After(c.Ordered.At) {
		return c.Ordered.Image
	}
	return c.Observed.Image
}

// Passed reports whether what the color was last seen to run has passed the checks.
func (c ColorState) Passed() bool {
	return !c.Checked.At.IsZero() && c.Checked.Image.Same(c.Observed.Image)
}

// Release is one image on its way to one color; after its end, the last one there was.
type Release struct {
	ID    int
	Phase Phase
	Image Image
	To    Color
	From  Color
	By    Actor // who began it; zero for a push
	Why   string
	Force bool
	Began time.Time
	// Since is when the present phase began.
	Since time.Time
	// Approved is set by an operator's promote or by the gate's default.
	Approved bool
	// Unconfirmed is why the checks of the public address failed before any traffic moved:
	// then they say nothing of this version. "" when they passed.
	Unconfirmed string
	// Reason and Cause say why the release returns or has ended, as data and in words.
	Reason reason.Reason
	Cause  string
	// Progress is what the present phase has seen. It is emptied on entering the next.
	Progress Progress
}

// Progress is what a release needs in its present phase only.
type Progress struct {
	// Detail is the latest observation, in words.
	Detail string

	// Deploying: the most pods seen ready and since when, since when no pod could pull the
	// image, and who changed the color meanwhile.
	Ready       int32
	ReadySince  time.Time
	PullFailing time.Time
	ChangedBy   string

	// Awaiting: for how long releases were paused meanwhile; a deadline stands still then.
	Stood time.Duration

	// Switching and returning: Operation resumes the gateway's running operation; opaque,
	// "" when none runs. Writes is when the first write of a switch was let go, before it is sent:
	// from then on traffic may have left; of a return, when its target was seen ready. DeniedAt is when the gateway last refused for a reason that
	// only an operator can fix.
	Operation string
	Writes    time.Time
	DeniedAt  time.Time

	// Baking: when the bake ends, the last probe, and probes in a row that failed, saw too few
	// ready pods, or were good.
	BakeUntil time.Time
	ProbedAt  time.Time
	Misses    int
	Short     int
	Good      int
	BadSince  time.Time // until good looks in a row

	// Returning: where to, since when, whether that was seen ready, whether an operator sends
	// traffic there whatever was seen, and how the release ends.
	Target      Target
	TargetSince time.Time
	TargetReady bool
	Forced      bool
	Outcome     Phase
}

// untouched reports whether the release is under way and no traffic can have moved.
func (r Release) untouched() bool {
	return r.Phase.Preparing() || r.Phase == Switching && r.Progress.Writes.IsZero()
}

// switchSince is when the time of a switch began: with its first write, or with its phase
// until that is let go.
func (r Release) switchSince() time.Time {
	if r.Progress.Writes.IsZero() {
		return r.Since
	}
	return r.Progress.Writes
}

// Note is who did something, why, and when. The zero Note means it did not happen.
type Note struct {
	By    Actor
	Why   string
	Since time.Time
}

// IsZero reports whether there is no note.
func (n Note) IsZero() bool { return n.Since.IsZero() }

// Help is what an operator was asked to look at. It is over when the trouble is, when an
// operator's command was followed, or when traffic went somewhere else.
type Help struct {
	Reason reason.Reason
	Why    string
	Since  time.Time
}

// Push is a pushed image and when it was first known here.
type Push struct {
	Image Image
	At    time.Time
}

// Quarantine is a digest that must not go live by itself.
type Quarantine struct {
	Image Image
	Why   string
	Since time.Time
}

// Drift says that the gateway is not as this app left it, on From. The zero Drift means it is. Back
// is when it was first seen as it was left, while resolvers still follow. Watched is set once
// the record has what serves now, which is watched like a release; no other release starts
// by itself until an operator has decided.
type Drift struct {
	From    Color
	Live    Color
	Detail  string
	Since   time.Time
	Back    time.Time
	Watched bool
}

// IsZero reports whether there is no drift.
func (d Drift) IsZero() bool { return d.Since.IsZero() }

// Idle returns the color that the next release goes to.
func (s State) Idle(first Color) Color {
	switch points := s.Serving.Points; {
	case s.Serving.Color != "":
		return s.Serving.Color.Other()
	case points != "" && (!s.Color(points).Ordered.At.IsZero() || s.Color(points).Observed.Ready > 0):
		return points.Other() // an image that did not go live may have users
	}
	return first
}

// Color returns what is known of a color.
func (s State) Color(c Color) ColorState {
	if c == Green {
		return s.Green
	}
	return s.Blue
}

func (s *State) color(c Color) *ColorState {
	if c == Green {
		return &s.Green
	}
	return &s.Blue
}

// RollbackTarget returns where traffic returns to from where it is, or may be on its way to; a
// zero Target when nothing served before, or its color was changed since.
func (s State) RollbackTarget() Target {
	switch {
	case s.Release.Phase == Returning:
		return s.Release.Progress.Target
	case s.Release.Phase == Switching && !s.Release.untouched():
		return s.standing()
	}
	return s.Serving.Previous
}

// until is when alerts no longer return traffic; from the policy where a record of schema 1
// does not have it.
func (s Serving) until(p Policy) time.Time {
	if s.Until.IsZero() {
		return s.Since.Add(max(p.RollbackWindow, p.Bake))
	}
	return s.Until
}

// bakeUntil is when the bake ends; from the policy where a record of schema 1 does not
// have it.
func (s State) bakeUntil(p Policy) time.Time {
	if until := s.Release.Progress.BakeUntil; !until.IsZero() {
		return until
	}
	return s.Serving.Since.Add(p.Bake)
}

// standing is what serves now, as a later rollback needs it.
func (s State) standing() Target {
	return Target{Color: s.Serving.Color, Image: s.Serving.Image, Replicas: s.Color(s.Serving.Color).Observed.size(), Trusted: s.Serving.Trusted}
}

func (s State) quarantined(digest string) (Quarantine, bool) {
	i := slices.IndexFunc(s.Quarantined, func(q Quarantine) bool { return q.Image.Digest == digest })
	if i < 0 || digest == "" {
		return Quarantine{}, false
	}
	return s.Quarantined[i], true
}

// isBad reports whether an image is quarantined.
func (s State) isBad(i Image) bool {
	_, bad := s.quarantined(i.Digest)
	return bad
}

// Policy is the part of an app's configuration that decisions depend on.
type Policy struct {
	// Newer reports whether a is to be released after b. Nil compares the time of the push.
	Newer func(a, b Image) bool
	// First is the color of the first release when nothing is live.
	First Color
	// Manual makes every release wait for an operator, at most for Deadline; then Default
	// ("cancel" or "promote") is done. A zero Deadline waits for ever.
	Manual   bool
	Deadline time.Duration
	Default  string
	// OtherApproves keeps who began a release from approving it; NoForce refuses force to all.
	OtherApproves, NoForce bool

	RolloutTimeout time.Duration // without progress
	PullGrace      time.Duration // for images that cannot be pulled yet: replication may lag
	VerifyTimeout  time.Duration
	SwitchTimeout  time.Duration
	Bake           time.Duration
	ProbeEvery     time.Duration // during the bake
	ProbeMisses    int           // failed probes in a row that return traffic
	RollbackWindow time.Duration // from the switch; an alert later than that returns nothing
	Capacity       Capacity
	RetireAfter    time.Duration // from the end of the release until the other color is the standby
	Standby        StandbyPolicy
	Failover       FailoverMode
	// Signed is set where an image must be signed to get traffic, whoever wants it to.
	Signed         bool
	ReleaseTimeout time.Duration // without anything happening to a release that is not live; 0: none
}

// goodLooks is how many good looks in a row end a bake: as many as bad ones would have
// returned traffic, or as its time has room for.
func (p Policy) goodLooks() int {
	fit := 1
	if p.ProbeEvery > 0 {
		fit = int(p.Bake / p.ProbeEvery)
	}
	return max(1, min(p.ProbeMisses, fit))
}

// Capacity says how many of the pods that a color needs must be ready, in percent.
type Capacity struct {
	Switch int // before traffic moves there; 0 stands for 100
	Live   int // with less, at two looks in a row, a live color is bad; 0 stands for 75
	// FullRollback makes a rollback wait until the target is whole. Otherwise it goes to a
	// target that carries more than users have now.
	FullRollback bool
}

// AtSwitch reports whether a color's ready pods let traffic move to it.
func (c Capacity) AtSwitch(o Observed, needed []int32) bool {
	return o.carries(needed, cmp.Or(c.Switch, 100))
}

// AsLive reports whether a color's ready pods carry the traffic of a live color.
func (c Capacity) AsLive(o Observed, needed []int32) bool {
	return o.carries(needed, cmp.Or(c.Live, 75))
}

// carries reports whether each Deployment has a share, in percent, of what it needs ready.
func (o Observed) carries(needed []int32, percent int) bool {
	if len(o.ReadyOf) != len(needed) {
		return o.Ready > 0 && int64(o.Ready)*100 >= int64(total(needed))*int64(percent)
	}
	for i, n := range needed {
		if int64(o.ReadyOf[i])*100 < int64(n)*int64(percent) {
			return false
		}
	}
	return o.Ready > 0
}

func (p Policy) newer(a, b Image) bool {
	if p.Newer != nil {
		return p.Newer(a, b)
	}
	return a.PushedAt.After(b.PushedAt)
}
