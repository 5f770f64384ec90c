package release

import (
	"slices"
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
		from := s.Serving.Color
		if x.Watched {
			from = x.From
		}
		*x = Drift{From: from, Live: e.Live, Detail: e.Detail, Since: d.now}
		d.report(DriftFound, reason.Drifted, about{Color: s.Serving.Color})
		d.fought()
		if r := s.Release; r.Phase.Active() {
			if r.untouched() && r.By == "" && s.Waiting.IsZero() {
				s.Waiting = r.Image
			}
			d.end(Canceled, Advanced, reason.ChangedInMidst, about{})
		}
	}
	x.Detail, x.Back = e.Detail, time.Time{}
	if e.Live != "" && e.Reached(x.Since, d.now) && len(s.Fought) < mostFought {
		d.watch(e.Live, s.standing())
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
	*x = Drift{}
	d.report(Decided, reason.DriftEnded, about{Color: e.Live})
	if r := s.Release; r.Reason == reason.ChangedInMidst && r.ID == s.Serving.Release && !s.Serving.Baked {
		d.watch(e.Live, s.Serving.Previous)
	}
}

// watch lets a color that came to serve otherwise than by a release have its bake: its
// checks run, alerts count, and the other color stays as the rollback target.
func (d *decision) watch(c Color, back Target) {
	s := &d.s
	image := s.Color(c).Observed.Image
	if c == s.Serving.Color {
		image = s.Serving.Image
	}
	if _, bad := s.quarantined(back.Image.Digest); bad || !s.trusts(back) {
		back = Target{}
	}
	s.Releases++
	s.Serving = Serving{Color: c, Image: image, Since: d.now, Release: s.Releases, RoutedAt: d.now, Previous: back}
	s.Release = Release{ID: s.Releases, Phase: Baking, Image: image, To: c, From: back.Color, Began: d.now, Since: d.now}
	s.color(c).Retired = false
	d.beginBake()
	d.report(ReleaseStarted, reason.MovedOutside, about{Color: c, Image: image, To: back.Color, At: s.Release.Progress.BakeUntil})
}

// trusts reports whether traffic may return to a target by itself: it passed its checks or a
// bake, or was live when the app was taken over.
func (s State) trusts(t Target) bool {
	live := t.Color == s.Serving.Color && (s.Serving.Baked || s.Serving.Release == 0)
	return live || s.Color(t.Color).Passed() || slices.ContainsFunc(s.Good, t.Image.Same)
}

// fought notes an outside change of the gateway, and reports whether there are so many that
// it is a fight.
func (d *decision) fought() bool {
	s := &d.s
	recent := []time.Time{}
	for _, at := range s.Fought {
		if d.now.Sub(at) < foughtFor {
			recent = append(recent, at)
		}
	}
	s.Fought = append(recent, d.now)
	s.Fought = s.Fought[max(0, len(s.Fought)-mostFought):]
	return len(s.Fought) >= mostFought
}

// giveUp leaves traffic where another writer keeps sending it.
func (d *decision) giveUp(e RouteObserved) {
	s := &d.s
	d.end(Failed, NeedsHelp, reason.Fought, about{Count: mostFought, Span: foughtFor, Detail: e.Detail})
	s.Hold = Note{By: "bluegreen", Why: s.Release.Cause, Since: d.now}
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
