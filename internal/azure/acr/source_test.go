package acr_test

import (
	"errors"
	"strings"
	"testing"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/engine"
)

func TestAnImageSaysWhatItWasBuiltFrom(t *testing.T) {
	from := map[string]string{"org.opencontainers.image.source": "https://github.com/acme/shop", "org.opencontainers.image.revision": strings.Repeat("a1", 20), "other": "x"}
	want := engine.Source{URL: "https://github.com/acme/shop", Revision: strings.Repeat("a1", 20)}
	s := private(t)
	c := s.client(acr.Options{Credential: credential{"right"}})
	push := func(tag string, source map[string]string, labels bool) string {
		t.Helper()
		digest, err := s.PushFrom(t.Context(), repo, tag, source, labels)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	for name, x := range map[string]struct {
		digest string
		want   engine.Source
	}{
		"annotations":     {push("1.0.0", from, false), want},
		"labels":          {push("1.1.0", from, true), want},
		"only a revision": {push("1.2.0", map[string]string{"org.opencontainers.image.revision": "a1"}, true), engine.Source{}},
		"nothing":         {s.pushed(s.Push, "1.3.0"), engine.Source{}},
	} {
		if got, err := c.Source(t.Context(), x.digest); err != nil || got != x.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	index, err := s.PushIndex(t.Context(), repo, "2.0.0", 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Source(t.Context(), index); err != nil || got != (engine.Source{}) {
		t.Errorf("an index of images without a source: %+v, %v", got, err)
	}
	for _, digest := range []string{"1.0.0", "sha256:" + strings.Repeat("0", 64)} {
		if _, err := c.Source(t.Context(), digest); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%s: %v", digest, err)
		}
	}
}
