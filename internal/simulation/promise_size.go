package simulation

import (
	"fmt"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// sizeFirst: traffic goes to a new version only where as many pods are ready as carry the
// users now, and back only where not much fewer are, unless bluegreen cannot make them more.
type sizeFirst struct{ app *app }

func (*sizeFirst) Name() string { return "11 (size before traffic)" }

func (p *sizeFirst) switching(w gatewayWrite) error {
	a := p.app
	from := a.effective
	if w.already || w.ordered() || from == "" || from == w.to || a.rivalUnseen() {
		return nil
	}
	needed, _ := a.looked(from)
	if w.forward {
		needed = percent(switchPercent, needed)
	} else if a.cluster.Fails(from) || a.unchangeable(w.to) || a.lost[w.to] || !a.healthy(w.image) {
		return nil // better than what they get, or all that it can be
	} else {
		needed = percent(livePercent, needed)
	}
	if _, has := a.looked(w.to); has < needed {
		return fmt.Errorf("traffic is sent to %s with %d ready pods, where %s carries the users with %d", w.to, has, from, needed)
	}
	return nil
}

// unchangeable reports whether bluegreen cannot make a color larger.
func (a *app) unchangeable(c release.Color) bool { return a.away[c] || a.denied[c] || a.gone[c] }

// sizeFreed: when no release is under way, the minimum of no autoscaler is raised, unless
// bluegreen was denied to put it back.
type sizeFreed struct{ app *app }

func (*sizeFreed) Name() string { return "6 (what a release raised is put back)" }

func (p *sizeFreed) restless(snap engine.Snapshot) error {
	a, s := p.app, read(snap.Record)
	for _, c := range []release.Color{release.Blue, release.Green} {
		minimum, raised := a.cluster.Minimum(c)
		if raised && !s.phase.Active() && !a.unfreed[c] {
			return fmt.Errorf("the minimum of the autoscaler of %s is still raised, to %d", c, minimum)
		}
	}
	return nil
}

// retireEvidence: the idle color is made smaller only while the live one carries its users.
type retireEvidence struct{ app *app }

func (*retireEvidence) Name() string { return "13 (retired only beside a live color that is well)" }

func (p *retireEvidence) changed(c colorChange) error {
	a := p.app
	live := a.effective
	if c.what != "scale" || c.has >= c.had || live == "" || live == c.color || a.rivalUnseen() {
		return nil
	}
	needed := max(1, percent(livePercent, a.needs(live)))
	if _, has := a.looked(live); has < needed {
		return fmt.Errorf("%s is scaled down while %s is live with %d ready pods and needs %d", c.color, live, has, needed)
	}
	return nil
}
