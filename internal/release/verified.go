package release

import (
	"slices"
	"time"

	"bluegreen/internal/release/reason"
)

// Verified is what was last found of the signatures of an image on a color: who signed it, or
// why no signature counts.
type Verified struct {
	Image  Image
	Signer string
	Why    string
	At     time.Time
}

// Signer is who signed what the color was last seen to run; "" where that is not known.
func (c ColorState) Signer() string {
	if !c.Verified.Image.Same(c.Observed.Image) {
		return ""
	}
	return c.Verified.Signer
}

// signatures records what the checks found of the signatures of a release's image.
func (d *decision) signatures(e ChecksObserved) {
	r := d.s.Release
	v := Verified{Image: r.Image, Signer: e.Signer, At: d.now}
	if e.Unsigned {
		v.Why = e.Detail
	}
	if v.Signer == "" && v.Why == "" {
		return
	}
	if was := d.s.Color(r.To).Verified; was.Image.Same(v.Image) && was.Signer == v.Signer && was.Why == v.Why {
		return
	}
	d.s.color(r.To).Verified = v
}

// signed reports whether an image on a color may get traffic by what is known of its
// signatures. An image that has served is not asked for one: a rollback depends on nothing.
func (d *decision) signed(c Color, i Image) bool {
	if !d.p.Signed {
		return true
	}
	v, s := d.s.Color(c).Verified, d.s
	return i.Digest != "" && (v.Signer != "" && v.Image.Same(i) || s.hasServed(i))
}

// mayReturn reports whether what a rollback target was last seen to run may get traffic.
func (d *decision) mayReturn(t Target) bool {
	seen := d.s.Color(t.Color).Observed.Image
	return seen.Digest == "" || seen.Same(t.Image) || d.signed(t.Color, seen)
}

func (s State) hasServed(i Image) bool {
	return i.Same(s.Serving.Image) || i.Same(s.Serving.Previous.Image) || slices.ContainsFunc(s.Good, i.Same)
}

// unsigned says of an image on a color why its signatures do not count.
func (s State) unsigned(c Color, i Image) about {
	a := about{Color: c, Image: i}
	if v := s.Color(c).Verified; v.Image.Same(i) {
		a.Detail = v.Why
	}
	return a
}

// notPassed ends a release whose checks did not pass in time, for what kept them from it.
func (d *decision) notPassed(detail string) {
	r := d.s.Release
	a := d.s.unsigned(r.To, r.Image)
	a.Span = d.p.VerifyTimeout
	if !d.signed(r.To, r.Image) && a.Detail != "" {
		d.fail(reason.NotVerified, a)
		return
	}
	d.fail(reason.ChecksTimedOut, about{Span: d.p.VerifyTimeout, Detail: detail})
}

// verified says who signed the image of the release on a color; "" where that is not asked for,
// or not known of one that has served.
func (d *decision) verified(c Color) string {
	if v := d.s.Color(c).Verified; d.p.Signed && v.Signer != "" && v.Image.Same(d.s.Release.Image) {
		return d.words(reason.Verified, about{Detail: v.Signer})
	}
	return ""
}
