package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// newSignedShop is a shop whose images must be signed with a key, which is in a setting.
func newSignedShop(t *testing.T, settings string) (*shop, *ecdsa.PrivateKey) {
	w := newEnv(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	w.settings = []string{"BLUEGREEN_KEYS_MAY=admin", "CHECK_COSIGN_KEY=" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	blue, green := clusters(t)
	s := &shop{env: w, blue: blue, green: green, blueSpace: blue.Namespace(t), greenSpace: green.Namespace(t)}
	s.settle()
	s.openGateway()
	const tags = `tags: "semver:>=1"`
	w.serve(strings.Replace(s.configuration(settings), tags, tags+`, verify: {cosign: [{key: "{setting:CHECK_COSIGN_KEY}"}]}`, 1), 1)
	s.users = startLoad(t, s.gateway.ListenerURL("lst-podinfo")+"/", 200)
	return s, key
}

func TestAnUnsignedImageNeverGoesLiveAndASignedOneDoes(t *testing.T) {
	t.Parallel()
	s, key := newSignedShop(t, `    verify: {timeout: 5s}
    bake: 2s`)
	s.release("2.0.0")
	a := s.reach("podinfo", release.Failed)
	if why := a.Release.Cause; a.Release.Reason != "not-verified" || !strings.Contains(why, "image.verify.cosign[0] wants a signature by key ") || !strings.Contains(why, "and there is none") {
		t.Errorf("%s: %s", a.Release.Reason, why)
	}
	_, err := s.client(0).Command(t.Context(), "podinfo", release.Switch, api.Request{By: "on call", Why: "a test", Force: true, Wait: api.WaitCompleted}, api.NewKey())
	if err == nil || !strings.Contains(err.Error(), "is not verified: image.verify.cosign[0] wants") {
		t.Errorf("a switch by force: %v", err)
	}
	s.answeredBy("blue", s.first)

	signed := s.push(repo, "2.1.0")
	if err := s.registry.Sign(t.Context(), repo, signed, key); err != nil {
		t.Fatal(err)
	}
	s.deliver()
	a = s.reach("podinfo", release.Completed)
	s.answeredBy("green", signed)
	if !strings.HasPrefix(a.Colors.Green.Signer, "key ") {
		t.Errorf("green is signed by %q", a.Colors.Green.Signer)
	}
	s.noneLost()
}
