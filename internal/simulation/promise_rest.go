package simulation

import (
	"errors"
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// driftTrue: a change made outside bluegreen is reported only where there was one.
type driftTrue struct{ app *app }

func (*driftTrue) Name() string { return "6 (drift is true)" }

func (p *driftTrue) committed(c commit) error {
	if c.err != nil || !p.app.rival.IsZero() {
		return nil
	}
	for _, f := range c.facts {
		if f.Kind == release.DriftFound {
			return fmt.Errorf("no other writer has changed the gateway: %s", f.Text)
		}
	}
	return nil
}

func (p *driftTrue) restless(snap engine.Snapshot) error {
	if s := read(snap.Record); s.drift && !s.watched && p.app.gateway.Configured() == s.live {
		return errors.New("drift is recorded, but there is none")
	}
	return nil
}

// recordAgrees: the record, the gateway and the clusters agree.
type recordAgrees struct {
	app    *app
	forced release.Color // the color that traffic was last sent to by force
}

func (*recordAgrees) Name() string { return "6 (record agrees)" }

func (p *recordAgrees) switching(w gatewayWrite) error {
	p.forced = ""
	if w.ordered() {
		p.forced = w.to
	}
	return nil
}

func (p *recordAgrees) committed(c commit) error {
	a, was, is := p.app, c.before, c.after
	moved := c.err == nil && is.live != was.live && is.live != "" && was.known
	accepted := was.drift && !is.drift
	late := a.failing[ChecksHang] && a.recently(a.rival, 30*time.Second) // the check began before the rival
	if moved && !accepted && a.effective != is.live && !a.rivalUnseen() && !late {
		return fmt.Errorf("the record says that %s is live, users are answered by %s", is.live, a.effective)
	}
	return nil
}

func (p *recordAgrees) restless(snap engine.Snapshot) error {
	a, s := p.app, read(snap.Record)
	if s.drift || s.live == "" || s.phase == release.Returning {
		return nil
	}
	if a.gateway.Configured() != s.live || a.effective != s.live {
		return fmt.Errorf("%s is recorded as live, the gateway is on %s and goes to %s", s.live, a.effective, a.gateway.Configured())
	}
	return p.serves(s)
}

// serves is why the live color is not what the record says.
func (p *recordAgrees) serves(s *saved) error {
	a := p.app
	switch runs, ready := a.cluster.Running(s.live); {
	case runs.Digest != s.runs(s.live).Digest:
		return fmt.Errorf("%s is recorded to run %s, it runs %s", s.live, s.runs(s.live), runs)
	case ready == 0 && a.healthy(runs) && p.forced != s.live:
		return fmt.Errorf("%s is live and has no ready pod", s.live)
	case a.oversized(s) && (a.healthy(runs) || !s.trouble):
		return fmt.Errorf("%s was not scaled down", s.live.Other())
	}
	return nil
}

// oversized reports whether the idle color is still to be scaled down.
func (a *app) oversized(s *saved) bool {
	policy := a.policy
	zero := policy.Standby.Size == "" || policy.Standby.Size == release.StandbyZero
	retires := !s.badLive && !s.phase.Active() && s.ended && zero && !s.paused && !s.suspect[s.live.Other()]
	return retires && a.cluster.Wanted(s.live.Other()) > 0
}

// comesToRest: nothing is left undone once nothing fails any more.
type comesToRest struct{ app *app }

func (*comesToRest) Name() string { return "6 (comes to rest)" }

func (p *comesToRest) restless(snap engine.Snapshot) error {
	s := read(snap.Record)
	switch {
	case s.lease.Owner != "":
		return fmt.Errorf("it is claimed by %s", s.lease.Owner)
	case !s.known:
		return errors.New("it was not taken over")
	case s.phase == release.Awaiting:
		return p.awaiting(s)
	case s.phase == release.Returning:
		return p.returning(s)
	case s.phase.Active():
		return fmt.Errorf("release is %s", s.phase)
	case !s.waiting.IsZero() && !s.paused && !s.held && !s.drift && !s.suspect[s.live.Other()]:
		return fmt.Errorf("%s waits for nothing", s.waiting)
	}
	return nil
}

func (p *comesToRest) awaiting(s *saved) error {
	if policy := p.app.policy; s.paused || policy.Manual && policy.Deadline == 0 {
		return nil
	}
	return errors.New("it waits for an approval that it does not need")
}

// returning may go on for ever only where the rollback target cannot take traffic.
func (p *comesToRest) returning(s *saved) error {
	runs, _ := p.app.cluster.Running(s.from)
	back := s.target.Image
	if !s.trouble || runs.Digest == back.Digest && p.app.healthy(back) {
		return errors.New("it does not return to a color that is well")
	}
	return nil
}
