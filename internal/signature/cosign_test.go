package signature_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/engine"
	"bluegreen/internal/signature"
	"bluegreen/internal/signature/cosign"
)

func TestWhatATrustedKeySignedIsVerifiedInBothForms(t *testing.T) {
	for form, put := range map[string]func(*env, *ecdsa.PrivateKey){
		"bundle": func(e *env, key *ecdsa.PrivateKey) { e.signed(key, e.image, e.image) },
		"simple": func(e *env, key *ecdsa.PrivateKey) { e.tagged(e.image, simple(e.t, key, e.image)) },
	} {
		t.Run(form, func(t *testing.T) {
			e, key := newEnv(t), newKey(t, elliptic.P256())
			put(e, key)
			by, err := e.verify(signature.Options{Cosign: []cosign.Options{byKey(t, key)}})
			der, _ := x509.MarshalPKIXPublicKey(key.Public())
			sum := sha256.Sum256(der)
			if want := "key " + hex.EncodeToString(sum[:]); err != nil || by != want {
				t.Errorf("signed by %q, %v; want %s", by, err, want)
			}
		})
	}
}

// TestNothingElseIsASignature: each of these is refused, with the rule and the reason.
func TestNothingElseIsASignature(t *testing.T) {
	const rule = "image.verify.cosign[0] wants a signature by key "
	for name, test := range map[string]struct {
		put func(e *env, key *ecdsa.PrivateKey)
		why string
	}{
		"nothing":        {func(*env, *ecdsa.PrivateKey) {}, "and there is none"},
		"another key":    {func(e *env, _ *ecdsa.PrivateKey) { e.signed(newKey(e.t, elliptic.P256()), e.image, e.image) }, "could not verify envelope"},
		"another digest": {func(e *env, key *ecdsa.PrivateKey) { e.signed(key, e.image, e.push("2.0.0")) }, "does not match any digest in statement"},
		"an attestation of something else": {func(e *env, key *ecdsa.PrivateKey) {
			e.attach(e.image, bundleOf(e.t, key, statement(e.image, "https://cyclonedx.org/bom", map[string]any{})))
		}, "and there is none"},
		"no bundle":           {func(e *env, _ *ecdsa.PrivateKey) { e.attach(e.image, []byte("{}")) }, "not a bundle"},
		"an oversized bundle": {func(e *env, _ *ecdsa.PrivateKey) { e.attach(e.image, large) }, "larger than what is read"},
		"simple, another key": {func(e *env, _ *ecdsa.PrivateKey) {
			e.tagged(e.image, simple(e.t, newKey(e.t, elliptic.P256()), e.image))
		}, "failed to verify signature"},
		"simple, another digest": {func(e *env, key *ecdsa.PrivateKey) { e.tagged(e.image, simple(e.t, key, e.push("2.0.0"))) }, "it is the signature of another image"},
		"simple, another payload": {func(e *env, key *ecdsa.PrivateKey) {
			other := e.push("2.0.0")
			l := simple(e.t, key, other)
			l.Content = []byte(strings.Replace(string(l.Content), other, e.image, 1))
			e.tagged(e.image, l)
		}, "failed to verify signature"},
		"simple, no signature": {func(e *env, key *ecdsa.PrivateKey) {
			l := simple(e.t, key, e.image)
			l.Annotations = nil
			e.tagged(e.image, l)
		}, "the layer is annotated with no signature"},
	} {
		t.Run(name, func(t *testing.T) {
			e, key := newEnv(t), newKey(t, elliptic.P256())
			test.put(e, key)
			by, err := e.verify(signature.Options{Cosign: []cosign.Options{byKey(t, key)}})
			if !errors.Is(err, engine.ErrNotVerified) || by != "" || !strings.Contains(err.Error(), rule) || !strings.Contains(err.Error(), test.why) {
				t.Errorf("signed by %q: %v; want %q", by, err, test.why)
			}
		})
	}
}

// TestWhatOthersPutBesideAnImageKeepsNoSignatureFromCounting: whoever may push could otherwise
// keep every release from going live.
func TestWhatOthersPutBesideAnImageKeepsNoSignatureFromCounting(t *testing.T) {
	e, key := newEnv(t), newKey(t, elliptic.P256())
	e.signed(newKey(t, elliptic.P256()), e.image, e.image)
	e.attach(e.image, []byte("{}"))
	e.attach(e.image, large)
	hostile := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"` + bundleType + `","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"` + bundleType + `","digest":"../../../_catalog","size":-1},{"mediaType":"` + bundleType + `","digest":"sha256:` + strings.Repeat("0", 64) + `","size":2}],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + e.image + `","size":1}}`
	if _, err := e.PushManifest(t.Context(), repo, "", "application/vnd.oci.image.manifest.v1+json", []byte(hostile)); err != nil {
		t.Fatal(err)
	}
	e.tagged(e.image, simple(t, key, e.image))
	if by, err := e.verify(signature.Options{Cosign: []cosign.Options{byKey(t, key)}}); err != nil || by == "" {
		t.Errorf("signed by %q, %v", by, err)
	}
}

func TestARegistryThatFailsIsNoMissingSignature(t *testing.T) {
	e, key := newEnv(t), newKey(t, elliptic.P256())
	e.signed(key, e.image, e.image)
	v, err := signature.New(signature.Options{
		Registry: &stuck{Registry: acr.NewRegistry(acr.Options{LoginServer: e.Host(), Repository: repo})}, Cosign: []cosign.Options{byKey(t, key)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if by, err := v.Verify(t.Context(), e.image); err == nil || errors.Is(err, engine.ErrNotVerified) || by != "" {
		t.Errorf("signed by %q, %v", by, err)
	}
	e.Break(503)
	if by, err := e.verify(signature.Options{Cosign: []cosign.Options{byKey(t, key)}}); err == nil || errors.Is(err, engine.ErrNotVerified) || by != "" {
		t.Errorf("signed by %q, %v", by, err)
	}
}

func TestAPolicyThatTrustsNobodyIsRefused(t *testing.T) {
	key := byKey(t, newKey(t, elliptic.P256()))
	for name, o := range map[string]signature.Options{
		"image.verify: names no signer":                         {},
		"image.verify.cosign[0]: neither a key nor an identity": {Cosign: []cosign.Options{{}}},
		"image.verify.cosign[1]: key: not PEM":                  {Cosign: []cosign.Options{key, {Key: "ssh-ed25519 AAAA"}}},
		"image.verify.cosign[0]: trustedRoot is missing":        {Cosign: []cosign.Options{{Issuer: "https://issuer", Subject: "a@b"}}},
		"image.verify.provenance: names no builder":             {Cosign: []cosign.Options{key}, Provenance: &signature.Provenance{}},
	} {
		if _, err := signature.New(o); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%v; want %s", err, name)
		}
	}
}

func TestOneRuleIsEnoughOrAllAre(t *testing.T) {
	e, one, two := newEnv(t), newKey(t, elliptic.P256()), newKey(t, elliptic.P384())
	rules := []cosign.Options{byKey(t, one), byKey(t, two)}
	e.signed(one, e.image, e.image)
	if _, err := e.verify(signature.Options{Cosign: rules}); err != nil {
		t.Errorf("any: %v", err)
	}
	_, err := e.verify(signature.Options{Cosign: rules, All: true})
	if !errors.Is(err, engine.ErrNotVerified) || !strings.Contains(err.Error(), "image.verify.cosign[1]") || strings.Contains(err.Error(), "image.verify.cosign[0]") {
		t.Errorf("all: %v", err)
	}
	e.tagged(e.image, simple(t, two, e.image)) // hashed with SHA-256, although the curve is P-384
	if by, err := e.verify(signature.Options{Cosign: rules, All: true}); err != nil || strings.Count(by, "key ") != 2 {
		t.Errorf("all: %q %v", by, err)
	}
}
