package release_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// BenchmarkNext measures a decision: one look during a bake, which is the most frequent one.
func BenchmarkNext(b *testing.B) {
	s := &story{now: noon, policy: storyPolicy()}
	for _, line := range []string{"looked blue blue=1.0 green=nothing", "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "wait 1m"} {
		if _, err := s.do(line); err != nil {
			b.Fatal(err)
		}
	}
	seen := &release.Observed{Image: image("2.0", noon), Replicas: []int32{3}, Ready: 3, ReadyOf: []int32{3}}
	look := release.Probed{Release: 1, Color: release.Green, Live: seen, Target: seen}
	b.ReportAllocs()
	for b.Loop() {
		state, _ := release.Next(s.state, look, s.policy, s.now.Add(time.Second))
		if state.Release.Phase != release.Baking {
			b.Fatal(state.Release.Phase)
		}
	}
}
