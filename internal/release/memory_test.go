package release_test

import (
	"fmt"
	"slices"
	"testing"

	"bluegreen/internal/release"
)

// full is an app whose quarantine is full, with the oldest first.
func full(t *testing.T, lines ...string) *story {
	t.Helper()
	s := played(t, lines...)
	for n := range 50 {
		s.state.Quarantined = append(s.state.Quarantined, release.Quarantine{Image: image(fmt.Sprintf("0.%d", n), noon), Why: "errors", Since: noon})
	}
	return s
}

func quarantined(s *story) (digests []string) {
	for _, q := range s.state.Quarantined {
		digests = append(digests, q.Image.Digest)
	}
	return digests
}

func TestAFullQuarantineForgetsTheOldest(t *testing.T) {
	s := full(t, toBake...)
	for _, line := range []string{"alert errors", "target ready", "route confirmed"} {
		if _, err := s.do(line); err != nil {
			t.Fatal(err)
		}
	}
	if q := quarantined(s); len(q) != 50 || q[0] != "sha256:0.1" || q[49] != "sha256:2.0" {
		t.Errorf("%d are quarantined, from %s to %s", len(q), q[0], q[len(q)-1])
	}
}

func TestOneDigestLeavesTheQuarantineAlone(t *testing.T) {
	s := full(t, "looked blue blue=1.0 green=nothing")
	if _, err := s.do("release-quarantine 0.7"); err != nil {
		t.Fatal(err)
	}
	if q := quarantined(s); len(q) != 49 || slices.Contains(q, "sha256:0.7") {
		t.Errorf("%d are quarantined: %v", len(q), q)
	}
}

func TestADigestIsQuarantinedOnce(t *testing.T) {
	s := played(t, after("alert errors", "target ready", "route confirmed", "resume", "wait 31m", "standby", "wait 1m", "looked blue blue=1.0 green=2.0",
		"switch to=green force=yes", "route confirmed", "alert errors", "target ready", "route confirmed")...)
	if q := quarantined(s); len(q) != 1 || s.state.Releases != 2 {
		t.Errorf("quarantined are %v after %d releases", q, s.state.Releases)
	}
}

func TestTheLastGoodImagesAreRemembered(t *testing.T) {
	s := played(t, "looked blue blue=1.0 green=nothing")
	for n := range 7 {
		for _, line := range []string{fmt.Sprintf("push 2.%d", n), "rollout complete 3", "checks passed", "route confirmed", "bake 15m"} {
			if _, err := s.do(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if g := s.state.Good; len(g) != 5 || g[0].Tag != "2.6" || g[4].Tag != "2.2" {
		t.Errorf("good are %v", g)
	}
}
