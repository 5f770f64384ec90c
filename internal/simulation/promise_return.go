package simulation

import (
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// operatorWaits is how long it may take until what was denied is tried again.
const operatorWaits = 10 * time.Minute

// usersReturn: users of a bad version are back on the rollback target within a bound, unless
// that cannot carry them, the gateway accepts no change, or the store no commit.
type usersReturn struct {
	app   *app
	why   string    // they get a bad version
	since time.Time // of why, or of the last time that something else than bluegreen kept them there
	alert bool      // says so
	image string    // digest of the bad version
	early bool      // judge those whose switch is not confirmed yet
}

func (p *usersReturn) Name() string {
	if p.early {
		return "11 (users of what is bad at once return)"
	}
	return "11 (users of a bad version return)"
}

// accepted remembers an alert that can only mean the live version, in its bake.
func (p *usersReturn) accepted(_ *task, e engine.Entry) {
	alert, ok := e.Event.(release.AlertFired)
	a, s := p.app, p.app.saved
	if !ok || p.early || alert.Corroborate || alert.Color != "" || s.phase != release.Baking || a.effective != s.to || alert.At.Before(s.routedAt) {
		return
	}
	runs, _ := a.cluster.Running(a.effective)
	p.alert, p.image, p.since = true, runs.Digest, a.sim.now
	p.why = fmt.Sprintf("alert %s says that it is bad", alert.ID)
}

func (p *usersReturn) passed() error {
	a := p.app
	p.judge()
	if p.why == "" {
		return nil
	}
	if age := a.sim.now.Sub(p.since); age > p.bound() {
		return fmt.Errorf("for %s users get %s although %s, and %s could take them", age.Round(time.Second), a.users(), p.why, a.saved.from)
	}
	return nil
}

// judge begins, goes on with or ends the time for which users get a bad version.
func (p *usersReturn) judge() {
	a, s := p.app, p.app.saved
	if !p.awaited(s) {
		p.why, p.alert = "", false
		return
	}
	switch runs, _ := a.cluster.Running(a.effective); {
	case p.alert && runs.Digest != p.image:
		p.why, p.alert = "", false
	case p.alert:
	case !a.isBad(a.effective):
		p.why = ""
	case p.why == "":
		p.since = a.sim.now
		p.why = fmt.Sprintf("it carries %d of %d pods", a.carries(a.effective), a.cluster.Wanted(a.effective))
	}
	if a.sim.disabled() || a.gatewayTroubled() || s.drift || a.checksHide() || !a.canReturn(s) {
		p.since = a.sim.now
	}
}

// awaited reports whether users are on the new version of a release that can still return them.
func (p *usersReturn) awaited(s *saved) bool {
	phase := s.phase == release.Baking || s.phase == release.Returning || p.early && s.phase == release.Switching && !s.forced
	return phase && s.from != "" && p.app.effective == s.to
}

// bound is for how long users may get a bad version: probes that find it, the rollout of a
// target that was scaled down, and the gateway's operation.
func (p *usersReturn) bound() time.Duration {
	policy := p.app.policy
	bound := gatewayTakes + 45*time.Second + p.app.sim.delay()
	if p.app.sim.plan.DNS {
		bound += gatewayTakes
	}
	if !p.alert {
		bound += time.Duration(policy.ProbeMisses+1) * policy.ProbeEvery
	}
	return bound
}

// canReturn reports whether the rollback target is what it was when it served, and carries its
// users or would if bluegreen asked for its size.
func (a *app) canReturn(s *saved) bool {
	back := s.from
	runs, ready := a.cluster.Running(back)
	if was := s.target.Image; runs.Digest == "" || runs.Digest != was.Digest || a.cluster.Fails(back) {
		return false
	}
	_, now := a.looked(a.effective)
	enough := ready > 0 && ready == a.cluster.Wanted(back) && ready >= now
	return enough || a.healthy(runs) && !a.unchangeable(back) && !a.lost[back]
}

// checksHide reports whether checks do not show what users get.
func (a *app) checksHide() bool {
	return a.failing[ChecksLie] || a.failing[ChecksUnknown] && a.cluster.Fails(a.effective)
}

// gatewayTroubled reports whether a change of the gateway can fail for a reason outside.
func (a *app) gatewayTroubled() bool {
	return a.recently(a.allowed, operatorWaits) || a.gate != fake.Succeeds || a.recently(a.rival, 2*gatewayTakes+a.rivalTakes) || a.gateway.Configured() == ""
}

// disabled reports whether no worker can do anything for a reason outside.
func (s *sim) disabled() bool {
	for _, k := range []Kind{Storage, Lag, Deaf} {
		if _, active := s.active[k]; active {
			return true
		}
	}
	return false
}

// delay is by how much everything may take longer in a run: workers die or freeze, their
// clocks differ, and apps of one gateway cancel each other's operations.
func (s *sim) delay() time.Duration {
	delay := 3*s.plan.Skew + 10*time.Second
	for _, i := range s.plan.Items {
		switch i.Kind {
		case Call:
			delay += 5*time.Minute + i.For
		case UnrelatedWrite, Storage, Lag, Deaf, ChecksHang, ChecksLate, Reconfigured:
			delay += time.Minute
		}
	}
	if s.plan.Shared {
		delay += 2 * time.Minute
	}
	return delay
}
