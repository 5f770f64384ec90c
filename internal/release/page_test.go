package release

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bluegreen/internal/golden"
	"bluegreen/internal/release/reason"
)

// TestThePageOfReasonsIsMadeFromTheWordings writes the tables of docs/troubleshoot.md. It reads
// the constants of package reason: a reason without words would be reported as nothing.
func TestThePageOfReasonsIsMadeFromTheWordings(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason/reason.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	silent := []reason.Reason{reason.Noted, reason.Unreadable, reason.Unrecorded} // not reported by the core
	seen := map[reason.Reason]bool{}
	var page strings.Builder
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if spec.Doc != nil && !strings.HasPrefix(spec.Doc.Text(), spec.Names[0].Name) {
			fmt.Fprintf(&page, "\n### %s\n\n| reason | message | meaning | what to do |\n|---|---|---|---|\n", strings.TrimSuffix(strings.TrimSpace(spec.Doc.Text()), "."))
		}
		text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		why := reason.Reason(text)
		if seen[why] {
			t.Errorf("%q is the text of two reasons", why)
		}
		seen[why] = true
		w := wordings[why]
		if w.means == "" {
			t.Errorf("reason.%s has no meaning in wording.go", spec.Names[0].Name)
		}
		if w.says == "" && !slices.Contains(silent, why) {
			t.Errorf("reason.%s has no words in wording.go", spec.Names[0].Name)
		}
		writeRow(&page, why, w)
		if refusal, ok := refusals[why]; ok {
			writeRow(&page, why+", refused", refusal)
		}
		return true
	})
	if len(seen) < 50 {
		t.Errorf("only %d reasons", len(seen))
	}
	for why := range wordings {
		if !seen[why] {
			t.Errorf("%q has words and is no reason", why)
		}
	}
	golden.Part(t, "../../docs/troubleshoot.md", "reasons", page.String())
}

var (
	// gone are names that a text often has nothing for.
	gone = regexp.MustCompile(`\{(tail|asked|changedby|keeping|watching|replacing|orforce)\}`)
	// name is a name in braces; what it stands for differs from app to app.
	name = regexp.MustCompile(`\{([a-z]+)\}`)
)

// computed are names for which the state decides; here is what they say as a rule.
var computed = strings.NewReplacer("{remedy}", Drift{Live: Blue}.remedy(), "{hint}", "what the message names, or "+State{}.hint(Policy{}))

// general is a text for all apps: a name in braces in capitals, as commands have it.
func general(text string) string {
	return name.ReplaceAllStringFunc(gone.ReplaceAllString(computed.Replace(text), ""), func(n string) string { return strings.ToUpper(n[1 : len(n)-1]) })
}

func writeRow(page *strings.Builder, why reason.Reason, w wording) {
	fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", why, general(strings.ReplaceAll(w.says, gap, "…")), w.means, general(w.cure))
}

// TestWhatNeedsAnOperatorHasACure reads the source for the reasons with which the core asks for
// help: the status names the cure, in the text or after it.
func TestWhatNeedsAnOperatorHasACure(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("wording.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range asks.FindAllSubmatch(text, -1) {
			asked++
			entry := regexp.MustCompile(`(?s)\treason\.` + string(found[1]) + `: \{.*?"\},\n`).Find(table)
			if strings.HasSuffix(string(entry), ` ""},`+"\n") {
				t.Errorf("%s: reason.%s needs an operator and has no cure", name, found[1])
			}
			if cure := entry[max(0, bytes.LastIndex(entry, []byte("\n\t\t"))):]; !bytes.Contains(entry, []byte(gap)) && bytes.ContainsRune(cure, '{') {
				t.Errorf("%s: the status shows the cure of reason.%s, where no name in braces is replaced", name, found[1])
			}
		}
	}
	if asked < 15 {
		t.Errorf("the core asks for help at %d places only", asked)
	}
}

var asks = regexp.MustCompile(`(?:NeedsHelp, |\bask\()reason\.(\w+)`)
