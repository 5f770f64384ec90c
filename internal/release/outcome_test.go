package release_test

import (
	"errors"
	"testing"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// TestAnOutcomeIsThatOfItsOwnRelease asks for commands that were decided for release 1,
// while release 3 is in each phase.
func TestAnOutcomeIsThatOfItsOwnRelease(t *testing.T) {
	decided := release.Decision{Kind: release.Decided, Reason: reason.Returning, Release: 1}
	completed := []release.Fact{{Kind: release.ReleaseCompleted, Release: 1, Image: image("1.0", noon), At: noon}}
	past := func() ([]release.Fact, error) { return completed, nil }
	for _, p := range []release.Phase{
		release.Deploying, release.Verifying, release.Awaiting, release.Switching, release.Baking, release.Returning,
		release.Completed, release.Failed, release.RolledBack, release.Superseded, release.Canceled,
	} {
		s := release.State{Release: release.Release{ID: 3, Phase: p, Image: image("3.0", noon)}}
		for _, c := range []release.Commanded{
			{Command: release.Rollback}, {Command: release.Switch}, {Command: release.DeployImage, Image: image("1.0", noon)}, {Command: release.Cancel},
		} {
			got, err := s.OutcomeOf(c, noon, decided, past)
			if err != nil || got != release.OutcomeDone {
				t.Errorf("%s, release 3 is %s: %q, %v", c.Command, p, got, err)
			}
		}
	}
}

func TestTheOutcomeOfTheReleaseUnderWay(t *testing.T) {
	decided := release.Decision{Kind: release.Decided, Reason: reason.Started, Release: 3}
	none := func() ([]release.Fact, error) { return nil, errors.New("not asked for") }
	for p, want := range map[release.Phase]release.Outcome{
		release.Deploying: release.OutcomeUnderway, release.Verifying: release.OutcomeUnderway, release.Awaiting: release.OutcomeNeedsPromote,
		release.Switching: release.OutcomeUnderway, release.Baking: release.OutcomeSwitched, release.Returning: release.OutcomeFailed,
		release.Completed: release.OutcomeDone, release.Failed: release.OutcomeFailed, release.RolledBack: release.OutcomeFailed,
		release.Superseded: release.OutcomeFailed, release.Canceled: release.OutcomeFailed,
	} {
		s := release.State{Release: release.Release{ID: 3, Phase: p, Image: image("3.0", noon)}}
		for _, c := range []release.Commanded{{Command: release.Switch}, {Command: release.Promote}, {Command: release.DeployImage, Image: image("3.0", noon)}} {
			if got, err := s.OutcomeOf(c, noon, decided, none); err != nil || got != want {
				t.Errorf("%s, its release is %s: %q, %v", c.Command, p, got, err)
			}
		}
		back, err := s.OutcomeOf(release.Commanded{Command: release.Rollback}, noon, decided, none)
		if want := map[bool]release.Outcome{true: release.OutcomeUnderway, false: release.OutcomeDone}[p == release.Returning]; back != want || err != nil {
			t.Errorf("rollback, its release is %s: %q, %v", p, back, err)
		}
	}
	unknown := release.State{Release: release.Release{ID: 3, Phase: "shifting"}}
	if got, err := unknown.OutcomeOf(release.Commanded{Command: release.Switch}, noon, decided, none); err == nil {
		t.Errorf("in an unknown phase: %q", got)
	}
}

// An outcome counts a release that users were on, and that then returned, as failed.
func TestAReleaseThatReturnedHasFailed(t *testing.T) {
	c, d := release.Commanded{Command: release.DeployImage, Image: image("1.0", noon)}, release.Decision{Kind: release.ReleaseStarted, Release: 1}
	fact := func(k release.FactKind) release.Fact {
		return release.Fact{Kind: k, Release: 1, Image: image("1.0", noon), At: noon}
	}
	for name, facts := range map[string][]release.Fact{
		"returned in its bake":        {fact(release.ReleaseReturned), fact(release.ReleaseSwitched)},
		"returned in the window":      {fact(release.ReleaseReturned), fact(release.ReleaseCompleted), fact(release.ReleaseSwitched)},
		"ended otherwise in its bake": {fact(release.NeedsHelp), fact(release.ReleaseSwitched)},
		"never switched":              {fact(release.ReleaseFailed)},
	} {
		later := release.State{Release: release.Release{ID: 2, Phase: release.Baking, Image: image("3.0", noon)}}
		got, err := later.OutcomeOf(c, noon, d, func() ([]release.Fact, error) { return facts, nil })
		if err != nil || got != release.OutcomeFailed {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAnApprovedReleaseNeedsNoSecondPromote(t *testing.T) {
	c, d := release.Commanded{Command: release.Promote}, release.Decision{Kind: release.Decided, Release: 3}
	s := release.State{Release: release.Release{ID: 3, Phase: release.Awaiting, Approved: true}}
	for _, want := range []release.Outcome{release.OutcomeUnderway, release.OutcomeNeedsPromote} {
		if got, err := s.OutcomeOf(c, noon, d, nil); err != nil || got != want {
			t.Errorf("%q, %v, not %s", got, err, want)
		}
		s.Pause = release.Note{By: release.Actor{Name: "ana"}, Since: noon} // which a resume ends
	}
}

// A command moves traffic by its definition exactly when it is not done before traffic has moved.
func TestACommandThatMovesTrafficIsDoneOnlyThen(t *testing.T) {
	decided := release.Decision{Kind: release.Decided, Reason: reason.Started, Release: 3}
	for _, v := range release.Commands {
		waits := false
		for _, p := range []release.Phase{release.Switching, release.Returning} {
			s := release.State{Release: release.Release{ID: 3, Phase: p, Image: image("3.0", noon)}}
			got, err := s.OutcomeOf(release.Commanded{Command: v.Command, Image: image("3.0", noon)}, noon, decided, nil)
			if err != nil {
				t.Fatal(err)
			}
			waits = waits || got == release.OutcomeUnderway
		}
		if waits != v.Moves {
			t.Errorf("%s: Moves is %v, its outcome waits for traffic: %v", v.Command, v.Moves, waits)
		}
	}
}
