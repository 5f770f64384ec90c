package release_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// An image can be quarantined between its order for the standby and the order's end.
func TestAnImageThatIsQuarantinedMeanwhileIsNotPutOnTheStandby(t *testing.T) {
	s := &story{now: noon, policy: storyPolicy()}
	s.policy.Standby = release.StandbyPolicy{Size: release.StandbyReady}
	s.goOn(t, "looked blue blue=1.0 green=nothing", "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "bake 15m", "wait 1h")
	old := image("1.0", time.Time{})
	s.state.Blue.Ordered = release.Ordered{Image: old, At: s.now}
	s.state.Blue.Standby = release.Standby{}
	s.state.Quarantined = []release.Quarantine{{Image: old, Why: "alert errors", Since: s.now}}
	s.state.Serving.Previous = release.Target{} // as its quarantine leaves it
	if e, _ := s.state.NextEffect(s.policy, s.now); e != nil {
		if keep, ok := e.(release.KeepStandby); ok && keep.Image.Same(old) {
			t.Errorf("it is ordered: %+v", keep)
		}
	}
	s.next(release.StandbyMade{Color: release.Blue, Image: old})
	if target := s.state.RollbackTarget(); target.Image.Same(old) {
		t.Errorf("it is the rollback target: %+v", target)
	}
}
