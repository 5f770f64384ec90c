package signature_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/signature"
	"bluegreen/internal/signature/cosign"
)

const repo = "team/shop"

// env is a repository with one image.
type env struct {
	*registry.Registry
	t     *testing.T
	image string // its digest
}

func newEnv(t *testing.T) *env {
	t.Helper()
	r, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	e := &env{Registry: r, t: t}
	e.image = e.push("1.0.0")
	return e
}

func (e *env) push(tag string) string {
	e.t.Helper()
	digest, err := e.PushOCI(e.t.Context(), repo, tag)
	if err != nil {
		e.t.Fatal(err)
	}
	return digest
}

func (e *env) verifier(o signature.Options) *signature.Verifier {
	e.t.Helper()
	o.Registry = acr.NewRegistry(acr.Options{LoginServer: e.Host(), Repository: repo})
	v, err := signature.New(o)
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

// verify is who signed the image by the rules; or why it is not verified.
func (e *env) verify(o signature.Options) (string, error) {
	return e.verifier(o).Verify(e.t.Context(), e.image)
}

// byKey is a rule of a public key.
func byKey(t *testing.T, key *ecdsa.PrivateKey) cosign.Options {
	return cosign.Options{Key: publicPEM(t, key)}
}

func publicPEM(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, key *ecdsa.PrivateKey, hash []byte) []byte {
	t.Helper()
	signed, err := ecdsa.SignASN1(rand.Reader, key, hash)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// statement is what cosign signs of an image: an in-toto statement.
func statement(digest, predicateType string, predicate any) []byte {
	text, err := json.Marshal(map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []any{map[string]any{"digest": map[string]any{"sha256": strings.TrimPrefix(digest, "sha256:")}}},
		"predicateType": predicateType, "predicate": predicate,
	})
	if err != nil {
		panic(err)
	}
	return text
}

const inToto = "application/vnd.in-toto+json"

// pae is what an envelope of DSSE signs of a payload.
func pae(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(inToto), inToto, len(payload), payload)
}

// bundleOf is a bundle of a statement, signed with a key, as cosign writes it.
func bundleOf(t *testing.T, key *ecdsa.PrivateKey, payload []byte) []byte {
	t.Helper()
	hash := sha256.Sum256(pae(payload))
	text, err := json.Marshal(map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "any"}},
		"dsseEnvelope": map[string]any{
			"payload": payload, "payloadType": inToto, "signatures": []any{map[string]any{"sig": sign(t, key, hash[:])}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// attach puts a bundle beside an image.
func (e *env) attach(image string, bundle []byte) {
	e.t.Helper()
	if _, err := e.Attach(e.t.Context(), repo, image, bundleType, false, registry.Layer{MediaType: bundleType, Content: bundle}); err != nil {
		e.t.Fatal(err)
	}
}

// signed puts the signature of a key beside an image.
func (e *env) signed(key *ecdsa.PrivateKey, image, of string) {
	e.t.Helper()
	e.attach(image, bundleOf(e.t, key, statement(of, cosign.SignatureType, map[string]any{})))
}

const simpleType = "application/vnd.dev.cosign.simplesigning.v1+json"

// simple is a signature in the form before the bundles.
func simple(t *testing.T, key *ecdsa.PrivateKey, of string) registry.Layer {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"anything"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, of)
	hash := sha256.Sum256(payload)
	return registry.Layer{MediaType: simpleType, Content: payload, Annotations: map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sign(t, key, hash[:])),
	}}
}

// tagged puts signatures beside an image under the tag that cosign keeps them at.
func (e *env) tagged(image string, layers ...registry.Layer) {
	e.t.Helper()
	if _, err := e.PushLayers(e.t.Context(), repo, strings.Replace(image, ":", "-", 1)+".sig", layers...); err != nil {
		e.t.Fatal(err)
	}
}

// stuck is a registry that fails.
type stuck struct {
	signature.Registry
	after int
}

func (s *stuck) Blob(ctx context.Context, digest string, most int64) ([]byte, error) {
	if s.after--; s.after < 0 {
		return nil, fmt.Errorf("reach the registry: connection refused")
	}
	return s.Registry.Blob(ctx, digest, most)
}

var p256 = elliptic.P256()

var large = bytes.Repeat([]byte("a"), 5<<20)
