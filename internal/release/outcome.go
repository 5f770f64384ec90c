package release

import (
	"fmt"
	"time"

	"bluegreen/internal/release/reason"
)

// Outcome says how far a command is.
type Outcome string

const (
	OutcomePending      Outcome = "pending"       // accepted, and will be decided
	OutcomeUnderway     Outcome = "underway"      // decided, and not at its end
	OutcomeNeedsPromote Outcome = "needs-promote" // an operator has to let the release go live
	OutcomeSwitched     Outcome = "switched"      // users are on it, and its bake may still return them
	OutcomeDone         Outcome = "done"          // it is as was asked
	OutcomeFailed       Outcome = "failed"        // refused, or tried and not as was asked
)

// Final reports whether waiting longer changes nothing.
func (o Outcome) Final() bool {
	return o == OutcomeDone || o == OutcomeFailed || o == OutcomeNeedsPromote
}

// OutcomeOf says how far a command is that was accepted at a time and decided. One that starts a
// release is done when the bake has ended well, one that returns traffic when it has moved, the
// others when they are decided. past returns the newest facts, newest first; it is asked only when
// the release in question is over.
func (s State) OutcomeOf(c Commanded, accepted time.Time, d Decision, past func() ([]Fact, error)) (Outcome, error) {
	switch {
	case d.IsZero():
		return OutcomePending, nil
	case d.Kind == Refused || d.Kind == Dropped:
		return OutcomeFailed, nil
	}
	switch c.Command {
	case Rollback, Failover:
		if d.Kind == ReleaseStarted {
			return s.ofRelease(d.Release, past)
		}
		return s.returned(d), nil
	case DeployImage:
		switch c.Image.Digest {
		case s.Waiting.Digest:
			return OutcomeUnderway, nil
		case s.Release.Image.Digest:
			return s.reached()
		}
		return ended(past, func(f Fact) bool { return f.Image.Digest == c.Image.Digest && !f.At.Before(accepted.Add(-time.Minute)) })
	case Switch, Promote:
		return s.ofRelease(d.Release, past)
	}
	return OutcomeDone, nil
}

// ofRelease says how far a release is, or how it ended.
func (s State) ofRelease(id int, past func() ([]Fact, error)) (Outcome, error) {
	if s.Release.ID == id {
		return s.reached()
	}
	return ended(past, func(f Fact) bool { return f.Release == id })
}

// returned says how far a return of traffic is that was decided.
func (s State) returned(d Decision) Outcome {
	r := s.Release
	switch {
	case r.ID != d.Release && d.Release != 0: // schema 1 does not store it
		return OutcomeDone
	case r.Phase == Returning:
		return OutcomeUnderway
	case r.Reason == reason.Fought || r.Reason == reason.ReturnGivenUp || r.Phase == Failed && r.failsOver():
		return OutcomeFailed
	}
	return OutcomeDone
}

// reached says how far the present release is.
func (s State) reached() (Outcome, error) {
	switch p := s.Release.Phase; p {
	case Completed:
		return OutcomeDone, nil
	case Baking:
		return OutcomeSwitched, nil
	case Awaiting:
		if s.Release.Approved && s.Pause.IsZero() {
			return OutcomeUnderway, nil
		}
		return OutcomeNeedsPromote, nil
	case Deploying, Verifying, Switching:
		return OutcomeUnderway, nil
	case Returning, Failed, RolledBack, Superseded, Canceled:
		return OutcomeFailed, nil
	default:
		return "", fmt.Errorf("no phase %q is known: a newer version of bluegreen wrote it", p)
	}
}

// ended finds out how a release ended that others have followed. One that completed may have been
// rolled back afterwards.
func ended(past func() ([]Fact, error), of func(Fact) bool) (Outcome, error) {
	facts, err := past()
	if err != nil {
		return "", err
	}
	for _, f := range facts {
		switch {
		case !of(f):
		case f.Kind == ReleaseCompleted:
			return OutcomeDone, nil
		case f.Kind == ReleaseReturned || f.Kind == ReleaseFailed:
			return OutcomeFailed, nil
		}
	}
	return OutcomeFailed, nil
}
