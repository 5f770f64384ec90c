package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/setting"
	"bluegreen/internal/signature"
	"bluegreen/internal/signature/cosign"
	"bluegreen/internal/signature/notation"
)

// trusted verifies images by the rules of an app; nil where it has none. Where one of them
// cannot be used, wrong names each, and no image is verified.
func trusted(t config.Trust, registry *acr.Registry, value func(string) string) (s engine.Signatures, wrong []string) {
	if !t.Asked() {
		return nil, nil
	}
	v, err := verifier(t, registry, value)
	if err != nil {
		return unusable{err}, strings.Split(err.Error(), "\n")
	}
	return v, nil
}

// unusable are rules that cannot be used.
type unusable struct{ err error }

// Verify implements engine.Signatures.
func (u unusable) Verify(context.Context, string) (string, error) { return "", u.err }

func verifier(t config.Trust, registry *acr.Registry, value func(string) string) (*signature.Verifier, error) {
	r := resolver{value: value}
	o := signature.Options{Registry: registry, All: t.Require == "all"}
	for i, c := range t.Cosign {
		path := fmt.Sprintf("image.verify.cosign[%d]", i)
		o.Cosign = append(o.Cosign, cosign.Options{
			Key: r.text(path+".key", c.Key), Issuer: c.Identity.Issuer, Subject: c.Identity.Subject,
			TrustedRoot: r.text(path+".trustedRoot", c.TrustedRoot),
		})
	}
	if len(t.Notation.TrustStore) > 0 {
		n := notation.Options{Identities: t.Notation.Identities}
		for i, text := range t.Notation.TrustStore {
			n.Certificates = append(n.Certificates, r.text(fmt.Sprintf("image.verify.notation.trustStore[%d]", i), text))
		}
		o.Notation = &n
	}
	if p := t.Provenance; p.Builder != "" {
		o.Provenance = &signature.Provenance{Builder: p.Builder, Source: p.Source}
	}
	if r.wrong != nil {
		return nil, errors.Join(r.wrong...)
	}
	return signature.New(o)
}

// resolver puts the values of settings in the place of their names.
type resolver struct {
	value func(string) string
	wrong []error
}

func (r *resolver) text(path, text string) string {
	name := config.Setting(text)
	if name == "" {
		return text
	}
	value := r.value(name)
	if problem := setting.Problem(name, value); problem != "" {
		r.wrong = append(r.wrong, fmt.Errorf("%s: %s", path, problem))
	}
	return value
}
