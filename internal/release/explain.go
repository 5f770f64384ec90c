package release

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in one sentence what the app is doing, since when, until when, and what
// comes next.
func Explain(s State, p Policy, now time.Time) string {
	text := s.explain(p, now)
	if !s.Waiting.IsZero() && (s.Release.Phase.Active() || !s.Drift.IsZero() && !s.Drift.Watched) {
		text += s.waits()
	}
	if !s.Trouble.IsZero() && s.Release.Progress.Detail != s.Trouble.Why {
		text += "; trouble since " + clock(s.Trouble.Since) + ": " + s.Trouble.Why
	}
	return plain(text + s.missing())
}

func (s State) explain(p Policy, now time.Time) string {
	r := s.Release
	since, detail := clock(r.Since), inBrackets(r.Progress.Detail)
	switch {
	case !s.Known && !s.Trouble.IsZero():
		return "Not taken over yet"
	case !s.Known:
		return "Not taken over yet: the gateway is read with the first event or tick"
	case !s.Drift.IsZero() && !s.Drift.Watched:
		return fmt.Sprintf("Held since %s because the gateway was changed outside bluegreen (%s; recorded was %s): %s", clock(s.Drift.Since), s.Drift.Detail, s.Serving.Color, s.Drift.remedy())
	}
	switch r.Phase {
	case Deploying:
		return fmt.Sprintf("Deploying %s to %s since %s%s; next come its checks, then %s%s", r.Image, r.To, since, detail, s.afterChecks(p), s.stillLive())
	case Verifying:
		return fmt.Sprintf("Checking %s on %s since %s, until %s at the latest%s; next comes %s%s", r.Image, r.To, since, clock(r.Since.Add(p.VerifyTimeout)), detail, s.afterChecks(p), s.stillLive())
	case Awaiting:
		return fmt.Sprintf("Waiting since %s for %s to let %s on %s go live%s%s", since, s.gatekeeper(), r.Image, r.To, s.gateEnd(p), s.stillLive())
	case Switching:
		return fmt.Sprintf("Switching traffic from %s to %s with %s since %s, until %s at the latest%s; next comes the bake of %s%s", orNothing(r.From), r.To, r.Image, since, clock(r.switchSince().Add(p.SwitchTimeout)), detail, span(p.Bake), s.held())
	case Baking:
		return fmt.Sprintf("Live on %s with %s since %s, baking until %s%s%s%s", r.To, s.Serving.Image, clock(s.Serving.Since), clock(s.bakeUntil(p)), s.returnsTo(), detail, s.held())
	case Returning:
		return fmt.Sprintf("Returning traffic from %s to %s since %s: %s%s; %s%s", r.To, r.From, since, r.Cause, detail, r.afterReturn(), s.held())
	}
	rest := s.rest()
	return strings.ToUpper(rest[:1]) + rest[1:] + s.held() + s.next(p, now)
}

// rest says what is true while nothing is under way.
func (s State) rest() string {
	r := s.Release
	live := "nothing is live yet"
	if s.Serving.Color != "" {
		live = fmt.Sprintf("live on %s with %s", s.Serving.Color, s.Serving.Image)
	}
	switch {
	case r.Phase == "":
		return live + ", no release so far"
	case r.Phase == Completed && r.To != s.Serving.Color:
		return live + ", accepted as it was found"
	case r.Phase == Completed:
		return fmt.Sprintf("%s since %s", live, clock(s.Serving.Since))
	case r.Phase == RolledBack && r.failsOver():
		return fmt.Sprintf("%s since %s, after a failover: %s", live, clock(s.Serving.Since), r.Cause)
	case r.Phase.Active():
		return fmt.Sprintf("%s; release %d of %s %s since %s", live, r.ID, r.Image, r.Phase.words(), clock(r.Since))
	}
	return fmt.Sprintf("%s; release %d of %s %s at %s: %s", live, r.ID, r.Image, r.Phase.words(), clock(r.Since), r.Cause)
}

func (r Release) afterReturn() string {
	if r.failsOver() {
		return fmt.Sprintf("afterwards %s is left alone until an operator resumes", r.To)
	}
	if r.Progress.Outcome == RolledBack {
		return "afterwards automation is on hold"
	}
	return "then the release has failed"
}

func (s State) held() string {
	switch {
	case s.Drift.Watched:
		return fmt.Sprintf("; traffic was moved there outside bluegreen at %s, and no release starts by itself until an operator resumes or switches", clock(s.Drift.Since))
	case !s.Pause.IsZero():
		return fmt.Sprintf("; paused since %s%s, until resumed", clock(s.Pause.Since), asked(s.Pause.By, s.Pause.Why))
	case !s.suspect().IsZero():
		return fmt.Sprintf("; %s is left alone since the failover of %s, until an operator resumes", s.suspectColor(), clock(s.suspect().Since))
	case !s.Hold.IsZero():
		return fmt.Sprintf("; automation is on hold since %s until a newer image is pushed or an operator resumes", clock(s.Hold.Since))
	}
	return ""
}

func (s State) next(p Policy, now time.Time) string {
	idle := s.Idle(p.First)
	if !s.Waiting.IsZero() {
		return s.waits()
	}
	effect, at := s.standby(p, now)
	order, due := effect.(KeepStandby)
	gets := s.Serving.Image
	if due {
		gets, at = order.Image, s.standbyAt(p)
		if !order.Spoiled && gets.Same(s.Serving.Image) {
			at = latest(at, s.Serving.until(p))
		}
	}
	text := ""
	c := s.Color(idle)
	made := total(c.Standby.Replicas) > 0
	if made {
		text = fmt.Sprintf("; the standby is %s with %s, %s", idle, c.Image(), readyOf(c.Observed, c.Standby.Replicas))
	}
	switch {
	case at.IsZero():
	case !p.Standby.Same && p.Standby.zero():
		return fmt.Sprintf("; %s is scaled down at %s", idle, clock(at))
	case made && gets.IsZero():
		text += fmt.Sprintf("; it gets %d pods", total(order.Size))
	case made:
		text += fmt.Sprintf("; it gets %s at %s", gets, clock(at))
	default:
		text = fmt.Sprintf("; %s becomes the standby at %s", idle, clock(at))
	}
	if s.Pause.IsZero() && s.Hold.IsZero() && s.Color(idle).Suspect.IsZero() && at.IsZero() {
		text += fmt.Sprintf("; the next image goes to %s", idle)
	}
	return text
}

func (s State) waits() string { return fmt.Sprintf("; %s waits", s.Waiting) }

func (s State) stillLive() string {
	if s.Serving.Color == "" {
		return ""
	}
	return fmt.Sprintf("; %s stays live with %s", s.Serving.Color, s.Serving.Image)
}

func (s State) afterChecks(p Policy) string {
	switch {
	case !s.Pause.IsZero():
		return "a wait, because releases are paused by " + s.Pause.By
	case p.Manual && !s.Release.Approved:
		return "an operator's approval"
	}
	return "the switch"
}

func (s State) gatekeeper() string {
	if !s.Pause.IsZero() {
		return "a resume (paused by " + s.Pause.By + ")"
	}
	return "an operator"
}

func (s State) gateEnd(p Policy) string {
	if !p.Manual || p.Deadline == 0 || !s.Pause.IsZero() {
		return ", without a deadline"
	}
	then := "cancels it"
	if p.Default == "promote" {
		then = "promotes it"
	}
	return fmt.Sprintf(", until %s, which %s", clock(s.Release.gateEnd(p)), then)
}

func (s State) returnsTo() string {
	if t := s.RollbackTarget(); t.Color != "" {
		return "; an alert or a rollback returns traffic to " + string(t.Color)
	}
	return "; there is no rollback target"
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func orNothing(c Color) string {
	if c == "" {
		return "nothing"
	}
	return string(c)
}
