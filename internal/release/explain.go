package release

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Explain says in one sentence what the app is doing, since when, until when, and what
// comes next.
func Explain(s State, p Policy, now time.Time) string {
	text := s.explain(p)
	if !s.Waiting.IsZero() && (s.Release.Phase.Active() || !s.Drift.IsZero()) {
		text += s.waits()
	}
	if !s.Trouble.IsZero() && s.Release.Detail != s.Trouble.Why {
		text += "; trouble since " + clock(s.Trouble.Since) + ": " + s.Trouble.Why
	}
	return plain(text)
}

// Hidden reports whether a character would break a line, move a terminal, or show others
// in another order than they stand in.
func Hidden(r rune) bool {
	return unicode.IsControl(r) || r > unicode.MaxLatin1 && unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// plain is a text on one line. Names of alert rules, and what pods and gateways say, come
// from outside.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if Hidden(r) {
			return ' '
		}
		return r
	}, text)
}

func (s State) explain(p Policy) string {
	r := s.Release
	since := clock(r.Since)
	switch {
	case !s.Known && !s.Trouble.IsZero():
		return "Not taken over yet"
	case !s.Known:
		return "Not taken over yet: the gateway is read with the first event or tick"
	case !s.Drift.IsZero():
		return fmt.Sprintf("Held since %s because the gateway was changed by somebody else (%s; recorded was %s): %s", clock(s.Drift.Since), s.Drift.Detail, s.Live, s.Drift.remedy())
	}
	switch r.Phase {
	case Deploying:
		return fmt.Sprintf("Deploying %s to %s since %s%s; next come its checks, then %s%s", r.Image, r.To, since, detail(r.Detail), s.afterChecks(p), s.still())
	case Verifying:
		return fmt.Sprintf("Checking %s on %s since %s, until %s at the latest%s; next comes %s%s", r.Image, r.To, since, clock(r.Since.Add(p.VerifyTimeout)), detail(r.Detail), s.afterChecks(p), s.still())
	case Awaiting:
		return fmt.Sprintf("Waiting since %s for %s to let %s on %s go live%s%s", since, s.gatekeeper(), r.Image, r.To, s.gateEnd(p), s.still())
	case Switching:
		return fmt.Sprintf("Switching traffic from %s to %s with %s since %s, until %s at the latest%s; next comes the bake of %s%s", orNothing(r.From), r.To, r.Image, since, clock(r.Since.Add(p.SwitchTimeout)), detail(r.Detail), span(p.Bake), s.held())
	case Baking:
		return fmt.Sprintf("Live on %s with %s since %s, baking until %s%s%s%s", r.To, r.Image, clock(r.SwitchedAt), clock(r.SwitchedAt.Add(p.Bake)), keepsUntil(r.From), detail(r.Detail), s.held())
	case Returning:
		return fmt.Sprintf("Returning traffic from %s to %s since %s: %s%s; %s%s", r.To, r.From, since, r.Cause, detail(r.Detail), r.afterReturn(), s.held())
	}
	return strings.ToUpper(s.rest()[:1]) + s.rest()[1:] + s.held() + s.next(p)
}

// remedy says what ends a drift.
func (x Drift) remedy() string {
	if x.Live == "" {
		return "it leads to neither color alone; move it to one of them by hand"
	}
	return "resume accepts it, or move it back by hand"
}

// rest says what is true while nothing is under way.
func (s State) rest() string {
	r := s.Release
	live := "nothing is live yet"
	if s.Live != "" {
		live = fmt.Sprintf("live on %s with %s", s.Live, s.Slot(s.Live).Image)
	}
	if r.Phase == "" {
		return live + ", no release so far"
	}
	if r.Phase == Completed && r.To != s.Live {
		return live + ", accepted as it was found"
	}
	if r.Phase == Completed {
		return fmt.Sprintf("%s since %s", live, clock(r.SwitchedAt))
	}
	if r.Phase.Active() {
		return fmt.Sprintf("%s; release %d of %s %s since %s", live, r.ID, r.Image, r.Phase.told(), clock(r.Since))
	}
	return fmt.Sprintf("%s; release %d of %s %s at %s: %s", live, r.ID, r.Image, r.Phase.told(), clock(r.Since), r.Cause)
}

// told is a phase as people say it of a release.
func (p Phase) told() string {
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

func (r Release) afterReturn() string {
	if r.Outcome == RolledBack {
		return "afterwards automation holds"
	}
	return "then the release has failed"
}

func (s State) held() string {
	switch {
	case !s.Pause.IsZero():
		return fmt.Sprintf("; paused since %s%s, until resumed", clock(s.Pause.Since), said(s.Pause.By, s.Pause.Why))
	case !s.Hold.IsZero():
		return fmt.Sprintf("; automation holds since %s until a newer image is pushed or a person resumes", clock(s.Hold.Since))
	}
	return ""
}

func (s State) next(p Policy) string {
	if !s.Waiting.IsZero() {
		return s.waits()
	}
	idle := s.Idle(p.First)
	if _, at := s.Owed(p, s.Release.EndedAt); s.Release.Phase.ended() && !at.IsZero() {
		return fmt.Sprintf("; %s is scaled down at %s", idle, clock(s.Release.EndedAt.Add(p.RetireAfter)))
	}
	if s.Pause.IsZero() && s.Hold.IsZero() {
		return fmt.Sprintf("; the next image goes to %s", idle)
	}
	return ""
}

func (s State) waits() string { return fmt.Sprintf("; %s waits", s.Waiting) }

func (p Phase) ended() bool { return p != "" && !p.Active() }

func (s State) still() string {
	if s.Live == "" {
		return ""
	}
	return fmt.Sprintf("; %s stays live with %s", s.Live, s.Slot(s.Live).Image)
}

func (s State) afterChecks(p Policy) string {
	switch {
	case !s.Pause.IsZero():
		return "a wait, because releases are paused by " + s.Pause.By
	case p.Manual && !s.Release.Approved:
		return "a person's approval"
	}
	return "the switch"
}

func (s State) gatekeeper() string {
	if !s.Pause.IsZero() {
		return "a resume (paused by " + s.Pause.By + ")"
	}
	return "a person"
}

func (s State) gateEnd(p Policy) string {
	if !p.Manual || p.Deadline == 0 || !s.Pause.IsZero() {
		return ", without a deadline"
	}
	what := "cancels it"
	if p.Default == "promote" {
		what = "promotes it"
	}
	return fmt.Sprintf(", until %s, which %s", clock(s.Release.Since.Add(p.Deadline)), what)
}

func keepsUntil(from Color) string {
	if from == "" {
		return "; there is no way back: nothing was live before it"
	}
	return "; an alert or a rollback returns traffic to " + string(from)
}

func detail(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// colon leads to what is told besides, where there is something.
func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func orNothing(c Color) string {
	if c == "" {
		return "nothing"
	}
	return string(c)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC on 2 Jan") }

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
