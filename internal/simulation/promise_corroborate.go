package simulation

import (
	"fmt"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// alertCorroborated: in a run whose alerts have to be corroborated, one that fires alone never
// moves traffic, and one whose color is seen to be bad does, with the next look.
type alertCorroborated struct {
	app   *app
	bad   time.Time // when the live color was last seen to be bad, by any worker
	since time.Time // when users began to get nothing, or errors, while an alert waits
}

func (*alertCorroborated) Name() string { return "4 (alerts are corroborated)" }

func (p *alertCorroborated) probed(v release.Verdict) {
	if v != release.Passed && v != release.Unknown {
		p.bad = p.app.sim.now
	}
}

func (p *alertCorroborated) looked(c release.Color, ready, wanted int32) {
	if c == p.app.saved.live && (ready == 0 || ready < max(p.app.saved.size[c], wanted)) {
		p.bad = p.app.sim.now
	}
}

func (p *alertCorroborated) health(c release.Color, healthy bool) {
	if c == p.app.saved.live && !healthy {
		p.bad = p.app.sim.now
	}
}

func (p *alertCorroborated) committed(c commit) error {
	byAlert := c.after.why == reason.Alert || c.after.why == reason.FailoverByAlert
	begins := c.after.phase == release.Returning && byAlert && (c.before.phase != release.Returning || c.before.id != c.after.id)
	if c.err == nil && p.app.sim.plan.Corroborate && begins && !p.app.recently(p.bad, p.age()) {
		return fmt.Errorf("an alert alone moves traffic from %s, which was last seen to be bad at %s", c.after.to, p.bad.Sub(epoch))
	}
	return nil
}

// age is how old what a look has found may be when it is recorded: its checks may take long.
func (p *alertCorroborated) age() time.Duration {
	age := p.app.sim.lookAge()
	if p.app.failing[ChecksLate] {
		age += answersAreLate
	}
	if p.app.failing[ChecksHang] {
		age += checkHangs
	}
	return age
}

// passed waits for the next look while users get errors, or nothing, from the color that an alert
// is about.
func (p *alertCorroborated) passed() error {
	a, s := p.app, p.app.saved
	waits := s.alert != "" && s.alert == s.live && s.live == a.effective && s.known && !s.drift && s.phase != release.Switching
	switch {
	case !waits || !p.unserved(s) || a.sim.disabled() || a.rivalUnseen():
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = a.sim.now
	case a.sim.now.Sub(p.since) > a.policy.ProbeEvery+10*time.Second+a.sim.delay():
		return fmt.Errorf("users get nothing, or errors, from %s since %s, and the alert about it still waits", s.live, p.since.Sub(epoch))
	}
	return nil
}

// unserved reports whether a look shows that users get errors, or nothing.
func (p *alertCorroborated) unserved(s *saved) bool {
	a := p.app
	_, ready := a.cluster.Running(s.live)
	return ready == 0 || a.cluster.Fails(s.live) && !s.unconfirmed && !a.checksHide() && !a.failing[ChecksHang] && !a.failing[ChecksLate]
}
