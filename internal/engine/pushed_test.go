package engine_test

import (
	"errors"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

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
		return w.engine.Pushed(t.Context(), "shop", event, i)
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
