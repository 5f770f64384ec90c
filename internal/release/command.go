package release

import (
	"fmt"
	"slices"
	"strings"
)

// commanded follows a person's word, or says why it cannot be followed and what to do.
func (d *decision) commanded(c Commanded) {
	defer d.signRefusals(c.By)
	switch c.Command {
	case Switch:
		d.switchTo(c)
	case DeployImage:
		d.deploy(c)
	case Promote:
		d.promote(c)
	case Rollback:
		d.rollback(c)
	case PauseReleases:
		d.s.Pause = Note{By: c.By, Why: c.Why, Since: d.now}
		d.tell(Decided, "paused%s: no release starts or switches until resume; a return still happens", said(c.By, c.Why))
	case ResumeReleases:
		d.resume(c)
	case Cancel:
		d.cancel(c)
	case ReleaseQuarantine:
		d.unquarantine(c)
	default:
		d.tell(Refused, "%q is not a command", c.Command)
	}
}

// signRefusals notes who asked for what was refused: its text says only why not.
func (d *decision) signRefusals(by string) {
	for i := range d.facts {
		if d.facts[i].Kind == Refused {
			d.facts[i].By = by
		}
	}
}

func (d *decision) switchTo(c Commanded) {
	s, r := &d.s, d.s.Release
	to := c.To
	if to == "" {
		to = s.Idle(d.p.First)
	}
	slot := s.Slot(to)
	q, bad := s.quarantined(slot.Image.Digest)
	switch {
	case to == s.Live && s.Drift.IsZero():
		d.tell(Refused, "%s is already live", to)
	case r.Phase.Preparing():
		d.tell(Refused, "release %d %s on %s: promote it or cancel it first", r.ID, r.Phase.told(), r.To)
	case r.Phase.Moving() && r.From == "":
		d.tell(Refused, "release %d is %s, and nothing is known to run on %s: wait for its end, then deploy an image", r.ID, r.Phase, r.To.Other())
	case r.Phase.Moving():
		d.tell(Refused, "release %d is %s: roll it back to move traffic to %s", r.ID, r.Phase, r.From)
	case !s.Drift.IsZero():
		d.tell(Refused, "the gateway was changed by somebody else (%s): %s", s.Drift.Detail, s.Drift.remedy())
	case slot.Image.IsZero():
		d.tell(Refused, "nothing is known to run on %s: deploy an image first", to)
	case bad && !c.Force:
		d.tell(Refused, "%s on %s is quarantined since %s, %s: release it from quarantine first, or force the switch", slot.Image, to, clock(q.Since), q.Why)
	case c.Force && slot.Retired:
		d.tell(Refused, "%s is scaled down: switch without force, which brings it up first", to)
	default:
		d.start(slot.Image, to, c.By, c.Why)
		if c.Force {
			d.s.Release.Force = true
			d.beginSwitch("forced, without checks")
		}
	}
}

func (d *decision) deploy(c Commanded) {
	s, r := &d.s, d.s.Release
	q, bad := s.quarantined(c.Image.Digest)
	switch {
	case bad:
		d.tell(Refused, "%s is quarantined since %s, %s: release it from quarantine first", c.Image, clock(q.Since), q.Why)
	case !s.Pause.IsZero():
		d.tell(Refused, "releases are paused by %s: resume first", s.Pause.By)
	case !s.Drift.IsZero():
		d.tell(Refused, "the gateway was changed by somebody else (%s): %s", s.Drift.Detail, s.Drift.remedy())
	case r.Phase.Active() && r.Image.Digest == c.Image.Digest:
		d.tell(Refused, "release %d of %s %s already", r.ID, c.Image, r.Phase.told())
	case s.Live != "" && s.Slot(s.Live).Image.Digest == c.Image.Digest:
		d.tell(Refused, "%s is already live on %s", c.Image, s.Live)
	case r.Phase.Moving():
		d.wait(c.Image, fmt.Sprintf("release %d is %s", r.ID, r.Phase))
	default:
		d.supersede(c.Image)
		d.start(c.Image, s.Idle(d.p.First), c.By, c.Why)
	}
}

func (d *decision) promote(c Commanded) {
	s, r := &d.s, &d.s.Release
	switch {
	case c.Digest != "" && c.Digest != r.Image.Digest:
		d.tell(Refused, "the present release is of %s, not of %s", r.Image, Image{Digest: c.Digest})
	case !s.Pause.IsZero() && r.Phase.Preparing():
		d.tell(Refused, "releases are paused by %s: resume first", s.Pause.By)
	case r.Phase.Preparing():
		r.Approved = true
		d.tell(Decided, "release %d is approved%s", r.ID, said(c.By, c.Why))
	case r.Phase == Baking:
		d.end(Completed, ReleaseCompleted, fmt.Sprintf("%s is live on %s, its bake ended early%s", r.Image, r.To, said(c.By, c.Why)))
	default:
		d.tell(Refused, "nothing waits to be promoted: %s", d.s.rest())
	}
}

func (d *decision) rollback(c Commanded) {
	s, r := d.s, d.s.Release
	switch {
	case r.Phase.Preparing():
		d.tell(Refused, "release %d %s and has no traffic yet: cancel it", r.ID, r.Phase.told())
	case r.Phase == Returning:
		d.tell(Decided, "traffic is already on its way back to %s", r.From)
	case !s.Drift.IsZero():
		d.tell(Refused, "the gateway was changed by somebody else (%s): %s", s.Drift.Detail, s.Drift.remedy())
	case s.WayBack() == "":
		d.tell(Refused, "there is no way back: %s; switch moves traffic to the other color after its checks", s.rest())
	default:
		d.turnBack("rolled back"+said(c.By, c.Why), RolledBack)
	}
}

func (d *decision) resume(c Commanded) {
	s := &d.s
	if s.Pause.IsZero() && s.Hold.IsZero() && s.Drift.IsZero() {
		d.tell(Refused, "nothing to resume: nothing is paused, held or drifted")
		return
	}
	if !s.Drift.IsZero() {
		if s.Drift.Live == "" {
			d.tell(Refused, "the gateway points at neither color alone (%s): mend it, then resume", s.Drift.Detail)
			return
		}
		d.accept()
	}
	s.Pause, s.Hold, s.Drift = Note{}, Note{}, Drift{}
	d.tell(Decided, "resumed%s: %s", said(c.By, c.Why), s.rest())
}

// accept takes the app over anew, as the gateway has it now: what the colors run may be
// changed as well. The idle color was live a moment ago; it is kept for as long as after
// a release.
func (d *decision) accept() {
	s := &d.s
	s.Live, s.Known = s.Drift.Live, false
	if s.Release.Phase.ended() {
		s.Release.EndedAt = d.now
	}
}

func (d *decision) cancel(c Commanded) {
	s, r := &d.s, d.s.Release
	switch {
	case r.Phase.Preparing():
		d.end(Canceled, Decided, strings.TrimPrefix(said(c.By, c.Why), ", "))
	case r.Phase.Moving() && s.Waiting.IsZero():
		d.tell(Refused, "release %d is %s: roll it back instead", r.ID, r.Phase)
	case !s.Waiting.IsZero():
		d.tell(Decided, "%s does not wait any more, canceled%s", s.Waiting, said(c.By, c.Why))
		s.Waiting = Image{}
	default:
		d.tell(Refused, "nothing to cancel: %s", s.rest())
	}
}

func (d *decision) unquarantine(c Commanded) {
	s := &d.s
	q, bad := s.quarantined(c.Digest)
	if !bad {
		d.tell(Refused, "%s is not quarantined", Image{Digest: c.Digest})
		return
	}
	s.Quarantined = slices.DeleteFunc(slices.Clone(s.Quarantined), func(o Quarantine) bool { return o.Image.Digest == c.Digest })
	d.tell(Decided, "%s is out of quarantine%s; deploy releases it", q.Image, said(c.By, c.Why))
}
