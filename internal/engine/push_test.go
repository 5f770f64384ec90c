package engine_test

import (
	"errors"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func TestAFirstTagThatIsForgottenKeepsNothingBack(t *testing.T) {
	w := newEnv(t, nil)
	registry := fake.NewRegistry(func() time.Time { return w.clock })
	w.app.Registry = registry
	w.app.Policy.Newer = func(a, b release.Image) bool { return len(a.Tag) > len(b.Tag) }
	w.cluster.Seed(release.Blue, release.Image{}, 0)
	w.restart()
	w.run(time.Minute)
	w.cluster.Behave("20.00", fake.Behaviour{Never: "crashes", Status: release.Broken})
	registry.Push(img("20.00", w.clock))
	w.push("20.00")
	w.reach(release.Failed)
	w.run(time.Minute)
	registry.Push(img("2.0", w.clock))
	w.push("2.0")
	w.run(time.Minute)
	if _, err := w.engine.Accept(t.Context(), "shop", engine.CommandEntry("f", release.Commanded{Command: release.Forget, By: release.Actor{Name: "ana"}, Tag: "20.00"}, w.clock)); err != nil {
		t.Fatal(err)
	}
	w.run(2 * time.Hour)
	if live := w.state().Serving.Image; live.Tag != "2.0" {
		t.Errorf("2.0 is never released: %s", w.sentence())
	}
}

func TestAFirstPushFromTheFutureIsFoundInTheRegistry(t *testing.T) {
	w := newEnv(t, nil)
	registry := fake.NewRegistry(func() time.Time { return w.clock })
	w.app.Registry = registry
	w.restart()
	w.run(time.Minute)
	registry.Push(img("2.0", w.clock))
	if _, err := w.engine.Push("e", img("2.0", w.clock.Add(time.Hour))).Accept(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	w.run(2 * time.Hour)
	w.users("2.0")
}

// TestAPushIsWhatTheRegistryHas: an event is a hint, and "later" while it cannot be checked.
func TestAPushIsWhatTheRegistryHas(t *testing.T) {
	w := newEnv(t, nil)
	registry := fake.NewRegistry(func() time.Time { return w.clock })
	w.app.Registry = registry
	w.restart()
	w.run(time.Minute)
	registry.Push(img("2.0", w.clock))
	planted := release.Image{Tag: "2.0", Digest: "sha256:planted", PushedAt: w.clock}
	push := func(event string, i release.Image) (bool, error) {
		return w.engine.Push(event, i).Accept(t.Context(), "shop")
	}
	if fresh, err := push("1", planted); fresh || err == nil || errors.Is(err, engine.ErrNotPushed) {
		t.Errorf("a digest that a replica may not have yet: accepted %v, %v", fresh, err)
	}
	if fresh, err := push("2", img("3.0", w.clock)); fresh || err == nil || errors.Is(err, engine.ErrNotPushed) {
		t.Errorf("a tag that a replica may not have yet: accepted %v, %v", fresh, err)
	}
	w.run(time.Hour)
	if fresh, err := push("1", planted); fresh || !errors.Is(err, engine.ErrNotPushed) {
		t.Errorf("a digest that the tag never named: accepted %v, %v", fresh, err)
	}
	if fresh, err := push("2", img("3.0", w.clock.Add(-time.Hour))); fresh || !errors.Is(err, engine.ErrNotPushed) {
		t.Errorf("a tag that was never pushed: accepted %v, %v", fresh, err)
	}
	registry.SetFault(fake.RegistryFails)
	if fresh, err := push("3", img("2.0", w.clock)); fresh || err == nil || errors.Is(err, engine.ErrNotPushed) {
		t.Errorf("while the registry cannot be asked: accepted %v, %v", fresh, err)
	}
	registry.SetFault(fake.RegistryAnswers)
	if fresh, err := push("3", img("2.0", w.clock)); !fresh || err != nil {
		t.Errorf("when it can be asked again: accepted %v, %v", fresh, err)
	}
}

// TestAnAppThatNamesAnotherRegistryKeepsNoPushFromOthers: an event is matched by all writings of a
// registry's name, and one of them may be a mistake.
func TestAnAppThatNamesAnotherRegistryKeepsNoPushFromOthers(t *testing.T) {
	w := newEnv(t, nil)
	now := func() time.Time { return w.clock }
	right, wrong := fake.NewRegistry(now), fake.NewRegistry(now)
	image := img("2.0", w.clock.Add(-time.Hour))
	right.Push(image)
	mistaken := w.app
	mistaken.Name, mistaken.Repository, mistaken.Registry = "pay", "registry.example/team/app", wrong
	w.app.Repository, w.app.Registry = "registry-hash.example/team/app", right
	e := engine.New(engine.Options{Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{mistaken, w.app}, Now: now})
	push := e.Push("1", image)
	if _, err := push.Accept(t.Context(), "pay"); !errors.Is(err, engine.ErrNotPushed) {
		t.Error(err)
	}
	if fresh, err := push.Accept(t.Context(), "shop"); !fresh || err != nil {
		t.Errorf("accepted %v, %v", fresh, err)
	}
}
