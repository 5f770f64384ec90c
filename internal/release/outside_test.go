package release_test

import (
	"slices"
	"testing"
	"time"

	"bluegreen/internal/release"
)

// played is the story of some lines, under the policy of all stories.
func played(t *testing.T, lines ...string) *story {
	t.Helper()
	s := &story{now: noon, policy: storyPolicy()}
	for _, line := range lines {
		if _, err := s.do(line); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

var toBake = []string{"looked blue blue=1.0 green=nothing", "push 2.0", "rollout complete 3", "checks passed", "route confirmed"}

func after(more ...string) []string { return append(append([]string{}, toBake...), more...) }

func TestATargetIsTrustedAfterARollbackToo(t *testing.T) {
	s := played(t, after("bake 15m", "alert errors", "target ready", "route confirmed",
		"looked green blue=1.0 green=2.0", "wait 1m", "looked blue blue=1.0 green=2.0", "wait 1m", "looked green blue=1.0 green=2.0")...)
	if s.state.RollbackTarget().Color != release.Blue {
		t.Error(s.sentence())
	}
}

func TestAGoodColorIsNotScaledDownBesideAKnownBadOne(t *testing.T) {
	s := played(t, after("alert errors", "wait 31s", "target ready", "route denied live=green no right", "cancel", "wait 31m")...)
	if effect, _ := s.state.NextEffect(s.policy, s.now); effect != nil {
		if _, retires := effect.(release.KeepStandby); retires {
			t.Error(s.sentence())
		}
	}
}

func TestAnImageThatServedWellStaysGoodWhenTrafficIsMoved(t *testing.T) {
	s := played(t, after("bake 15m", "push 3.0", "rollout complete 3", "checks passed", "route confirmed", "bake 15m",
		"looked green blue=3.0 green=2.0", "wait 1m", "looked blue blue=3.0 green=2.0")...)
	if len(s.state.Good) != 2 {
		t.Errorf("good are %v", s.state.Good)
	}
}

func TestAReturnInTheWindowBeginsWithItsAlert(t *testing.T) {
	s := played(t, after("bake 15m", "wait 1h", "alert errors")...)
	if r := s.state.Release; r.ID != 1 || r.Phase != release.Returning || !r.Began.Equal(s.now) {
		t.Errorf("at %s: %+v", s.now, r)
	}
}

// A release that is canceled because of what was done outside bluegreen is not held against its image.
func TestAnImageStaysGoodWhateverIsDoneBesideIt(t *testing.T) {
	good := after("bake 15m", "push 3.0", "rollout complete 3", "checks passed", "route confirmed", "bake 15m")
	for name, c := range map[string]struct {
		lines []string
		ends  release.Phase
	}{
		"traffic is moved":           {[]string{"looked green blue=3.0 green=2.0", "wait 1m", "looked blue blue=3.0 green=2.0"}, release.Baking},
		"traffic is taken back":      {[]string{"looked green blue=3.0 green=2.0", "wait 1m", "switch to=blue"}, release.Deploying},
		"another image is put there": {[]string{"deploy 2.0", "rollout complete 3", "checks passed", "route confirmed", "wait 1m", "probe ok live=9.9:3/3:kubectl", "bake 15m"}, release.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			s := played(t, append(append([]string{}, good...), c.lines...)...)
			if s.state.Release.Phase != c.ends || !slices.ContainsFunc(s.state.Good, image("2.0", noon).Same) {
				t.Errorf("good are %v: %s", s.state.Good, s.sentence())
			}
		})
	}
}

// outcome is how far a command is after some lines more.
func (s *story) outcome(t *testing.T, c release.Commanded, lines ...string) release.Outcome {
	t.Helper()
	facts := s.next(c)
	for _, line := range lines {
		more, err := s.do(line)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, more...)
	}
	o, err := s.state.OutcomeOf(c, s.now, release.DecisionOf(c, facts), func() ([]release.Fact, error) { return facts, nil })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestARollbackThatWasGivenUpIsNotDone(t *testing.T) {
	s := played(t, toBake...)
	o := s.outcome(t, release.Commanded{Command: release.Rollback, By: release.Actor{Name: "ana"}}, "target ready", "route denied live=green no right", "cancel")
	if o != release.OutcomeFailed {
		t.Errorf("%q, traffic is on %s", o, s.state.Serving.Color)
	}
}

func TestASwitchOutOfAWatchIsUnderway(t *testing.T) {
	s := played(t, "looked blue blue=1.0 green=0.9", "looked green blue=1.0 green=0.9")
	if o := s.outcome(t, release.Commanded{Command: release.Switch, By: release.Actor{Name: "ana"}}); o != release.OutcomeUnderway {
		t.Errorf("%q: %s", o, s.sentence())
	}
}

// Every record of a bake without a good look lasts as long as nothing is known.
func TestAZeroPolicyAsksAtMostOnceASecond(t *testing.T) {
	s := played(t, toBake...)
	s.policy.ProbeEvery = 0
	if effect, at := s.state.NextEffect(s.policy, s.now); effect != nil || at.Before(s.now.Add(time.Second)) {
		t.Errorf("%T at %s", effect, at)
	}
}

// One Deployment of two that has no ready pod is not made up for by the other.
func TestADeploymentWithoutPodsIsNotHealth(t *testing.T) {
	s := played(t, toBake...)
	for range 16 {
		s.now = s.now.Add(time.Minute)
		live := release.Observed{Image: s.state.Serving.Image, Replicas: []int32{10, 3}, Ready: 13, ReadyOf: []int32{10, 3}}
		if s.now.Sub(noon) > 2*time.Minute {
			live.Ready, live.ReadyOf = 10, []int32{10, 0}
		}
		target := release.Observed{Image: s.state.Serving.Previous.Image, Replicas: []int32{3}, Ready: 3}
		s.next(release.Probed{Release: s.state.Release.ID, Live: &live, Target: &target})
	}
	if s.state.Release.Phase != release.Returning {
		t.Error(s.sentence())
	}
}
