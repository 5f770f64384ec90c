package acr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/azure/push"
	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
)

// maxReferrerPages bounds a listing of what refers to an image.
const maxReferrerPages = 10

// Referrers lists the manifests that refer to a digest: signatures, attestations and other
// artifacts. Where the registry has no such listing, what the tag schema names counts
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
func (r *Registry) Referrers(ctx context.Context, digest string) ([]ocispec.Descriptor, error) {
	prefix := "/v2/" + r.o.Repository + "/referrers/"
	var all []ocispec.Descriptor
	for next, page := prefix+digest, 0; next != "" && page < maxReferrerPages; page++ {
		a, err := r.client.get(ctx, next, push.OCIIndex)
		if errors.Is(err, engine.ErrNotFound) && page == 0 {
			return r.tagged(ctx, digest)
		}
		if err != nil {
			return nil, fmt.Errorf("list what refers to %s: %w", r.name(digest), err)
		}
		list, err := r.referrers(a)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		next = following(a.link, next, prefix)
	}
	return all, nil
}

func (r *Registry) tagged(ctx context.Context, digest string) ([]ocispec.Descriptor, error) {
	tag := strings.Replace(digest, ":", "-", 1)
	a, err := r.client.get(ctx, "/v2/"+r.o.Repository+"/manifests/"+tag, push.OCIIndex)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest of %s: %w", r.name(tag), err)
	}
	return r.referrers(a)
}

func (r *Registry) referrers(a answer) ([]ocispec.Descriptor, error) {
	var index ocispec.Index
	if err := r.decode(a, &index); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool { return !digestForm.MatchString(m.Digest.String()) }), nil
}

// Manifest reads a manifest by its tag or digest, and returns its media type. One that is
// read by its digest has that digest. Errors: engine.ErrNotFound.
func (r *Registry) Manifest(ctx context.Context, ref string) (body []byte, mediaType string, err error) {
	if !digestForm.MatchString(ref) && !tagForm.MatchString(ref) {
		return nil, "", fmt.Errorf("%s is neither a tag nor a digest: %w", quote(ref), engine.ErrNotFound)
	}
	kinds := strings.Join([]string{push.DockerManifest, push.DockerList, push.OCIManifest, push.OCIIndex}, ", ")
	a, err := r.client.get(ctx, "/v2/"+r.o.Repository+"/manifests/"+ref, kinds)
	if err != nil {
		return nil, "", fmt.Errorf("read the manifest of %s: %w", r.name(ref), err)
	}
	if digest := digestOf(a.body); digestForm.MatchString(ref) && ref != digest {
		return nil, "", fmt.Errorf("the registry answered another manifest (%s) than %s", digest, r.name(ref))
	}
	var m manifest
	if err := json.Unmarshal(a.body, &m); err != nil {
		return nil, "", fmt.Errorf("read the manifest of %s: %w", r.name(ref), err)
	}
	if m.MediaType == "" {
		m.MediaType = a.contentType
	}
	return a.body, m.MediaType, nil
}

// Blob reads a blob of at most so many bytes. Errors: engine.ErrNotFound, engine.ErrOversized.
func (r *Registry) Blob(ctx context.Context, digest string, most int64) ([]byte, error) {
	if !digestForm.MatchString(digest) {
		return nil, fmt.Errorf("%s is not a digest: %w", quote(digest), engine.ErrNotFound)
	}
	body, err := r.client.blob(ctx, "/v2/"+r.o.Repository+"/blobs/"+digest, most)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the blob %s: %w", r.name(digest), err)
	case digestOf(body) != digest:
		return nil, fmt.Errorf("the registry answered another blob (%s) than %s", digestOf(body), r.name(digest))
	}
	return body, nil
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// blob reads a blob, which Azure keeps in a storage account: the registry names an address
// there that is signed itself, and is asked without the token of the registry.
func (c *client) blob(ctx context.Context, path string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, outbound.Registry.Total)
	defer cancel()
	a, err := c.ask(ctx, path, "application/octet-stream", most)
	if err != nil || a.location == "" {
		return a.body, err
	}
	from, err := url.Parse(a.location)
	if err != nil || from.Host == "" || from.User != nil || from.Scheme != "https" && !loopback(from.Host) {
		return nil, fmt.Errorf("the registry sends for it to an address that is not https://HOST/…")
	}
	if loopback(from.Host) && !loopback(c.service) {
		return nil, fmt.Errorf("the registry sends for it to this machine")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", from.Host, err)
	}
	a, err = c.do(req, most)
	if err == nil && a.location != "" {
		err = fmt.Errorf("%s sends on to another address", from.Host)
	}
	return a.body, err
}
