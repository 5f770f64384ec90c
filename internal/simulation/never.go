package simulation

import (
	"slices"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

const (
	// blind is how old what a worker has seen may be when it acts: its claim lasts no longer.
	blind = 90 * time.Second
	// handmade is for how long after a change by hand what follows from it is excused.
	handmade = 150 * time.Second
)

// sight is how old what a worker has seen of a color may be when it acts on it: seconds,
// unless calls are slow or a worker freezes in this history.
func (s *sim) sight() time.Duration {
	for _, i := range s.plan.Items {
		if i.Kind == Lag || i.Kind == Call && (i.How == Frozen || i.How == FrozenAfter) {
			return blind
		}
	}
	return 5 * time.Second
}

func (a *app) recently(at time.Time, within time.Duration) bool {
	return !at.IsZero() && a.sim.now.Sub(at) <= within
}

// guarded reports whether a color is the way back of a switch or bake under way.
func (a *app) guarded(c release.Color) bool {
	baked := slices.Equal(a.reaches, []release.Color{a.wayTo}) && a.sim.now.Sub(a.moved) >= a.sim.plan.Policy.Bake-a.sim.plan.Skew
	return a.wayBack == c && c != "" && !baked
}

// holds reports whether an engine's worker has the app.
func holds(l engine.Lease, by string, fence int64) bool {
	return l.Fence == fence && strings.HasPrefix(l.Owner, by+"/")
}

// beforeSwitch is asked when the gateway is about to be told to move traffic.
func (a *app) beforeSwitch(by string, to release.Color, fence int64) {
	s, record := a.sim, a.peek().Record
	state, r := record.State, record.State.Release
	forward := r.Phase == release.Switching && r.To == to
	image, ready := a.cluster.Running(to)
	s.tell("%s: gateway told to go to %s (%s, %d ready) by %s, fence %d", a.name, to, image.Tag, ready, s.current.worker.name, fence)
	switch {
	case !forward && !(r.Phase == release.Returning && r.From == to):
		s.fail("promise 7: %s: the gateway is told to go to %s, which the saved record does not owe: release %d is %s", a.name, to, r.ID, r.Phase)
	case !holds(record.Lease, by, fence):
		s.fail("promise 7: %s: %s writes to the gateway with fence %d, %s has the app with %d", a.name, by, fence, record.Lease.Owner, record.Lease.Fence)
	case forward && r.Force:
		a.verified[to] = image.Digest // a person's word
	case to == a.effective || to == a.gateway.Configured() && a.recently(a.rival, blind): // it is there already
	default:
		a.moving(to, forward, state)
	}
	if forward && r.From != "" && a.effective == r.From {
		a.wayBack, a.wayTo = r.From, to
	}
	if !forward && state.Live == to {
		a.wayBack = ""
	}
}

// moving is asked when users are about to be sent to a color by no person's word.
func (a *app) moving(to release.Color, forward bool, state release.State) {
	s, r := a.sim, state.Release
	image, _ := a.cluster.Running(to)
	byHand := a.recently(a.edited[to], blind) || !a.edited[to].IsZero() && a.away
	back := !forward && a.proven[image.Digest] && image.Digest == state.Slot(to).Image.Digest
	switch {
	case !a.recently(a.ready[to], s.sight()):
		s.fail("promise 1: %s: traffic is sent to %s, where no pod has been ready since %s", a.name, to, a.ready[to].Sub(epoch))
	case !byHand && !back && a.verified[to] != image.Digest:
		s.fail("promise 1: %s: traffic is sent to %s, whose %s was not verified since it was deployed", a.name, to, image)
	case !byHand && forward && image.Digest != r.Image.Digest:
		s.fail("promise 1: %s: traffic is sent to %s, which runs %s and not %s", a.name, to, image, r.Image)
	case !byHand && forward && r.By == "" && a.bad[image.Digest]:
		s.fail("promise 3: %s: %s was rolled back and goes live again by itself", a.name, image)
	}
}

// beforeChange is asked when a color is about to be changed; what it returns, afterwards.
func (a *app) beforeChange(by, what string, c release.Color, i release.Image, fence int64) func(error) {
	s, record := a.sim, a.peek().Record
	was, size := a.cluster.Wanted(c), int32(0)
	ran, _ := a.cluster.Running(c)
	return func(err error) {
		if err != nil {
			return
		}
		runs, _ := a.cluster.Running(c)
		size = a.cluster.Wanted(c)
		other := runs.Digest != ran.Digest
		if !other && size == was {
			return
		}
		s.tell("%s: %s %s from %s x%d to %s x%d by %s, fence %d", a.name, what, c, ran.Tag, was, runs.Tag, size, s.current.worker.name, fence)
		delete(a.editedTo, c) // nobody undoes by hand what was done since
		if other {
			a.verified[c] = ""
		}
		if !holds(record.Lease, by, fence) {
			s.fail("promise 7: %s: %s of %s by %s with fence %d, %s has the app with %d", a.name, what, c, by, fence, record.Lease.Owner, record.Lease.Fence)
		}
		a.changed(what, record, c, runs, other || size < was, other)
	}
}

func (a *app) changed(what string, record engine.Record, c release.Color, runs release.Image, harms, other bool) {
	s, state, r := a.sim, record.State, record.State.Release
	owed := what == "scale" && !r.Phase.Active() && c != state.Live ||
		what == "deploy" && (r.Phase == release.Deploying && r.To == c && r.Image.Digest == runs.Digest || r.Phase == release.Returning && r.From == c ||
			r.Phase == release.Switching && r.Force && r.To == c && !other)
	byHand := a.recently(a.rival, handmade)
	switch {
	case !owed:
		s.fail("promise 7: %s: %s of %s, which the saved record does not owe: release %d is %s", a.name, what, c, r.ID, r.Phase)
	case harms && (slices.Contains(a.gateway.Reaches(), c) || a.gateway.Configured() == c) && state.Live != "" && !byHand:
		s.fail("promise 2: %s: %s of %s, which has the users' traffic", a.name, what, c)
	case what == "scale" && harms && state.Live != "" && !byHand && !a.recently(a.ready[a.effective], a.sim.sight()):
		s.fail("promise 2: %s: %s of %s while no pod of the live color is ready", a.name, what, c)
	case harms && a.guarded(c) && !byHand:
		s.fail("promise 2: %s: %s of %s, which is the way back", a.name, what, c)
	case other && what == "deploy" && r.Phase == release.Deploying && r.By == "" && a.bad[runs.Digest]:
		s.fail("promise 3: %s: %s was rolled back and is deployed again by itself", a.name, runs)
	}
}

// committed is told of each commit with what was stored before it.
func (a *app) committed(before engine.Snapshot, c engine.Change, err error) {
	s, after := a.sim, a.peek()
	if err != nil {
		if len(after.Inbox) != len(before.Inbox) || after.Version != before.Version {
			s.fail("promise 5: %s: a commit that failed with %v changed something", a.name, err)
		}
		return
	}
	was, is := before.Record, after.Record
	if is.Lease.Fence != was.Lease.Fence && was.Lease.Owner != "" && was.Lease.Until.After(s.now.Add(s.plan.Skew)) {
		s.fail("promise 7: %s: %s took the app from %s before its claim ended", a.name, is.Lease.Owner, was.Lease.Owner)
	}
	if is.Lease.Fence < was.Lease.Fence {
		s.fail("promise 7: %s: the fence went from %d to %d", a.name, was.Lease.Fence, is.Lease.Fence)
	}
	for _, f := range c.Facts {
		a.numbers++
		s.tell("%s: %s: %s", a.name, f.Kind, f.Text)
		if f.Number != a.numbers {
			s.fail("promise 5: %s: fact %d was told as number %d: %s", a.name, a.numbers, f.Number, f.Text)
		}
		if f.Kind == release.DriftFound && a.rival.IsZero() {
			s.fail("promise 6: %s: nobody has changed the gateway: %s", a.name, f.Text)
		}
		if f.Kind == release.NeedsHelp && strings.Contains(f.Text, "recorded as it is") {
			a.verified[is.State.Live] = is.State.Slot(is.State.Live).Image.Digest
		}
		if f.Kind == release.HoldSet {
			a.bad[f.Image.Digest] = true
		}
	}
	for _, e := range c.Consumed {
		a.decided(was.State, is.State, e, c.Facts)
	}
	a.settled(was.State, is.State)
}

// decided holds one decision against what was to be decided.
func (a *app) decided(was, is release.State, e engine.Entry, facts []release.Fact) {
	s := a.sim
	s.tell("%s: %s %s -> %s", a.name, e.ID, e.Event, e.Decision)
	kind, text, _ := strings.Cut(e.Decision, ": ")
	if !slices.ContainsFunc(facts, func(f release.Fact) bool { return string(f.Kind) == kind && f.Text == text }) {
		s.fail("promise 5: %s: %s was decided as %q, which the history does not tell", a.name, e.ID, e.Decision)
	}
	event, err := engine.Decode(e)
	if err != nil {
		s.fail("promise 5: %s: %v", a.name, err)
	}
	switch event := event.(type) {
	case release.AlertFired:
		a.alerted(was, is, event, release.FactKind(kind), e.Decision)
	case release.Commanded:
		switch event.Command {
		case release.ReleaseQuarantine:
			delete(a.bad, event.Digest)
		case release.Promote, release.ResumeReleases:
			a.wayBack = "" // a person may end a bake early
		}
	}
}

// alerted holds the answer to an alert against the live release before and after it.
func (a *app) alerted(was, is release.State, e release.AlertFired, kind release.FactKind, decision string) {
	s, r := a.sim, is.Release
	routed := r.RoutedAt
	foreign := e.Color != "" && r.Phase.Moving() && e.Color != r.To
	old := !routed.IsZero() && e.FiredAt.Before(routed.Add(-10*time.Second))
	if kind == release.Advanced && (foreign || old) {
		s.fail("promise 4: %s: traffic returns because of an alert that does not speak of the live version: %s", a.name, decision)
	}
	baked := was.Release.ID == r.ID && (was.Release.Phase == release.Switching || was.Release.Phase == release.Baking)
	ignored := r.Phase == release.Switching || r.Phase == release.Baking || r.Phase == release.Completed
	if baked && ignored && kind == release.Dropped && e.Color == "" && !e.FiredAt.Before(routed) && r.From != "" && is.Drift.IsZero() {
		s.fail("promise 4: %s: an alert in the bake led to nothing: %s", a.name, decision)
	}
}

// settled holds a new record against what users see.
func (a *app) settled(was, is release.State) {
	s := a.sim
	if is.Release.Phase != was.Release.Phase || is.Release.ID != was.Release.ID {
		s.entered(is.Release.Phase)
	}
	accepted := !was.Drift.IsZero() && is.Drift.IsZero()
	if is.Live != was.Live && is.Live != "" && was.Known && !accepted && a.effective != is.Live && !a.recently(a.rival, handmade) {
		s.fail("promise 6: %s: the record says that %s is live, users are answered by %s", a.name, is.Live, a.effective)
	}
	if is.Live != "" && (accepted || !was.Known && is.Known) {
		image, _ := a.cluster.Running(is.Live)
		a.verified[is.Live] = image.Digest // it was live before us, or a person says so
	}
	if !is.Drift.IsZero() || is.Release.Phase == release.RolledBack || is.Release.Phase == release.Failed {
		a.wayBack = ""
	}
}
