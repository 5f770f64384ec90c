package fake_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// lab is a cluster whose clock is moved by hand; blue runs image 0 with four pods.
type lab struct {
	*testing.T
	*fake.Cluster
	clock time.Time
}

func newLab(t *testing.T) *lab {
	l := &lab{T: t, clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	l.Cluster = fake.NewCluster(func() time.Time { return l.clock }, sleep, nil)
	l.Behave("", fake.Behaviour{Ready: 5 * time.Second})
	l.Seed(release.Blue, image(0), 4)
	return l
}

func (l *lab) pass(d time.Duration) { l.clock = l.clock.Add(d) }

func (l *lab) look(c release.Color, i release.Image) engine.Workload {
	l.Helper()
	o, err := l.Observe(l.Context(), c, i, 0)
	if err != nil {
		l.Fatal(err)
	}
	return o
}

func (l *lab) ready(want int32) {
	l.Helper()
	if _, ready := l.Running(release.Blue); ready != want {
		l.Errorf("%d pods of blue are ready, not %d", ready, want)
	}
}

func TestAShareOfPodsBecomesReady(t *testing.T) {
	l := newLab(t)
	l.Behave(image(0).Digest, fake.Behaviour{Share: 0.5})
	l.ready(2)
	if o := l.look(release.Blue, image(0)); o.Status != release.Progressing || o.Ready != 2 || o.Replicas[0] != 4 || !o.Matches {
		t.Errorf("half of blue is ready, and it is seen as %+v", o)
	}
}

func TestPodsComeAndGo(t *testing.T) {
	l := newLab(t)
	l.Restart(release.Blue)
	l.Behave(image(0).Digest, fake.Behaviour{Up: 30 * time.Second, Down: 10 * time.Second})
	seen := map[int32]bool{}
	for range 40 {
		_, ready := l.Running(release.Blue)
		seen[ready] = true
		l.pass(time.Second)
	}
	if len(seen) != 1 || !seen[3] {
		t.Errorf("each of four pods is away for a quarter of the time; ready are %v", seen)
	}
	l.Behave(image(0).Digest, fake.Behaviour{Up: 10 * time.Second, Down: time.Second})
	clear(seen)
	for range 40 {
		_, ready := l.Running(release.Blue)
		seen[ready] = true
		l.pass(time.Second)
	}
	if !seen[4] || !seen[3] || len(seen) != 2 {
		t.Errorf("one pod at a time is away, sometimes; ready are %v", seen)
	}
}

func TestEachColorHasAnAPIOfItsOwn(t *testing.T) {
	l := newLab(t)
	l.ColorAway(release.Blue, true)
	if _, err := l.Observe(t.Context(), release.Blue, image(0), 0); err == nil {
		t.Error("blue was observed, its API is away")
	}
	l.ready(4)
	if err := l.Deploy(t.Context(), engine.Order{Color: release.Green, Image: image(1), Fence: 1}); err != nil {
		t.Errorf("green's API is there: %v", err)
	}
}

func TestADeploymentThatIsGoneIsBrokenAndNoError(t *testing.T) {
	l := newLab(t)
	l.Gone(release.Blue, true)
	o := l.look(release.Blue, release.Image{})
	if o.Status != release.Broken || !slices.Equal(o.Replicas, []int32{0}) || o.Ready != 0 || o.Matches || o.Detail == "" || !o.Running.IsZero() {
		t.Errorf("a Deployment that is gone is seen as %+v", o)
	}
	for name, err := range map[string]error{
		"deploy": l.Deploy(t.Context(), engine.Order{Color: release.Blue, Image: image(1), Fence: 9}),
		"scale":  l.Scale(t.Context(), release.Blue, 1, 9),
	} {
		if !errors.Is(err, engine.ErrDenied) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	l.ready(0)
	l.Gone(release.Blue, false)
	l.ready(0)
	l.pass(5 * time.Second)
	l.ready(4)
}

func TestAColorWhoseChangesAreDeniedCanBeLookedAt(t *testing.T) {
	l := newLab(t)
	l.Deny(release.Blue, true)
	l.look(release.Blue, image(0))
	if err := l.Scale(t.Context(), release.Blue, 1, 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("error %v", err)
	}
	l.Deny(release.Blue, false)
	if err := l.Scale(t.Context(), release.Blue, 1, 1); err != nil {
		t.Error(err)
	}
}

func TestSomeNodesAreLostAndTheOtherPodsGoOn(t *testing.T) {
	l := newLab(t)
	l.Lose(release.Blue, 0.5)
	l.ready(2)
	l.Lose(release.Blue, 0)
	l.ready(2)
	l.pass(5 * time.Second)
	l.ready(4)
	l.Lose(release.Blue, 1)
	l.ready(0)
}

func TestAnAutoscalerKeepsItsMinimum(t *testing.T) {
	l := newLab(t)
	l.Autoscale(release.Blue, 3)
	l.Resize(release.Blue, 6)
	l.ready(4)
	l.pass(5 * time.Second)
	l.ready(6)
	l.Resize(release.Blue, 1)
	l.ready(3)
	o := l.look(release.Blue, image(0))
	if !o.Matches || o.Replicas[0] != 3 || o.ChangedBy != "kube-controller-manager" {
		t.Errorf("scaled by its autoscaler, blue is seen as %+v", o)
	}
	if err := l.Deploy(t.Context(), engine.Order{Color: release.Blue, Size: []int32{1}, Shrink: true, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	l.ready(3)
	if err := l.Scale(t.Context(), release.Blue, 0, 1); err != nil {
		t.Fatal(err)
	}
	l.Resize(release.Blue, 5)
	if n := l.Wanted(release.Blue); n != 0 {
		t.Errorf("an autoscaler is suspended at size 0, and made it %d", n)
	}
}

func TestATagMeansWhatItMeantWhenThePodStarted(t *testing.T) {
	l := newLab(t)
	tagged := release.Image{Tag: "6.1.0"}
	l.Tag(tagged.Tag, image(0).Digest)
	l.Edit(release.Blue, tagged)
	l.pass(5 * time.Second)
	if o := l.look(release.Blue, image(0)); !o.Matches || o.Running != (release.Image{Tag: tagged.Tag, Digest: image(0).Digest}) || o.ChangedBy == "" {
		t.Errorf("blue names a tag, and is seen as %+v", o)
	}
	l.Tag(tagged.Tag, image(1).Digest)
	if i, _ := l.Running(release.Blue); i.Digest != image(0).Digest {
		t.Errorf("the tag was moved, no pod was started, and blue runs %s", i)
	}
	l.Lose(release.Blue, 0.25)
	l.Lose(release.Blue, 0)
	if i, _ := l.Running(release.Blue); i.Digest != "" {
		t.Errorf("pods of two images run, which together are %s", i)
	}
	l.Restart(release.Blue)
	if o := l.look(release.Blue, image(0)); o.Matches || o.Running.Digest != image(1).Digest {
		t.Errorf("all pods were started again, and blue is seen as %+v", o)
	}
	if err := l.Deploy(t.Context(), engine.Order{Color: release.Blue, Image: image(2), Fence: 1}); err != nil {
		t.Fatal(err)
	}
	if o := l.look(release.Blue, image(2)); !o.Matches || o.ChangedBy != "" {
		t.Errorf("after an order, blue is seen as %+v", o)
	}
}

func TestAColorBelowItsOrderDoesNotMatch(t *testing.T) {
	l := newLab(t)
	if err := l.Deploy(t.Context(), engine.Order{Color: release.Green, Image: image(1), Size: []int32{4}, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	l.Resize(release.Green, 2)
	if o := l.look(release.Green, image(1)); o.Matches {
		t.Errorf("ordered at 4, made smaller, and seen as %+v", o)
	}
}
