package release

import (
	"slices"
	"strings"
)

// leastPrefix is how many hexadecimal digits of a digest name an image, at least.
const leastPrefix = 4

// named are the images that a reference may mean: those with this tag or digest, or else those
// whose digest begins so, with or without "sha256:".
func named(ref string, images ...Image) (found []Image) {
	if ref == "" {
		return nil
	}
	for _, i := range images {
		if ref == i.Tag || ref == i.Digest {
			found = append(found, i)
		}
	}
	short := strings.TrimPrefix(ref, "sha256:")
	if len(found) > 0 || len(short) < leastPrefix {
		return found
	}
	for _, i := range images {
		if strings.HasPrefix(strings.TrimPrefix(i.Digest, "sha256:"), short) {
			found = append(found, i)
		}
	}
	return found
}

// WithDigest are the images of the state whose digest begins so, with or without "sha256:"; none
// for fewer than four hexadecimal digits.
func (s State) WithDigest(prefix string) (found []Image) {
	short := strings.TrimPrefix(prefix, "sha256:")
	images := s.known()
	for _, q := range s.Quarantined {
		images = append(images, q.Image)
	}
	for _, i := range images {
		if begins := strings.HasPrefix(strings.TrimPrefix(i.Digest, "sha256:"), short); len(short) >= leastPrefix && begins && !slices.ContainsFunc(found, i.Same) {
			found = append(found, i)
		}
	}
	return found
}

// listed says which images a reference could mean; "" where there is none.
func listed(images []Image) string {
	var names []string
	for _, i := range images {
		names = append(names, i.String())
	}
	if len(names) == 0 {
		return ""
	}
	return "give one of " + strings.Join(names, ", ")
}

// briefRef is a reference in few characters.
func briefRef(ref string) string {
	if strings.HasPrefix(ref, "sha256:") {
		return Image{Digest: ref}.String()
	}
	return ref
}
