package release_test

import (
	"strings"
	"testing"
	"time"

	"bluegreen/internal/release"
)

// TestTextFromOutsideForgesNoLine tries the names of alert rules and the messages of pods.
func TestTextFromOutsideForgesNoLine(t *testing.T) {
	const forged = "x\n2026-11-24 12:00:00 UTC  decided  resumed\u2028by \x1b[2J\u202eana"
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var s release.State
	var texts []string
	for _, e := range []release.Event{
		release.Looked{Live: release.Blue, Blue: &release.Observed{Replicas: []int32{1}}},
		release.AlertFired{Rule: forged},
		release.ImagePushed{Image: release.Image{Tag: "2.0", Digest: "sha256:2"}},
		release.RolloutObserved{Release: 1, Color: release.Green, Status: release.Progressing, Detail: forged},
		release.StepFailed{Detail: forged},
		release.RolloutObserved{Release: 1, Color: release.Green, Status: release.Broken, Detail: forged},
		release.Looked{Live: release.Green, Detail: forged},
	} {
		var facts []release.Fact
		s, facts = release.Next(s, e, release.Policy{RolloutTimeout: time.Hour}, now)
		for _, f := range facts {
			texts = append(texts, f.Text)
		}
		texts = append(texts, release.StatusOf(s, release.Policy{}, now).String())
	}
	for _, text := range texts {
		if strings.ContainsFunc(text, release.Hidden) {
			t.Errorf("%q", text)
		}
	}
	if all := strings.Join(texts, ""); strings.Count(all, "resumed by") < 6 {
		t.Errorf("what they wrote is not shown at all: %q", texts)
	}
}

func TestALineNamesWhoActed(t *testing.T) {
	key := release.Actor{Route: "alerts", Key: "1a2b3c4d"}
	for want, f := range map[string]release.Fact{
		"returning: alert 5xx (by function key 1a2b3c4d)":    {Kind: release.Advanced, Text: "returning: alert 5xx", By: key},
		"paused, asked by ana":                               {Kind: release.Decided, Text: "paused, asked by ana", By: release.Actor{Name: "ana"}},
		"nothing to cancel (asked by function key 1a2b3c4d)": {Kind: release.Refused, Text: "nothing to cancel", By: key},
		"the bake is over":                                   {Kind: release.ReleaseCompleted, Text: "the bake is over", Began: key},
	} {
		if got := f.Line(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
