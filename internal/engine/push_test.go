package engine_test

import (
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
	if _, err := w.engine.Accept(t.Context(), "shop", engine.CommandEntry("f", release.Commanded{Command: release.Forget, By: "ana", Tag: "20.00"}, w.clock)); err != nil {
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
	if _, err := w.engine.Pushed(t.Context(), "shop", "e", img("2.0", w.clock.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	w.run(2 * time.Hour)
	w.users("2.0")
}
