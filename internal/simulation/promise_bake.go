package simulation

import (
	"fmt"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// bakeEvidence: a bake ends by itself only after as many good probes in a row as bad ones would
// have returned traffic, with as many looks at the live color that show it carrying its users;
// none older than its turn.
type bakeEvidence struct {
	app    *app
	probes []observation // of the public address
	looks  []observation // at the live color
}

type observation struct {
	at   time.Time
	good bool
}

func (*bakeEvidence) Name() string { return "13 (bake ends on evidence)" }

func (p *bakeEvidence) probed(c release.Color, good bool) {
	if s := p.app.saved; s.phase != release.Baking || c != s.to {
		return // by a worker that was held up
	}
	p.probes = append(p.probes, observation{p.app.sim.now, good})
}

func (p *bakeEvidence) looked(c release.Color, ready, wanted int32) {
	if s := p.app.saved; s.phase == release.Baking && c == s.to {
		p.looks = append(p.looks, observation{p.app.sim.now, ready >= max(1, percent(livePercent, wanted))})
	}
}

func (p *bakeEvidence) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, f := range c.facts {
		if f.Reason != reason.BakeEnded {
			continue
		}
		if err := p.enough("probes of the public address", p.probes); err != nil {
			return err
		}
		if err := p.enough("looks at the live color", p.looks); err != nil {
			return err
		}
	}
	if c.before.phase != release.Baking {
		p.probes, p.looks = nil, nil
	}
	return nil
}

// enough reports whether the last observations are good, and recent.
func (p *bakeEvidence) enough(what string, of []observation) error {
	policy := p.app.policy
	n := max(1, policy.ProbeMisses)
	if len(of) < n {
		return fmt.Errorf("a bake ended after %d %s, which are too few", len(of), what)
	}
	for i, o := range of[len(of)-n:] {
		turns := time.Duration(n - 1 - i)
		if age := p.app.sim.now.Sub(o.at); age > turns*2*policy.ProbeEvery+claimLasts {
			return fmt.Errorf("a bake ended on %s that are %s old", what, age)
		}
		if !o.good {
			return fmt.Errorf("a bake ended although not all of the last %d %s were good", n, what)
		}
	}
	return nil
}
