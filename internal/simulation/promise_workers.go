package simulation

import (
	"fmt"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// oneWorker: only the worker whose claim is saved acts for an app, and a claim is taken
// from a worker only after its end.
type oneWorker struct {
	now  func() time.Time
	skew time.Duration
}

func newOneWorker(a *app) *oneWorker {
	return &oneWorker{now: func() time.Time { return a.sim.now }, skew: a.sim.plan.Skew}
}

func (*oneWorker) Name() string { return "7 (one worker acts)" }

// holds reports whether a worker of an engine has the app.
func holds(l engine.Lease, by string, fence int64) bool {
	return l.Fence == fence && strings.HasPrefix(l.Owner, by+"/")
}

func (*oneWorker) switching(w gatewayWrite) error {
	if !holds(w.saved.lease, w.by, w.fence) {
		return fmt.Errorf("%s writes to the gateway with fence %d, %s has the app with %d", w.by, w.fence, w.saved.lease.Owner, w.saved.lease.Fence)
	}
	return nil
}

func (*oneWorker) changed(c colorChange) error {
	if !holds(c.saved.lease, c.by, c.fence) {
		return fmt.Errorf("%s of %s by %s with fence %d, %s has the app with %d", c.what, c.color, c.by, c.fence, c.saved.lease.Owner, c.saved.lease.Fence)
	}
	return nil
}

func (*oneWorker) holding(h sizeHold) error {
	if !holds(h.saved.lease, h.by, h.fence) {
		return fmt.Errorf("%s of %s by %s with fence %d, %s has the app with %d", h.what, h.color, h.by, h.fence, h.saved.lease.Owner, h.saved.lease.Fence)
	}
	return nil
}

func (p *oneWorker) committed(c commit) error {
	was, is := c.before.lease, c.after.lease
	switch {
	case c.err != nil:
		return nil
	case is.Fence != was.Fence && was.Owner != "" && was.Until.After(p.now().Add(p.skew)):
		return fmt.Errorf("%s took the app from %s before its claim ended", is.Owner, was.Owner)
	case is.Fence < was.Fence:
		return fmt.Errorf("the fence went from %d to %d", was.Fence, is.Fence)
	}
	return nil
}

// savedFirst: every action outside is a pending effect of the saved record.
type savedFirst struct{}

func (savedFirst) Name() string { return "7 (saved before it is done)" }

func (savedFirst) switching(w gatewayWrite) error {
	if !w.saved.forward(w.to) && !w.saved.back(w.to) {
		return fmt.Errorf("a write to the gateway towards %s is no pending effect of the saved record: release %d is %s", w.to, w.saved.id, w.saved.phase)
	}
	return nil
}

func (savedFirst) changed(c colorChange) error {
	if c.what == "scale" && c.scalePending() || c.what == "deploy" && c.deployPending() {
		return nil
	}
	return fmt.Errorf("%s of %s is no pending effect of the saved record: release %d is %s", c.what, c.color, c.saved.id, c.saved.phase)
}

func (savedFirst) holding(h sizeHold) error {
	s := h.saved
	held := s.phase == release.Deploying || s.phase == release.Switching
	if s.sizeHeld[h.color] && (h.what == "free" && !s.phase.Active() || h.what == "hold" && held && s.to == h.color) {
		return nil
	}
	return fmt.Errorf("%s of %s is no pending effect of the saved record: release %d is %s", h.what, h.color, s.id, s.phase)
}

func (c colorChange) scalePending() bool { return !c.saved.phase.Active() && c.color != c.saved.live }

func (c colorChange) deployPending() bool {
	switch c.saved.phase {
	case release.Deploying:
		return c.saved.to == c.color && (c.saved.image.Digest == c.runs.Digest || c.saved.image.Digest == "")
	case release.Returning:
		return c.saved.from == c.color
	case release.Switching:
		return c.saved.to == c.color && (!c.otherImage() || c.saved.image.Digest == c.runs.Digest) // made right again before the write
	case release.Verifying, release.Awaiting, release.Baking:
		return false
	}
	return c.color != c.saved.live && (!c.otherImage() || c.saved.standbyOrder[c.color] == c.runs.Digest)
}
