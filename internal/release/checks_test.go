package release_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// TestOnlyThePresentRunOfTheChecksCounts reports that the checks of a run have passed, after it or
// another one has begun.
func TestOnlyThePresentRunOfTheChecksCounts(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	image := release.Image{Tag: "2.0", Digest: "sha256:2"}
	base := release.State{
		App: "shop", Known: true, Serving: release.Serving{Color: release.Blue, Image: release.Image{Digest: "sha256:1"}},
		Release: release.Release{ID: 7, Phase: release.Verifying, Image: image, To: release.Green, From: release.Blue, Since: now},
	}
	policy := release.Policy{First: release.Blue, VerifyTimeout: time.Minute}
	present := release.CheckRun{ID: "run", Release: 7, Color: release.Green, Image: image, Since: now}
	earlier := present
	earlier.Since = now.Add(-time.Minute) // before an approval
	other := present
	other.Release = 6
	for name, c := range map[string]struct {
		run    release.CheckRun
		of     string
		counts bool
	}{
		"the present run":              {present, "run", true},
		"another run":                  {present, "other", false},
		"no run, while one is present": {present, "", false},
		"a run, while none is present": {release.CheckRun{}, "run", false},
		"none needed":                  {release.CheckRun{}, "", true},
		"before an approval":           {earlier, "run", false},
		"of an earlier release":        {other, "run", false},
	} {
		s := base
		s.CheckRun = c.run
		if e, ok := firstOf[release.EndChecks](s.NextEffect(policy, now)); ok != (c.run == earlier || c.run == other) || ok && e.Run != c.run {
			t.Errorf("%s: pending is %+v, %v", name, e, ok)
		}
		got, _ := release.Next(s, release.ChecksObserved{
			Release: 7, Color: release.Green, Run: c.of, Verdict: release.Passed, Seen: &release.Observed{Image: image, Replicas: []int32{1}, Ready: 1},
		}, policy, now)
		if (got.Release.Phase == release.Switching) != c.counts {
			t.Errorf("%s: the release is %s", name, got.Release.Phase)
		}
	}
}

func firstOf[E release.Effect](effect release.Effect, _ time.Time) (e E, ok bool) {
	e, ok = effect.(E)
	return e, ok
}
