package pages_test

import (
	"time"

	"bluegreen/internal/release"
)

const day = 24 * time.Hour

// sample is a Monday with everything in it.
func sample() *core {
	c := newCore(time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC))
	a := c.app("podinfo", "6.4.0", 8, 3*day)
	a.live(40*time.Hour, "6.4.1").done(39*time.Hour, 39*time.Hour).live(5*time.Hour, "6.4.2").probed(4*time.Hour + 58*time.Minute)
	a.happens(4*time.Hour+56*time.Minute, release.AlertFired{ID: "1", Rule: "podinfo-5xx", Severity: "Sev1", Summary: "4.1 % of requests failed", At: c.now.Add(-4*time.Hour - 56*time.Minute), Color: a.state.Serving.Color})
	a.routed(4*time.Hour+55*time.Minute).live(3*time.Minute, "6.5.0").probed(24 * time.Second).probed(9 * time.Second)

	a = c.app("checkout", "6.4.1", 8, 2*day).live(12*time.Minute, "6.5.0").probed(11 * time.Minute)
	a.command(10*time.Minute, release.Rollback, "checkout is slow")
	for ago := 10 * time.Minute; ago >= 0; ago -= time.Minute {
		few := a.runs(version("6.4.1"), 2)
		a.happens(ago, release.ColorSeen{Color: release.Blue, Seen: few})
		a.happens(ago, release.TargetObserved{Release: a.state.Release.ID, Color: release.Blue, Detail: "2 of 8 pods ready: 0/5 nodes are available: insufficient cpu"})
	}

	a = c.app("ledger", "3.1.0", 4, 2*day)
	a.policy.Manual = true
	a.push(22*time.Minute, "3.2.0").rollout(21*time.Minute, release.Complete, 4, "").checked(20 * time.Minute).seen(2 * time.Minute)

	c.app("payments-api", "2026.11.3", 20, day).seen(2*time.Minute).push(time.Minute, "2026.11.4").rollout(5*time.Second, release.Progressing, 14, "14 of 20 pods ready")
	c.app("mail", "5.0.1", 2, day).command(2*time.Hour, release.PauseReleases, "mail provider is down").seen(2 * time.Minute)
	a = c.app("catalog", "sha-77ab015", 6, day).live(3*time.Hour, "sha-81d0e44").command(170*time.Minute, release.Rollback, "search returns nothing")
	a.happens(170*time.Minute, release.TargetObserved{Release: a.state.Release.ID, Color: release.Blue, Ready: true})
	a.routed(169 * time.Minute).seen(3 * time.Minute)
	c.app("search", "4.18.2", 12, 5*day).live(3*time.Hour, "4.19.0").done(160*time.Minute, 2*time.Minute)
	c.app("identity", "1.7.9", 3, 9*day).live(6*day, "1.8.0").done(6*day-time.Hour, time.Minute)
	c.app("very-long-name-of-an-internal-service", "v11.9.9", 2, 3*day).live(2*day, "v12.0.0-rc.4-build.20261121").done(47*time.Hour, 12*time.Minute)
	c.app("fresh", "0.1.0", 1, 12*time.Hour).seen(4 * time.Minute)
	return c
}
