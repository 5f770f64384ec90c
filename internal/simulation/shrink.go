package simulation

import (
	"slices"

	"bluegreen/internal/release"
)

// Shrink drops the items that a plan does not need to break a promise.
func Shrink(p Plan) Plan {
	fails := func(p Plan) bool {
		_, err := Run(p, nil)
		return err != nil
	}
	if !fails(p) {
		return p
	}
	for again := true; again; {
		again = false
		for n := len(p.Items) - 1; n >= 0; n-- {
			smaller := p
			smaller.Items = slices.Delete(slices.Clone(p.Items), n, n+1)
			if fails(smaller) {
				p, again = smaller, true
			}
		}
	}
	return simpler(p, fails)
}

// simpler uses one worker, app and clock where the promise is broken all the same.
func simpler(p Plan, fails func(Plan) bool) Plan {
	for _, change := range []func(*Plan){
		func(p *Plan) { p.Apps, p.Shared = 1, false },
		func(p *Plan) { p.Skew = 0 },
		func(p *Plan) { p.Workers = 1 },
		func(p *Plan) { p.Policy.Manual = false },
		func(p *Plan) { p.Policy.Standby = release.StandbyPolicy{} },
	} {
		smaller := p
		change(&smaller)
		if fails(smaller) {
			p = smaller
		}
	}
	return p
}
