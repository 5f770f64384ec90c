package simulation

import (
	"fmt"
	"time"

	"bluegreen/internal/release"
)

// targetTrue: when the rollback target runs something else than the record names for it, that is
// reported within the time of one look.
type targetTrue struct {
	app      *app
	target   release.Target
	since    time.Time // of the difference; zero while there is none that could be seen
	reported bool
}

func (*targetTrue) Name() string { return "12 (rollback target is true)" }

func (p *targetTrue) passed() error {
	a, s := p.app, p.app.saved
	t := s.previous
	runs, differs := p.differs(t)
	switch {
	case !differs || a.away[t.Color] || !a.mayLook(s):
		p.since, p.reported = time.Time{}, false
		return nil
	case p.since.IsZero() || t.Color != p.target.Color || t.Image != p.target.Image:
		p.since, p.target, p.reported = a.sim.now, t, false
	}
	if age := a.sim.now.Sub(p.since); age > a.lookEvery(s) && !p.reported && !s.trouble {
		return fmt.Errorf("the record names %s as the rollback target with %s, where for %s something else runs: %s", t.Color, t.Image, age.Round(time.Second), runs)
	}
	return nil
}

// differs reports whether a target runs another image. A tag without a pod has no digest that
// could be seen.
func (p *targetTrue) differs(t release.Target) (release.Image, bool) {
	if t.Color == "" || t.Image.Digest == "" {
		return release.Image{}, false
	}
	runs, _ := p.app.cluster.Running(t.Color)
	unknown := runs.Digest == "" && runs.Tag != ""
	return runs, !unknown && runs.Digest != t.Image.Digest
}

// mayLook reports whether nothing keeps bluegreen from looking, or from saving what it sees.
func (a *app) mayLook(s *saved) bool {
	return !s.drift && !a.sim.disabled() && (s.phase == release.Baking || !s.phase.Active())
}

// lookEvery is how long it may take until the idle color was looked at.
func (a *app) lookEvery(s *saved) time.Duration {
	if s.phase == release.Baking {
		return a.policy.ProbeEvery + a.sim.delay()
	}
	return 6*time.Minute + a.sim.delay()
}

// committed counts what was reported for help as the report of the difference.
func (p *targetTrue) committed(c commit) error {
	for _, f := range c.facts {
		if c.err == nil && f.Kind == release.NeedsHelp && !p.since.IsZero() {
			p.reported = true
		}
	}
	return nil
}
