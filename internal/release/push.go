package release

import (
	"time"

	"bluegreen/internal/release/reason"
)

const (
	// samePushFor is how long after a push the same digest under the same tag is that push,
	// when no other image of the app was pushed meanwhile.
	samePushFor = 30 * time.Minute
	// mostAhead is by how much the time of a push may be ahead of this app's clock.
	mostAhead = 5 * time.Minute
)

// MayStart reports whether an image may be released by itself: it is not quarantined.
func (s State) MayStart(i Image) bool {
	_, bad := s.quarantined(i.Digest)
	return !bad
}

// heldBack is why an image must not start by itself now; "" when it may.
func (d *decision) heldBack(i Image) reason.Reason {
	s := d.s
	switch {
	case !s.Pause.IsZero():
		return reason.Paused
	case !s.Drift.IsZero():
		return reason.Drifted
	case !s.Color(s.Idle(d.p.First)).Suspect.IsZero():
		return reason.Suspect
	case !s.Hold.IsZero() && !i.PushedAt.After(s.Hold.Since):
		return reason.Held
	}
	return ""
}

func (d *decision) pushed(e ImagePushed) {
	s, r, i := &d.s, d.s.Release, e.Image
	q, bad := s.quarantined(i.Digest)
	switch {
	case i.PushedAt.Sub(d.now) > mostAhead:
		if s.LastPush.At.IsZero() {
			s.LastPush.At = d.now // so that the registry is asked for its images
		}
		d.report(NeedsHelp, reason.FromTheFuture, about{Image: i, Detail: i.PushedAt.UTC().Format("2006-01-02 15:04 UTC")})
		return
	case d.samePush(i) && !bad:
		return
	case i.PushedAt.After(d.now):
		i.PushedAt = d.now
	}
	newer, older := d.olderThan(i)
	if !older { // an older one may be listed with a later date
		s.LastPush = Push{Image: i, At: d.now}
	}
	if !older && !bad {
		s.Newest = i
	}
	beside, behind := d.newest(i, e.Beside)
	switch {
	case bad:
		d.report(Dropped, reason.Quarantined, about{Image: i, Other: q.Image, At: q.Since, Detail: q.Why})
	case s.Serving.Color != "" && s.Serving.Image.Digest == i.Digest && !r.Phase.Moving():
		if r.By.IsZero() && d.p.newer(i, r.Image) {
			d.supersede(i) // its tag was set back
		}
		s.Serving.Image.PushedAt = latest(s.Serving.Image.PushedAt, i.PushedAt)
		d.report(Dropped, reason.AlreadyLive, about{Image: i, Color: s.Serving.Color})
	case r.Phase.Active() && r.Image.Digest == i.Digest:
		d.report(Dropped, reason.AlreadyReleasing, about{Image: i})
	case s.Waiting.Digest == i.Digest && i.Digest != "":
		d.report(Dropped, reason.AlreadyWaiting, about{Image: i})
	case r.Image.Digest == i.Digest && r.Phase.Ended() && !i.PushedAt.After(r.Since):
		d.report(Dropped, reason.AlreadyTried, about{Image: i})
	case older:
		d.tooOld(i, newer)
	case behind:
		d.report(Dropped, reason.Older, about{Image: i, Other: beside})
	case r.Phase.Moving():
		d.wait(i, Note{}, reason.ReleaseUnderway)
	case d.heldBack(i) != "":
		d.wait(i, Note{}, d.heldBack(i))
	case r.Phase.Preparing() && s.SupersededInARow >= mostSuperseded:
		d.wait(i, Note{}, reason.ManySuperseded)
	default:
		d.supersede(i)
		d.start(i, s.Idle(d.p.First), Note{})
		if w := s.Waiting; !w.IsZero() && s.WaitingBy.IsZero() && !d.p.newer(w, i) {
			s.Waiting = Image{}
			d.report(Dropped, reason.Older, about{Image: w, Other: i})
		}
	}
}

// samePush reports whether a push is known: it was delivered again, comes from another
// replica of the registry, or was found by listing.
func (d *decision) samePush(i Image) bool {
	last, r := d.s.LastPush, d.s.Release
	if r.Phase.Ended() && r.Image.Same(i) && i.PushedAt.After(r.Since) {
		return false // it is to be tried again
	}
	lately := d.now.Sub(last.At) < samePushFor || i.PushedAt.Sub(last.Image.PushedAt) < samePushFor // it may be delivered late
	return last.Image.Digest == i.Digest && last.Image.Tag == i.Tag && lately
}

// olderThan reports whether an image is older than what is live, or than the newest that
// was pushed. One that is quarantined keeps back only what was pushed before it.
func (d *decision) olderThan(i Image) (newer Image, older bool) {
	s := d.s
	for _, k := range []Image{s.Newest, s.Serving.Image} {
		if _, bad := s.quarantined(k.Digest); bad && !i.PushedAt.Before(k.PushedAt) {
			continue
		}
		if !k.IsZero() && k.Digest != i.Digest && d.p.newer(k, i) {
			return k, true
		}
	}
	return Image{}, false
}

// newest returns another push that is newer and may be released instead.
func (d *decision) newest(i Image, beside []Image) (newest Image, newer bool) {
	for _, b := range beside {
		if d.s.MayStart(b) && b.PushedAt.Sub(d.now) <= mostAhead && b.Digest != i.Digest && d.p.newer(b, i) && (newest.IsZero() || d.p.newer(b, newest)) {
			newest = b
		}
	}
	return newest, !newest.IsZero()
}

// tooOld drops an image that is older than another. Where that one was pushed before and is
// neither live nor on its way, it may have been a mistake, and an operator is asked to look.
func (d *decision) tooOld(i, newer Image) {
	s := d.s
	kind, why := NeedsHelp, reason.OlderThanUnreleased
	if !i.PushedAt.After(newer.PushedAt) || newer.Same(s.Serving.Image) && newer.Tag == s.Serving.Image.Tag || newer.Same(s.Waiting) || s.Release.Phase.Active() && newer.Same(s.Release.Image) {
		kind, why = Dropped, reason.Older
	}
	d.report(kind, why, about{Image: i, Other: newer})
}

// wait keeps an image until what holds it back has ended. It replaces one that waits.
func (d *decision) wait(i Image, by Note, why reason.Reason) {
	replaced, color := d.s.Waiting, d.s.Serving.Color
	if why == reason.Suspect {
		color = color.Other()
	}
	d.s.Waiting, d.s.WaitingBy = i, by
	d.report(Decided, reason.Waits, about{Image: i, Other: replaced, Detail: d.words(why, about{Image: i, Color: color})})
}

func (d *decision) supersede(by Image) {
	if !d.s.Release.Phase.Preparing() {
		return
	}
	inARow := d.s.SupersededInARow + 1
	d.end(Superseded, Advanced, reason.Superseded, about{Image: by})
	d.s.SupersededInARow = inARow
}
