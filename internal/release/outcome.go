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
	OutcomeDone         Outcome = "done"          // it is as was asked
	OutcomeFailed       Outcome = "failed"        // refused, or tried and not as was asked
)

// Final reports whether waiting longer changes nothing.
func (o Outcome) Final() bool {
	return o == OutcomeDone || o == OutcomeFailed || o == OutcomeNeedsPromote
}

// OutcomeOf says how far a command is that was accepted at a time and decided. Those that
// move traffic are done when it has moved, the others when they are decided. past returns
// the newest facts; it is asked only when the release in question is over.
func (s State) OutcomeOf(c Commanded, accepted time.Time, d Decision, past func() ([]Fact, error)) (Outcome, error) {
	switch {
	case d.IsZero():
		return OutcomePending, nil
	case d.Kind == Refused || d.Kind == Dropped:
		return OutcomeFailed, nil
	}
	switch c.Command {
	case Rollback, Failover:
		if s.Release.ID == d.Release || d.Release == 0 { // schema 1 does not store it
			switch {
			case s.Release.Phase == Returning:
				return OutcomeUnderway, nil
			case s.Release.Reason == reason.Fought || s.Release.Reason == reason.ReturnGivenUp || s.Release.Phase == Failed && s.Release.failsOver():
				return OutcomeFailed, nil
			}
		}
		return OutcomeDone, nil
	case DeployImage:
		switch c.Image.Digest {
		case s.Waiting.Digest:
			return OutcomeUnderway, nil
		case s.Release.Image.Digest:
			return reached(s.Release.Phase)
		}
		return hadTraffic(past, func(f Fact) bool { return f.Image.Digest == c.Image.Digest && !f.At.Before(accepted.Add(-time.Minute)) })
	case Switch:
		if s.Release.ID == d.Release {
			return reached(s.Release.Phase)
		}
		return hadTraffic(past, func(f Fact) bool { return f.Release == d.Release })
	}
	return OutcomeDone, nil
}

func reached(p Phase) (Outcome, error) {
	switch p {
	case Baking, Completed:
		return OutcomeDone, nil
	case Awaiting:
		return OutcomeNeedsPromote, nil
	case Deploying, Verifying, Switching:
		return OutcomeUnderway, nil
	case Returning, Failed, RolledBack, Superseded, Canceled:
		return OutcomeFailed, nil
	}
	return "", fmt.Errorf("no phase %q is known: a newer version of bluegreen wrote it", p)
}

// hadTraffic finds out whether a release that is over got the traffic.
func hadTraffic(past func() ([]Fact, error), of func(Fact) bool) (Outcome, error) {
	facts, err := past()
	if err != nil {
		return "", err
	}
	for _, f := range facts {
		if f.Kind == ReleaseSwitched && of(f) {
			return OutcomeDone, nil
		}
	}
	return OutcomeFailed, nil
}
