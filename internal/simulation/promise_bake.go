package simulation

import (
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// observation is what a probe or a look found. What it could not find is neither good nor bad.
type observation struct {
	at         time.Time
	good, open bool
}

// bakeEvidence: a bake ends by itself only on a good probe of just now, after as many good ones
// as bad ones would have returned traffic.
type bakeEvidence struct {
	app    *app
	probes []observation
	inARow bool // and with no bad one among as many before the end
}

func (p *bakeEvidence) Name() string {
	if p.inARow {
		return "13 (bake ends on good probes in a row)"
	}
	return "13 (bake ends on evidence)"
}

func (p *bakeEvidence) probed(v release.Verdict) {
	p.probes = append(p.probes, observation{at: p.app.sim.now, good: v == release.Passed, open: v == release.Unknown})
}

func (p *bakeEvidence) committed(c commit) error {
	if endsBake(c) {
		return p.judge()
	}
	if c.err == nil && c.before.phase != release.Baking {
		p.probes = nil
	}
	return nil
}

func (p *bakeEvidence) judge() error {
	now, needed := p.app.sim.now, p.app.fits(p.app.policy.ProbeMisses)
	good, bad := 0, 0
	for i, o := range p.probes {
		switch {
		case o.good:
			good++
		case !o.open && i >= len(p.probes)-needed:
			bad++
		}
	}
	switch {
	case p.inARow && bad > 0 && !p.app.sim.losesLooks():
		return fmt.Errorf("a bake ended although %d of the last %d probes of the public address were bad", bad, needed)
	case p.inARow:
		return nil
	case good < needed:
		return fmt.Errorf("a bake ended after %d good probes of the public address, and needs %d", good, needed)
	}
	last := p.probes[len(p.probes)-1]
	if age := now.Sub(last.at); !last.good || age > claimLasts {
		return fmt.Errorf("a bake ended %s after its last probe, good %v", age, last.good)
	}
	return nil
}

// losesLooks reports whether in this run a worker may look and never save what it saw: it is
// killed, it freezes, or the storage fails.
func (s *sim) losesLooks() bool {
	return slices.ContainsFunc(s.plan.Items, func(i Item) bool { return i.Kind == Call || i.Kind == Storage })
}

// fits is a number of looks, or as many as a bake has room for.
func (a *app) fits(looks int) int {
	return max(1, min(looks, int(a.policy.Bake/a.policy.ProbeEvery)))
}

// seenInBake: a bake ends by itself only after two looks at the live color in a row that show it
// carrying its users.
type seenInBake struct {
	app   *app
	full  map[release.Color]int32 // size when all pods were last seen ready
	looks []observation
}

func (*seenInBake) Name() string { return "13 (live color is seen before its bake ends)" }

func (p *seenInBake) looked(c release.Color, ready, wanted int32) {
	if ready == wanted && ready > 0 {
		p.full[c] = ready
	}
	if s := p.app.saved; s.phase == release.Baking && c == s.to {
		p.looks = append(p.looks, observation{at: p.app.sim.now, good: ready >= max(1, percent(livePercent, min(p.full[c], wanted)))})
	}
}

func (p *seenInBake) committed(c commit) error {
	n := len(p.looks)
	switch {
	case endsBake(c) && n < p.app.fits(2):
		return fmt.Errorf("a bake ended after %d looks at the live color", n)
	case endsBake(c) && !(p.looks[n-1].good && (n < 2 || p.looks[n-2].good || p.app.sim.losesLooks())):
		return fmt.Errorf("a bake ended although the live color did not carry its users at the last two looks")
	case c.err == nil && c.before.phase != release.Baking:
		p.looks = nil
	}
	return nil
}

// endsBake reports whether a commit ends a bake by itself.
func endsBake(c commit) bool {
	for _, f := range c.facts {
		if c.err == nil && f.Reason == reason.BakeEnded {
			return true
		}
	}
	return false
}
