package release

import "bluegreen/internal/release/reason"

// heldBack is why an image must not start by itself now; "" when it may.
func (d *decision) heldBack(i Image) reason.Reason {
	s := d.s
	switch {
	case !s.Pause.IsZero():
		return reason.Paused
	case !s.Drift.IsZero():
		return reason.Drifted
	case !s.Hold.IsZero() && !i.PushedAt.After(s.Hold.Since):
		return reason.Held
	}
	return ""
}

func (d *decision) pushed(i Image) {
	s, r := &d.s, d.s.Release
	older := !s.Newest.IsZero() && s.Newest.Digest != i.Digest && d.p.newer(s.Newest, i)
	seen := s.Newest
	if !older {
		s.Newest = i
	}
	q, bad := s.quarantined(i.Digest)
	switch {
	case bad:
		d.report(Dropped, reason.Quarantined, about{Image: i, At: q.Since, Detail: q.Why})
	case s.Serving.Color != "" && s.Serving.Image.Digest == i.Digest && !r.Phase.Moving():
		d.report(Dropped, reason.AlreadyLive, about{Image: i, Color: s.Serving.Color})
	case r.Phase.Active() && r.Image.Digest == i.Digest:
		d.report(Dropped, reason.AlreadyReleasing, about{Image: i})
	case s.Waiting.Digest == i.Digest && i.Digest != "":
		d.report(Dropped, reason.AlreadyWaiting, about{Image: i})
	case r.Image.Digest == i.Digest && r.Phase.Ended() && !i.PushedAt.After(r.Since):
		d.report(Dropped, reason.AlreadyTried, about{Image: i})
	case older:
		d.report(Dropped, reason.Older, about{Image: i, Other: seen})
	case r.Phase.Moving():
		d.wait(i, reason.ReleaseUnderway)
	case d.heldBack(i) != "":
		d.wait(i, d.heldBack(i))
	case r.Phase.Preparing() && s.SupersededInARow >= mostSuperseded:
		d.wait(i, reason.ManySuperseded)
	default:
		d.supersede(i)
		d.start(i, s.Idle(d.p.First), "", "")
	}
}

// wait keeps an image until what holds it back has ended. It replaces one that waits.
func (d *decision) wait(i Image, why reason.Reason) {
	replaced := d.s.Waiting
	d.s.Waiting = i
	d.report(Decided, reason.Waits, about{Image: i, Other: replaced, Detail: d.words(why, about{Image: i, Color: d.s.Serving.Color})})
}

func (d *decision) supersede(by Image) {
	if !d.s.Release.Phase.Preparing() {
		return
	}
	inARow := d.s.SupersededInARow + 1
	d.end(Superseded, Advanced, reason.Superseded, about{Image: by})
	d.s.SupersededInARow = inARow
}
