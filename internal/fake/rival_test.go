package fake_test

import (
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func TestARivalsWriteLastsAsLongAsItTakes(t *testing.T) {
	clock := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	gateway := fake.NewGateway(release.Blue, time.Second, now, nil)
	profile := fake.NewProfile(release.Blue, time.Second, time.Second, now, nil)
	for name, g := range map[string]interface {
		RivalFor(to release.Color, takes time.Duration)
		Configured() release.Color
		Effective() release.Color
	}{"gateway": gateway, "profile": profile} {
		t.Run(name, func(t *testing.T) {
			g.RivalFor(release.Green, time.Minute)
			if g.Configured() != release.Green || g.Effective() != release.Blue {
				t.Errorf("just written: configured %q, in effect %q", g.Configured(), g.Effective())
			}
			clock = clock.Add(time.Minute)
			if g.Effective() != release.Green {
				t.Errorf("a minute later %q is in effect", g.Effective())
			}
			g.RivalFor(release.Blue, 0)
			if g.Effective() != release.Blue {
				t.Errorf("at once %q is in effect", g.Effective())
			}
		})
	}
}
