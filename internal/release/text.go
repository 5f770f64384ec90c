package release

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

<<<<<<< HEAD
=======
// sentences words each reason. Nothing is decided by these texts: any may be rewritten.
// A name in braces is replaced; values holds the names.
var sentences = map[reason.Reason]string{
	reason.Started:             "release {number}: {image} goes to {color}{asked}",
	reason.Waits:               "{image} waits: {detail}{replacing}",
	reason.Quarantined:         "{image} is not released: quarantined since {at}, {detail}; if it is good after all, release-quarantine {othertag}, then deploy {ref}",
	reason.AlreadyLive:         "{image} is already live on {color}",
	reason.AlreadyReleasing:    "{image} is already known: release {present} {phase}",
	reason.AlreadyWaiting:      "{image} is already waiting",
	reason.AlreadyTried:        "{image} was already tried: release {present} {phase}; deploy {ref} tries it again",
	reason.Older:               "{image} is not released: {other} is newer; deploy {ref} releases it all the same",
	reason.OlderThanUnreleased: "{image} is not released: it is older than {other}, which was pushed before and is not live; forget {othertag} if that was a mistake, or deploy {ref}",
	reason.FromTheFuture:       "{image} is not released: its push is dated {detail}, ahead of the present time; the registry is asked for its images meanwhile; deploy {ref} releases it now",
	reason.StartedOver:         "nothing happened for {span}; it starts over with {image}",
	reason.Superseded:          "{image} takes its place",
	reason.ReleaseUnderway:     "release {present} {phase}",
	reason.ManySuperseded:      "release {present} may finish, after {superseded} releases in a row were superseded",
	reason.Paused:              "releases are paused by {pausedby}",
	reason.Held:                "automation is on hold after a rollback",
	reason.Drifted:             "the gateway was changed outside bluegreen: {drift}, not {color} as recorded; no release starts by itself until an operator resumes or switches, or it is moved back",
	reason.TakenFromQueue:      "{image}, which waited, is not released: quarantined since {at}, {detail}; if it is good after all, release-quarantine {othertag}, then deploy {ref}",
	reason.ChangedInMidst:      "the gateway was changed outside bluegreen",
	reason.CanceledForReturn:   "the traffic of release {number} is returned first",

	reason.RolledOut:         "{color} runs {image} with {count} ready",
	reason.RolloutFailed:     "{detail}",
	reason.PullFailed:        "the image could not be pulled for {span}{tail}",
	reason.RolloutTimedOut:   "no progress for {span}{tail}",
	reason.ChecksPassed:      "checks passed; traffic goes to {color}",
	reason.ChecksFailed:      "{detail}",
	reason.ChecksTimedOut:    "the checks did not pass within {span}{tail}",
	reason.ChecksOfOther:     "{color} runs {image}, which is not what was deployed: it was changed outside bluegreen",
	reason.NotVerified:       "{image} was not verified within {span}{tail}",
	reason.Verified:          "signed by {detail}",
	reason.CheckAgain:        "{color} is checked once more before the switch",
	reason.AwaitsResume:      "checks passed; releases are paused by {pausedby}",
	reason.AwaitsApproval:    "checks passed; an operator decides",
	reason.Approved:          "release {present} is approved{asked}",
	reason.GatePromoted:      "no decision within {span}: promoted, as configured",
	reason.GateCanceled:      "no approval of {image} within {span}: canceled, as configured",
	reason.Forced:            "forced, without checks; traffic goes to {color}",
	reason.Switched:          "traffic goes to {color} with {image}; the bake ends at {at}{keeping}",
	reason.SwitchDenied:      "{detail}",
	reason.SwitchTimedOut:    "the switch was not confirmed within {span}{tail}",
	reason.BakeEnded:         "{image} is live on {color} after its bake",
	reason.BakeEndedEarly:    "{image} is live on {color}, its bake ended early{asked}",
	reason.BakeExtended:      "the bake of release {present} is extended by {span} and ends at {at}{asked}",
	reason.ProbesFailed:      "{count} probes in a row failed{tail}",
	reason.TooFewReady:       "too few pods are ready to carry the traffic{tail}",
	reason.BadAtOnce:         "the public address fails since traffic moved{tail}",
	reason.BakeUnknown:       "release {present} cannot be judged, and its bake goes on until it can{tail}",
	reason.NeitherWell:       "its bake does not come to an end, the rollback target is not well either, and {image} waits{tail}",
	reason.BakeEndedOfOther:  "{color} runs {image}, which was put there outside bluegreen, and its bake ended",
	reason.ChecksBroken:      "the checks of the public address failed before traffic moved too, and are not held against release {present}{tail}",
	reason.AnotherChange:     "{detail}; the switch is begun again",
	reason.NoneMoved:         "no traffic has moved",
	reason.SizeHeld:          "its autoscaler cannot make it smaller until the release is over",
	reason.SizeNotHeld:       "its autoscaler can make it smaller, so that its size is set again right before the switch: {detail}",
	reason.SizeNotFreed:      "the minimum of the autoscaler of {color}, raised for a release, cannot be put back: {detail}; put it back by hand",
	reason.ScaledDown:        "{color} is scaled down to {count}: release {present} ended at {at}",
	reason.Returning:         "traffic returns to {color}{tail}",
	reason.Returned:          "traffic is back on {color}{tail}",
	reason.ReturnBlocked:     "release {number} cannot return traffic to {color} yet and keeps trying{tail}",
	reason.ReturnDenied:      "release {present} cannot return traffic to {color} until an operator fixes this: {detail}; it is tried again every {span}, and at once after rollback; cancel gives the return up",
	reason.TargetNotReady:    "{color} cannot take the traffic back yet{tail}",
	reason.NothingBefore:     "there is no rollback target",
	reason.TargetUnhealthy:   "the rollback target is not healthy{tail}",
	reason.TargetMissing:     "the rollback target {color}, which served with {image}, is gone: make its Deployment again",
	reason.TargetChanged:     "the rollback target {color} runs {other}, not {image}, with which it served{changedby}; a rollback deploys {image} first",
	reason.TargetReplaced:    "{color} does not come up with {other}; it is brought to {image}, the last good image before",
	reason.HoldAfterRollback: "automation is on hold: {image} is quarantined; a newer image or an operator's resume ends the hold",

	reason.SamePush:        "{image} is the push that was decided before",
	reason.StandbySized:    "{color} is the standby: {image} with {count} pods asked for",
	reason.StandbyRestored: "{image} is put on the standby {color}",
	reason.StandbyNotReady: "the standby {color} with {image} is not ready{tail}",
	reason.StandbyNotGood:  "what {color} runs is no good image; {image} would be deployed there first",
	reason.StandbyUnseen:   "{color} was not seen ready lately",
	reason.StandbySuspect:  "{color} is left alone since the failover of {suspectsince} ({suspect}): resume when it is well, or force",
	reason.StandbyServes:   "traffic is on the standby {color}{tail}",
	reason.StandbyIsDown:   "the standby {color} has no ready pod with {image}: failover without force, which brings it up first",
	reason.NoStandby:       "no good image is known for {color}",
	reason.FailingOver:     "traffic goes to the standby {color}{tail}",
	reason.FailedOver:      "failover{asked}",
	reason.FailoverByAlert: "failover by alert {rule}{tail}",
	reason.FailoverOff:     "failover is off in the configuration",
	reason.Suspect:         "{color} is left alone after the failover, and nothing goes there by itself until an operator resumes{tail}",

	reason.AlertNoFailover:    "alert {rule}: no failover",
	reason.AlertBeforeServing: "alert {rule} fired at {at}, before {color} got the traffic",
	reason.Alert:              "alert {rule}{tail}",

	reason.AlertPending:         "alert {rule} moves traffic only when a look at the live color agrees, which is made now{tail}",
	reason.AlertCorroborated:    "{rule}; a look at the live color agrees{tail}",
	reason.AlertDoubted:         "alert {rule} is not corroborated by a look at {color}: {detail}; it is looked at again until {at}, and traffic stays there unless a look agrees",
	reason.AlertUnseen:          "alert {rule} can be neither corroborated nor refuted by a look at {color}: {detail}; traffic stays there unless a look agrees until {at}: see whether users are served, and roll back or fail over if they are not",
	reason.AlertNotCorroborated: "alert {rule} was not corroborated within {span} by looks at {color}: {detail}; traffic stays there: see whether users are served, and roll back or fail over if they are not",
	reason.AlertResolved:        "alert {rule} was resolved",
	reason.AlertStays:           "no look has agreed with it, and traffic stays on {color}",

	reason.AlertOfTarget:       "alert {rule} is about {color}, which traffic is returning to",
	reason.AlertOfIdle:         "alert {rule} is about {color}, which is not live",
	reason.AlertWhileReturning: "alert {rule}: traffic is already returning to {color}",
	reason.AlertBeforeSwitch:   "alert {rule} measured the time until {at}, before release {number} got traffic",
	reason.AlertOutOfWindow:    "alert {rule}: the rollback window of release {number} ended at {at}",
	reason.AlertNoRelease:      "alert {rule}: no release is in its bake or rollback window",
	reason.AlertNoTarget:       "alert {rule}: there is no rollback target; {hint}",
	reason.AlertInDrift:        "alert {rule}: the gateway was changed outside bluegreen ({drift}), and only an operator's command overwrites that: {remedy}",

	reason.RolledBack:       "rolled back{asked}",
	reason.AlreadyReturning: "traffic is already returning to {color}",
	reason.ReturnForced:     "traffic goes to {color} whatever its state{asked}",
	reason.NotForced:        "{color} runs {image}, which is not verified: it is brought back to {other} first, forced or not",
	reason.ReturnGivenUp:    "the return is given up{asked}; traffic stays on {color}",
	reason.PausedNow:        "paused{asked}: no release starts or switches until resume; traffic can still return",
	reason.Resumed:          "resumed{asked}; {detail}",
	reason.AlreadyPaused:    "a second pause{asked}: releases are paused already since {at} by {pausedby}{tail}, and one resume ends that",
	reason.Canceled:         "{by}",
	reason.WaitingCanceled:  "{image} no longer waits, canceled{asked}",
	reason.Unquarantined:    "{image} is out of quarantine{asked}; deploy releases it",
	reason.NoSuchCommand:    "{detail} is not a command",
	reason.NotBaking:        "no release is in its bake: {rest}",
	reason.OutOfRange:       "{span} is not a time to extend a bake by: give one from 1m to 24h, such as 30m",
	reason.NotTheRelease:    "the present release is of {image}, not of {detail}",
	reason.NothingToPromote: "nothing waits to be promoted: {rest}",
	reason.NothingToResume:  "nothing to resume: nothing is paused, on hold or drifted",
	reason.NothingToCancel:  "nothing to cancel: {rest}",
	reason.NothingThere:     "nothing is known to run on {color}: deploy an image first",
	reason.NoTarget:         "there is no rollback target: {rest}; {hint}",
	reason.NotGood:          "{detail} is no version that was good here",
	reason.TargetFirst:      "a rollback to {image} is a release, with its checks, since {detail}: it is not forced, and does not begin while traffic moves or a bake runs; roll back without a version first",
	reason.ReleasedAgain:    "a rollback to it is a release, with its checks, since {detail}",
	reason.NotQuarantined:   "{detail} is not quarantined",
	reason.NotOneImage:      "{detail} is not one image",
	reason.TagNotKnown:      "{image} is not known here; the newest image that was pushed is {other}",
	reason.Forgotten:        "pushed by mistake{asked}",
	reason.Dropped:          "{image} is forgotten{asked}: it is quarantined, and keeps no other image back",
	reason.NotServed:        "release {present} {phase} and has no traffic yet: cancel it",
	reason.PromoteOrCancel:  "release {present} {phase} on {color}: promote it or cancel it first",
	reason.RollBackInstead:  "release {present} {phase}: roll it back instead",
	reason.IsScaledDown:     "{color} is scaled down: switch without force, which brings it up first",
	reason.ForceForbidden:   "the configuration of the app forbids force: ask without it",
	reason.OwnRelease:       "release {present} needs the approval of another person than the one who began it",
	reason.ApproverUnproven: "release {present} needs another person's approval, and a function key proves nobody: sign in to promote it",
	reason.StarterUnproven:  "release {present} was begun with a function key, which proves nobody, and needs another person's approval: cancel it, and begin it again signed in",
	reason.AmbiguousGateway: "the gateway points at neither color alone: {detail}",

	reason.TakenOver:       "taken over: {color} is live with {image}",
	reason.TakenOverEmpty:  "taken over: the gateway points at {color}, where nothing runs; the first release goes to {to}",
	reason.MovedOutside:    "release {number}: traffic was moved to {color} with {image} outside bluegreen; it is watched until {at} like a release{watching}",
	reason.TakenBack:       "traffic goes to {color} again{asked}",
	reason.Fought:          "another writer has changed the gateway {count} times within {span}, and traffic is left where it is{tail}",
	reason.DriftEnded:      "the gateway is back on {color}",
	reason.LiveMissing:     "the live color {color}, which served with {image}, is gone: make its Deployment again, or roll back",
	reason.FenceRaised:     "a fence was raised outside bluegreen, for instance by a copied manifest; it goes on above it{tail}",
	reason.GatewayWarns:    "{detail}",
	reason.GatewayUnderway: "the gateway still carries out a change, and users may meet what was there before{tail}",
	reason.ImageMissing:    "the registry does not have {image}, which is {detail}: pods that start on another node cannot pull it; push it again, or release another image",
	reason.ImageBack:       "the registry has {image} again, which is {detail}",
	reason.LiveChanged:     "{color} is live and runs {image}, not {other} as recorded: it was changed outside bluegreen{changedby}; recorded as it is, nothing is deployed there",
}

// refusals words a reason as the answer to a command: what to do first.
var refusals = map[reason.Reason]string{
	reason.NotVerified: "{image} on {color} is not verified{tail}; force skips the checks but no signature: switch without force looks for one",
	reason.Quarantined: "{image} is quarantined since {at}, {detail}: release it from quarantine first{orforce}",
	reason.Paused:      "releases are paused by {pausedby}: resume first{orforce}",
	reason.Drifted:     "the gateway was changed outside bluegreen ({drift}): {remedy}",
	reason.AlreadyLive: "{image} is already live on {color}",
}

>>>>>>> 3aeb384 (release: rollback --to a version that was good; what the rollback target has not is a release of it)
// about is what a sentence speaks of, besides the state.
type about struct {
	Image, Other   Image
	Color, To      Color
	By             Actor
	Why, ChangedBy string
	Rule, Detail   string
	Then           string // appended to the sentence
	At             time.Time
	Span           time.Duration
	Number, Count  int
	ForceWouldHelp bool
}

// report adds a fact, worded for the state as it is now.
func (d *decision) report(k FactKind, why reason.Reason, a about) *Fact {
	d.s.Facts++
	r := d.s.Release
	text := d.words(why, a)
	if refusal, ok := refusals[why]; ok && k == Refused {
		text = d.fill(refusal.whole(), a)
	}
	if k == NeedsHelp {
		d.s.Help = Help{Reason: why, Why: text, Since: d.now}
	}
	d.facts = append(d.facts, Fact{
		Number: d.s.Facts, At: d.now, Kind: k, Reason: why, Release: r.ID, Phase: r.Phase,
		Image: r.Image, Live: d.s.Serving.Color, By: d.by, Began: r.By, Text: text,
	})
	return &d.facts[len(d.facts)-1]
}

// ofRelease begins a text with the release that it is about, and its phase.
func (d *decision) ofRelease(text string) string {
	return fmt.Sprintf("release %d %s: %s", d.s.Release.ID, d.s.Release.Phase.words(), text)
}

func (d *decision) words(why reason.Reason, a about) string {
	text := d.fill(wordings[why].whole(), a)
	if a.Then != "" {
		text += "; " + a.Then
	}
	return text
}

func (d *decision) fill(sentence string, a about) string {
	s := d.s
	number := a.Number
	if number == 0 {
		number = s.Release.ID
	}
	values := []string{
		"{number}", strconv.Itoa(number), "{present}", strconv.Itoa(s.Release.ID), "{phase}", s.Release.Phase.words(),
		"{image}", a.Image.String(), "{ref}", cmp.Or(a.Image.Tag, a.Image.Digest), "{other}", a.Other.String(), "{othertag}", cmp.Or(a.Other.Tag, a.Other.Digest), "{replacing}", replacing(a.Other),
		"{color}", string(a.Color), "{to}", string(a.To), "{keeping}", keeping(a.To), "{watching}", watching(a.To),
		"{asked}", asked(Note{By: a.By, Why: a.Why}), "{changedby}", changedBy(a.ChangedBy), "{by}", strings.TrimPrefix(asked(Note{By: a.By, Why: a.Why}), ", "), "{rule}", a.Rule, "{detail}", a.Detail, "{tail}", tail(a.Detail),
		"{at}", clock(a.At), "{span}", span(a.Span), "{count}", strconv.Itoa(a.Count), "{superseded}", strconv.Itoa(s.SupersededInARow),
		"{pausedby}", s.Pause.By.String(), "{suspect}", s.suspect().Why, "{suspectsince}", clock(s.suspect().Since), "{drift}", s.Drift.Detail, "{remedy}", s.Drift.remedy(), "{orforce}", orForce(a.ForceWouldHelp && !d.p.NoForce),
	}
	if strings.Contains(sentence, "{rest}") || strings.Contains(sentence, "{hint}") {
		values = append(values, "{rest}", s.rest(), "{hint}", s.hint(d.p))
	}
	return plain(strings.NewReplacer(values...).Replace(sentence))
}

// wayOut is the command that leads to a good version where no rollback does. It never leads
// to an image that was canceled, failed or quarantined.
func (s State) wayOut(p Policy) (Remedy, bool) {
	idle := s.Idle(p.First)
	there := s.Color(idle).Observed.Image
	for _, good := range s.Good {
		switch _, bad := s.quarantined(good.Digest); {
		case bad || good.Same(s.Serving.Image) || good.Same(s.Release.Image) && (s.Release.Phase == Failed || s.Release.Phase == Canceled):
		case good.Same(there) && !s.Release.Phase.Preparing():
			return Remedy{Command: Switch, Image: good, Does: fmt.Sprintf("moves traffic to %s with %s after its checks", idle, good)}, true
		default:
			return Remedy{Command: DeployImage, Image: good, Does: fmt.Sprintf("releases %s, the last good image before the present one", good)}, true
		}
	}
	return Remedy{}, false
}

// hint says in words what leads to a good version where no rollback does.
func (s State) hint(p Policy) string {
	idle := s.Idle(p.First)
	way, ok := s.wayOut(p)
	switch {
	case ok && way.Command == DeployImage:
		return fmt.Sprintf("deploy %s, the last good image before the present one, or push a fixed one", way.Image)
	case ok:
		return string(way.Command) + " " + way.Does
	case s.Release.Phase.Preparing() && s.Release.To == idle:
		return fmt.Sprintf("release %d of %s is being prepared on %s; if it holds the fix, let it finish, or else cancel it and push a fixed image", s.Release.ID, s.Release.Image, idle)
	}
	return "push a fixed image"
}

// suspectColor is the color that is left alone since a failover; "" when none is.
func (s State) suspectColor() Color {
	switch {
	case !s.Blue.Suspect.IsZero():
		return Blue
	case !s.Green.Suspect.IsZero():
		return Green
	}
	return ""
}

// suspect says why a color is left alone since a failover.
func (s State) suspect() Note {
	return s.Color(s.suspectColor()).Suspect
}

// readyOf says how many of the pods that are needed were seen ready.
func readyOf(o Observed, needed []int32) string {
	return fmt.Sprintf("%d of %d pods were ready at %s", o.Ready, total(needed), clock(o.At))
}

// words is a phase as a predicate of a release.
func (p Phase) words() string {
	switch p {
	case Awaiting:
		return "awaits approval"
	case Failed:
		return "failed"
	case RolledBack:
		return "was rolled back"
	case Superseded:
		return "was superseded"
	case Canceled:
		return "was canceled"
	}
	return "is " + string(p)
}

// remedy says what ends a drift.
func (x Drift) remedy() string {
	if x.Live == "" {
		return "it points at neither color alone; change it by hand to point at one of them, then resume"
	}
	return "resume accepts it; switch moves traffic again once users have followed"
}

func asked(n Note) string {
	text := ""
	if by := n.By.String(); by != "" {
		text = ", asked by " + by
	}
	if n.Why != "" {
		text += ": " + n.Why
	}
	return text
}

// changedBy names the field manager that made a change.
func changedBy(manager string) string {
	if manager == "" {
		return ""
	}
	return " by " + manager
}

func replacing(i Image) string {
	if i.IsZero() {
		return ""
	}
	return "; it replaces " + i.String() + ", which waited"
}

func keeping(c Color) string {
	if c == "" {
		return ""
	}
	return ", " + string(c) + " stays as the rollback target"
}

func watching(c Color) string {
	if c == "" {
		return ""
	}
	return ", and an alert or a failing check returns traffic to " + string(c)
}

func orForce(helps bool) string {
	if !helps {
		return ""
	}
	return ", or force the switch"
}

// tail adds a detail after a colon, where there is one.
func tail(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + detail
}

// then adds a further text after a semicolon, where there is one.
func then(further string) string {
	if further == "" {
		return ""
	}
	return "; " + further
}

// span writes a duration without the zero units: 15m, not 15m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// found says what a look at the live color found, part by part.
func (d *decision) found(e Probed) string {
	checks := map[Verdict]string{Passed: "the checks of the public address pass", Refuted: "the checks of the public address fail as before the switch", "": "no check of the public address is configured"}
	pods, health := "its pods were not seen", map[Verdict]string{Passed: ", the gateway sees it as healthy"}
	if e.Live != nil {
		pods = fmt.Sprintf("%d of %d pods are ready", e.Live.Ready, total(d.s.Color(e.Color).Observed.size()))
	}
	text := cmp.Or(checks[e.Checks], "the checks of the public address could not be made") + ", " + pods + cmp.Or(health[e.Health], ", and the gateway does not know its health")
	return text + tail(e.Detail)
}
