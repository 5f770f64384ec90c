package signature_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	notary "github.com/notaryproject/notation-core-go/signature"
	_ "github.com/notaryproject/notation-core-go/signature/cose"
	_ "github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
	"bluegreen/internal/signature"
	"bluegreen/internal/signature/notation"
)

// authority issues certificates for signing.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{t: t, key: newKey(t, p256)}
	a.root = a.issue(&x509.Certificate{
		Subject: pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"acme"}, CommonName: "acme root"},
		IsCA:    true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	return a
}

func (a authority) issue(c *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotBefore.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent := a.root
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw}))
}

// signer has a certificate of an authority.
type signer struct {
	authority
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
}

func (a authority) signer(name string, change func(*x509.Certificate)) signer {
	a.t.Helper()
	key := newKey(a.t, p256)
	c := &x509.Certificate{
		Subject:               pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"acme"}, CommonName: name},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	if change != nil {
		change(c)
	}
	return signer{a, key, a.issue(c, key)}
}

const (
	jose = "application/jose+json"
	cose = "application/cose"
)

// envelope is the signature of a manifest.
func (s signer) envelope(mediaType string, of ocispec.Descriptor) []byte {
	s.t.Helper()
	local, err := notary.NewLocalSigner([]*x509.Certificate{s.leaf, s.root}, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"targetArtifact": of})
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := notary.NewEnvelope(mediaType)
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := e.Sign(&notary.SignRequest{
		Payload: notary.Payload{ContentType: "application/vnd.cncf.notary.payload.v1+json", Content: payload},
		Signer:  local, SigningTime: s.leaf.NotBefore.Add(time.Minute), SigningScheme: notary.SigningSchemeX509,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return signed
}

// manifest describes an image of the repository.
func (e *env) manifest(image string) ocispec.Descriptor {
	e.t.Helper()
	body, mediaType, err := acr.NewRegistry(acr.Options{LoginServer: e.Host(), Repository: repo}).Manifest(context.Background(), image)
	if err != nil {
		e.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}
}

// notarized puts the signature of a signer beside an image, as notation does.
func (e *env) notarized(s signer, mediaType, image, of string) {
	e.t.Helper()
	e.put(image, mediaType, s.envelope(mediaType, e.manifest(of)))
}

func (e *env) put(image, mediaType string, envelope []byte) {
	e.t.Helper()
	if _, err := e.Attach(e.t.Context(), repo, image, "application/vnd.cncf.notary.signature", true, registry.Layer{MediaType: mediaType, Content: envelope}); err != nil {
		e.t.Fatal(err)
	}
}

const subject = "x509.subject: C=US, ST=WA, O=acme, CN=build"

func TestACertificateOfTheTrustStoreIsVerifiedInBothEnvelopes(t *testing.T) {
	a := newAuthority(t)
	for _, mediaType := range []string{jose, cose} {
		t.Run(mediaType, func(t *testing.T) {
			e, s := newEnv(t), a.signer("build", nil)
			e.notarized(s, mediaType, e.image, e.image)
			by, err := e.verify(signature.Options{Notation: &notation.Options{Certificates: []string{a.pem()}, Identities: []string{subject}}})
			sum := sha256.Sum256(s.leaf.Raw)
			if want := "CN=build,O=acme,ST=WA,C=US (certificate " + hex.EncodeToString(sum[:]) + ")"; err != nil || by != want {
				t.Errorf("signed by %q, %v; want %s", by, err, want)
			}
		})
	}
}

func TestNoOtherNotationSignatureCounts(t *testing.T) {
	a := newAuthority(t)
	for name, test := range map[string]struct {
		put func(e *env)
		why string
	}{
		"nothing":           {func(*env) {}, "and there is none"},
		"another authority": {func(e *env) { e.notarized(newAuthority(t).signer("build", nil), jose, e.image, e.image) }, "the signature's certificate chain does not contain any trusted certificate"},
		"another subject":   {func(e *env) { e.notarized(a.signer("intern", nil), jose, e.image, e.image) }, "does not match the X.509 trusted identities"},
		"another digest":    {func(e *env) { e.notarized(a.signer("build", nil), jose, e.image, e.push("2.0.0")) }, "content descriptor mismatch"},
		"an ended certificate": {func(e *env) {
			e.notarized(a.signer("build", func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
			}), jose, e.image, e.image)
		}, "verification time is after certificate"},
		"a changed envelope": {func(e *env) {
			text := a.signer("build", nil).envelope(jose, e.manifest(e.image))
			e.put(e.image, jose, []byte(strings.Replace(string(text), `"signature":"`, `"signature":"AAAA`, 1)))
		}, ""},
		"another envelope": {func(e *env) { e.put(e.image, "text/plain", []byte("signed")) }, "text/plain"},
		"an oversized one": {func(e *env) { e.put(e.image, jose, large) }, "larger than what is read"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			test.put(e)
			by, err := e.verify(signature.Options{Notation: &notation.Options{Certificates: []string{a.pem()}, Identities: []string{subject}}})
			if !errors.Is(err, engine.ErrNotVerified) || !strings.Contains(err.Error(), "image.verify.notation wants a signature by x509.subject: C=US, ST=WA, O=acme, CN=build") || !strings.Contains(err.Error(), test.why) {
				t.Errorf("signed by %q: %v; want %q", by, err, test.why)
			}
		})
	}
}

func TestATrustStoreOfNobodyIsRefused(t *testing.T) {
	a := newAuthority(t)
	for why, o := range map[string]notation.Options{
		"image.verify.notation: trustStore": {Identities: []string{subject}},
		"trust store":                       {Certificates: []string{a.pem()}},
		"identities":                        {Certificates: []string{a.pem()}, Identities: []string{"*"}},
		"not a certificate in PEM":          {Certificates: []string{"nothing"}, Identities: []string{subject}},
	} {
		if _, err := signature.New(signature.Options{Notation: &o}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v; want %q", err, why)
		}
	}
}
