package release

import "time"

// Effect is one thing to be made true in the world. Every effect may be repeated.
type Effect interface{ effect() }

// Look is to read what the gateway points at and what the colors run.
type Look struct{}

// Deploy is to bring an image to a color at the size of the color Like, at least AtLeast.
type Deploy struct {
	Release int
	Color   Color
	Image   Image
	Like    Color
	AtLeast []int32
}

// Verify is to run the checks on a color.
type Verify struct {
	Release int
	Color   Color
	Image   Image
}

// Route is to move traffic to a color, or to go on doing so when Operation is set.
type Route struct {
	Release   int
	To        Color
	From      Color
	Image     Image
	Operation string
}

// Restore is to find out whether the way back can take traffic, and to bring it up to
// the size of Like where it was scaled down.
type Restore struct {
	Release int
	Color   Color
	Image   Image
	Like    Color
	AtLeast []int32
}

// Probe is to look at live traffic and at the way back.
type Probe struct {
	Release int
	Live    Color
	Back    Color
	Image   Image
}

// Retire is to scale a color down.
type Retire struct {
	Color    Color
	Replicas int32
}

func (Look) effect()    {}
func (Deploy) effect()  {}
func (Verify) effect()  {}
func (Route) effect()   {}
func (Restore) effect() {}
func (Probe) effect()   {}
func (Retire) effect()  {}

// Owed returns what has to be made true now, or nil and the time at which something
// will be; the zero time when only an event can bring more.
func (s State) Owed(p Policy, now time.Time) (Effect, time.Time) {
	if !s.Known {
		return Look{}, now
	}
	r := s.Release
	switch r.Phase {
	case Deploying:
		return Deploy{Release: r.ID, Color: r.To, Image: r.Image, Like: s.Live, AtLeast: s.Slot(s.Live).Replicas}, now
	case Verifying:
		return Verify{Release: r.ID, Color: r.To, Image: r.Image}, now
	case Awaiting:
		if p.Manual && p.Deadline > 0 && s.Pause.IsZero() {
			return nil, r.Since.Add(p.Deadline)
		}
		return nil, time.Time{}
	case Switching:
		return Route{Release: r.ID, To: r.To, From: r.From, Image: r.Image, Operation: r.Operation}, now
	case Baking:
		return s.bake(p, now)
	case Returning:
		if !r.Fit {
			return Restore{Release: r.ID, Color: r.From, Image: s.Slot(r.From).Image, Like: r.To, AtLeast: s.Slot(r.From).Replicas}, now
		}
		return Route{Release: r.ID, To: r.From, From: r.To, Image: s.Slot(r.From).Image, Operation: r.Operation}, now
	}
	return s.retire(p, now)
}

func (s State) bake(p Policy, now time.Time) (Effect, time.Time) {
	r := s.Release
	next := r.ProbedAt.Add(p.ProbeEvery)
	if end := r.SwitchedAt.Add(p.Bake); r.ProbedAt.Before(end) && end.Before(next) {
		next = end
	}
	if now.Before(next) {
		return nil, next
	}
	return Probe{Release: r.ID, Live: r.To, Back: r.From, Image: r.Image}, now
}

func (s State) retire(p Policy, now time.Time) (Effect, time.Time) {
	r := s.Release
	idle := s.Idle(p.First)
	if s.Live == "" || r.EndedAt.IsZero() || p.KeepIdle || s.Slot(idle).Retired || !s.Pause.IsZero() || !s.Drift.IsZero() {
		return nil, time.Time{}
	}
	if at := r.EndedAt.Add(p.RetireAfter); now.Before(at) {
		return nil, at
	}
	return Retire{Color: idle, Replicas: p.RetireReplicas}, now
}
