package simulation

import (
	"context"
	"fmt"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// rest ends the history once everything has come to rest, which is looked at between ticks.
func (s *sim) rest() {
	s.over = s.settled()
	s.at(s.now.Add(30*time.Second), s.rest)
}

func (s *sim) settled() bool {
	for _, t := range s.tasks {
		if t.do == nil {
			return false
		}
	}
	for _, a := range s.apps {
		if a.restless() != "" {
			return false
		}
	}
	return true
}

// eventually is asked when everything has had its time to come to rest.
func (s *sim) eventually() {
	for _, a := range s.apps {
		if why := a.restless(); why != "" {
			s.fail("promise 6: %s never comes to rest: %s (%s)", a.name, why, release.Explain(a.peek().Record.State, s.plan.Policy, s.now))
		}
	}
}

// restless says why an app is not at rest, or not as its record says; "" when all is well.
func (a *app) restless() string {
	snap := a.peek()
	record, state := snap.Record, snap.Record.State
	switch {
	case a.undelivered > 0:
		return fmt.Sprintf("%d events were not accepted", a.undelivered)
	case len(snap.Inbox) > 0:
		return fmt.Sprintf("%d events are not decided", len(snap.Inbox))
	case record.Lease.Owner != "":
		return "it is claimed by " + record.Lease.Owner
	case !state.Known:
		return "it was not taken over"
	}
	for id := range a.accepted {
		if e, err := a.store.Accepted(context.Background(), a.name, id); err != nil || e.Decision == "" {
			return fmt.Sprintf("%s was accepted and has no decision: %v", id, err)
		}
	}
	if why := a.waiting(state); why != "" {
		return why
	}
	if !state.Drift.IsZero() {
		if a.gateway.Configured() == state.Live {
			return "drift is recorded, but there is none"
		}
		return ""
	}
	return a.disagree(state)
}

// waiting says why what is not finished should be.
func (a *app) waiting(state release.State) string {
	r, p := state.Release, a.sim.plan.Policy
	held := !state.Pause.IsZero() || !state.Hold.IsZero() || !state.Drift.IsZero()
	switch {
	case r.Phase == release.Awaiting:
		if state.Pause.IsZero() && !(p.Manual && p.Deadline == 0) {
			return "it waits for an approval that nobody has to give"
		}
	case r.Phase == release.Returning:
		runs, _ := a.cluster.Running(r.From)
		if back := state.Slot(r.From).Image; state.Trouble.IsZero() || runs.Digest == back.Digest && a.healthy(back) {
			return "it does not return to a color that is well"
		}
	case r.Phase.Active():
		return "release is " + string(r.Phase)
	case !state.Waiting.IsZero() && !held:
		return state.Waiting.String() + " waits for nothing"
	}
	return ""
}

// disagree says where the record, the gateway and the clusters differ.
func (a *app) disagree(state release.State) string {
	r, p := state.Release, a.sim.plan.Policy
	if state.Live == "" || r.Phase == release.Returning {
		return ""
	}
	runs, ready := a.cluster.Running(state.Live)
	idle := state.Live.Other()
	switch {
	case a.gateway.Configured() != state.Live || a.effective != state.Live:
		return fmt.Sprintf("%s is recorded as live, the gateway is on %s and goes to %s", state.Live, a.effective, a.gateway.Configured())
	case runs.Digest != state.Slot(state.Live).Image.Digest:
		return fmt.Sprintf("%s is recorded to run %s, it runs %s", state.Live, state.Slot(state.Live).Image, runs)
	case ready == 0 && a.healthy(runs):
		return fmt.Sprintf("%s is live and has no ready pod", state.Live)
	case !r.Phase.Active() && !r.EndedAt.IsZero() && !p.KeepIdle && state.Pause.IsZero() && a.cluster.Wanted(idle) != p.RetireReplicas &&
		(a.healthy(runs) || state.Trouble.IsZero()):
		return fmt.Sprintf("%s was not scaled down", idle)
	}
	return ""
}

// healthy reports whether pods of an image are ready sooner or later and stay so.
func (a *app) healthy(i release.Image) bool {
	for n := range images {
		if image(n, false, time.Time{}).Digest == i.Digest {
			b := a.behave[n]
			return b == fake.Behaviour{Ready: b.Ready}
		}
	}
	return false
}
