package simulation

import (
	"fmt"

	"bluegreen/internal/engine"
)

// fixGoesLive: where nothing but pushes happens and the last image that was pushed is well, users
// end on a version that is well.
type fixGoesLive struct{ app *app }

func (*fixGoesLive) Name() string { return "11 (a fix goes live)" }

func (p *fixGoesLive) restless(engine.Snapshot) error {
	a := p.app
	last := -1
	for _, i := range a.sim.plan.Items {
		if i.Kind != Push || i.Ago > 0 || a.sim.plan.Policy.Manual {
			return nil
		}
		last = i.Image
	}
	if last < 0 || last >= images || !a.well(a.behave[last]) || !a.isBad(a.effective) {
		return nil
	}
	return fmt.Errorf("users get %s, which is bad, and %s was pushed", a.users(), tag(last))
}
