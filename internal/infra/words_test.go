package infra_test

import (
	"strings"
	"testing"
)

func TestAModuleHasAtMost120Lines(t *testing.T) {
	for _, f := range load(t) {
		if n := strings.Count(f.text, "\n"); strings.HasPrefix(f.path, "modules/") && n > 120 {
			t.Errorf("%s has %d lines: split it, a module has at most 120", f.path, n)
		}
	}
}

func TestEveryParameterAndOutputHasADescription(t *testing.T) {
	for _, f := range load(t) {
		for _, d := range f.decls {
			described(t, f, d)
		}
	}
}

func described(t *testing.T, f *file, d *decl) {
	t.Helper()
	_, text, _ := strings.Cut(d.about, "description('")
	optional := d.body != nil || strings.HasSuffix(d.kind, "?") || d.name == "*"
	switch {
	case d.word == "output" || d.word == "type":
		if text == "" {
			t.Errorf("%s:%d: %s %s has no description", f.path, d.line, d.word, d.name)
		}
	case d.word != "param" && d.word != "property":
	case optional && !strings.HasPrefix(text, "Optional. "), !optional && !strings.HasPrefix(text, "Required. "):
		t.Errorf("%s:%d: the description of %s %s begins neither with Required. (without a default) nor with Optional. (with one): %.60q", f.path, d.line, d.word, d.name, text)
	}
	for _, p := range d.props {
		described(t, f, p)
	}
}
