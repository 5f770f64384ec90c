package engine_test

import (
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func (w *env) runs(c release.Color, tag string, pods int32) {
	w.t.Helper()
	i, ready := w.cluster.Running(c)
	if i.Tag != tag && i.Digest != "sha256:"+tag || ready != pods {
		w.t.Fatalf("%s runs %s with %d ready pods, not %s with %d: %s", c, i, ready, tag, pods, w.sentence())
	}
}

// standing has 1.0 good on blue and 2.0 live on green, and a standby that is kept.
func standingBy(t *testing.T, p release.StandbyPolicy, f release.FailoverMode) *env {
	w := newEnv(t, nil)
	w.app.Policy.Standby, w.app.Policy.Failover = p, f
	w.restart()
	w.push("2.0")
	w.reach(release.Completed)
	return w
}

func TestAStandbyIsGoodAgainAfterAFailedRelease(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverManual)
	w.push("3.0")
	w.run(20 * time.Minute)
	w.cluster.Behave("4.0", fake.Behaviour{Never: "crashes", Status: release.Broken})
	w.push("4.0")
	w.reach(release.Failed)
	w.run(3 * time.Minute)
	w.users("3.0")
	w.runs(release.Green, "2.0", 3)
	w.command(release.Failover)
	w.reach(release.RolledBack)
	w.users("2.0")
	s := w.state()
	if len(s.Quarantined) > 0 || s.Blue.Suspect.IsZero() || !s.Hold.IsZero() {
		t.Errorf("after a failover: quarantined %v, blue is suspect since %v, hold %v", s.Quarantined, s.Blue.Suspect, s.Hold)
	}
}

func TestAStandbyFollowsTheSizeOfTheLiveColor(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverManual)
	w.run(time.Hour)
	w.cluster.Resize(release.Green, 8)
	w.run(15 * time.Minute)
	w.runs(release.Blue, "1.0", 8)
}

func TestAStandbyOfTheSameVersionIsDeployedAfterTheRollbackWindow(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Same: true, Size: release.StandbyMinimum}, release.FailoverManual)
	w.run(23 * time.Hour)
	w.runs(release.Blue, "1.0", 1)
	w.run(2 * time.Hour)
	w.runs(release.Blue, "2.0", 1)
	w.run(time.Hour)
	v, err := w.engine.View(t.Context(), "shop")
	if c := v.State.Blue; err != nil || w.clock.Sub(c.Observed.At) > 6*time.Minute || c.Observed.Ready != 1 {
		t.Errorf("the standby was seen with %d ready at %s, and it is %s", c.Observed.Ready, c.Observed.At, w.clock)
	}
}

func TestAnAlertMovesTrafficToAStandbyOnlyWhenItIsReady(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{Size: release.StandbyReady}, release.FailoverAlert)
	w.run(25 * time.Hour)
	w.cluster.Resize(release.Blue, 0)
	w.alert("unready")
	w.run(2 * time.Minute)
	w.users("2.0") // a look found no ready pod
	w.run(20 * time.Minute)
	w.cluster.Resize(release.Blue, 3)
	w.run(10 * time.Minute)
	w.alert("ready")
	w.run(time.Minute)
	w.users("1.0")
	w.alert("again")
	w.run(time.Minute)
	w.users("1.0") // not back to the color that is suspect
}

func TestABacklogOfPushesIsOneRelease(t *testing.T) {
	w := newEnv(t, nil)
	w.run(time.Minute)
	for _, tag := range []string{"2.0", "2.1", "2.2", "2.3"} {
		w.clock = w.clock.Add(time.Second)
		if _, err := w.engine.Accept(t.Context(), "shop", engine.PushEntry(tag, img(tag, w.clock), w.clock)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Hour)
	w.users("2.3")
	if n := w.state().Releases; n != 1 {
		t.Errorf("%d releases for a backlog of four pushes", n)
	}
}

func TestOnePushIsOneWhateverSaysIt(t *testing.T) {
	w := newEnv(t, nil)
	image := img("2.0", w.clock)
	for _, event := range []string{"delivery", "delivery", "replica", "another replica"} {
		if _, err := w.engine.Push(event, image).Accept(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		w.run(time.Minute)
	}
	w.reach(release.Completed)
	pushes := 0
	for _, f := range w.facts() {
		if f.Image.Tag == "2.0" && (f.Kind == release.ReleaseStarted || f.Kind == release.Dropped) {
			pushes++
		}
	}
	if pushes != 1 {
		t.Errorf("one push is %d lines of the history: %v", pushes, w.facts())
	}
	// The tag is set back to it later: a new push.
	w.push("3.0")
	w.run(time.Hour)
	image.PushedAt = w.clock
	if _, err := w.engine.Push("set back", image).Accept(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Hour)
	w.users("2.0")
}

func TestATagThatIsForgottenIsNotFoundAgain(t *testing.T) {
	w := newEnv(t, nil)
	registry := fake.NewRegistry(func() time.Time { return w.clock })
	w.app.Registry = registry
	w.restart()
	w.run(time.Minute)
	w.cluster.Behave("20.0", fake.Behaviour{Never: "crashes", Status: release.Broken})
	registry.Push(img("20.0", w.clock))
	w.push("20.0")
	w.reach(release.Failed)
	if _, err := w.engine.Accept(t.Context(), "shop", engine.CommandEntry("f", release.Commanded{Command: release.Forget, By: release.Actor{Name: "ana"}, Tag: "20.0"}, w.clock)); err != nil {
		t.Fatal(err)
	}
	w.run(time.Minute)
	if s := w.state(); s.Newest.Tag == "20.0" || s.MayStart(img("20.0", w.clock)) {
		t.Errorf("it is still the newest: %+v", s.Newest)
	}
	w.run(time.Hour)
	if s := w.state(); s.Releases != 1 || s.Newest.Tag == "20.0" {
		t.Errorf("%d releases, newest %s: %s", s.Releases, s.Newest, w.sentence())
	}
}

func TestARetiredTargetOnItsWayUpIsNoReasonToCall(t *testing.T) {
	w := standingBy(t, release.StandbyPolicy{}, release.FailoverManual)
	w.run(time.Hour)
	w.cluster.Behave("1.0", fake.Behaviour{Ready: 2 * time.Minute})
	w.alert("bad")
	w.reach(release.RolledBack)
	w.users("1.0")
	for _, f := range w.facts() {
		if f.Kind == release.NeedsHelp {
			t.Errorf("an operator was called: %s", f.Text)
		}
	}
}

// facts is the history, the oldest first.
func (w *env) facts() (facts []release.Fact) {
	w.t.Helper()
	newest, err := w.engine.History(w.t.Context(), "shop", 500, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range newest {
		facts = append([]release.Fact{f}, facts...)
	}
	return facts
}
