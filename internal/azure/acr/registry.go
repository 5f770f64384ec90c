package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"bluegreen/internal/azure/push"
	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
	"bluegreen/internal/release"
)

// Options configure a Registry.
type Options struct {
	// LoginServer is the registry's host, for instance shopacr.azurecr.io. A loopback host
	// is spoken to without TLS.
	LoginServer string
	Repository  string
	// Credential signs in to the registry; nil pulls anonymously. A registry that is not
	// Azure's never sees its tokens.
	Credential azcore.TokenCredential
	// Admits is the tag policy; nil admits every tag.
	Admits func(tag string) bool
	// Newer is the order of Newest; nil goes by the time of the push.
	Newer func(a, b release.Image) bool
	// Transport is http.DefaultTransport when nil.
	Transport http.RoundTripper
}

// Registry asks a container registry about one repository, by the API of Azure Container
// Registry (https://learn.microsoft.com/rest/api/containerregistry).
type Registry struct {
	o      Options
	client client
}

var (
	_ engine.Registry  = (*Registry)(nil)
	_ engine.Preflight = (*Registry)(nil)
)

// NewRegistry makes a Registry. It asks nothing yet.
func NewRegistry(o Options) *Registry {
	if o.Admits == nil {
		o.Admits = func(string) bool { return true }
	}
	scheme := "https"
	if loopback(o.LoginServer) {
		scheme = "http"
	}
	if !signsIn(o.LoginServer) {
		o.Credential = nil
	}
	asks := outbound.Client(o.Transport)
	asks.Timeout = outbound.Registry.Try
	return &Registry{o: o, client: client{
		base: scheme + "://" + o.LoginServer, service: o.LoginServer, credential: o.Credential,
		scope: "repository:" + o.Repository + ":pull,metadata_read", turn: make(chan struct{}, 1),
		http: asks,
	}}
}

var (
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
)

// signsIn reports whether a registry gets an Entra token: it is Azure's, or on this machine.
func signsIn(server string) bool {
	return push.Hosted(server) || loopback(server)
}

func loopback(server string) bool {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		host = server
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Resolve implements engine.Registry. The time of the push is left out where the registry
// does not give it.
func (r *Registry) Resolve(ctx context.Context, ref string) (release.Image, error) {
	isDigest := digestForm.MatchString(ref)
	if !isDigest && !tagForm.MatchString(ref) {
		return release.Image{}, fmt.Errorf("%s is neither a tag nor a digest (sha256: and 64 hexadecimal digits): %w", quote(ref), engine.ErrNotFound)
	}
	digest, err := r.inspect(ctx, ref)
	if err != nil {
		return release.Image{}, err
	}
	image := release.Image{Digest: digest}
	var found struct {
		Tag      tag `json:"tag"`
		Manifest tag `json:"manifest"`
	}
	path := "/_manifests/" + digest
	if !isDigest {
		image.Tag, path = ref, "/_tags/"+ref
	}
	err = r.ask(ctx, path, &found)
	if err != nil && !errors.Is(err, engine.ErrNotFound) && !errors.Is(err, engine.ErrDenied) {
		return release.Image{}, err
	}
	if image.PushedAt = found.Tag.pushedAt(); isDigest {
		image.PushedAt = found.Manifest.pushedAt()
	}
	return image, nil
}

// ask reads a part of the registry's own API on the repository.
func (r *Registry) ask(ctx context.Context, path string, into any) error {
	answer, err := r.client.get(ctx, "/acr/v1/"+r.o.Repository+path, "application/json")
	if err != nil {
		return err
	}
	return r.decode(answer, into)
}

func (r *Registry) decode(a answer, into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("read the answer of %s about %s: %w", r.o.LoginServer, r.o.Repository, err)
	}
	return nil
}

// inspect reads a manifest and returns its digest; engine.ErrNotAnImage when it is another
// kind of artifact.
func (r *Registry) inspect(ctx context.Context, ref string) (string, error) {
	body, mediaType, err := r.Manifest(ctx, ref)
	if err != nil {
		return "", err
	}
	m := manifest{MediaType: mediaType}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", fmt.Errorf("read the manifest of %s: %w", r.name(ref), err)
	}
	if wrong := m.notAnImage(); wrong != "" {
		return "", fmt.Errorf("%s is %s: %w", r.name(ref), wrong, engine.ErrNotAnImage)
	}
	return digestOf(body), nil
}

func (r *Registry) name(ref string) string {
	if digestForm.MatchString(ref) {
		return r.o.LoginServer + "/" + r.o.Repository + "@" + ref
	}
	return r.o.LoginServer + "/" + r.o.Repository + ":" + ref
}

type manifest struct {
	MediaType    string `json:"mediaType"`
	ArtifactType string `json:"artifactType"`
	Config       struct {
		MediaType string `json:"mediaType"`
	} `json:"config"`
}

// notAnImage names the kind of a manifest that is no container image; "" for images and
// lists of images. See "Guidelines for Artifact Usage" in the OCI image specification.
func (m manifest) notAnImage() string {
	config := m.Config.MediaType
	switch {
	case m.MediaType == push.DockerList, m.MediaType == push.OCIIndex && m.ArtifactType == "":
		return ""
	case m.ArtifactType != "":
		return "an artifact of type " + quote(m.ArtifactType)
	case config == "application/vnd.oci.image.config.v1+json", config == "application/vnd.docker.container.image.v1+json":
		return ""
	case strings.HasPrefix(config, "application/vnd.cncf.helm."):
		return "a Helm chart"
	}
	return "an artifact with the configuration " + quote(config)
}

// tag holds the properties of a tag or a manifest. Moving a tag changes only the
// time of the last update.
type tag struct {
	Name           string    `json:"name"`
	Digest         string    `json:"digest"`
	CreatedTime    time.Time `json:"createdTime"`
	LastUpdateTime time.Time `json:"lastUpdateTime"`
}

func (t tag) pushedAt() time.Time {
	if t.LastUpdateTime.IsZero() {
		return t.CreatedTime.UTC()
	}
	return t.LastUpdateTime.UTC()
}

const (
	perPage = 100
	// maxPages bounds a listing: with a tag policy of versions, the newest may stand anywhere.
	maxPages = 20
	// spare is how many admitted tags beyond the limit are looked at in place of those that
	// turn out to be no images.
	spare = 5
)

// Newest implements engine.Registry.
func (r *Registry) Newest(ctx context.Context, limit int) ([]release.Image, error) {
	candidates, err := r.candidates(ctx, limit+spare)
	if err != nil {
		return nil, err
	}
	var images []release.Image
	for _, c := range candidates[:min(len(candidates), limit+spare)] {
		if len(images) == limit {
			break
		}
		_, err := r.inspect(ctx, c.Digest)
		if errors.Is(err, engine.ErrNotAnImage) || errors.Is(err, engine.ErrNotFound) {
			continue // a chart under an admitted tag, or deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		images = append(images, c)
	}
	return images, nil
}

// candidates lists the images that the tag policy admits, newest first: the first enough when
// the policy orders them by time, all otherwise.
func (r *Registry) candidates(ctx context.Context, enough int) ([]release.Image, error) {
	var images []release.Image
	next := fmt.Sprintf("/acr/v1/%s/_tags?n=%d&orderby=timedesc", r.o.Repository, perPage)
	for page := 0; next != "" && page < maxPages; page++ {
		a, err := r.client.get(ctx, next, "application/json")
		if err != nil {
			return nil, fmt.Errorf("list the tags of %s/%s: %w", r.o.LoginServer, r.o.Repository, err)
		}
		var list struct {
			Tags []tag `json:"tags"`
		}
		if err := r.decode(a, &list); err != nil {
			return nil, err
		}
		for _, t := range list.Tags {
			if r.o.Admits(t.Name) && digestForm.MatchString(t.Digest) {
				images = append(images, release.Image{Digest: t.Digest, Tag: t.Name, PushedAt: t.pushedAt()})
			}
		}
		if r.o.Newer == nil && len(images) >= enough {
			break
		}
		next = following(a.link, next, "/acr/v1/")
	}
	newer := r.o.Newer
	if newer == nil {
		newer = func(a, b release.Image) bool { return a.PushedAt.After(b.PushedAt) }
	}
	slices.SortStableFunc(images, func(a, b release.Image) int {
		switch {
		case newer(a, b):
			return -1
		case newer(b, a):
			return 1
		}
		return 0
	})
	return images, nil
}

// following is the path and query of the next page of a listing below prefix, "" after the
// last page. A link to elsewhere is not followed: it would be given our token.
func following(link, current, prefix string) string {
	target, rest, found := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	u, err := url.Parse(target)
	if !found || !strings.Contains(rest, "next") || err != nil || u.Host != "" || !strings.HasPrefix(u.Path, prefix) || u.RequestURI() == current {
		return ""
	}
	return u.RequestURI()
}

// quote shows text of unknown origin on one line of bounded length.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 150 {
		text = string(runes[:150]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
