package release_test

import (
	"strings"
	"testing"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// began plays the lines of a story and returns where it has come to.
func began(t *testing.T, lines ...string) *story {
	t.Helper()
	s := &story{now: noon, policy: storyPolicy()}
	s.goOn(t, lines...)
	return s
}

// goOn plays more lines, and returns the facts of the last one.
func (s *story) goOn(t *testing.T, lines ...string) (facts []release.Fact) {
	t.Helper()
	for _, line := range lines {
		var err error
		if facts, err = s.do(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	return facts
}

// goesLive releases an image and lets its bake end.
func (s *story) goesLive(t *testing.T, tag string) {
	t.Helper()
	s.goOn(t, "push "+tag, "rollout complete 3", "checks passed", "route confirmed", "bake 15m")
	if s.state.Release.Phase != release.Completed || !s.state.Serving.Image.Same(image(tag, noon)) {
		t.Fatalf("%s is not live: %s", tag, s.sentence())
	}
}

func (s *story) sentence() string { return release.StatusOf(s.state, s.policy, s.now).String() }

var onBlue = "looked blue blue=1.0 green=nothing"

func TestAFailoverThatFailsIsNotHeldAgainstTheLiveVersion(t *testing.T) {
	s := began(t, "policy standby=previous/ready failover=alert", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 30m", "standby", "wait 24h", "looked green green=2.0 blue=1.0", "alert errors", "target starting 0 of 3 pods ready")
	s.goOn(t, "wait 1m")
	s.goesLive(t, "3.0")
	s.goOn(t, "push 4.0", "rollout broken 0 crashes", "standby")
	if got := s.state.Green.Image(); got.Tag != "2.0" {
		t.Errorf("the standby is brought back to %s, not to 2.0, which was live before and good", got)
	}
}

func TestAFailoverThatFailsLeavesNoSizeUnmade(t *testing.T) {
	s := began(t, "policy failover=alert", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 24h", "looked green green=2.0 blue=1.0", "wait 1s", "standby", "wait 1m")
	if facts := s.goOn(t, "alert errors"); facts[0].Reason != reason.AlertNoFailover {
		t.Errorf("traffic is to go to a color that was just scaled down: %s", facts[0].Text)
	}
}

func TestAGatesDeadlineStandsStillForAllOfAPauseThatWasGivenTwice(t *testing.T) {
	s := began(t, "policy manual=promote deadline=1h", onBlue, "push 2.0", "rollout complete 3", "checks passed",
		"pause", "wait 70m", "pause", "wait 5m", "resume")
	if p := s.state.Release.Phase; p != release.Awaiting {
		t.Errorf("the release is %s after 0 minutes without a pause: %s", p, s.sentence())
	}
}

func TestASuspectColorStaysSoWhenTheGatewayIsReadAnew(t *testing.T) {
	s := began(t, "policy standby=previous/ready", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "looked green green=2.0 blue=1.0", "failover", "target ready", "route confirmed")
	if s.state.Green.Suspect.IsZero() {
		t.Fatal(s.sentence())
	}
	s.goOn(t, "deploy 3.0", "rollout complete 3", "checks passed", "route underway operation=x", "wait 11m", "route underway operation=x",
		"wait 1m", "failed the gateway does not answer", "cancel", "wait 10m", "looked blue blue=1.0 green=3.0", "wait 1m", "push 4.0")
	if s.state.Release.Image.Tag == "4.0" {
		t.Errorf("4.0 goes to green, which is suspect: %s", s.sentence())
	}
}

func TestTheSentenceNamesWhenTheStandbyGetsTheLiveVersion(t *testing.T) {
	s := began(t, "policy standby=same/ready", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 30m", "standby", "wait 24h")
	if text := s.sentence(); !strings.Contains(text, "it gets 2.0 (2.0) now") {
		t.Error(text)
	}
}

func TestTheSentenceOfAStandbyThatIsResizedNamesNoImage(t *testing.T) {
	s := began(t, "policy standby=previous/ready", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 30m", "standby", "looked green green=2.0:8/8 blue=1.0")
	if text := s.sentence(); strings.Contains(text, "it gets 2.0") || !strings.Contains(text, "8 pods") {
		t.Error(text)
	}
}

func TestAFailoverThatIsGivenUpDoesNotEndTheStandby(t *testing.T) {
	s := began(t, "policy standby=previous/ready", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 30m", "standby", "failover", "wait 6m", "target starting 0 of 3 pods ready", "cancel", "wait 1h", "looked green green=2.0:8/8 blue=1.0", "resume")
	if effect, at := s.state.NextEffect(s.policy, s.now); effect == nil && at.IsZero() {
		t.Errorf("the standby is not kept any more, also after resume: %s", s.sentence())
	}
}

func TestAnAlertThatMovesNothingForAReleaseAsksForHelp(t *testing.T) {
	s := began(t, "policy standby=previous/ready failover=alert", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 30m", "standby", "wait 25h", "push 3.0")
	if facts := s.goOn(t, "alert errors"); facts[0].Kind != release.NeedsHelp {
		t.Errorf("an alert on the live color, %s: %s", facts[0].Kind, facts[0].Text)
	}
}

func TestAQuarantinedImageIsNoStandbyAfterAChangeIsAccepted(t *testing.T) {
	s := began(t, "policy standby=previous/ready", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 30m", "standby")
	s.goOn(t, "push 3.0", "rollout complete 3", "checks passed", "route confirmed", "wait 1m", "rollback", "target ready", "route confirmed")
	s.next(release.Looked{Live: release.Blue, Underway: true, Detail: "traffic goes to blue"}) // and is put back by the operator
	s.goOn(t, "resume", "looked green green=2.0 blue=3.0", "wait 1h", "looked green green=2.0 blue=3.0")
	for range 3 {
		if effect, _ := s.state.NextEffect(s.policy, s.now); effect != nil {
			s.goOn(t, "standby")
		}
	}
	if i := s.state.Blue.Image(); !s.state.MayStart(i) {
		t.Errorf("the standby is an image that is quarantined: %s", s.sentence())
	}
}
