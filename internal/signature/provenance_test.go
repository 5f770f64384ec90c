package signature_test

import (
	"errors"
	"strings"
	"testing"

	"bluegreen/internal/engine"
	"bluegreen/internal/signature"
	"bluegreen/internal/signature/cosign"
)

const (
	runner = "https://github.com/actions/runner/github-hosted"
	source = "git+https://github.com/acme/shop@refs/heads/main"
)

type object = map[string]any

func slsa1(builder string, sources ...string) object {
	var list []any
	for _, uri := range sources {
		list = append(list, object{"uri": uri})
	}
	return object{"buildDefinition": object{"buildType": "https://example.com/build/v1", "resolvedDependencies": list}, "runDetails": object{"builder": object{"id": builder}}}
}

func TestAnImageMustBeBuiltAsTheConfigurationWants(t *testing.T) {
	const v1, v02 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
	want := &signature.Provenance{Builder: runner, Source: "https://github.com/acme/shop@refs/heads/*"}
	for name, test := range map[string]struct {
		kind      string
		predicate object
		other     bool // signed by another key
		how       string
		why       string
	}{
		"version 1":       {kind: v1, predicate: slsa1(runner, source, "pkg:docker/alpine"), how: "built by " + runner + " from https://github.com/acme/shop@refs/heads/main"},
		"version 0.2":     {kind: v02, predicate: object{"builder": object{"id": runner}, "materials": []any{object{"uri": source}}}, how: "built by " + runner},
		"another builder": {kind: v1, predicate: slsa1("https://github.com/actions/runner/self-hosted", source), why: `one is by the builder "https://github.com/actions/runner/self-hosted"`},
		"another source":  {kind: v1, predicate: slsa1(runner, "git+https://github.com/mallory/shop@refs/heads/main"), why: `one is of the source "https://github.com/mallory/shop@refs/heads/main"`},
		"a later source":  {kind: v1, predicate: slsa1(runner, "git+https://github.com/mallory/shop@refs/heads/main", source), why: "mallory"},
		"nothing in it":   {kind: v1, predicate: object{"runDetails": []any{1}}, why: `one is by the builder ""`},
		"something else":  {kind: "https://cyclonedx.org/bom", predicate: slsa1(runner, source), why: "there is none"},
		"by another key":  {kind: v1, predicate: slsa1(runner, source), other: true, why: "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			e, key := newEnv(t), newKey(t, p256)
			e.signed(key, e.image, e.image)
			by := key
			if test.other {
				by = newKey(t, p256)
			}
			e.attach(e.image, bundleOf(t, by, statement(e.image, test.kind, test.predicate)))
			got, err := e.verify(signature.Options{Cosign: []cosign.Options{byKey(t, key)}, Provenance: want})
			if test.how != "" && (err != nil || !strings.Contains(got, test.how) || !strings.HasPrefix(got, "key ")) {
				t.Errorf("%q, %v; want %q", got, err, test.how)
			}
			if test.why != "" && (!errors.Is(err, engine.ErrNotVerified) || !strings.Contains(err.Error(), "image.verify.provenance wants") || !strings.Contains(err.Error(), test.why)) {
				t.Errorf("%q: %v; want %q", got, err, test.why)
			}
		})
	}
}
