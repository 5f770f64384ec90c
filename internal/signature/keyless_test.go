package signature_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"google.golang.org/protobuf/encoding/protojson"

	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
	"bluegreen/internal/signature"
	"bluegreen/internal/signature/cosign"
)

// sigstore has the authorities of a Sigstore of its own: it issues certificates, and keeps a
// transparency log.
type sigstore struct {
	*ca.VirtualSigstore
	t *testing.T
}

func newSigstore(t *testing.T) sigstore {
	t.Helper()
	s, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	return sigstore{s, t}
}

// root is the trusted root, without the log of certificates unless it is wanted.
func (s sigstore) root(certificateLogs bool) string {
	s.t.Helper()
	ids := func(logs map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
		for id, log := range logs {
			raw, err := hex.DecodeString(id)
			if err != nil {
				s.t.Fatal(err)
			}
			log.ID, log.SignatureHashFunc = raw, log.HashFunc
		}
		return logs
	}
	var ct map[string]*root.TransparencyLog
	if certificateLogs {
		ct = ids(s.CTLogs())
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, s.FulcioCertificateAuthorities(), ct, nil, ids(s.RekorLogs()))
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := trusted.MarshalJSON()
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

const (
	issuer   = "https://token.actions.githubusercontent.com"
	workflow = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1.0.0"
)

// bundle is a statement, signed by an identity.
func (s sigstore) bundle(identity string, payload []byte) []byte {
	s.t.Helper()
	signed, err := s.AttestAtTime(identity, issuer, payload, time.Now().Add(5*time.Minute), true)
	if err != nil {
		s.t.Fatal(err)
	}
	content, _ := signed.VerificationContent()
	signedContent, _ := signed.SignatureContent()
	entries, _ := signed.TlogEntries()
	envelope := signedContent.EnvelopeContent().RawEnvelope()
	sig, err := base64.StdEncoding.DecodeString(envelope.Signatures[0].Sig)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := protojson.Marshal(&protobundle.Bundle{
		MediaType: bundleType,
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content:     &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: content.Certificate().Raw}},
			TlogEntries: []*protorekor.TransparencyLogEntry{s.entry(entries[0].TransparencyLogEntry())},
		},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: payload, PayloadType: envelope.PayloadType, Signatures: []*protodsse.Signature{{Sig: sig}},
		}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// simple is a signature of an identity in the form before the bundles.
func (s sigstore) simple(identity, of string) registry.Layer {
	s.t.Helper()
	l := simple(s.t, newKey(s.t, p256), of)
	signed, err := s.Sign(identity, issuer, l.Content)
	if err != nil {
		s.t.Fatal(err)
	}
	content, _ := signed.VerificationContent()
	sig, _ := signed.SignatureContent()
	entries, _ := signed.TlogEntries()
	l.Annotations = map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig.Signature()),
		"dev.sigstore.cosign/certificate":    string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content.Certificate().Raw})),
		"dev.sigstore.cosign/bundle":         annotated(s.t, s.entry(entries[0].TransparencyLogEntry())),
	}
	return l
}

// entry is an entry of the log with what the log answers besides: its kind, and the promise to
// include it.
func (s sigstore) entry(entry *protorekor.TransparencyLogEntry) *protorekor.TransparencyLogEntry {
	s.t.Helper()
	var body struct{ APIVersion, Kind string }
	if err := json.Unmarshal(entry.CanonicalizedBody, &body); err != nil {
		s.t.Fatal(err)
	}
	promise, err := s.RekorSignPayload(tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(entry.CanonicalizedBody), IntegratedTime: entry.IntegratedTime, LogIndex: entry.LogIndex, LogID: hex.EncodeToString(entry.LogId.KeyId),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	entry.KindVersion = &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion}
	entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: promise}
	return entry
}

// annotated is an entry as cosign annotates it.
func annotated(t *testing.T, entry *protorekor.TransparencyLogEntry) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": entry.InclusionPromise.SignedEntryTimestamp,
		"Payload": map[string]any{
			"body": entry.CanonicalizedBody, "integratedTime": entry.IntegratedTime, "logIndex": entry.LogIndex, "logID": hex.EncodeToString(entry.LogId.KeyId),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnIdentityOfTheTrustedRootIsVerifiedInBothForms(t *testing.T) {
	s := newSigstore(t)
	rule := cosign.Options{Issuer: issuer, Subject: "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/*", TrustedRoot: s.root(false)}
	for form, put := range map[string]func(*env){
		"bundle": func(e *env) {
			e.attach(e.image, s.bundle(workflow, statement(e.image, cosign.SignatureType, map[string]any{})))
		},
		"simple": func(e *env) { e.tagged(e.image, s.simple(workflow, e.image)) },
	} {
		t.Run(form, func(t *testing.T) {
			e := newEnv(t)
			put(e)
			by, err := e.verify(signature.Options{Cosign: []cosign.Options{rule}})
			if want := workflow + " of " + issuer; err != nil || by != want {
				t.Errorf("signed by %q, %v; want %s", by, err, want)
			}
		})
	}
}

func TestAnotherIdentityOrAnotherRootIsNot(t *testing.T) {
	s, other := newSigstore(t), newSigstore(t)
	right := cosign.Options{Issuer: issuer, Subject: workflow, TrustedRoot: s.root(false)}
	with := func(change func(*cosign.Options)) cosign.Options {
		o := right
		change(&o)
		return o
	}
	rules := map[string]struct {
		rule cosign.Options
		why  string
	}{
		"another issuer":            {with(func(o *cosign.Options) { o.Issuer = "https://accounts.example.com" }), "expected issuer value"},
		"another subject":           {with(func(o *cosign.Options) { o.Subject = "https://github.com/acme/shop/*@refs/heads/main" }), "expected SAN value to match"},
		"a longer subject":          {with(func(o *cosign.Options) { o.Subject = strings.TrimSuffix(workflow, "1.0.0") }), "expected SAN value to match"},
		"another root":              {with(func(o *cosign.Options) { o.TrustedRoot = other.root(false) }), ""},
		"no log of the certificate": {with(func(o *cosign.Options) { o.TrustedRoot = s.root(true) }), "signed certificate timestamp"},
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.attach(e.image, s.bundle(workflow, statement(e.image, cosign.SignatureType, map[string]any{})))
			e.tagged(e.image, s.simple(workflow, e.image))
			by, err := e.verify(signature.Options{Cosign: []cosign.Options{rules[name].rule}})
			if !errors.Is(err, engine.ErrNotVerified) || !strings.Contains(err.Error(), rules[name].why) {
				t.Errorf("signed by %q: %v; want %q", by, err, rules[name].why)
			}
		})
	}
}

// logged adds to a signature its entry in the transparency log.
func (s sigstore) logged(l registry.Layer, publicKey string) registry.Layer {
	s.t.Helper()
	hash := sha256.Sum256(l.Content)
	body, err := json.Marshal(map[string]any{
		"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
			"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(hash[:])}},
			"signature": map[string]any{"content": l.Annotations["dev.cosignproject.cosign/signature"], "publicKey": map[string]any{"content": []byte(publicKey)}},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := s.RekorLogID()
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		s.t.Fatal(err)
	}
	entry := &protorekor.TransparencyLogEntry{LogIndex: 7, LogId: &protocommon.LogId{KeyId: raw}, IntegratedTime: time.Now().Unix(), CanonicalizedBody: body}
	l.Annotations["dev.sigstore.cosign/bundle"] = annotated(s.t, s.entry(entry))
	return l
}

// TestAKeyWithATrustedRootNeedsAnEntryInItsLog: without, who has stolen a key could sign unseen.
func TestAKeyWithATrustedRootNeedsAnEntryInItsLog(t *testing.T) {
	s, key := newSigstore(t), newKey(t, p256)
	rule := byKey(t, key)
	rule.TrustedRoot = s.root(false)
	for name, test := range map[string]struct {
		layer func(e *env) registry.Layer
		ok    bool
	}{
		"in the log":     {func(e *env) registry.Layer { return s.logged(simple(t, key, e.image), rule.Key) }, true},
		"not in the log": {func(e *env) registry.Layer { return simple(t, key, e.image) }, false},
		"another log":    {func(e *env) registry.Layer { return newSigstore(t).logged(simple(t, key, e.image), rule.Key) }, false},
		"an entry of another signature": {func(e *env) registry.Layer {
			l, other := simple(t, key, e.image), s.logged(simple(t, key, e.image), rule.Key)
			l.Annotations["dev.sigstore.cosign/bundle"] = other.Annotations["dev.sigstore.cosign/bundle"]
			return l
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.tagged(e.image, test.layer(e))
			by, err := e.verify(signature.Options{Cosign: []cosign.Options{rule}})
			if test.ok != (err == nil) || !test.ok && !errors.Is(err, engine.ErrNotVerified) {
				t.Errorf("signed by %q: %v", by, err)
			}
		})
	}
}
