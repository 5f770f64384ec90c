package acr

import (
	"context"
	"encoding/json"
	"fmt"

	"bluegreen/internal/engine"
)

var _ engine.Sourced = (*Registry)(nil)

// The annotations of a manifest, and the labels of a configuration, that name the source.
// Source: github.com/opencontainers/image-spec/blob/main/annotations.md
const (
	sourceKey   = "org.opencontainers.image.source"
	revisionKey = "org.opencontainers.image.revision"
)

// maxConfig bounds the configuration of an image, in bytes.
const maxConfig = 1 << 20

// described is what a manifest or an index says of its source, and where it says more.
type described struct {
	Annotations map[string]string `json:"annotations"`
	Config      struct {
		Digest string `json:"digest"`
	} `json:"config"`
	Manifests []struct {
		Digest string `json:"digest"`
	} `json:"manifests"`
}

// Source implements engine.Sourced. An index without annotations has those of its first image.
func (r *Registry) Source(ctx context.Context, digest string) (engine.Source, error) {
	if !digestForm.MatchString(digest) {
		return engine.Source{}, fmt.Errorf("%s is no digest: %w", quote(digest), engine.ErrNotFound)
	}
	m, err := r.described(ctx, digest)
	found := sourceIn(m.Annotations)
	if err == nil && found == (engine.Source{}) && len(m.Manifests) > 0 {
		m, err = r.described(ctx, m.Manifests[0].Digest)
		found = sourceIn(m.Annotations)
	}
	if err != nil || found != (engine.Source{}) || m.Config.Digest == "" {
		return found, err
	}
	body, err := r.Blob(ctx, m.Config.Digest, maxConfig)
	if err != nil {
		return engine.Source{}, err
	}
	var image struct {
		Config struct {
			Labels map[string]string
		} `json:"config"`
	}
	if err := json.Unmarshal(body, &image); err != nil {
		return engine.Source{}, fmt.Errorf("read the configuration of %s: %w", r.name(digest), err)
	}
	return sourceIn(image.Config.Labels), nil
}

func (r *Registry) described(ctx context.Context, digest string) (described, error) {
	var m described
	body, _, err := r.Manifest(ctx, digest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("read the manifest of %s: %w", r.name(digest), err)
	}
	return m, nil
}

// sourceIn is the source that annotations or labels name; empty unless both are there.
func sourceIn(labels map[string]string) engine.Source {
	s := engine.Source{URL: labels[sourceKey], Revision: labels[revisionKey]}
	if s.URL == "" || s.Revision == "" {
		return engine.Source{}
	}
	return s
}
