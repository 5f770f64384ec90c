package engine_test

import (
	"fmt"
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// An image is in the registry that the configuration does not let go live by itself; a new
// configuration does. Whatever the minute of that, the next listing finds it.
func TestANewConfigurationListsTheRegistryAnew(t *testing.T) {
	for minute := range 10 {
		t.Run(fmt.Sprint(minute), func(t *testing.T) {
			w := newEnv(t, nil)
			registry := fake.NewRegistry(func() time.Time { return w.clock })
			w.app.Registry, w.app.Fingerprint = registry, "by version"
			w.app.Policy.Newer = func(a, b release.Image) bool { return a.Tag > b.Tag }
			w.restart()
			registry.Push(img("2.0", w.clock))
			w.push("2.0")
			w.reach(release.Completed)
			w.clock = w.clock.Add(time.Minute)
			registry.Push(img("1.9", w.clock))
			w.run(2*time.Hour + time.Duration(minute)*time.Minute)
			w.app.Fingerprint, w.app.Policy.Newer = "by time", nil
			w.restart()
			w.run(30 * time.Minute)
			if s := w.state(); s.Newest.Tag != "1.9" {
				t.Errorf("after 30 min the newest image is %s: %s", s.Newest, w.sentence())
			}
		})
	}
}
