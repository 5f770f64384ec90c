package simulation

import (
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/release"
)

// liveUntouched: a color that users reach is neither deployed to nor made smaller, and
// the other is made smaller only while the live color has a ready pod.
type liveUntouched struct{ app *app }

func (*liveUntouched) Name() string { return "2 (live color is left alone)" }

// live is the color that users get, or are about to get again from where another writer has
// sent them.
func (p *liveUntouched) live() release.Color {
	if p.app.effective == "" {
		return p.app.gateway.Configured()
	}
	return p.app.effective
}

func (p *liveUntouched) changed(c colorChange) error {
	a := p.app
	if !c.harms() || c.saved.live == "" || a.rivalUnseen() {
		return nil
	}
	if least, _ := a.looked(c.color); c.saved.phase == release.Returning && least == 0 {
		return nil // it had no ready pod, and its recorded image is deployed again
	}
	switch {
	case slices.Contains(a.gateway.Reaches(), c.color) || a.gateway.Configured() == c.color:
		return fmt.Errorf("%s of %s, which has the users' traffic", c.what, c.color)
	case c.what == "scale" && !a.recently(a.ready[p.live()], a.sim.lookAge()):
		return fmt.Errorf("%s of %s while no pod of the live color is ready", c.what, c.color)
	}
	return nil
}

// firstUntouched: users that a first release was sent to before it failed are not deployed to, as
// long as it answers them.
type firstUntouched struct {
	app  *app
	sent release.Color // by bluegreen
}

func (*firstUntouched) Name() string {
	return "2 (users of an unconfirmed first release are left alone)"
}

func (p *firstUntouched) switching(w gatewayWrite) error {
	p.sent = w.to
	return nil
}

func (p *firstUntouched) changed(c colorChange) error {
	a := p.app
	if c.saved.live == "" && c.color == p.sent && c.harms() && c.carried > 0 && slices.Contains(a.gateway.Reaches(), c.color) {
		return fmt.Errorf("%s of %s, where %d ready pods answer users with %s", c.what, c.color, c.carried, c.ran)
	}
	return nil
}

// targetKept: from the switch to the end of the bake the rollback target is neither
// deployed to nor made smaller.
type targetKept struct {
	app    *app
	target release.Color // "" when none is promised
	left   release.Color // for which traffic left the target
	since  time.Time
}

func (*targetKept) Name() string { return "2 (rollback target is kept)" }

// baked reports whether all users have been on the new version for the time of the bake, but
// for another writer, who may have had them elsewhere between two looks.
func (p *targetKept) baked() bool {
	a := p.app
	if a.rival.After(p.since) && a.gateway.Configured() == p.left {
		return a.sim.now.Sub(p.since) >= a.shortestBake-a.sim.plan.Skew
	}
	return slices.Equal(a.reaches, []release.Color{p.left}) && a.sim.now.Sub(a.moved) >= a.shortestBake-a.sim.plan.Skew
}

func (p *targetKept) switching(w gatewayWrite) error {
	if w.forward && w.saved.from != "" && p.app.effective == w.saved.from {
		p.target, p.left, p.since = w.saved.from, w.to, p.app.sim.now
	}
	if !w.forward && w.saved.live == w.to {
		p.target = ""
	}
	return nil
}

func (p *targetKept) changed(c colorChange) error {
	restores := c.saved.phase == release.Returning && c.runs.Digest == c.saved.target.Image.Digest
	if c.harms() && c.color == p.target && !restores && !p.baked() && !p.app.rivalUnseen() {
		return fmt.Errorf("%s of %s, which is the rollback target", c.what, c.color)
	}
	return nil
}

// committed drops the target where an operator may end a bake early, and where the
// release has ended otherwise than by its bake.
func (p *targetKept) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, e := range c.decided {
		if order, ok := e.Event.(release.Commanded); ok && (order.Command == release.Promote || order.Command == release.ResumeReleases) {
			p.target = ""
		}
	}
	ended := c.after.phase == release.RolledBack || c.after.phase == release.Failed || c.after.phase == release.Completed && p.baked()
	if c.after.drift || ended {
		p.target = ""
	}
	return nil
}
