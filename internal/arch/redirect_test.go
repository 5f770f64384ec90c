package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoClientFollowsRedirects: a redirect would carry tokens and keys to another place. The
// clients of the lab, the emulators and tests carry nothing that is a secret elsewhere.
func TestNoClientFollowsRedirects(t *testing.T) {
	found := 0
	for _, root := range []string{"cmd", "handler", "internal"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "emulator" || d.Name() == "lab") {
				return fs.SkipDir
			}
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				found += clients(t, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Error("no client was found at all")
	}
}

// clients reports the HTTP clients of a source file that follow redirects, and counts all.
func clients(t *testing.T, path string) (found int) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if ofHTTP(n.Type, "Client") {
				found++
				if !sets(n, "CheckRedirect") {
					t.Errorf("%s: this client follows redirects: use outbound.Client", files.Position(n.Pos()))
				}
			}
		case *ast.SelectorExpr:
			if ofHTTP(n, "DefaultClient", "Get", "Head", "Post", "PostForm") {
				t.Errorf("%s: http.%s follows redirects: use outbound.Client", files.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func ofHTTP(n ast.Node, names ...string) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	for _, name := range names {
		if ok && of.Name == "http" && s.Sel.Name == name {
			return true
		}
	}
	return false
}

func sets(n *ast.CompositeLit, field string) bool {
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == field {
				return true
			}
		}
	}
	return false
}
