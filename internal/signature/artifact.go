package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/engine"
	"bluegreen/internal/signature/cosign"
	"bluegreen/internal/signature/notation"
)

// Registry reads the repository of an image. What it returns of a digest has that digest.
type Registry interface {
	// Referrers lists the manifests that refer to a digest.
	Referrers(ctx context.Context, digest string) ([]ocispec.Descriptor, error)
	// Manifest reads a manifest by its tag or digest, with its media type. Errors:
	// engine.ErrNotFound.
	Manifest(ctx context.Context, ref string) (body []byte, mediaType string, err error)
	// Blob reads a blob of at most so many bytes. Errors: engine.ErrNotFound,
	// engine.ErrOversized.
	Blob(ctx context.Context, digest string, most int64) ([]byte, error)
}

// What is read for one image, whoever has put how much beside it.
const (
	mostArtifacts = 30
	mostBytes     = 4 << 20 // of one; a provenance attestation is the largest
)

const (
	bundleKind   = "application/vnd.dev.sigstore.bundle" // with a version
	notationKind = "application/vnd.cncf.notary.signature"
	simpleKind   = "application/vnd.dev.cosign.simplesigning.v1+json"
	emptyKind    = "application/vnd.oci.empty.v1+json" // how some registries list a bundle
)

// artifact is something beside an image that may be a signature of it.
type artifact struct {
	kind        string // bundleKind, notationKind or simpleKind
	mediaType   string
	annotations map[string]string
	content     []byte
	unusable    error // why there is no content
}

// layered is a manifest, as far as it is needed here.
type layered struct {
	ArtifactType string `json:"artifactType"`
	Config       struct {
		MediaType string `json:"mediaType"`
	} `json:"config"`
	Layers []layer `json:"layers"`
}

type layer struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// collect reads the manifest of an image, and what is beside it. What cannot be used is
// kept with the reason: whoever may push could otherwise keep every image from being verified.
// An error means that the registry could not be asked.
func (v *Verifier) collect(ctx context.Context, of string) (ocispec.Descriptor, []artifact, error) {
	body, mediaType, err := v.registry.Manifest(ctx, of)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	image := ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(of), Size: int64(len(body))}
	var all []artifact
	referrers, err := v.registry.Referrers(ctx, of)
	if err != nil {
		return image, nil, err
	}
	for _, r := range referrers {
		if !maySign(r.ArtifactType) {
			continue
		}
		if all, err = v.add(ctx, all, r.Digest.String()); err != nil {
			return image, nil, err
		}
	}
	all, err = v.add(ctx, all, strings.Replace(of, ":", "-", 1)+".sig")
	return image, all, err
}

// maySign reports whether a referrer of an artifact type may be a signature.
func maySign(kind string) bool {
	return kind == "" || kind == emptyKind || kind == notationKind || strings.HasPrefix(kind, bundleKind)
}

// add reads the artifacts of a manifest. One that is not there adds none.
func (v *Verifier) add(ctx context.Context, all []artifact, ref string) ([]artifact, error) {
	if len(all) >= mostArtifacts {
		return all, nil
	}
	body, _, err := v.registry.Manifest(ctx, ref)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return all, nil
	case err != nil:
		return nil, err
	}
	var m layered
	if json.Unmarshal(body, &m) != nil {
		return all, nil
	}
	for _, l := range m.Layers {
		a := artifact{kind: kindOf(m, l), mediaType: l.MediaType, annotations: l.Annotations}
		if a.kind == "" {
			continue
		}
		if a.content, err = v.registry.Blob(ctx, l.Digest, mostBytes); err != nil {
			if !errors.Is(err, engine.ErrNotFound) && !errors.Is(err, engine.ErrOversized) {
				return nil, err
			}
			a.unusable = err
		}
		if all = append(all, a); len(all) >= mostArtifacts {
			break
		}
	}
	return all, nil
}

func kindOf(m layered, l layer) string {
	switch {
	case strings.HasPrefix(l.MediaType, bundleKind):
		return bundleKind
	case l.MediaType == simpleKind:
		return simpleKind
	case m.Config.MediaType == notationKind || m.ArtifactType == notationKind:
		return notationKind
	}
	return ""
}

// errOtherKind means that an artifact is of another kind than the rule is about.
var errOtherKind = errors.New("an artifact of another kind")

// guarded is what a library makes of bytes that anybody may have put there. That it panics at
// them is one more reason why they are no signature.
func guarded[T any](read func() (T, error)) (found T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be read: %v", r)
		}
	}()
	return read()
}

type cosignSigner struct{ *cosign.Signer }

// bundle reads a bundle.
func (s cosignSigner) bundle(content []byte, of ocispec.Descriptor) (cosign.Statement, error) {
	return guarded(func() (cosign.Statement, error) { return s.Bundle(content, of.Digest.Encoded()) })
}

func (s cosignSigner) signed(_ context.Context, a artifact, of ocispec.Descriptor) (string, error) {
	switch {
	case a.kind == notationKind:
		return "", errOtherKind
	case a.unusable != nil:
		return "", a.unusable
	case a.kind == simpleKind:
		return guarded(func() (string, error) { return s.Simple(a.content, a.annotations, of.Digest.Encoded()) })
	}
	statement, err := s.bundle(a.content, of)
	switch {
	case err != nil:
		return "", err
	case statement.Type != cosign.SignatureType:
		return "", errOtherKind // an attestation of something else
	}
	return statement.By, nil
}

type notationSigners struct{ *notation.Signers }

func (s notationSigners) signed(ctx context.Context, a artifact, of ocispec.Descriptor) (string, error) {
	switch {
	case a.kind != notationKind:
		return "", errOtherKind
	case a.unusable != nil:
		return "", a.unusable
	}
	return guarded(func() (string, error) { return s.Envelope(ctx, a.content, a.mediaType, of) })
}
