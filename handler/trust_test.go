package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/engine"
)

func keyPair(t *testing.T) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestAKeyOfASettingIsTrusted(t *testing.T) {
	r, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	image, err := r.Push(t.Context(), "shop", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	key, public := keyPair(t)
	trust := config.Trust{Cosign: []config.CosignSigner{{Key: "{setting:CHECK_KEY}"}}}
	s, wrong := trusted(trust, acr.NewRegistry(acr.Options{LoginServer: r.Host(), Repository: "shop"}), func(name string) string {
		return map[string]string{"CHECK_KEY": public}[name]
	})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	if by, err := s.Verify(t.Context(), image); !errors.Is(err, engine.ErrNotVerified) {
		t.Errorf("before it is signed: %q, %v", by, err)
	}
	if err := r.Sign(t.Context(), "shop", image, key); err != nil {
		t.Fatal(err)
	}
	if by, err := s.Verify(t.Context(), image); err != nil || !strings.HasPrefix(by, "key ") {
		t.Errorf("signed by %q, %v", by, err)
	}
}

// TestASettingThatHoldsNoKeyVerifiesNothing: App Service leaves the text of a reference to Key
// Vault that it cannot resolve.
func TestASettingThatHoldsNoKeyVerifiesNothing(t *testing.T) {
	for value, why := range map[string]string{
		"": "image.verify.cosign[0].key: the app setting CHECK_KEY is missing or empty",
		"@Microsoft.KeyVault(SecretUri=https://shop.vault.azure.net/secrets/key)": "image.verify.cosign[0].key: the Key Vault reference in the app setting CHECK_KEY is not resolved",
		"-----BEGIN PUBLIC KEY-----": "image.verify.cosign[0]: key: not PEM",
	} {
		trust := config.Trust{Cosign: []config.CosignSigner{{Key: "{setting:CHECK_KEY}"}}}
		s, wrong := trusted(trust, acr.NewRegistry(acr.Options{LoginServer: "127.0.0.1:1", Repository: "shop"}), func(string) string { return value })
		if len(wrong) != 1 || !strings.HasPrefix(wrong[0], why) {
			t.Errorf("%q: %q", value, wrong)
		}
		if by, err := s.Verify(t.Context(), "sha256:"+strings.Repeat("1", 64)); err == nil || by != "" || errors.Is(err, engine.ErrNotVerified) {
			t.Errorf("%q: signed by %q, %v", value, by, err)
		}
	}
}

func TestAnAppWithoutRulesAsksForNoSignature(t *testing.T) {
	if s, wrong := trusted(config.Trust{Require: "any"}, nil, nil); s != nil || wrong != nil {
		t.Errorf("%v, %v", s, wrong)
	}
}
