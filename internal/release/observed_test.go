package release_test

import (
	"reflect"
	"testing"
	"time"

	"bluegreen/internal/release"
)

// phases are apps in each phase of release 1 from blue to green, by how they came there.
var phases = map[string][]string{
	"deploying": toBake[:2], "verifying": toBake[:3], "switching": toBake[:4], "writing": {toBake[0], toBake[1], toBake[2], toBake[3], "route clear"}, "baking": toBake,
	"returning": {toBake[0], toBake[1], toBake[2], toBake[3], toBake[4], "alert errors"}, "completed": {toBake[0], toBake[1], toBake[2], toBake[3], toBake[4], "bake 15m"},
}

// observations are what a step of a release to a color may see.
func observations(id int, c release.Color) []release.Event {
	seen := release.Observed{Image: image("9.9", noon), Replicas: []int32{7}, Ready: 7, At: noon}
	return []release.Event{
		release.DeployCleared{Release: id, Color: c, Holds: true},
		release.RolloutObserved{Release: id, Color: c, Status: release.Complete, Seen: seen},
		release.RolloutObserved{Release: id, Color: c, Status: release.Broken, Seen: seen, Detail: "crashes"},
		release.ChecksObserved{Release: id, Color: c, Verdict: release.Passed, Seen: &seen},
		release.ChecksObserved{Release: id, Color: c, Verdict: release.Refuted, Seen: &seen},
		release.RouteObserved{Release: id, To: c, Status: release.Clear},
		release.RouteObserved{Release: id, To: c, Status: release.Confirmed},
		release.RouteObserved{Release: id, To: c, Status: release.Denied, Detail: "no right"},
		release.TargetObserved{Release: id, Color: c, Ready: true},
		release.TargetObserved{Release: id, Color: c, Hopeless: true, Broken: true},
	}
}

func TestAnObservationOfAnotherReleaseOrColorChangesNothing(t *testing.T) {
	for name, lines := range phases {
		t.Run(name, func(t *testing.T) {
			s := played(t, lines...)
			mine := release.Green
			if s.state.Release.Phase == release.Returning {
				mine = release.Blue // where traffic goes
			}
			other := append(observations(2, mine), observations(1, mine.Other())...)
			for _, e := range append(other, release.Probed{Release: 2, Checks: release.Refuted, Live: running("9.9")}) {
				if now, facts := release.Next(s.state, e, s.policy, s.now); !reflect.DeepEqual(now, s.state) || len(facts) > 0 {
					t.Errorf("%T %+v: %v", e, e, facts)
				}
			}
		})
	}
}

// Of another phase of the same release it means nothing either.
func TestAnObservationOfAnotherPhaseChangesNothing(t *testing.T) {
	means := map[string][]string{
		"deploying": {"DeployCleared", "RolloutObserved"}, "verifying": {"ChecksObserved"}, "switching": {"RouteObserved"}, "writing": {"RouteObserved"},
		"returning": {"RouteObserved", "TargetObserved"},
	}
	for name, lines := range phases {
		t.Run(name, func(t *testing.T) {
			s := played(t, lines...)
		events:
			for _, e := range append(observations(1, release.Green), observations(1, release.Blue)...) {
				for _, kind := range means[name] {
					if reflect.TypeOf(e).Name() == kind {
						continue events
					}
				}
				if now, facts := release.Next(s.state, e, s.policy, s.now); !reflect.DeepEqual(now, s.state) || len(facts) > 0 {
					t.Errorf("%T %+v: %v", e, e, facts)
				}
			}
		})
	}
}

func TestAnObservationIsWrittenWhenItChangedOrIsOld(t *testing.T) {
	before := release.Observed{Image: image("1.0", noon), Replicas: []int32{3, 1}, Ready: 4, ReadyOf: []int32{3, 1}}
	for name, c := range map[string]struct {
		change func(*release.Observed)
		later  time.Duration
		writes bool
	}{
		"the same, soon":       {later: 59 * time.Second},
		"the same, later":      {later: time.Minute, writes: true},
		"another image":        {change: func(o *release.Observed) { o.Image = image("2.0", noon) }, writes: true},
		"another size":         {change: func(o *release.Observed) { o.Replicas = []int32{3, 2} }, writes: true},
		"fewer ready":          {change: func(o *release.Observed) { o.Ready = 3 }, writes: true},
		"others ready":         {change: func(o *release.Observed) { o.ReadyOf = []int32{2, 2} }, writes: true},
		"another writer":       {change: func(o *release.Observed) { o.By = "kubectl" }, writes: true},
		"no pods where it was": {change: func(o *release.Observed) { *o = release.Observed{} }, writes: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := played(t, "looked blue blue=1.0 green=nothing")
			s.next(release.ColorSeen{Color: release.Green, Seen: before})
			s.now = s.now.Add(c.later)
			seen, was := before, s.state
			if c.change != nil {
				c.change(&seen)
			}
			s.next(release.ColorSeen{Color: release.Green, Seen: seen})
			if writes := !reflect.DeepEqual(was, s.state); writes != c.writes {
				t.Errorf("written: %v", writes)
			}
			if now := s.state.Green.Observed; c.writes && (!now.At.Equal(s.now) || now.Ready != seen.Ready || now.By != seen.By) {
				t.Errorf("observed is %+v", now)
			}
		})
	}
}

// The size that a color needs is that of the last look at which all of it was ready.
func TestTheSizeThatALiveColorNeedsOutlivesItsPods(t *testing.T) {
	s := played(t, "looked blue blue=1.0 green=nothing", "seen blue 1.0:0/0", "push 2.0")
	effect, _ := s.state.NextEffect(s.policy, s.now)
	if d, ok := effect.(release.Deploy); !ok || len(d.Size) != 1 || d.Size[0] != 3 {
		t.Errorf("to be carried out is %+v", effect)
	}
	s = played(t, "looked blue blue=1.0:2/3 green=nothing", "seen blue 1.0:0/0", "push 2.0")
	effect, _ = s.state.NextEffect(s.policy, s.now)
	if d, ok := effect.(release.Deploy); !ok || len(d.Size) != 1 || d.Size[0] != 0 {
		t.Errorf("it was never seen whole, and to be carried out is %+v", effect)
	}
}

func TestNoPodIsNoCapacity(t *testing.T) {
	var c release.Capacity
	for _, o := range []release.Observed{{}, {Replicas: []int32{0}, ReadyOf: []int32{0}}} {
		for _, needed := range [][]int32{nil, {0}} {
			if c.AtSwitch(o, needed) || c.AsLive(o, needed) {
				t.Errorf("%+v carries %v", o, needed)
			}
		}
	}
}

func TestOnePodOfOneIsEnough(t *testing.T) {
	var c release.Capacity
	for _, o := range []release.Observed{{Replicas: []int32{1}, Ready: 1}, {Replicas: []int32{1}, Ready: 1, ReadyOf: []int32{1}}} {
		if !c.AtSwitch(o, []int32{1}) || !c.AsLive(o, []int32{1}) {
			t.Errorf("%+v does not carry one", o)
		}
	}
}

func TestADigestThatIsKnownIsSeenByItsTag(t *testing.T) {
	s := played(t, after("bake 15m")...)
	s.next(release.ColorSeen{Color: release.Blue, Seen: release.Observed{Image: release.Image{Digest: "sha256:2.0"}, Replicas: []int32{3}, Ready: 3}})
	if i := s.state.Blue.Observed.Image; i.Tag != "2.0" {
		t.Errorf("seen is %v", i)
	}
}

func TestWhoGaveACommandIsInItsFacts(t *testing.T) {
	s := played(t, toBake...)
	for _, c := range release.Commands {
		for _, f := range s.next(release.Commanded{Command: c.Command, By: release.Actor{Name: "ana"}, For: time.Hour}) {
			if f.By.Name != "ana" {
				t.Errorf("%s: %+v", c.Command, f)
			}
		}
	}
}

func TestAStandbyIsComingUntilItIsSeenReady(t *testing.T) {
	s := played(t, after("bake 15m", "wait 30m")...)
	s.policy.Standby.Size = release.StandbyMinimum
	if s.state.StandbyComing() {
		t.Error("nothing was ordered")
	}
	for _, line := range []string{"standby", "wait 1m"} {
		if _, err := s.do(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		seen   string
		coming bool
	}{{"", true}, {"1.0:0/1", true}, {"1.0:1/1", false}} {
		if c.seen != "" {
			if _, err := s.do("seen blue " + c.seen); err != nil {
				t.Fatal(err)
			}
		}
		if s.state.StandbyComing() != c.coming {
			t.Errorf("seen %q: coming is %v", c.seen, !c.coming)
		}
	}
}

func TestARefusedOrDroppedCommandHasFailed(t *testing.T) {
	for kind, want := range map[release.FactKind]release.Outcome{"": release.OutcomePending, release.Refused: release.OutcomeFailed, release.Dropped: release.OutcomeFailed, release.Decided: release.OutcomeDone} {
		got, err := release.State{}.OutcomeOf(release.Commanded{Command: release.PauseReleases}, noon, release.Decision{Kind: kind}, nil)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
}

func TestADeployedImageCompletedOnlyWhereItWasItself(t *testing.T) {
	c := release.Commanded{Command: release.DeployImage, Image: image("2.0", noon)}
	d := release.Decision{Kind: release.Decided, Release: 1}
	for tag, want := range map[string]release.Outcome{"2.0": release.OutcomeDone, "3.0": release.OutcomeFailed} {
		got, err := release.State{}.OutcomeOf(c, noon, d, func() ([]release.Fact, error) {
			return []release.Fact{{Kind: release.ReleaseCompleted, Image: image(tag, noon), At: noon}}, nil
		})
		if err != nil || got != want {
			t.Errorf("%s completed: %q, %v", tag, got, err)
		}
	}
}

func TestAStandbyIsNeitherTheLiveColorNorThatOfARelease(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		color release.Color
	}{"live": {after("bake 15m"), release.Green}, "in a release": {toBake[:3], release.Green}} {
		t.Run(name, func(t *testing.T) {
			s := played(t, c.lines...)
			for _, e := range []release.Event{
				release.StandbyCleared{Color: c.color, Image: image("0.9", noon)}, release.StandbyMade{Color: c.color, Image: image("0.9", noon)},
				release.StandbyMade{Color: c.color, Replicas: []int32{0}},
			} {
				if now, facts := release.Next(s.state, e, s.policy, s.now); !reflect.DeepEqual(now, s.state) || len(facts) > 0 {
					t.Errorf("%+v: %v", e, facts)
				}
			}
		})
	}
}

func TestASizeThatIsNotHeldIsNotFreed(t *testing.T) {
	held := append(append([]string{}, toBake[:2]...), "cleared holds=yes")
	for name, lines := range map[string][]string{"not held": after("bake 15m", "failed no answer"), "in a release": append(held, "failed no answer")} {
		t.Run(name, func(t *testing.T) {
			s := played(t, lines...)
			now, facts := release.Next(s.state, release.SizeFreed{Color: release.Green, Denied: "no right"}, s.policy, s.now)
			if !reflect.DeepEqual(now, s.state) || len(facts) > 0 {
				t.Errorf("%v", facts)
			}
		})
	}
}

// A target whose cluster is away is taken as it was last seen: what was ordered since may not be
// there.
func TestATargetIsWhatWasSeenThere(t *testing.T) {
	one, two := image("1.0", noon), image("2.0", noon)
	s := release.State{Known: true, Serving: release.Serving{Color: release.Green, Image: two}}
	s.Blue.Ordered = release.Ordered{Image: two, At: noon.Add(time.Minute)}
	s.Blue.Observed = release.Observed{Image: one, Replicas: []int32{1}, Ready: 1, At: noon}
	s.Release = release.Release{ID: 4, Phase: release.Returning, To: release.Green, From: release.Blue}
	s.Release.Progress.Target = release.Target{Color: release.Blue, Image: two, Replicas: []int32{1}}
	effect, _ := s.NextEffect(storyPolicy(), noon.Add(2*time.Minute))
	if e, ok := effect.(release.PrepareTarget); !ok || !e.Other {
		t.Errorf("%+v", effect)
	}
}
