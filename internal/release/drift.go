package release

import (
	"time"

	"bluegreen/internal/release/reason"
)

const (
	// mostFought outside changes within foughtFor are a fight with another writer: traffic is
	// then left where it is.
	mostFought = 5
	foughtFor  = 10 * time.Minute
)

// drifted records that the gateway is not as this app left it. Once users have followed
// to the other color, that color is watched like a release.
func (d *decision) drifted(e Looked) {
	s := &d.s
	x := &s.Drift
	if x.IsZero() || x.Live != e.Live || e.Live == "" && x.Detail != e.Detail {
		moved := x.IsZero() || x.Live != e.Live
		from := s.Serving.Color
		if !x.IsZero() {
			from = x.From
		}
		*x = Drift{From: from, Live: e.Live, Detail: e.Detail, Since: d.now}
		d.report(DriftFound, reason.Drifted, about{Color: s.Serving.Color})
		if moved && d.fought() {
			d.report(NeedsHelp, reason.Fought, about{Count: mostFought, Span: foughtFor, Detail: e.Detail})
		}
		if r := s.Release; r.Phase.Active() {
			if r.untouched() && r.By.IsZero() && s.Waiting.IsZero() {
				s.Waiting, s.WaitingBy = r.Image, Note{}
			}
			d.end(Canceled, Advanced, reason.ChangedInMidst, about{})
		}
	}
	x.Detail, x.Back = e.Detail, time.Time{}
	if e.Live != "" && e.Reached(x.Since, d.now) && d.recentlyFought() < mostFought {
		d.watch(e.Live, s.standing(), x.Since)
		if x.Watched = true; e.Live == x.From {
			*x = Drift{}
			d.report(Decided, reason.DriftEnded, about{Color: e.Live})
		}
	}
}

// driftBack ends a drift when users are where the record has them, which an accepted write
// does not say. A bake that it cut short begins again.
func (d *decision) driftBack(e Looked) {
	s := &d.s
	x := &s.Drift
	switch {
	case e.Underway:
		x.Back = time.Time{}
		return
	case x.Back.IsZero():
		x.Back = d.now
	}
	if !e.Reached(x.Back, d.now) {
		return
	}
	if x.From != "" && x.From != e.Live { // traffic was moved there outside bluegreen before
		x.Live, x.Back, x.Watched = e.Live, time.Time{}, true
		return
	}
	*x = Drift{}
	d.report(Decided, reason.DriftEnded, about{Color: e.Live})
	if r := s.Release; r.Reason == reason.ChangedInMidst && r.ID == s.Serving.Release && !s.Serving.Baked {
		d.watch(e.Live, s.Serving.Previous, d.now)
	}
}

// watch lets a color that came to serve otherwise than by a release have its bake: its
// checks run, alerts count, and the other color stays as the rollback target.
func (d *decision) watch(c Color, back Target, since time.Time) {
	s := &d.s
	image := s.Color(c).Observed.Image
	if c == s.Serving.Color {
		image = s.Serving.Image
	}
	if _, bad := s.quarantined(back.Image.Digest); bad || !back.Trusted {
		back = Target{}
	}
	s.Releases++
	was := s.Serving.Previous
	trusted := c == s.Serving.Color && s.Serving.Trusted || c == was.Color && image.Same(was.Image) && was.Trusted || s.Color(c).Passed()
	s.Serving = Serving{Color: c, Image: image, Since: d.now, Release: s.Releases, RoutedAt: since, Previous: back, Trusted: trusted}
	s.Release = Release{ID: s.Releases, Phase: Baking, Image: image, To: c, From: back.Color, Began: d.now, Since: d.now}
	s.color(c).Standby, s.color(c).Suspect = Standby{}, Note{}
	d.beginBake()
	d.report(ReleaseStarted, reason.MovedOutside, about{Color: c, Image: image, To: back.Color, At: s.Release.Progress.BakeUntil})
}

// fought notes an outside change of the gateway, and reports whether there are so many that
// it is a fight.
func (d *decision) fought() bool {
	s := &d.s
	s.Fought = append(s.Fought[len(s.Fought)-d.recentlyFought():len(s.Fought):len(s.Fought)], d.now)
	s.Fought = s.Fought[max(0, len(s.Fought)-mostFought):]
	return len(s.Fought) >= mostFought
}

// recentlyFought is how many outside changes were noted lately.
func (d *decision) recentlyFought() (n int) {
	for _, at := range d.s.Fought {
		if d.now.Sub(at) < foughtFor {
			n++
		}
	}
	return n
}

// giveUp leaves traffic where another writer keeps sending it.
func (d *decision) giveUp(e RouteObserved) {
	s := &d.s
	d.end(Failed, NeedsHelp, reason.Fought, about{Count: mostFought, Span: foughtFor, Detail: e.Detail})
	s.Hold = Note{By: bluegreen, Why: s.Release.Cause, Since: d.now}
	if e.Live != s.Serving.Color {
		s.Drift = Drift{From: s.Serving.Color, Live: e.Live, Detail: e.Detail, Since: d.now}
		d.report(DriftFound, reason.Drifted, about{Color: s.Serving.Color})
	}
}

// Reached reports whether a change that was there at a time has reached all users.
func (e Looked) Reached(since, now time.Time) bool {
	follow := e.Lag
	if e.Unseen != "" {
		follow = max(e.Lag, UnseenFor)
	}
	return !e.Underway && now.Sub(since) >= follow
}
