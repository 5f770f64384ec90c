// Package signature finds out who signed an image, from what is kept beside it in its registry:
// signatures and attestations of cosign, and signatures of the Notary Project. Nothing but the
// registry is asked; who is trusted is in the configuration. It is the only part that
// links the libraries of these projects.
package signature

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/engine"
	"bluegreen/internal/signature/cosign"
	"bluegreen/internal/signature/notation"
)

// Options are the rules of who must have signed. Registry, and Cosign or Notation, are required.
type Options struct {
	Registry Registry
	Cosign   []cosign.Options // a rule each
	Notation *notation.Options
	// All wants every rule to be met; otherwise one is enough.
	All bool
	// Provenance wants an attestation of how the image was built besides, by a signer of Cosign.
	Provenance *Provenance
}

// Verifier implements engine.Signatures.
type Verifier struct {
	registry   Registry
	rules      []rule
	all        bool
	provenance *provenance
}

var _ engine.Signatures = (*Verifier)(nil)

// rule is a trusted signer. Its name is its path in the configuration.
type rule struct {
	name string
	signer
}

type signer interface {
	String() string
	// signed returns who signed an image, if it was this signer; an error says why what was
	// found is no signature of it.
	signed(ctx context.Context, a artifact, of ocispec.Descriptor) (by string, err error)
}

// New makes a Verifier. An error is a line for each rule that cannot be used.
func New(o Options) (*Verifier, error) {
	v := &Verifier{registry: o.Registry, all: o.All}
	var wrong []error
	var builders []cosignSigner
	for i, c := range o.Cosign {
		name := fmt.Sprintf("image.verify.cosign[%d]", i)
		s, err := cosign.New(c)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
			continue
		}
		v.rules = append(v.rules, rule{name, cosignSigner{s}})
		builders = append(builders, cosignSigner{s})
	}
	if o.Notation != nil {
		const name = "image.verify.notation"
		if s, err := notation.New(*o.Notation); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		} else {
			v.rules = append(v.rules, rule{name, notationSigners{s}})
		}
	}
	switch {
	case len(o.Cosign) == 0 && o.Notation == nil:
		wrong = append(wrong, errors.New("image.verify: names no signer, so that no image could be verified"))
	case o.Provenance != nil && len(o.Cosign) == 0:
		wrong = append(wrong, errors.New("image.verify.provenance: is an attestation that a signer of image.verify.cosign makes, and none is named"))
	case o.Provenance != nil && o.Provenance.Builder == "":
		wrong = append(wrong, errors.New("image.verify.provenance: names no builder"))
	case o.Provenance != nil:
		v.provenance = &provenance{Provenance: *o.Provenance, signers: builders}
	}
	return v, errors.Join(wrong...)
}

// Verify implements engine.Signatures.
func (v *Verifier) Verify(ctx context.Context, of string) (string, error) {
	if d, err := digest.Parse(of); err != nil || d.Algorithm() != digest.SHA256 {
		return "", engine.Unverified{Why: fmt.Sprintf("%q is no digest of SHA-256, and only a digest is signed", shorten(of))}
	}
	image, artifacts, err := v.collect(ctx, of)
	if err != nil {
		return "", err
	}
	var by, failed []string
	for _, r := range v.rules {
		who, why := r.find(ctx, artifacts, image)
		if why != "" {
			failed = append(failed, why)
			continue
		}
		if by = append(by, who); !v.all {
			break
		}
	}
	if len(by) == 0 || v.all && len(failed) > 0 {
		return "", engine.Unverified{Why: strings.Join(failed, "; ")}
	}
	if v.provenance != nil {
		how, why := v.provenance.find(artifacts, image)
		if why != "" {
			return "", engine.Unverified{Why: why}
		}
		by = append(by, how)
	}
	return strings.Join(by, "; "), nil
}

// find looks for a signature of the rule's signer; why names the rule, and what was found
// instead.
func (r rule) find(ctx context.Context, artifacts []artifact, of ocispec.Descriptor) (by, why string) {
	var last error
	others := 0
	for _, a := range artifacts {
		who, err := r.signed(ctx, a, of)
		switch {
		case err == nil:
			return who, ""
		case !errors.Is(err, errOtherKind):
			last = err
			others++
		}
	}
	if last == nil {
		return "", fmt.Sprintf("%s wants a signature by %s, and there is none", r.name, r)
	}
	return "", fmt.Sprintf("%s wants a signature by %s, and none of %d is one: %s", r.name, r, others, shorten(last.Error()))
}

// shorten keeps a reason of a library short.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > 250 {
		return string(runes[:250]) + "…"
	}
	return text
}
