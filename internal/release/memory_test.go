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
