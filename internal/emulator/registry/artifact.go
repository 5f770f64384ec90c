package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layer is a blob with its media type and annotations.
type Layer struct {
	MediaType   string
	Annotations map[string]string
	Content     []byte
}

// Attach pushes an artifact that refers to an image, as an OCI 1.1 client does: its config is
// empty, and of the media type of the artifact where configKind is set. It returns its digest.
func (r *Registry) Attach(ctx context.Context, repo, image, kind string, configKind bool, layers ...Layer) (string, error) {
	subject, err := r.descriptor(ctx, repo, image)
	if err != nil {
		return "", err
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: kind, Config: ocispec.DescriptorEmptyJSON, Subject: &subject}
	m.SchemaVersion = 2
	if configKind {
		m.ArtifactType, m.Config.MediaType = "", kind
	}
	return r.layered(ctx, repo, "", m, layers)
}

// PushLayers pushes an image of layers under a tag, as cosign keeps signatures beside an image.
func (r *Registry) PushLayers(ctx context.Context, repo, tag string, layers ...Layer) (string, error) {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: ocispec.DescriptorEmptyJSON}
	m.SchemaVersion, m.Config.MediaType = 2, ocispec.MediaTypeImageConfig
	return r.layered(ctx, repo, tag, m, layers)
}

func (r *Registry) layered(ctx context.Context, repo, tag string, m ocispec.Manifest, layers []Layer) (string, error) {
	if _, err := r.PushBlob(ctx, repo, m.Config.Data); err != nil {
		return "", err
	}
	m.Config.Data = nil
	for _, l := range layers {
		d, err := r.PushBlob(ctx, repo, l.Content)
		if err != nil {
			return "", err
		}
		d.MediaType, d.Annotations = l.MediaType, l.Annotations
		m.Layers = append(m.Layers, d)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	return r.PushManifest(ctx, repo, tag, ocispec.MediaTypeImageManifest, body)
}

var referrersPath = regexp.MustCompile(`^/v2/(.+)/referrers/[^/]+$`)

// referrers lists what refers to a manifest with the artifact type that each has; the
// registry inside lists that of its config.
func (r *Registry) referrers(w http.ResponseWriter, req *http.Request, repo string) {
	var index ocispec.Index
	if code := r.read(req, &index); code != http.StatusOK {
		refuse(w, code, "UNKNOWN", "there is no such listing")
		return
	}
	for n, d := range index.Manifests {
		var m ocispec.Manifest
		one := req.Clone(req.Context())
		one.URL.Path = "/v2/" + repo + "/manifests/" + d.Digest.String()
		if r.read(one, &m); m.ArtifactType != "" {
			index.Manifests[n].ArtifactType, index.Manifests[n].Annotations = m.ArtifactType, m.Annotations
		}
	}
	send(w, http.StatusOK, index)
}

// read asks the registry inside for JSON, and returns the status of its answer.
func (r *Registry) read(req *http.Request, into any) int {
	a := &kept{code: http.StatusOK, header: http.Header{}}
	r.inner.ServeHTTP(a, req)
	if a.code == http.StatusOK && json.Unmarshal(a.body.Bytes(), into) != nil {
		return http.StatusInternalServerError
	}
	return a.code
}

// kept is an answer that is kept.
type kept struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func (k *kept) Header() http.Header            { return k.header }
func (k *kept) WriteHeader(code int)           { k.code = code }
func (k *kept) Write(part []byte) (int, error) { return k.body.Write(part) }

// descriptor describes an image that is there.
func (r *Registry) descriptor(ctx context.Context, repo, image string) (ocispec.Descriptor, error) {
	resp, err := r.request(ctx, http.MethodGet, "/v2/"+repo+"/manifests/"+image, "", nil)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("read %s: %w", image, err)
	}
	return describe(resp.Header.Get("Content-Type"), body), nil
}

func describe(mediaType string, content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// PushBlob pushes a blob.
func (r *Registry) PushBlob(ctx context.Context, repo string, content []byte) (ocispec.Descriptor, error) {
	d := describe("application/octet-stream", content)
	return d, r.put(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+d.Digest.String(), d.MediaType, content)
}

// PushManifest pushes a manifest as it is, under a tag where there is one, and returns its digest.
func (r *Registry) PushManifest(ctx context.Context, repo, tag, mediaType string, body []byte) (string, error) {
	own := describe(mediaType, body).Digest.String()
	return own, r.put(ctx, http.MethodPut, "/v2/"+repo+"/manifests/"+cmp.Or(tag, own), mediaType, body)
}

func (r *Registry) put(ctx context.Context, method, path, contentType string, body []byte) error {
	resp, err := r.request(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

func (r *Registry) request(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	return bearer(r.push).RoundTrip(req)
}

// Sign puts a signature of an image beside it, as cosign does with a key.
func (r *Registry) Sign(ctx context.Context, repo, image string, key *ecdsa.PrivateKey) error {
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s/%s"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, r.host, repo, image)
	sum := sha256.Sum256(payload)
	signed, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return err
	}
	_, err = r.PushLayers(ctx, repo, strings.Replace(image, ":", "-", 1)+".sig", Layer{
		MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Content: payload,
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signed)},
	})
	return err
}
