package release

import (
	"fmt"
	"math"
	"time"
)

// What the texts of facts, of refusals and of the status have in common.

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

func (s State) afterChecks(p Policy) string {
	switch {
	case !s.Pause.IsZero():
		return "a wait, because releases are paused by " + s.Pause.By.String()
	case p.Manual && !s.Release.Approved:
		return "an operator's approval"
	}
	return "the switch"
}

func (s State) gatekeeper() string {
	if !s.Pause.IsZero() {
		return "a resume (paused by " + s.Pause.By.String() + ")"
	}
	return "an operator"
}

func orNothing(c Color) string {
	if c == "" {
		return "nothing"
	}
	return string(c)
}

// clock is a time for texts that stay.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC on 2 Jan") }

// at is a time of day as seen from now; with the date where that is another one.
func at(now, t time.Time) string {
	now, t = now.UTC(), t.UTC()
	if now.Format(time.DateOnly) == t.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return t.Format("15:04 UTC on 2 Jan")
}

// in says when something comes: "in 12 min (14:05 UTC)".
func in(now, t time.Time) string {
	if !t.After(now) {
		return "now"
	}
	return "in " + lasting(t.Sub(now)) + " (" + at(now, t) + ")"
}

// ago says when something was: "12 min ago (14:05 UTC)".
func ago(now, t time.Time) string {
	if t.After(now) {
		t = now
	}
	return lasting(now.Sub(t)) + " ago (" + at(now, t) + ")"
}

// since says how long something lasts: "for 12 min (since 14:05 UTC)".
func since(now, t time.Time) string {
	if t.After(now) {
		t = now
	}
	return "for " + lasting(now.Sub(t)) + " (since " + at(now, t) + ")"
}

// lasting is a duration in one unit, rounded: 40 s, 12 min, 3 h, 2 days.
func lasting(d time.Duration) string {
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", math.Round(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%.0f min", math.Round(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", math.Round(d.Hours()))
	}
	return fmt.Sprintf("%.0f days", math.Round(d.Hours()/24))
}
