// Package notation finds out whether a signature of the Notary Project is by a signer that is
// trusted, with nothing but what its Options hold: whether a certificate was revoked is not asked.
package notation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	_ "github.com/notaryproject/notation-core-go/signature/cose" // an envelope of signatures
	_ "github.com/notaryproject/notation-core-go/signature/jws"  // an envelope of signatures
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options are a trust store and who of it is trusted.
type Options struct {
	// Certificates are those of authorities, or ones that sign themselves; PEM, each one or more.
	Certificates []string
	// Identities are subjects of signing certificates, as a trust policy of Notation has them:
	// "x509.subject: C=US, ST=WA, O=acme, CN=build".
	Identities []string
}

// Signers verify what any of the trusted identities signed.
type Signers struct {
	name     string
	verifier notation.Verifier
}

// store is the one trust store of a policy.
const store = "image"

// New makes Signers; an error says which option cannot be used.
func New(o Options) (*Signers, error) {
	roots, err := certificates(o.Certificates)
	if err != nil {
		return nil, fmt.Errorf("trustStore: %w", err)
	}
	for _, identity := range o.Identities {
		if !strings.HasPrefix(identity, "x509.subject:") {
			return nil, fmt.Errorf("identities: %q is no x509.subject", identity)
		}
	}
	policy := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name: "image", RegistryScopes: []string{"*"}, TrustStores: []string{"ca:" + store}, TrustedIdentities: o.Identities,
		SignatureVerification: trustpolicy.SignatureVerification{
			VerificationLevel: trustpolicy.LevelStrict.Name,
			Override:          map[trustpolicy.ValidationType]trustpolicy.ValidationAction{trustpolicy.TypeRevocation: trustpolicy.ActionSkip},
		},
	}}}
	v, err := verifier.New(policy, roots, nil)
	if err != nil {
		return nil, err
	}
	return &Signers{name: strings.Join(o.Identities, "; "), verifier: v}, nil
}

// trusted is a trust store in memory.
type trusted []*x509.Certificate

// GetCertificates implements truststore.X509TrustStore.
func (t trusted) GetCertificates(_ context.Context, kind truststore.Type, name string) ([]*x509.Certificate, error) {
	if kind != truststore.TypeCA || name != store {
		return nil, fmt.Errorf("there is no trust store %s:%s", kind, name)
	}
	return t, nil
}

func certificates(texts []string) (trusted, error) {
	var all trusted
	for _, text := range texts {
		rest := []byte(text)
		for len(strings.TrimSpace(string(rest))) > 0 {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
				return nil, errors.New("not a certificate in PEM")
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, truststore.ValidateCertificates(all)
}

// String names the signers as the configuration does.
func (s *Signers) String() string { return s.name }

// Envelope verifies a signature envelope of a media type for the manifest of an image, and returns who
// signed.
func (s *Signers) Envelope(ctx context.Context, envelope []byte, mediaType string, of ocispec.Descriptor) (by string, err error) {
	outcome, err := s.verifier.Verify(ctx, of, envelope, notation.VerifierVerifyOptions{
		ArtifactReference: "registry/image@" + of.Digest.String(), SignatureMediaType: mediaType, // the policy is for all
	})
	if err != nil {
		return "", err
	}
	leaf := outcome.EnvelopeContent.SignerInfo.CertificateChain[0]
	sum := sha256.Sum256(leaf.Raw)
	return fmt.Sprintf("%s (certificate %s)", leaf.Subject, hex.EncodeToString(sum[:])), nil
}
