package simulation

import (
	"fmt"
	"slices"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// standbyGood: once nothing fails any more, the standby is as the configuration has it: it
// runs an image that traffic may go to, at its size.
type standbyGood struct{ app *app }

func (*standbyGood) Name() string { return "12 (standby is kept good)" }

func (p *standbyGood) restless(snap engine.Snapshot) error {
	a, s := p.app, read(snap.Record)
	idle := s.live.Other()
	if !p.kept(s, idle) {
		return nil
	}
	switch runs, _ := a.cluster.Running(idle); {
	case s.standbyOrder[idle] != "" && runs.Digest != s.standbyOrder[idle]:
		return fmt.Errorf("%s runs %s, not the image that it was to be brought back to", idle, runs)
	case s.spoiled[idle]:
		return fmt.Errorf("%s still runs %s, whose release did not go well", idle, runs)
	}
	return p.sized(s, idle)
}

// kept reports whether nothing but bluegreen decides what the idle color is: an operator has not
// stopped it, the live color beside it is well, and no other writer has a hand in it.
func (p *standbyGood) kept(s *saved, idle release.Color) bool {
	a := p.app
	if s.live == "" || s.badLive || !s.ended || s.drift || s.paused {
		return false
	}
	live, _ := a.cluster.Running(s.live)
	return a.healthy(live) && !s.suspect[idle] && !a.spared(idle)
}

func (p *standbyGood) sized(s *saved, idle release.Color) error {
	a := p.app
	runs, ready := a.cluster.Running(idle)
	wanted := a.cluster.Wanted(idle)
	switch size := a.policy.Standby.Size; {
	case size == release.StandbyMinimum && wanted == 0:
		return fmt.Errorf("the standby %s has no pod", idle)
	case size != release.StandbyReady:
	case wanted < s.size[s.live]:
		return fmt.Errorf("the standby %s has %d pods, and %s needs %d", idle, wanted, s.live, s.size[s.live])
	case a.healthy(runs) && ready < wanted:
		return fmt.Errorf("%d of %d pods of the standby %s are ready", ready, wanted, idle)
	}
	return nil
}

// spared reports whether a color was changed outside bluegreen, or an autoscaler changes it.
func (a *app) spared(c release.Color) bool {
	minimum, _ := a.cluster.Minimum(c)
	return !a.edited[c].IsZero() || minimum > 0
}

// neverOlder: what is live never becomes older by itself.
type neverOlder struct{ app *app }

func (*neverOlder) Name() string { return "10 (never older by itself)" }

func (p *neverOlder) committed(c commit) error {
	was, is := c.before.served, c.after.served
	moved := slices.ContainsFunc(c.facts, func(f release.Fact) bool { return f.Reason == reason.MovedOutside })
	if c.err != nil || moved || !c.after.by.IsZero() || c.after.watched || was.Image.Digest == is.Image.Digest || is.Release == 0 || is.Release == was.Release {
		return nil
	}
	if is.Image.PushedAt.IsZero() || !was.Image.PushedAt.After(is.Image.PushedAt) {
		return nil
	}
	return fmt.Errorf("release %d moves traffic from %s, pushed at %s, to %s, pushed at %s", is.Release, was.Image, was.Image.PushedAt, is.Image, is.Image.PushedAt)
}

// whoRecorded: a release that an operator asked for names who it was, and no other does.
type whoRecorded struct {
	asked map[string]bool // digests, and "" for a switch or a failover
}

func (*whoRecorded) Name() string { return "14 (who did it is recorded)" }

func (p *whoRecorded) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, e := range c.decided {
		order, ok := e.Event.(release.Commanded)
		if !ok {
			continue
		}
		p.asked[order.Image.Digest] = true
		named := false
		for _, f := range c.facts {
			named = named || f.By == order.By
		}
		if !named {
			return fmt.Errorf("no fact names %s, who gave the command %s", order.By, order.Command)
		}
	}
	started := c.after.id > c.before.id
	if started && !c.after.by.IsZero() && !p.asked[c.after.image.Digest] && !p.asked[""] {
		return fmt.Errorf("release %d of %s is recorded as asked by %s, who did not", c.after.id, c.after.image, c.after.by)
	}
	return nil
}
