package release

import (
	"slices"

	"bluegreen/internal/release/reason"
)

// Needs are the images that keep users on a good version, or bring them back to one: those
// that serve, that a rollback returns to, and the newest good one. Pods that start on
// another node pull them from the registry.
func (s State) Needs() (images []Image) {
	for _, i := range append([]Image{s.Serving.Image, s.RollbackTarget().Image}, s.Good[:min(1, len(s.Good))]...) {
		if i.Digest != "" && !slices.ContainsFunc(images, i.Same) {
			images = append(images, i)
		}
	}
	return images
}

// use says what an image is needed as.
func (s State) use(i Image) string {
	switch t := s.RollbackTarget(); {
	case i.Same(s.Serving.Image):
		return "live on " + string(s.Serving.Color)
	case i.Same(t.Image):
		return "the rollback target on " + string(t.Color)
	}
	return "the last good image"
}

// registryAsked records which of the images that are needed the registry does not have. An
// operator is asked to look once for each. Where it did not say, the last answer stays.
func (d *decision) registryAsked(e RegistryAsked) {
	s := &d.s
	var missing []Image
	for _, i := range s.Needs() {
		was := slices.ContainsFunc(s.Missing, i.Same)
		is := was && !slices.ContainsFunc(e.Has, i.Same) || slices.ContainsFunc(e.Lacks, i.Same)
		a := about{Image: i, Detail: s.use(i)}
		switch {
		case is && !was:
			d.report(NeedsHelp, reason.ImageMissing, a)
		case was && !is:
			d.report(Decided, reason.ImageBack, a)
		}
		if is {
			missing = append(missing, i)
		}
	}
	s.Missing = missing
}

// forget removes the missing images that are no longer needed.
func (d *decision) forget() {
	if len(d.s.Missing) == 0 {
		return
	}
	needs := d.s.Needs()
	var missing []Image
	for _, i := range d.s.Missing {
		if slices.ContainsFunc(needs, i.Same) {
			missing = append(missing, i)
		}
	}
	d.s.Missing = missing
}
