package acr_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	godigest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/azure/acr"
	lab "bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
)

const kind = "application/vnd.example.signature"

// attached puts an artifact beside an image, and returns its digest and that of its blob.
func (s shop) attached(image string, content string) (manifest, blob string) {
	s.t.Helper()
	manifest, err := s.Attach(s.t.Context(), repo, image, kind, false, lab.Layer{MediaType: kind, Content: []byte(content)})
	if err != nil {
		s.t.Fatal(err)
	}
	return manifest, godigest.FromString(content).String()
}

func TestWhatRefersToAnImageIsListedAndRead(t *testing.T) {
	s := private(t)
	image, other := s.pushed(s.PushOCI, "1.0.0"), s.pushed(s.PushOCI, "2.0.0")
	manifest, blob := s.attached(image, "signed")
	s.attached(other, "another")
	c := s.client(acr.Options{Credential: credential{"right"}})
	list, err := c.Referrers(t.Context(), image)
	if err != nil || len(list) != 1 || list[0].Digest.String() != manifest || list[0].ArtifactType != kind {
		t.Fatalf("%v, %v", list, err)
	}
	body, mediaType, err := c.Manifest(t.Context(), manifest)
	if err != nil || mediaType != ocispec.MediaTypeImageManifest || !strings.Contains(string(body), blob) {
		t.Errorf("%s %s, %v", mediaType, body, err)
	}
	got, err := c.Blob(t.Context(), blob, 6)
	if err != nil || string(got) != "signed" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Blob(t.Context(), blob, 5); !errors.Is(err, engine.ErrOversized) {
		t.Errorf("a blob of 6 bytes where 5 are read: %v", err)
	}
	if _, err := c.Blob(t.Context(), godigest.FromString("nothing").String(), 5); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a missing blob: %v", err)
	}
	if list, err := c.Referrers(t.Context(), manifest); err != nil || len(list) != 0 {
		t.Errorf("to a manifest that nothing refers to: %v, %v", list, err)
	}
}

func TestARegistryWithoutTheListingKeepsItUnderATag(t *testing.T) {
	s := open(t, lab.Options{NoReferrers: true})
	image := s.pushed(s.PushOCI, "1.0.0")
	manifest, _ := s.attached(image, "signed")
	c := s.client(acr.Options{})
	if list, err := c.Referrers(t.Context(), image); err != nil || len(list) != 0 {
		t.Errorf("before there is a tag: %v, %v", list, err)
	}
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":2,"artifactType":%q}]}`, ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, manifest, kind)
	if _, err := s.PushManifest(t.Context(), repo, strings.Replace(image, ":", "-", 1), ocispec.MediaTypeImageIndex, []byte(index)); err != nil {
		t.Fatal(err)
	}
	if list, err := c.Referrers(t.Context(), image); err != nil || len(list) != 1 || list[0].Digest.String() != manifest {
		t.Errorf("%v, %v", list, err)
	}
}

// pages answers a listing of two pages, whose link to the next is as given.
type pages struct {
	link  string
	asked []string
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked = append(p.asked, r.URL.Host+r.URL.RequestURI())
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r}
	body := fmt.Sprintf(`{"manifests":[{"digest":"sha256:%064d"},{"digest":"../x"}]}`, len(p.asked))
	if len(p.asked) == 1 {
		answer.Header.Set("Link", p.link)
	}
	answer.Body = io.NopCloser(strings.NewReader(body))
	return answer, nil
}

func TestAListingIsFollowedWithinItselfOnly(t *testing.T) {
	own := "/v2/team/shop/referrers/" + digestOfNothing
	for link, want := range map[string]int{
		`<` + own + `?last=1>; rel="next"`:                                2,
		`<https://elsewhere.example` + own + `?last=1>; rel="next"`:       1,
		`</v2/team/secret/referrers/` + digestOfNothing + `>; rel="next"`: 1,
		`</acr/v1/team/shop/_tags>; rel="next"`:                           1,
	} {
		p := &pages{link: link}
		list, err := acr.NewRegistry(acr.Options{LoginServer: "shopacr.azurecr.io", Repository: repo, Transport: p}).Referrers(t.Context(), digestOfNothing)
		if err != nil || len(list) != want || slices.ContainsFunc(p.asked, func(a string) bool { return !strings.HasPrefix(a, "shopacr.azurecr.io"+own) }) {
			t.Errorf("%s: %d listed, %v; asked %v", link, len(list), err, p.asked)
		}
	}
}

var digestOfNothing = godigest.FromString("").String()

// storage is a registry that sends for a blob to an address, and what is there.
type storage struct {
	t       *testing.T
	to      string
	content string
	left    []string
}

func (s *storage) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r}
	body := `{"refresh_token":"r","access_token":""}`
	switch {
	case r.URL.Host != "shopacr.azurecr.io":
		s.left = append(s.left, r.URL.String())
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			s.t.Errorf("%s was sent %v", r.URL.Host, r.Header)
		}
		body = s.content
		if strings.HasPrefix(s.content, "->") {
			answer.StatusCode = http.StatusTemporaryRedirect
			answer.Header.Set("Location", strings.TrimPrefix(s.content, "->"))
		}
	case strings.Contains(r.URL.Path, "/blobs/"):
		if r.Header.Get("Authorization") != "Bearer r" {
			s.t.Errorf("the registry was sent %v", r.Header)
		}
		answer.StatusCode, body = http.StatusTemporaryRedirect, ""
		answer.Header.Set("Location", s.to)
	}
	answer.Body = io.NopCloser(strings.NewReader(body))
	return answer, nil
}

// TestABlobIsFetchedFromItsStorageWithoutTheToken: Azure keeps blobs in a storage account.
func TestABlobIsFetchedFromItsStorageWithoutTheToken(t *testing.T) {
	const there = "https://weur.blob.core.windows.net/x?sig=1"
	want := godigest.FromString("signed").String()
	for name, test := range map[string]struct {
		s    storage
		ok   bool
		left int
	}{
		"the storage":             {storage{to: there, content: "signed"}, true, 1},
		"another blob":            {storage{to: there, content: "forged"}, false, 1},
		"a large blob":            {storage{to: there, content: strings.Repeat("x", 100)}, false, 1},
		"no TLS":                  {storage{to: "http://weur.blob.core.windows.net/x", content: "signed"}, false, 0},
		"this machine":            {storage{to: "http://127.0.0.1:41/x", content: "signed"}, false, 0},
		"this machine, TLS":       {storage{to: "https://localhost/x", content: "signed"}, false, 0},
		"a user in the address":   {storage{to: "https://u:p@weur.blob.core.windows.net/x", content: "signed"}, false, 0},
		"no address":              {storage{to: "/v2/team/shop/blobs/other", content: "signed"}, false, 0},
		"a storage that sends on": {storage{to: there, content: "->https://elsewhere.example/"}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			test.s.t = t
			c := acr.NewRegistry(acr.Options{LoginServer: "shopacr.azurecr.io", Repository: repo, Credential: credential{"right"}, Transport: &test.s})
			got, err := c.Blob(t.Context(), want, 10)
			if test.ok != (err == nil && bytes.Equal(got, []byte("signed"))) || len(test.s.left) != test.left {
				t.Errorf("%q, %v; asked %v", got, err, test.s.left)
			}
		})
	}
}

func TestTheEmulatedStorageRefusesTokens(t *testing.T) {
	s := private(t)
	image := s.pushed(s.PushOCI, "1.0.0")
	_, blob := s.attached(image, "signed")
	c := s.client(acr.Options{Credential: credential{"right"}})
	if _, err := c.Blob(t.Context(), blob, 10); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Host()+"/v2/"+repo+"/blobs/"+blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultTransport.RoundTrip(req); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %v, %v", resp, err)
	}
}
