package release_test

import (
	"cmp"
	"strings"
	"testing"

	"bluegreen/internal/release"
)

func TestAHighTagOnTheLiveImageStopsNothingForGood(t *testing.T) {
	s := began(t, onBlue)
	s.policy.Newer = func(a, b release.Image) bool {
		major := func(i release.Image) string { n, _, _ := strings.Cut(i.Tag, "."); return n }
		if len(major(a)) != len(major(b)) {
			return len(major(a)) > len(major(b))
		}
		return cmp.Compare(a.Tag, b.Tag) > 0
	}
	s.goesLive(t, "2.0")
	s.goOn(t, "push 20.0@2.0", "wait 1m")
	if facts := s.goOn(t, "push 2.1"); facts[0].Kind != release.NeedsHelp {
		t.Errorf("no operator is asked to look at 2.1, which is kept back: %s: %s", facts[0].Kind, facts[0].Text)
	}
	if facts := s.goOn(t, "forget 20.0"); facts[0].Kind == release.Refused {
		t.Errorf("forget: %s", facts[0].Text)
	}
	s.goOn(t, "wait 1m", "push 2.2")
	if s.state.Release.Image.Tag != "2.2" {
		t.Errorf("2.2 is not released: %s", s.sentence())
	}
	if !s.state.MayStart(image("2.0", noon)) {
		t.Error("the live image is quarantined")
	}
}

func TestATagThatIsSetBackToTheLiveImageEndsTheReleaseBetween(t *testing.T) {
	s := began(t, onBlue)
	s.goesLive(t, "latest@a")
	s.goOn(t, "wait 1h", "push latest@b", "wait 1m", "push latest@a", "rollout complete 3", "checks passed", "route confirmed")
	if got := s.state.Serving.Image.Digest; got != "sha256:a" {
		t.Errorf("%s is live, and a was pushed after it: %s", got, s.sentence())
	}
}

func TestAnImageThatWaitsIsDroppedWhenTheLiveOneIsPushedAfterIt(t *testing.T) {
	s := began(t, onBlue)
	s.goesLive(t, "latest@a")
	s.goOn(t, "wait 1h", "pause", "push latest@b", "wait 1m", "push latest@a", "resume")
	if r := s.state.Release; r.Image.Digest != "sha256:a" {
		t.Errorf("b starts, and a was pushed after it: %s", s.sentence())
	}
}

func TestALateDeliveryOfAPushUndoesNoCommand(t *testing.T) {
	s := began(t, onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "wait 10m", "looked green green=2.0 blue=1.0", "switch to=blue", "rollout complete 3", "checks passed", "route confirmed", "bake 15m")
	if s.state.Serving.Color != release.Blue {
		t.Fatal(s.sentence())
	}
	s.goOn(t, "wait 1h", "push 2.0 ago=110m")
	if s.state.Release.Phase.Active() {
		t.Errorf("a delivery of the first push is released over a person's switch: %s", s.sentence())
	}
}

func TestAQuarantinedPushThatIsDeliveredAgainKeepsNothingBack(t *testing.T) {
	s := began(t, onBlue, "push 2.0", "rollout broken 0 crashes", "wait 1m", "forget 2.0", "wait 1m", "push 2.0 ago=30s")
	if got := s.state.Newest; got.Tag == "2.0" {
		t.Errorf("the newest is %s again, which was forgotten", got)
	}
}

func TestAPersonsReleaseDoesNotStartOverWithAnImageThatIsHeld(t *testing.T) {
	s := began(t, "policy releaseTimeout=24h", onBlue)
	s.goesLive(t, "2.0")
	s.goOn(t, "rollback", "target ready", "route confirmed", "push 3.0 ago=1m", "wait 1m", "deploy 4.0", "wait 25h")
	if r := s.state.Release; r.Image.Tag != "4.0" || !r.Phase.Active() || r.By.Name != "ana" || s.state.Waiting.Tag != "3.0" {
		t.Errorf("4.0, which ana asked for, is dropped: %s", s.sentence())
	}
}
