package release

import (
	"fmt"
	"time"

	"bluegreen/internal/release/reason"
)

// Plan says what a command does if it is given now: in the order of time what it will do,
// and what it will not. A command that would be refused has Refused alone.
type Plan struct {
	Refused string
	Will    []string
	WillNot []string
}

// PlanOf is the plan of a command. Nothing changes.
func PlanOf(s State, c Commanded, p Policy, now time.Time) Plan {
	after, facts := Next(s, c, p, now)
	plan, resumed := Plan{}, false
	for _, f := range facts {
		if f.Kind == Refused || f.Kind == Dropped && !after.changes(s) {
			return Plan{Refused: f.Text}
		}
		if f.Kind != Advanced || !f.Phase.Active() { // which is what lies ahead
			plan.Will = append(plan.Will, f.Text)
		}
		resumed = resumed || f.Reason == reason.Resumed // which names what it lifts
	}
	if !resumed {
		plan.Will = append(plan.Will, lifted(s, after, now)...)
	}
	if r := after.Release; r.ID != s.Release.ID || r.Phase != s.Release.Phase || r.Approved != s.Release.Approved || r.Progress.Forced != s.Release.Progress.Forced {
		plan.ahead(after, p)
	}
	plan.spares(s, after, c)
	return plan
}

// changes reports whether the state is another one in what people decide about.
func (s State) changes(was State) bool {
	return s.Release.ID != was.Release.ID || s.Release.Phase != was.Release.Phase || s.Waiting != was.Waiting || len(s.Quarantined) != len(was.Quarantined)
}

// lifted names everything that held releases back in a state and no longer does in the next.
func lifted(was, is State, now time.Time) (list []string) {
	ends := func(n, after Note, what string) {
		if !n.IsZero() && after.IsZero() {
			list = append(list, fmt.Sprintf("%s ends, which lasted %s%s", what, since(now, n.Since), asked(n)))
		}
	}
	ends(was.Pause, is.Pause, "the pause")
	ends(was.Hold, is.Hold, "the hold")
	ends(was.Blue.Suspect, is.Blue.Suspect, "the suspicion of blue")
	ends(was.Green.Suspect, is.Green.Suspect, "the suspicion of green")
	if !was.Drift.IsZero() && is.Drift.IsZero() && is.Serving.Color != "" {
		list = append(list, fmt.Sprintf("%s counts as live, as the gateway has it", is.Serving.Color))
	}
	return list
}

// ahead says what the release goes through from now on.
func (plan *Plan) ahead(s State, p Policy) {
	r := s.Release
	add := func(format string, args ...any) { plan.Will = append(plan.Will, fmt.Sprintf(format, args...)) }
	from := ""
	if r.From != "" {
		from = fmt.Sprintf(" from %s", r.From)
	}
	switch r.Phase {
	case Deploying:
		if n := total(s.Color(s.Serving.Color).Observed.size()); n > 0 {
			add("%s gets %s with %d pods, as many as %s has; without progress for %s it fails", r.To, r.Image, n, s.Serving.Color, span(p.RolloutTimeout))
		} else {
			add("%s gets %s; without progress for %s it fails", r.To, r.Image, span(p.RolloutTimeout))
		}
		fallthrough
	case Verifying:
		add("its checks run, for at most %s", span(p.VerifyTimeout))
		fallthrough
	case Awaiting:
		switch {
		case !s.Pause.IsZero():
			add("it waits for a resume")
		case p.Manual && !r.Approved:
			add("it waits for an operator's approval")
		}
		fallthrough
	case Switching:
		add("traffic moves%s to %s when its pods carry the users", from, r.To)
		add("a bake of %s: an alert or a failing check returns traffic%s", span(p.Bake), backTo(r.From))
	case Returning:
		back := r.Progress.Target
		if r.Progress.Forced {
			add("traffic moves from %s to %s with %s at once, whatever its state: %s", r.To, back.Color, back.Image, readyOf(s.Color(back.Color).Observed, back.Replicas))
		} else {
			add("traffic moves from %s to %s with %s as soon as its pods carry the users", r.To, back.Color, back.Image)
		}
		if r.Progress.Outcome == RolledBack && !r.failsOver() {
			add("%s is quarantined, and no release starts by itself until a newer image is pushed or an operator resumes", r.Image)
		}
		if r.failsOver() {
			add("%s is left alone until an operator resumes", r.To)
		}
	}
}

func backTo(c Color) string {
	if c == "" {
		return ""
	}
	return " to " + string(c)
}

// spares says what people may fear and what does not happen.
func (plan *Plan) spares(was, is State, c Commanded) {
	not := func(format string, args ...any) { plan.WillNot = append(plan.WillNot, fmt.Sprintf(format, args...)) }
	r := is.Release
	switch {
	case r.Phase == Deploying && is.Serving.Color != "":
		if c.Command == Rollback {
			not("quarantine %s, or hold releases: it becomes the rollback target", is.Serving.Image)
		}
		not("move traffic before that: users stay on %s with %s", is.Serving.Color, is.Serving.Image)
	case r.Phase == Returning && r.failsOver():
		not("hold anything against %s, or deploy to %s", r.Image, r.To)
	case r.Phase == Returning:
		not("change what runs on %s", r.To)
	case c.Command == ReleaseQuarantine:
		not("deploy it, or move traffic: deploy releases it")
	case is.Serving.Color == was.Serving.Color:
		not("move traffic now")
	}
	if c.Command == PauseReleases {
		not("keep an alert or an operator from returning traffic")
	}
}
