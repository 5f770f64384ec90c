package acr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/azure/acr"
	lab "bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
)

type credential struct{ token string }

func (c credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if !slices.Equal(o.Scopes, []string{"https://containerregistry.azure.net/.default"}) {
		return azcore.AccessToken{}, fmt.Errorf("scopes %v", o.Scopes)
	}
	return azcore.AccessToken{Token: c.token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

const repo = "team/shop"

// shop is a registry in which every push is a minute later than the one before.
type shop struct {
	*lab.Registry
	t *testing.T
}

func open(t *testing.T, o lab.Options) shop {
	t.Helper()
	var mu sync.Mutex
	now := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
	o.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Minute)
		return now
	}
	r, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return shop{r, t}
}

// private is a registry that wants the Entra token "right".
func private(t *testing.T) shop {
	return open(t, lab.Options{Admit: func(token string) bool { return token == "right" }})
}

func (s shop) pushed(push func(context.Context, string, string) (string, error), tag string) string {
	s.t.Helper()
	digest, err := push(s.t.Context(), repo, tag)
	if err != nil {
		s.t.Fatal(err)
	}
	return digest
}

func (s shop) client(o acr.Options) *acr.Registry {
	o.LoginServer, o.Repository = s.Host(), repo
	return acr.NewRegistry(o)
}

func minute(n int) time.Time { return time.Date(2026, 9, 1, 9, n, 0, 0, time.UTC) }

func TestATagAndItsDigestResolveToTheSameImage(t *testing.T) {
	s := private(t)
	digest := s.pushed(s.Push, "1.0.0")
	c := s.client(acr.Options{Credential: credential{"right"}})
	got, err := c.Resolve(t.Context(), "1.0.0")
	if diff := cmp.Diff(release.Image{Digest: digest, Tag: "1.0.0", PushedAt: minute(1)}, got); err != nil || diff != "" {
		t.Errorf("by tag: %v %s", err, diff)
	}
	got, err = c.Resolve(t.Context(), digest)
	if diff := cmp.Diff(release.Image{Digest: digest, PushedAt: minute(1)}, got); err != nil || diff != "" {
		t.Errorf("by digest: %v %s", err, diff)
	}
}

func TestListsOfImagesAndOCIImagesAreImages(t *testing.T) {
	s := open(t, lab.Options{})
	index := func(ctx context.Context, repo, tag string) (string, error) { return s.PushIndex(ctx, repo, tag, 2) }
	c := s.client(acr.Options{})
	for tag, push := range map[string]func(context.Context, string, string) (string, error){"oci": s.PushOCI, "index": index} {
		digest := s.pushed(push, tag)
		if got, err := c.Resolve(t.Context(), tag); err != nil || got.Digest != digest {
			t.Errorf("%s: %v, error %v", tag, got, err)
		}
	}
}

func TestAChartIsNotAnImage(t *testing.T) {
	s := open(t, lab.Options{})
	digest := s.pushed(s.PushChart, "1.0.0")
	_, err := s.client(acr.Options{}).Resolve(t.Context(), digest)
	want := s.Host() + "/team/shop@" + digest + " is a Helm chart: not a container image"
	if !errors.Is(err, engine.ErrNotAnImage) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

const digest = "sha256:9f2c6e0d3b1a47585c6d7e8f9a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3"

func TestAMissingImageIsNotFound(t *testing.T) {
	s := open(t, lab.Options{})
	s.pushed(s.Push, "1.0.0")
	c := s.client(acr.Options{})
	for _, ref := range []string{"2.0.0", digest, "sha256:12", "../../x", "a tag", ""} {
		if _, err := c.Resolve(t.Context(), ref); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestTheNewestAreThoseThatThePolicyAdmits(t *testing.T) {
	s := private(t)
	one := s.pushed(s.Push, "1.0.0")
	ten := s.pushed(s.Push, "1.10.0")
	two := s.pushed(s.Push, "1.2.0")
	s.pushed(s.PushChart, "1.11.0")
	s.pushed(s.Push, "nightly")
	if _, err := s.PushSignature(t.Context(), repo, one); err != nil {
		t.Fatal(err)
	}
	versions := func(tag string) bool { return strings.HasPrefix(tag, "1.") }
	digests := func(o acr.Options, limit int) (list []string) {
		o.Credential = credential{"right"}
		images, err := s.client(o).Newest(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range images {
			list = append(list, i.Digest)
		}
		return list
	}
	if diff := cmp.Diff([]string{two, ten}, digests(acr.Options{Admits: versions}, 2)); diff != "" {
		t.Errorf("by time: %s", diff)
	}
	longer := func(a, b release.Image) bool { return len(a.Tag) > len(b.Tag) }
	if diff := cmp.Diff([]string{ten, two, one}, digests(acr.Options{Admits: versions, Newer: longer}, 5)); diff != "" {
		t.Errorf("by an order of the policy: %s", diff)
	}
}

func TestTheNewestIsFoundBeyondTheFirstPage(t *testing.T) {
	s := open(t, lab.Options{})
	want := s.pushed(s.Push, "v9")
	s.pushed(s.Push, "v1")
	for i := range 220 {
		if err := s.Retag(t.Context(), repo, "v1", fmt.Sprintf("build-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	c := s.client(acr.Options{
		Admits: func(tag string) bool { return tag[0] == 'v' },
		Newer:  func(a, b release.Image) bool { return a.Tag > b.Tag },
	})
	images, err := c.Newest(t.Context(), 1)
	if err != nil || len(images) != 1 || images[0].Digest != want {
		t.Errorf("newest %v, error %v", images, err)
	}
}

func TestOneSignInServesManyQuestions(t *testing.T) {
	s := private(t)
	digest := s.pushed(s.Push, "1.0.0")
	c := s.client(acr.Options{Credential: credential{"right"}})
	signIns := func() (n int) {
		for _, asked := range s.Asked() {
			if asked == "POST /oauth2/exchange" {
				n++
			}
		}
		return n
	}
	for range 5 {
		if _, err := c.Resolve(t.Context(), digest); err != nil {
			t.Fatal(err)
		}
	}
	if signIns() != 1 {
		t.Errorf("signed in %d times for 5 questions", signIns())
	}
	s.Revoke()
	if _, err := c.Resolve(t.Context(), digest); err != nil || signIns() != 2 {
		t.Errorf("after the token was revoked: signed in %d times, error %v", signIns(), err)
	}
}

func TestProblemsOfTheRegistryAreReportedInASentence(t *testing.T) {
	s := private(t)
	c := s.client(acr.Options{Credential: credential{"right"}})
	check := func(c *acr.Registry, want ...engine.Finding) {
		t.Helper()
		got, err := c.Preflight(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	check(c, engine.Finding{Text: "the repository team/shop in " + s.Host() + " does not exist yet: its first push makes it", Warning: true})
	s.pushed(s.Push, "1.0.0")
	check(c)
	denied := engine.Finding{Text: "the identity may not read team/shop in " + s.Host() + ": give it the role AcrPull on the registry (Container Registry Repository Reader where the registry uses ABAC repository permissions): " +
		"az role assignment create --assignee-object-id OBJECT-ID --assignee-principal-type ServicePrincipal --role AcrPull --scope $(az acr show --name 127 --query id --output tsv)"}
	check(s.client(acr.Options{Credential: credential{"wrong"}}), denied)
	check(s.client(acr.Options{}), denied)
	s.Deny(true)
	check(c, denied)
	if _, err := c.Newest(t.Context(), 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("a listing without the right: %v", err)
	}
	s.Deny(false)
	check(c)
	unknown := acr.NewRegistry(acr.Options{LoginServer: "shopacr.azurecr.io", Repository: repo, Transport: broken{&net.DNSError{Err: "no such host", IsNotFound: true}}})
	check(unknown, engine.Finding{Text: "no host is called shopacr.azurecr.io: set image.registry to the login server of the registry"})
}

type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestARegistryThatIsAwayIsNeitherMissingNorDenied(t *testing.T) {
	s := open(t, lab.Options{})
	s.pushed(s.Push, "1.0.0")
	c := s.client(acr.Options{})
	s.Break(http.StatusServiceUnavailable)
	_, resolved := c.Resolve(t.Context(), "1.0.0")
	_, listed := c.Newest(t.Context(), 1)
	_, checked := c.Preflight(t.Context())
	for _, err := range []error{resolved, listed, checked} {
		if err == nil || errors.Is(err, engine.ErrNotFound) || errors.Is(err, engine.ErrDenied) {
			t.Errorf("error %v", err)
		}
	}
}

func TestOnlyALoopbackRegistryIsSpokenToWithoutTLS(t *testing.T) {
	for server, want := range map[string]string{
		"127.0.0.1:5000": "http", "localhost:5000": "http", "localhost": "http",
		"shopacr.azurecr.io": "https", "10.0.0.1:5000": "https", "127.0.0.1.example.com": "https",
	} {
		var scheme string
		c := acr.NewRegistry(acr.Options{LoginServer: server, Repository: repo, Transport: spy(func(r *http.Request) { scheme = r.URL.Scheme })})
		_, _ = c.Resolve(t.Context(), "1")
		if scheme != want {
			t.Errorf("%s is asked by %s", server, scheme)
		}
	}
}

type spy func(*http.Request)

func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s(r)
	return nil, errors.New("asked")
}

func TestTokensFollowNoRedirects(t *testing.T) {
	for _, from := range []string{"/oauth2/exchange", "/oauth2/token", "/v2/team/shop/manifests/1", "/acr/v1/team/shop/_tags"} {
		var left []string
		registry := transport(func(r *http.Request) (int, string) {
			switch {
			case r.URL.Host != "shopacr.azurecr.io":
				left = append(left, r.URL.String())
				return http.StatusOK, "{}"
			case r.URL.Path == from:
				return http.StatusTemporaryRedirect, ""
			}
			return http.StatusOK, `{"refresh_token":"r","access_token":""}`
		})
		c := acr.NewRegistry(acr.Options{LoginServer: "shopacr.azurecr.io", Repository: repo, Credential: credential{"right"}, Transport: registry})
		_, resolved := c.Resolve(t.Context(), "1")
		_, listed := c.Newest(t.Context(), 1)
		if resolved == nil && listed == nil || len(left) > 0 {
			t.Errorf("a redirect of %s: %v, %v; asked elsewhere: %v", from, resolved, listed, left)
		}
	}
}

// TestAnEntraTokenGoesToAzureRegistriesOnly: the configuration can name any host.
func TestAnEntraTokenGoesToAzureRegistriesOnly(t *testing.T) {
	for host, want := range map[string]bool{
		"shopacr.azurecr.io": true, "shopacr.azurecr.cn": true, "shopacr.azurecr.us": true, "shopacr-h4x.azurecr.io": true, "shopacr.westeurope.geo.azurecr.io": true,
		"shopacr.azurecr.io.example.com": false, "azurecr.io": false, "ghcr.io": false, "evil.example/shop.azurecr.io": false, "shopacr.azurecr.io:8443": false, "shopacrazurecr.io": false,
	} {
		seen := false
		registry := transport(func(r *http.Request) (int, string) {
			if r.Body != nil {
				body, _ := io.ReadAll(r.Body)
				seen = seen || strings.Contains(string(body), "access_token=")
			}
			return http.StatusUnauthorized, "{}"
		})
		c := acr.NewRegistry(acr.Options{LoginServer: host, Repository: repo, Credential: credential{"right"}, Transport: registry})
		if _, err := c.Resolve(t.Context(), "1"); err == nil || seen != want {
			t.Errorf("%s: it was sent an Entra token: %v, error %v", host, seen, err)
		}
	}
}

// transport answers with a status and a body; redirects lead to another host.
type transport func(*http.Request) (int, string)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example" + r.URL.Path}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func TestARegistryThatNeverAnswersIsWaitedForOnlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := acr.NewRegistry(acr.Options{LoginServer: "shopacr.azurecr.io", Repository: repo, Credential: silent{}})
		if _, err := c.Resolve(t.Context(), "1"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// silent gives no token.
type silent struct{}

func (silent) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	<-ctx.Done()
	return azcore.AccessToken{}, ctx.Err()
}
