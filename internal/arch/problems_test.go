package arch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bluegreen/internal/api"
	"bluegreen/internal/golden"
)

// TestThePageOfProblemsIsMadeFromTheirTable writes docs/problems.md from api.Kinds.
func TestThePageOfProblemsIsMadeFromTheirTable(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Problems\n\nMade from `api.Kinds` by `go test ./internal/arch -update`; do not edit.\n\n" +
		"The API, the endpoints of alerts and failed invocations answer errors in one form: problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), as `application/problem+json`. " +
		"`code` is the kind of the problem for programs, `type` its address (`GET /api/problems` lists all), `detail` says what to do, `instance` is the path of the request, or of the command that was accepted and not followed. Further members come with the kinds below. The Functions host itself answers a wrong key (401) and a path of no function (404) without a body.\n\n" +
		"```json\n{\n  \"type\": \"/api/problems#refused\",\n  \"title\": \"The command was refused\",\n  \"status\": 409,\n  \"detail\": \"2.4.1 (9f86d081884c) is already live on green\",\n  \"instance\": \"/api/apps/shop/commands/deploy-2.4.1\",\n  \"code\": \"refused\",\n  \"reason\": \"already-live\",\n  \"headline\": \"Green is live with 2.4.1\"\n}\n```\n\n" +
		"| status | code | title | what it says, and what to do |\n|---|---|---|---|\n")
	for _, k := range api.Kinds {
		fmt.Fprintf(&page, "| %d | `%s` | %s | %s |\n", k.Status, k.Code, k.Title, k.Help)
	}
	golden.Check(t, top+"/docs/problems.md", page.String())
}

// TestEveryProblemIsOfAKind reads the sources of what answers requests: each error that they make
// has a kind, with the status of that kind, and no kind is there for nothing.
func TestEveryProblemIsOfAKind(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range []string{"internal/api", "internal/console", "internal/functions", "internal/intake"} {
		for _, path := range sources(t, dir) {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if status, code := problemOf(n); code != "" && code != "host" { // which the client makes of the host's answers
					used[code] = true
					if !slices.ContainsFunc(api.Kinds, func(k api.Kind) bool {
						return k.Code == code && "Status"+strings.ReplaceAll(http.StatusText(k.Status), " ", "") == status
					}) {
						t.Errorf("%s: %q with %s is no kind of problem", path, code, status)
					}
				}
				return true
			})
		}
	}
	for _, k := range api.Kinds {
		if !used[k.Code] {
			t.Errorf("no problem is of the kind %q", k.Code)
		}
	}
}

// problemOf is the status and the code of an error that an expression makes.
func problemOf(n ast.Node) (status, code string) {
	switch n := n.(type) {
	case *ast.CallExpr:
		if len(n.Args) > 2 && slices.Contains([]string{"Errorf", "problem"}, nameOf(n.Fun)) {
			return nameOf(n.Args[0]), valueOf(n.Args[1])
		}
	case *ast.CompositeLit:
		for _, e := range n.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok && nameOf(n.Type) == "Error" {
				switch nameOf(pair.Key) {
				case "Status":
					status = nameOf(pair.Value)
				case "Code":
					code = valueOf(pair.Value)
				}
			}
		}
	}
	return status, code
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func valueOf(e ast.Expr) string {
	if literal, ok := e.(*ast.BasicLit); ok {
		text, _ := strconv.Unquote(literal.Value)
		return text
	}
	return ""
}
