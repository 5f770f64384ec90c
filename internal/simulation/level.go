package simulation

import (
	"time"

	"bluegreen/internal/release"
)

const (
	// switchPercent and livePercent are how much of what is needed must be ready before
	// traffic moves to a color, and on the live color.
	switchPercent = 100
	livePercent   = 75
	// remembered is for how long the levels of a color are kept.
	remembered = 2 * claimLasts
)

// level is how many pods of a color are ready from a time on.
type level struct {
	from  time.Time
	ready int32
}

// levels are those of a color, the oldest first.
type levels []level

func (l levels) add(now time.Time, ready int32) levels {
	if n := len(l); n > 0 && l[n-1].ready == ready {
		return l
	}
	for len(l) > 1 && now.Sub(l[1].from) > remembered {
		l = l[1:]
	}
	return append(l, level{now, ready})
}

// between returns the fewest and the most pods that were ready since a time.
func (l levels) between(since time.Time) (least, most int32) {
	for n := len(l) - 1; n >= 0; n-- {
		if n == len(l)-1 {
			least, most = l[n].ready, l[n].ready
		}
		least, most = min(least, l[n].ready), max(most, l[n].ready)
		if !l[n].from.After(since) {
			break
		}
	}
	return least, most
}

// looked returns the fewest and the most ready pods of a color that a worker may have seen when
// it acts now.
func (a *app) looked(c release.Color) (least, most int32) {
	return a.levels[c].between(a.sim.now.Add(-a.sim.lookAge()))
}

// percent is a share of a number of pods, rounded up.
func percent(share, of int32) int32 { return (share*of + 99) / 100 }

// carries is how many pods of a color answer users well.
func (a *app) carries(c release.Color) int32 {
	if a.cluster.Fails(c) {
		return 0
	}
	_, ready := a.cluster.Running(c)
	return ready
}

// needs is how many pods a color must have: its size when all of its pods were last ready, or
// less where it is smaller now.
func (a *app) needs(c release.Color) int32 {
	wanted := a.cluster.Wanted(c)
	if full := a.full[c]; full > 0 {
		return min(full, wanted)
	}
	return wanted
}

// isBad reports whether the users of a color get less than they must.
func (a *app) isBad(c release.Color) bool {
	return a.carries(c) < max(1, percent(livePercent, a.needs(c)))
}
