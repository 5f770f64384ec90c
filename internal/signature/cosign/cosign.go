// Package cosign finds out whether a signature or an attestation of cosign is by a signer that
// is trusted, with nothing but what its Options hold: no service of Sigstore is asked.
package cosign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Options name one signer: who holds Key, or who had a certificate of the TrustedRoot with
// the Issuer and the Subject.
type Options struct {
	// Key is a public key, PEM. With a TrustedRoot besides, an entry in one of its
	// transparency logs is required too.
	Key string
	// Issuer is the OpenID Connect issuer, and Subject the identity that the certificate names,
	// in which * stands for any characters.
	Issuer, Subject string
	// TrustedRoot is the JSON of a Sigstore trusted root, as cosign trusted-root create writes it.
	TrustedRoot string
}

// Signer verifies what one signer signed.
type Signer struct {
	name      string
	verifiers []*verify.Verifier // of which one must agree
	policy    []verify.PolicyOption
}

// New makes a Signer; an error says which option cannot be used.
func New(o Options) (*Signer, error) {
	var trusted *root.TrustedRoot
	if o.TrustedRoot != "" {
		var err error
		if trusted, err = root.NewTrustedRootFromJSON([]byte(o.TrustedRoot)); err != nil {
			return nil, fmt.Errorf("trustedRoot: %w", err)
		}
	}
	switch {
	case o.Key != "" && (o.Issuer != "" || o.Subject != ""):
		return nil, errors.New("both a key and an identity: a rule has one of them")
	case o.Key != "":
		return withKey(o.Key, trusted)
	case o.Issuer == "" || o.Subject == "":
		return nil, errors.New("neither a key nor an identity of an issuer and a subject: no signature is trusted")
	case trusted == nil:
		return nil, errors.New("trustedRoot is missing: an identity is proven by a certificate of its authorities")
	}
	return withIdentity(o, trusted)
}

func withKey(text string, trusted *root.TrustedRoot) (*Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("key: not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	sum := sha256.Sum256(block.Bytes)
	s := &Signer{name: "key " + hex.EncodeToString(sum[:]), policy: []verify.PolicyOption{verify.WithKey()}}
	options := []verify.VerifierOption{verify.WithNoObserverTimestamps()}
	if trusted != nil {
		if len(trusted.RekorLogs()) == 0 {
			return nil, errors.New("trustedRoot: names no transparency log: leave it out, or name one")
		}
		options = append(options, verify.WithTransparencyLog(1))
	}
	loaded, err := verifiersOf(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	for _, v := range loaded {
		expiring := root.NewExpiringKey(v, time.Time{}, time.Time{})
		material := root.TrustedMaterialCollection{root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return expiring, nil })}
		if trusted != nil {
			material = append(material, trusted)
		}
		verifier, err := verify.NewVerifier(material, options...)
		if err != nil {
			return nil, err
		}
		s.verifiers = append(s.verifiers, verifier)
	}
	return s, nil
}

// verifiersOf are the ways to sign with a key. cosign has hashed with SHA-256 whatever the
// curve of the key, and later with what belongs to the curve.
func verifiersOf(key crypto.PublicKey) ([]signature.Verifier, error) {
	own, err := signature.LoadDefaultVerifier(key)
	if err != nil {
		return nil, err
	}
	all := []signature.Verifier{own}
	if ec, ok := key.(*ecdsa.PublicKey); ok && ec.Curve != elliptic.P256() {
		early, err := signature.LoadVerifier(key, crypto.SHA256)
		if err != nil {
			return nil, err
		}
		all = append(all, early)
	}
	return all, nil
}

func withIdentity(o Options, trusted *root.TrustedRoot) (*Signer, error) {
	identity, err := verify.NewShortCertificateIdentity(o.Issuer, "", "", Pattern(o.Subject))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	var options []verify.VerifierOption
	switch {
	case len(trusted.FulcioCertificateAuthorities()) == 0:
		return nil, errors.New("trustedRoot: names no certificate authority")
	case len(trusted.RekorLogs()) > 0:
		options = append(options, verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	case len(trusted.TimestampingAuthorities()) > 0:
		options = append(options, verify.WithSignedTimestamps(1))
	default:
		return nil, errors.New("trustedRoot: names neither a transparency log nor a timestamp authority, and a certificate ends minutes after it signed")
	}
	if len(trusted.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	verifier, err := verify.NewVerifier(trusted, options...)
	if err != nil {
		return nil, err
	}
	return &Signer{
		name: fmt.Sprintf("%s of %s", o.Subject, o.Issuer), verifiers: []*verify.Verifier{verifier},
		policy: []verify.PolicyOption{verify.WithCertificateIdentity(identity)},
	}, nil
}

// Pattern is the regular expression of a text in which * stands for any characters.
func Pattern(text string) string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`) + "$"
}

// String names the signer as the configuration does.
func (s *Signer) String() string { return s.name }

// Statement is about an image, and signed. By is the signer as it was proven.
type Statement struct {
	By        string
	Type      string // of the predicate; see SignatureType
	Predicate map[string]any
}

// SignatureType is the predicate of a statement that is the signature of an image, and no
// attestation of something about it.
const SignatureType = "https://sigstore.dev/cosign/sign/v1"

// Bundle verifies a Sigstore bundle with a statement about the image of a digest, 64
// hexadecimal digits of SHA-256.
func (s *Signer) Bundle(text []byte, digest string) (Statement, error) {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(text); err != nil {
		return Statement{}, fmt.Errorf("not a bundle: %w", err)
	}
	if b.GetDsseEnvelope() == nil {
		return Statement{}, errors.New("the bundle holds no statement")
	}
	sum, err := hex.DecodeString(digest)
	if err != nil {
		return Statement{}, err
	}
	result, err := s.verify(&b, func() verify.ArtifactPolicyOption { return verify.WithArtifactDigest("sha256", sum) })
	if err != nil {
		return Statement{}, err
	}
	statement := Statement{By: s.by(result), Type: result.Statement.GetPredicateType()}
	if p := result.Statement.GetPredicate(); p != nil {
		statement.Predicate = p.AsMap()
	}
	return statement, nil
}

// verify asks each way to verify; the error is that of the first. What is verified is read anew
// by each.
func (s *Signer) verify(e verify.SignedEntity, of func() verify.ArtifactPolicyOption) (*verify.VerificationResult, error) {
	var first error
	for _, v := range s.verifiers {
		result, err := v.Verify(e, verify.NewPolicy(of(), s.policy...))
		if err == nil {
			return result, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// by is who signed: the key, or what the certificate names.
func (s *Signer) by(r *verify.VerificationResult) string {
	if c := r.Signature.Certificate; c != nil {
		return fmt.Sprintf("%s of %s", c.SubjectAlternativeName, c.Issuer)
	}
	return s.name
}

// payload is what the signatures before the bundles sign: Simple Signing.
type payload struct {
	Critical struct {
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

const simpleType = "cosign container image signature"

// about returns why a payload is not about the image of a digest; "" when it is.
func about(text []byte, digest string) string {
	var p payload
	switch err := json.Unmarshal(text, &p); {
	case err != nil:
		return "the payload is not JSON"
	case p.Critical.Type != simpleType:
		return fmt.Sprintf("the payload is of type %q, not %q", p.Critical.Type, simpleType)
	case p.Critical.Image.Digest != "sha256:"+digest:
		return fmt.Sprintf("it is the signature of another image, %s", p.Critical.Image.Digest)
	}
	return ""
}
