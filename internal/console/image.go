package console

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// hexadecimal is what the beginning of a digest looks like without the name of its algorithm.
var hexadecimal = regexp.MustCompile(`^[0-9a-f]{4,64}$`)

// resolve returns the image that a reference names: a tag or a digest in the registry, or the
// beginning of a digest that the record knows. A tag comes first.
func (c *console) resolve(r *call, ref string) (release.Image, error) {
	none := imageNotFound("no image that the app knows has a digest that begins with %s: name a tag, or the whole digest", ref)
	if !strings.HasPrefix(ref, "sha256:") || digestForm.MatchString(ref) {
		i, err := c.asked(r, ref)
		if !hexadecimal.MatchString(ref) || !errors.As(err, &none) || none.Status != http.StatusNotFound {
			return i, err
		}
	}
	v, err := c.Engine.View(r.Context(), r.app)
	if err != nil {
		return release.Image{}, err
	}
	switch found := v.State.WithDigest(ref); len(found) {
	case 0:
		return release.Image{}, none
	case 1:
		return c.asked(r, found[0].Digest)
	default:
		var names []string
		for _, i := range found {
			names = append(names, i.String())
		}
		return release.Image{}, invalid("image", "%s is the beginning of several digests: give more of one of %s", ref, strings.Join(names, ", "))
	}
}

func imageNotFound(format string, args ...any) *api.Error {
	e := problem(http.StatusNotFound, "image-not-found", format, args...)
	e.Field = "image"
	return e
}

// asked asks the registry which image a reference names. A digest names it by itself: it
// is taken as it is when the registry cannot be reached, so that an operator can still act.
func (c *console) asked(r *call, ref string) (release.Image, error) {
	i, err := c.Engine.Resolve(r.Context(), r.app, ref)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return i, imageNotFound("the app's repository has no %s: push it, or name another", ref)
	case errors.Is(err, engine.ErrNotAnImage):
		return i, invalid("image", "%s is not a container image but another kind of artifact: %v", ref, err)
	case err != nil && digestForm.MatchString(ref):
		c.Log.Warn("the registry cannot be asked, the digest is taken as it is", "app", r.app, "image", ref, "error", err)
		return release.Image{Digest: ref}, nil
	case err != nil:
		return i, err
	case i.Tag == "" && !digestForm.MatchString(ref):
		i.Tag = ref
	}
	return i, nil
}

// meant reports whether a reference may have meant an image.
func meant(ref string, i release.Image) bool {
	short := strings.TrimPrefix(ref, "sha256:")
	return ref == i.Tag || strings.HasPrefix(strings.TrimPrefix(i.Digest, "sha256:"), short)
}
