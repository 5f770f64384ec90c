package config

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
)

// Trust says who must have signed an image before it gets traffic.
type Trust struct {
	Require    string         `key:"require" default:"any" one:"any,all" doc:"any: one of the signers below must have signed; all: each of them."`
	Cosign     []CosignSigner `key:"cosign" least:"1" doc:"Signers of cosign, each by a key or an identity."`
	Notation   Notation       `key:"notation" doc:"Signers of the Notary Project, by their certificates."`
	Provenance Provenance     `key:"provenance" doc:"How the image must have been built: an attestation of SLSA provenance by one of the cosign signers must say so, besides the signature."`
}

// Asked reports whether an image must be signed.
func (t Trust) Asked() bool { return len(t.Cosign) > 0 || len(t.Notation.TrustStore) > 0 }

// CosignSigner is one signer: by its key, or by what its certificate names.
type CosignSigner struct {
	Key         string   `key:"key" is:"publicKey" doc:"Public key of the signer, PEM, or {setting:CHECK_NAME} for an app setting that holds it."`
	Identity    Identity `key:"identity" doc:"Who signed without a key of their own, as a certificate of the trusted root names them."`
	TrustedRoot string   `key:"trustedRoot" is:"trustedRoot" doc:"Sigstore trusted root, JSON as cosign trusted-root create writes it, or {setting:CHECK_NAME}. With an identity it is required; with a key it makes an entry in one of its transparency logs required."`
}

// Identity is who a certificate for signing was issued to.
type Identity struct {
	Issuer  string `key:"issuer" is:"issuer" need:"yes" doc:"OpenID Connect issuer that the signer signed in with."`
	Subject string `key:"subject" is:"signer" need:"yes" doc:"Identity that the certificate names: an address, or the URI of a workflow. * stands for any characters."`
}

// Notation is a trust store and the identities of it that are trusted.
type Notation struct {
	TrustStore []string `key:"trustStore" is:"certificates" least:"1" need:"yes" doc:"Certificates of authorities, or of signers that sign their own; PEM, each one or more, or {setting:CHECK_NAME}."`
	Identities []string `key:"identities" is:"subject" least:"1" need:"yes" doc:"Subjects of the signing certificates that are trusted, as 'x509.subject: C=US, ST=WA, O=acme, CN=build'; what a subject names besides may be anything."`
}

// Provenance is what an attestation of provenance must say.
type Provenance struct {
	Builder string `key:"builder" is:"signer" need:"yes" doc:"Id of the builder, such as https://github.com/actions/runner/github-hosted. * stands for any characters."`
	Source  string `key:"source" is:"signer" doc:"Source that was built, such as https://github.com/acme/shop@refs/heads/main. * stands for any characters; any source by default."`
}

// settingForm is a text that stands for the value of a setting.
var settingForm = regexp.MustCompile(`^\{setting:(` + settingPrefix + `[A-Za-z0-9_]{1,100})\}$`)

// Setting returns the name of the app setting that a text of Trust stands for; "" where it
// stands for itself.
func Setting(text string) string {
	if found := settingForm.FindStringSubmatch(strings.TrimSpace(text)); found != nil {
		return found[1]
	}
	return ""
}

// ofSetting is a check of a text, or of none where it stands for a setting.
func ofSetting(check func(string) string) func(string) string {
	return func(text string) string {
		switch {
		case Setting(text) != "":
			return ""
		case strings.HasPrefix(strings.TrimSpace(text), "{setting:"):
			return fmt.Sprintf("%q is no setting for checks: write {setting:CHECK_NAME}, with letters, digits and _ only", shorten(text))
		}
		return check(text)
	}
}

func publicKey(text string) string {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return "is not PEM: it begins with -----BEGIN PUBLIC KEY-----"
	case block.Type != "PUBLIC KEY":
		return fmt.Sprintf("holds a %s, not a PUBLIC KEY", block.Type)
	case strings.TrimSpace(string(rest)) != "":
		return "holds more than one key: each signer is an item of its own"
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return fmt.Sprintf("is not a public key: %v", err)
	}
	return ""
}

func certificates(text string) string {
	rest := []byte(text)
	for first := true; first || strings.TrimSpace(string(rest)) != ""; first = false {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return "is not PEM: each certificate begins with -----BEGIN CERTIFICATE-----"
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Sprintf("is not a certificate: %v", err)
		}
	}
	return ""
}

// trustedRoot looks at the beginning only: the handler reads the rest, and reports what is
// wrong with it as a problem of the app.
func trustedRoot(text string) string {
	var root struct{ MediaType string }
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		return fmt.Sprintf("is not JSON: %v", err)
	}
	if !strings.HasPrefix(root.MediaType, "application/vnd.dev.sigstore.trustedroot") {
		return fmt.Sprintf("is of the media type %q: write a trusted root, as cosign trusted-root create does", shorten(root.MediaType))
	}
	return ""
}

// anyone returns the mistake of a pattern that names nobody in particular.
func anyone(text string) string {
	if strings.Trim(text, "* ") == "" {
		return "names nobody in particular, so that anyone would be trusted"
	}
	return ""
}

// checkTrust finds policies by which no image, or any image, would be verified.
func (r *reader) checkTrust(a *App, report reporter) {
	const key = "image.verify"
	if !r.given(key) {
		return
	}
	t := a.Image.Verify
	notation := r.given(key + ".notation")
	if len(t.Cosign) == 0 && !notation {
		report(key, "names no signer, so that no image could be verified: give cosign or notation, or leave it out")
	}
	for i := range t.Cosign {
		signer := item(key+".cosign", i)
		byKey, byIdentity := r.given(signer+".key"), r.given(signer+".identity")
		switch {
		case byKey && byIdentity:
			report(signer, "has a key and an identity: give each signer an item of its own")
		case !byKey && !byIdentity:
			report(signer, "names no signer: give key, or identity and trustedRoot")
		case byIdentity && !r.given(signer+".trustedRoot"):
			report(signer+".trustedRoot", "is missing: an identity is proven by a certificate of its authorities")
		}
	}
	if r.given(key+".provenance") && len(t.Cosign) == 0 {
		report(key+".provenance", "is an attestation of a cosign signer, and none is given")
	}
}
