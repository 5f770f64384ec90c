package config

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestAPatternIsTheExpressionThatItStandsFor compares random patterns and texts of few letters.
func TestAPatternIsTheExpressionThatItStandsFor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func(letters []rune, most int) string {
		out := make([]rune, r.IntN(most))
		for i := range out {
			out[i] = letters[r.IntN(len(letters))]
		}
		return string(out)
	}
	matches := 0
	for range 200_000 {
		pattern, name := text([]rune("aAbäKſ*?*"), 8), text([]rune("aabBÄkK\nsS"), 8)
		quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?is)^` + quoted + `$`).MatchString(name)
		if got := like(Fold(pattern), Fold(name)); got != want {
			t.Fatalf("%q like %q: %v", name, pattern, got)
		}
		if want {
			matches++
		}
	}
	if matches < 10_000 {
		t.Errorf("only %d match", matches)
	}
}
