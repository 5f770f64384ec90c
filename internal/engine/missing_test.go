package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// asked is a registry that counts the questions for each image.
type asked struct {
	*fake.Registry
	asked map[string]int
	err   error
}

func (r *asked) Resolve(ctx context.Context, ref string) (release.Image, error) {
	r.asked[ref]++
	if r.err != nil {
		return release.Image{}, r.err
	}
	return r.Registry.Resolve(ctx, ref)
}

// withRegistry is an app whose release 2.0 has ended well, and whose registry has both images.
func withRegistry(t *testing.T) (*env, *asked) {
	w := newEnv(t, nil)
	registry := &asked{Registry: fake.NewRegistry(func() time.Time { return w.clock }), asked: map[string]int{}}
	registry.Push(img("1.0", time.Time{}))
	registry.Push(img("2.0", w.clock))
	w.app.Registry, w.app.Policy.Standby.Size = registry, release.StandbyReady
	w.restart()
	w.run(2 * time.Minute)
	w.push("2.0")
	w.reach(release.Completed)
	return w, registry
}

// asks are the facts by which an operator is asked to look, of one reason.
func (w *env) asks(why reason.Reason) (texts []string) {
	w.t.Helper()
	facts, err := w.store.History(w.t.Context(), "shop", 1000, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range facts {
		if f.Kind == release.NeedsHelp && f.Reason == why {
			texts = append(texts, f.Text)
		}
	}
	return texts
}

func TestAnImageThatTheRegistryLostIsReportedBeforeARollbackNeedsIt(t *testing.T) {
	w, registry := withRegistry(t)
	registry.Remove("sha256:1.0")
	w.run(25 * time.Hour)
	asks := w.asks(reason.ImageMissing)
	if len(asks) != 1 || !strings.Contains(asks[0], "1.0") || !strings.Contains(asks[0], "rollback target") {
		t.Errorf("asked for help: %q", asks)
	}
	if !strings.Contains(w.sentence(), "the registry does not have 1.0 (1.0)") {
		t.Errorf("it is not in the sentence: %s", w.sentence())
	}
	if n := registry.asked["sha256:1.0"]; n < 4 || n > 6 {
		t.Errorf("asked %d times in a day", n)
	}
	registry.Push(img("1.0", time.Time{}))
	w.run(7 * time.Hour)
	if strings.Contains(w.sentence(), "registry") {
		t.Errorf("the image is back: %s", w.sentence())
	}
	registry.Remove("sha256:2.0")
	w.run(7 * time.Hour)
	if asks := w.asks(reason.ImageMissing); len(asks) != 2 || !strings.Contains(asks[0], "live on green") {
		t.Errorf("asked for help: %q", asks)
	}
}

// Only that the registry has answered "not found" says that an image is gone.
func TestARegistryThatDoesNotAnswerSaysNothingOfImages(t *testing.T) {
	w, registry := withRegistry(t)
	for _, err := range []error{errors.New("the registry answered 500"), engine.ErrDenied, engine.ErrNotAnImage, context.DeadlineExceeded} {
		registry.err = err
		w.run(7 * time.Hour)
	}
	if asks := w.asks(reason.ImageMissing); len(asks) > 0 || len(registry.asked) == 0 || strings.Contains(w.sentence(), "registry") {
		t.Errorf("asked the registry %v; asked for help: %q; %s", registry.asked, asks, w.sentence())
	}
	registry.err = nil
	registry.Remove("sha256:2.0")
	w.run(7 * time.Hour)
	registry.err = errors.New("the registry answered 500")
	w.run(7 * time.Hour)
	if !strings.Contains(w.sentence(), "the registry does not have 2.0 (2.0)") {
		t.Errorf("what was known is forgotten: %s", w.sentence())
	}
}

// A registry may know what was pushed lately in one region only.
func TestAFreshImageIsNotAskedFor(t *testing.T) {
	w := newEnv(t, nil)
	registry := &asked{Registry: fake.NewRegistry(func() time.Time { return w.clock }), asked: map[string]int{}}
	registry.Push(img("1.0", time.Time{}))
	w.app.Registry = registry
	w.restart()
	registry.Push(img("2.0", w.clock))
	w.push("2.0")
	registry.Remove("sha256:2.0")
	w.ticked = w.clock.Add(time.Hour / 2) // until then all is done by messages
	w.reach(release.Completed)
	w.run(30 * time.Minute)
	if n := registry.asked["sha256:2.0"]; n > 0 || registry.asked["sha256:1.0"] == 0 || len(w.asks(reason.ImageMissing)) > 0 {
		t.Errorf("asked %v", registry.asked)
	}
	w.run(7 * time.Hour)
	if asks := w.asks(reason.ImageMissing); len(asks) != 1 {
		t.Errorf("asked for help: %q", asks)
	}
}
