package simulation

import (
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// returnsAnyway is how long a return may wait for its target to become as large as the color that
// it leaves.
const returnsAnyway = 2 * time.Minute

// sizeFirst: traffic goes to a new version only where as many pods are ready as carry the
// users now, and back only where not much fewer are, unless bluegreen cannot make them more.
type sizeFirst struct{ app *app }

func (*sizeFirst) Name() string { return "11 (size before traffic)" }

func (p *sizeFirst) switching(w gatewayWrite) error {
	a, from := p.app, p.app.effective
	if w.already || w.ordered() || from == "" || from == w.to || w.saved.from == "" || a.rivalUnseen() {
		return nil // or nothing was let live: what the gateway happens to point at carries no users
	}
	if !w.forward && !a.rival.IsZero() && a.gateway.Configured() == w.to {
		return nil // another writer sends users there
	}
	needed := p.needed(w, from)
	if _, has := a.looked(w.to); has < needed {
		return fmt.Errorf("traffic is sent to %s with %d ready pods, where %s carries the users with %d", w.to, has, from, needed)
	}
	return nil
}

// needed is how many pods must be ready before traffic leaves a color. A return needs none where
// the target is all that it can be, and better than what users get; a live color that cannot be
// looked at needs what it needed when it was last seen.
func (p *sizeFirst) needed(w gatewayWrite, from release.Color) int32 {
	a := p.app
	carried, _ := a.looked(from)
	late := a.sim.now.Sub(w.saved.since) > returnsAnyway
	switch {
	case w.forward && a.away[from]:
		return percent(switchPercent, min(carried, w.saved.size[from]))
	case w.forward:
		return percent(switchPercent, carried)
	case a.cluster.Fails(from), a.unchangeable(w.to), a.lost[w.to], late, !a.healthy(w.image):
		return 0
	}
	return percent(livePercent, carried)
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
	if c.saved.phase.Active() || c.has >= c.had || c.otherImage() || live == "" || live == c.color || a.rivalUnseen() {
		return nil
	}
	needed := max(1, percent(livePercent, a.needs(live)))
	if _, has := a.looked(live); has < needed {
		return fmt.Errorf("%s is scaled down while %s is live with %d ready pods and needs %d", c.color, live, has, needed)
	}
	return nil
}
