package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The kinds of text that are read.
const (
	comments = "comments" // of Go source
	names    = "names"    // declared in Go source, and names of files
	literals = "strings"  // of Go source
	pages    = "pages"    // of Markdown for users
)

var kinds = []string{comments, names, literals, pages}

// piece is a stretch of text, in lower case, with the line that it begins in.
type piece struct {
	kind, file string
	line       int
	text       string
}

// userPages are the pages for users. Decisions are left out: they keep the words of their day.
var userPages = []string{"README.md", "SECURITY.md", "docs/*.md", "bicep/*.md", "deploy/kubernetes/*.md"}

// read returns the texts below a folder.
func read(root string) (all []piece, err error) {
	tree := os.DirFS(root)
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(name, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") && !isPage(name) {
			return nil
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		base := strings.NewReplacer("-", " ", "_", " ", ".", " ").Replace(path.Base(name))
		all = append(all, piece{names, name, 1, split(base)})
		if isPage(name) {
			all = append(all, piece{pages, name, 1, strings.ToLower(string(data))})
			return nil
		}
		found, err := source(name, data)
		all = append(all, found...)
		return err
	})
	return all, err
}

// skipped is whether a folder holds no text of this project. This package is left out too:
// it names each word.
func skipped(name, base string) bool {
	return name == "internal/words" || slices.Contains([]string{"node_modules", "testdata", "dist"}, base) || strings.HasPrefix(base, ".") && name != "."
}

func isPage(name string) bool {
	return slices.ContainsFunc(userPages, func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok })
}

// source returns the comments, declared names and strings of a Go file.
func source(name string, data []byte) (all []piece, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	add := func(kind string, at token.Pos, text string) {
		all = append(all, piece{kind, name, files.Position(at).Line, text})
	}
	for _, group := range file.Comments {
		var lines []string
		for _, c := range group.List {
			lines = append(lines, strings.TrimPrefix(c.Text, "//"))
		}
		add(comments, group.Pos(), strings.ToLower(strings.Join(lines, "\n")))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
			value, _ := strconv.Unquote(text.Value) // it was parsed
			add(literals, text.Pos(), strings.ToLower(value))
		}
		for _, id := range declared(n) {
			add(names, id.Pos(), split(id.Name))
		}
		return true
	})
	return all, nil
}

// declared are the names that a node declares.
func declared(n ast.Node) (ids []*ast.Ident) {
	switch n := n.(type) {
	case *ast.File:
		return []*ast.Ident{n.Name}
	case *ast.FuncDecl:
		return []*ast.Ident{n.Name}
	case *ast.TypeSpec:
		return []*ast.Ident{n.Name}
	case *ast.ValueSpec:
		return n.Names
	case *ast.Field:
		return n.Names
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			if id, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

var hump = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// split returns the words of a name: readySince is "ready since".
func split(name string) string {
	return strings.ToLower(hump.ReplaceAllString(hump.ReplaceAllString(name, "$1$3 $2$4"), "$1$3 $2$4"))
}
