package signature_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/signature/cosign"
	"bluegreen/internal/signature/notation"
)

// FuzzASignature gives the libraries what anybody may have put beside an image: nothing of it is
// a signature, and nothing takes the process down.
func FuzzASignature(f *testing.F) {
	t := &testing.T{}
	key, authority := newKey(t, p256), newAuthority(t)
	signer, err := cosign.New(byKey(t, key))
	if err != nil {
		f.Fatal(err)
	}
	signers, err := notation.New(notation.Options{Certificates: []string{authority.pem()}, Identities: []string{subject}})
	if err != nil {
		f.Fatal(err)
	}
	image := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("image"), Size: 5}
	other := newKey(t, p256)
	l := simple(t, other, image.Digest.String())
	f.Add(bundleOf(t, other, statement(image.Digest.String(), cosign.SignatureType, object{})), l.Annotations["dev.cosignproject.cosign/signature"], "")
	f.Add(l.Content, l.Annotations["dev.cosignproject.cosign/signature"], `{"SignedEntryTimestamp":"","Payload":{"body":"e30=","logID":"00"}}`)
	f.Add(newAuthority(t).signer("build", nil).envelope(jose, image), "AAAA", "{}")
	f.Add(newAuthority(t).signer("build", nil).envelope(cose, image), "", "null")
	f.Fuzz(func(t *testing.T, content []byte, signed, entry string) {
		if s, err := signer.Bundle(content, image.Digest.Encoded()); err == nil {
			t.Errorf("a bundle is by %s", s.By)
		}
		for _, certificate := range []string{"", authority.pem(), strings.ToValidUTF8(string(content), "")} {
			if by, err := signer.Simple(content, map[string]string{
				"dev.cosignproject.cosign/signature": signed, "dev.sigstore.cosign/bundle": entry, "dev.sigstore.cosign/certificate": certificate,
				"dev.sigstore.cosign/rfc3161timestamp": entry,
			}, image.Digest.Encoded()); err == nil {
				t.Errorf("a payload is by %s", by)
			}
		}
		for _, mediaType := range []string{jose, cose} {
			if by, err := signers.Envelope(t.Context(), content, mediaType, image); err == nil {
				t.Errorf("an envelope is by %s", by)
			}
		}
	})
}
