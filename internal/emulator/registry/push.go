package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// bearer signs the helpers' own requests.
type bearer string

func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(req)
}

func (r *Registry) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithTransport(bearer(r.push)), remote.WithUserAgent("docker/27.3.1 lab")}
}

func (r *Registry) tag(repo, tag string) (name.Tag, error) {
	return name.NewTag(r.host+"/"+repo+":"+tag, name.Insecure)
}

// Push pushes a new tiny image under a tag and returns its digest.
func (r *Registry) Push(ctx context.Context, repo, tag string) (string, error) {
	image, err := random.Image(64, 1)
	if err != nil {
		return "", fmt.Errorf("make an image: %w", err)
	}
	return r.write(ctx, repo, tag, image)
}

// PushOCI pushes a new tiny image with a manifest of the OCI media type, which charts and
// artifacts also use.
func (r *Registry) PushOCI(ctx context.Context, repo, tag string) (string, error) {
	image, err := random.Image(64, 1)
	if err != nil {
		return "", fmt.Errorf("make an image: %w", err)
	}
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return r.write(ctx, repo, tag, image)
}

// PushFrom pushes a new tiny image that names its source in annotations of its manifest, or in
// labels of its configuration.
func (r *Registry) PushFrom(ctx context.Context, repo, tag string, source map[string]string, labels bool) (string, error) {
	image, err := random.Image(64, 1)
	if err != nil {
		return "", fmt.Errorf("make an image: %w", err)
	}
	if !labels {
		image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
		return r.write(ctx, repo, tag, mutate.Annotations(image, source).(v1.Image))
	}
	if image, err = mutate.Config(image, v1.Config{Labels: source}); err != nil {
		return "", fmt.Errorf("make an image: %w", err)
	}
	return r.write(ctx, repo, tag, image)
}

// PushChart pushes a Helm chart as an OCI artifact.
func (r *Registry) PushChart(ctx context.Context, repo, tag string) (string, error) {
	return r.artifact(ctx, repo, tag, "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
}

// PushSignature pushes a signature of an image, as cosign does.
func (r *Registry) PushSignature(ctx context.Context, repo, digest string) (string, error) {
	tag := strings.Replace(digest, ":", "-", 1) + ".sig"
	return r.artifact(ctx, repo, tag, types.OCIConfigJSON, "application/vnd.dev.cosign.simplesigning.v1+json")
}

func (r *Registry) artifact(ctx context.Context, repo, tag string, config, layer types.MediaType) (string, error) {
	image, err := mutate.AppendLayers(
		mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), config),
		static.NewLayer([]byte("content of "+repo+":"+tag), layer))
	if err != nil {
		return "", fmt.Errorf("make an artifact: %w", err)
	}
	return r.write(ctx, repo, tag, image)
}

func (r *Registry) write(ctx context.Context, repo, tag string, image v1.Image) (string, error) {
	ref, err := r.tag(repo, tag)
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	if err := remote.Write(ref, image, r.options(ctx)...); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := image.Digest()
	return digest.String(), err
}

// PushIndex pushes a multi-arch image: first its children without tags, then the tagged
// index. It returns the digest of the index.
func (r *Registry) PushIndex(ctx context.Context, repo, tag string, children int) (string, error) {
	index, err := random.Index(64, 1, int64(children))
	if err != nil {
		return "", fmt.Errorf("make an index: %w", err)
	}
	ref, err := r.tag(repo, tag)
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	if err := remote.WriteIndex(ref, index, r.options(ctx)...); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := index.Digest()
	return digest.String(), err
}

// Retag adds a tag to the image of a tag, which raises one more event.
func (r *Registry) Retag(ctx context.Context, repo, from, to string) error {
	old, err := r.tag(repo, from)
	if err != nil {
		return fmt.Errorf("retag: %w", err)
	}
	image, err := remote.Get(old, r.options(ctx)...)
	if err != nil {
		return fmt.Errorf("retag %s: %w", old, err)
	}
	named, err := r.tag(repo, to)
	if err != nil {
		return fmt.Errorf("retag: %w", err)
	}
	if err := remote.Tag(named, image, r.options(ctx)...); err != nil {
		return fmt.Errorf("retag %s: %w", named, err)
	}
	return nil
}
