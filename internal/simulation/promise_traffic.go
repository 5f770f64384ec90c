package simulation

import (
	"fmt"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// checkedFirst: traffic goes only to a digest that passed an outside check since it was
// deployed, or that has passed one before and is recorded for the color that was
// live with it.
type checkedFirst struct {
	app     *app
	checked map[release.Color]string // digest that passed since it was deployed
	passed  map[string]bool          // digests that ever passed
}

func newCheckedFirst(a *app) *checkedFirst {
	p := &checkedFirst{app: a, checked: map[release.Color]string{}, passed: map[string]bool{}}
	if i, _ := a.cluster.Running(release.Blue); !i.IsZero() {
		p.previewed(release.Blue, i)
	}
	return p
}

func (*checkedFirst) Name() string { return "1 (checked before live)" }

func (p *checkedFirst) previewed(c release.Color, i release.Image) {
	p.checked[c], p.passed[i.Digest] = i.Digest, true
}

func (p *checkedFirst) switching(w gatewayWrite) error {
	if w.ordered() {
		p.checked[w.to] = w.image.Digest
		return nil
	}
	if w.already || p.app.editedLately(w.to) {
		return nil
	}
	back := !w.forward && p.passed[w.image.Digest] && w.image.Digest == w.saved.target.Image.Digest
	switch {
	case !back && p.checked[w.to] != w.image.Digest:
		return fmt.Errorf("traffic is sent to %s, whose %s was not checked since it was deployed", w.to, w.image)
	case w.forward && w.image.Digest != w.saved.image.Digest:
		return fmt.Errorf("traffic is sent to %s, which runs %s and not %s", w.to, w.image, w.saved.image)
	}
	return nil
}

func (p *checkedFirst) changed(c colorChange) error {
	if c.otherImage() {
		p.checked[c.color] = ""
	}
	return nil
}

// committed counts as checked the image that was live before bluegreen, and one that an
// operator accepts.
func (p *checkedFirst) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	live := c.after.live
	for _, f := range c.facts {
		switch {
		case f.Reason == reason.LiveChanged:
			p.checked[live] = c.after.runs(live).Digest
			p.passed[c.after.runs(live).Digest] = true // it served, so that a rollback may return to it
		case f.Kind == release.ReleaseCompleted:
			p.passed[f.Image.Digest] = true
		}
	}
	if live != "" && adopted(c.before, c.after) {
		runs, _ := p.app.cluster.Running(live)
		p.checked[live] = runs.Digest
	}
	return nil
}

// readyFirst: traffic goes only to a color that has just had a ready pod.
type readyFirst struct{ app *app }

func (*readyFirst) Name() string { return "1 (ready before live)" }

func (p *readyFirst) switching(w gatewayWrite) error {
	if w.already || w.ordered() || p.app.recently(p.app.ready[w.to], p.app.sim.lookAge()) {
		return nil
	}
	return fmt.Errorf("traffic is sent to %s, where no pod has been ready since %s", w.to, p.app.ready[w.to].Sub(epoch))
}

// quarantineKept: a digest that was rolled back is not released again by itself.
type quarantineKept struct {
	app *app
	bad map[string]bool
}

func (*quarantineKept) Name() string { return "3 (quarantine is kept)" }

func (p *quarantineKept) switching(w gatewayWrite) error {
	free := w.already || w.saved.ordered || p.app.editedLately(w.to)
	if w.forward && !free && p.bad[w.image.Digest] {
		return fmt.Errorf("%s was rolled back and goes live again by itself", w.image)
	}
	return nil
}

func (p *quarantineKept) changed(c colorChange) error {
	if c.otherImage() && c.what == "deploy" && c.saved.phase == release.Deploying && !c.saved.ordered && p.bad[c.runs.Digest] {
		return fmt.Errorf("%s was rolled back and is deployed again by itself", c.runs)
	}
	return nil
}

func (p *quarantineKept) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, f := range c.facts {
		if f.Kind == release.HoldSet {
			p.bad[f.Image.Digest] = true
		}
	}
	for _, e := range c.decided {
		if order, ok := e.Event.(release.Commanded); ok && order.Command == release.ReleaseQuarantine {
			delete(p.bad, order.Digest)
		}
	}
	return nil
}
