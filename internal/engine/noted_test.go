package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// noted is a cluster whose Deployments name digests, with a tag in a note.
type noted struct {
	engine.Workloads
	tag string
}

func (n noted) Observe(ctx context.Context, c release.Color, i release.Image, wait time.Duration) (engine.Workload, error) {
	o, err := n.Workloads.Observe(ctx, c, i, wait)
	if o.Noted = n.tag; o.Running.Digest != i.Digest {
		o.Running.Tag = ""
	}
	return o, err
}

type broken struct{ engine.Registry }

func (broken) Resolve(context.Context, string) (release.Image, error) {
	return release.Image{}, errors.New("no answer")
}

func registryOf(w *env) *fake.Registry {
	registry := fake.NewRegistry(func() time.Time { return w.clock })
	registry.Push(img("1.0", w.clock.Add(-time.Hour)))
	registry.Push(img("0.1", w.clock.Add(-2*time.Hour)))
	return registry
}

// TestANotedTagIsAskedOfTheRegistry takes an app over that is not on record.
func TestANotedTagIsAskedOfTheRegistry(t *testing.T) {
	for tag, want := range map[string]string{"1.0": "1.0", "99.0": "", "0.1": "", "": ""} {
		w := newEnv(t, nil)
		w.app.Workloads, w.app.Registry = noted{w.cluster, tag}, registryOf(w)
		w.restart()
		w.run(time.Minute)
		if live := w.state().Serving.Image; live.Digest != "sha256:1.0" || live.Tag != want || want != "" && live.PushedAt.IsZero() {
			t.Errorf("noted %q: live is %s, pushed at %v", tag, live, live.PushedAt)
		}
	}
	w := newEnv(t, nil)
	w.app.Workloads, w.app.Registry = noted{w.cluster, "1.0"}, broken{registryOf(w)}
	w.restart()
	w.run(time.Minute)
	if live := w.state().Serving.Image; live.Digest != "sha256:1.0" || live.Tag != "" {
		t.Errorf("without an answer of the registry live is %s", live)
	}
}
