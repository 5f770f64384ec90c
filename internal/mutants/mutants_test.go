package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const source = `package shop

type order struct{ open bool; lines int }

func (o order) due(n int) bool {
	if n > 2 && o.open {
		return false
	}
	return free(n)
}

func free(n int) bool {
	switch {
	case n == 3 || n == 4:
		log.Log.Info("free")
		n, _ = 5, 0
		return true
	}
	_ = order{open: true, lines: n}
	n += 1
	send(n)
	return n == 0
}
`

func TestEachPlaceIsChangedInTheWaysThatAreKnown(t *testing.T) {
	made, err := mutantsOf("shop.go", source, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range made {
		got = append(got, strings.TrimPrefix(m.String(), "shop.go:"))
	}
	for _, want := range []string{
		"6 due: n > 2 && o.open → !(n > 2 && o.open)",
		"6 due: > → >=", "6 due: > → <=", "6 due: 2 → 4",
		"6 due: n > 2 → ((n > 2) || true)", "6 due: o.open → ((o.open) || true)",
		"7 due: false → true",
		"9 due: free(n) → !free(n)",
		"14 free: n == 3 || n == 4 → false && (n == 3 || n == 4)", "14 free: n == 3 → ((n == 3) && false)", "14 free: == → !=",
		`15 free: log.Log.Info("free") n, _ = 5, 0 return true →`,
		"16 free: n → _", "16 free: 0 → 1",
		"19 free: open: true, →", "19 free: lines: n →",
		"20 free: n += 1 →",
		"21 free: send(n) →",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("not made: %q", want)
		}
	}
	if slices.ContainsFunc(got, func(m string) bool { return strings.Contains(m, "Info(\"free\") →") }) {
		t.Error("a statement that only logs is dropped")
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

func TestWhatNoTestFailsForIsListedAndTheSourceStaysAsItIs(t *testing.T) {
	root := t.TempDir()
	files := map[string]string{
		"go.mod":           "module shop\n\ngo 1.26\n",
		"shop/shop.go":     "package shop\n\nfunc Due(n int) bool { return n > 2 && n < 9 }\n",
		"shop/due_test.go": "package shop\n\nimport \"testing\"\n\nfunc TestDue(t *testing.T) {\n\tif Due(2) || !Due(3) || !Due(7) {\n\t\tt.Fail()\n\t}\n}\n",
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	r := run{root: root, of: []string{"shop"}, by: []string{"shop"}, at: "<", seed: 1, within: time.Hour, out: &out}
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "shop/shop.go:3 Due: < → <=\n") || !strings.Contains(got, "4 mutants of 4 places: 2 survived, shop caught 2: 50.0 % are caught") {
		t.Errorf("it says:\n%s", got)
	}
	for name, text := range files {
		if now, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(now) != text {
			t.Errorf("%s was changed: %q, %v", name, now, err)
		}
	}
}
