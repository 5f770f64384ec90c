package arch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bluegreen/internal/golden"
)

// TestThePageOfFindingsIsMadeFromTheChecks writes a table of docs/troubleshoot.md: what the look
// at an app's resources before their first use may find, with what to do.
func TestThePageOfFindingsIsMadeFromTheChecks(t *testing.T) {
	var page strings.Builder
	page.WriteString("\n| where | message, with what to do |\n|---|---|\n")
	rows := 0
	for _, part := range []struct{ name, dir string }{
		{"Application Gateway", "internal/azure/appgateway"}, {"Traffic Manager", "internal/azure/trafficmanager"}, {"Service", "internal/kube/service"},
		{"cluster", "internal/azure/aks"}, {"cluster", "internal/kube/access"}, {"Deployment", "internal/kube/workload"}, {"registry", "internal/azure/acr"}, {"check", "internal/probe"},
	} {
		files, err := filepath.Glob(filepath.Join(top, part.dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", part.dir, err)
		}
		var messages []string
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				messages = append(messages, findings(t, file)...)
			}
		}
		slices.Sort(messages)
		for _, m := range slices.Compact(messages) {
			rows++
			fmt.Fprintf(&page, "| %s | %s |\n", part.name, strings.ReplaceAll(m, "|", `\|`))
		}
	}
	if rows < 30 {
		t.Errorf("only %d messages", rows)
	}
	golden.Part(t, top+"/docs/troubleshoot.md", "findings", page.String())
}

// findings are the texts of a file with a cause, a colon and what to do.
func findings(t *testing.T, file string) (messages []string) {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(source, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		m := message(e)
		if at := strings.LastIndex(m, ": "); at >= 0 && len(strings.Fields(m)) >= 8 && len(strings.Fields(m[at:])) > 3 {
			messages = append(messages, m)
		}
		return m == "" // the parts of a text are none by themselves
	})
	return messages
}

var verb = regexp.MustCompile(`%(\[\d+\]|\.\d+)?[a-z]`)

// message is a text with … for each value in it.
func message(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return verb.ReplaceAllString(text, "…")
		}
	case *ast.BinaryExpr:
		return orMore(message(e.X)) + orMore(message(e.Y))
	}
	return ""
}

func orMore(text string) string {
	if text == "" {
		return "…"
	}
	return text
}
