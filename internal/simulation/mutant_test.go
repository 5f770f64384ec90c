package simulation_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// edit replaces a piece of one function, or one type, of the product. The piece is an expression, a run
// of statements, or a case clause (without statements: its head alone). Spaces, line ends
// and comments do not count.
type edit struct {
	pkg  string // folder below internal
	decl string // a function or type; of a method Receiver.name
	from string
	to   string
}

// source is the text of the files of internal by path, as far as it was read or edited.
type source map[string]string

// apply makes an edit. It fails unless the declaration and the piece are each there once.
func (s source) apply(e edit) error {
	want, err := parsePiece(e.from)
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	path, begin, end := "", 0, 0
	places, declarations := 0, 0
	files, err := s.files(e.pkg)
	if err != nil {
		return err
	}
	for _, name := range files {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, s[name], 0)
		if err != nil {
			return err
		}
		for _, d := range declared(file, e.decl) {
			declarations++
			for _, at := range want.find(d, s[name], set.File(d.Pos()).Offset) {
				path, begin, end = name, at[0], at[1]
				places++
			}
		}
	}
	switch {
	case declarations != 1:
		return fmt.Errorf("%s: the package declares this %d times, not once", e, declarations)
	case places != 1:
		return fmt.Errorf("%s: it has this piece %d times, not once:\n%s", e, places, e.from)
	}
	s[path] = s[path][:begin] + e.to + s[path][end:]
	return nil
}

func (e edit) String() string { return e.pkg + "." + e.decl }

// files returns the files of a package without its tests, and reads those not yet read.
func (s source) files(pkg string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pkg), "*.go"))
	files := slices.DeleteFunc(all, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	for _, name := range files {
		if _, ok := s[name]; ok {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s[name] = string(text)
	}
	return files, err
}

// declared returns the functions and types of a name.
func declared(file *ast.File, name string) (nodes []ast.Node) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if functionName(d) == name {
				nodes = append(nodes, d)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok && t.Name.Name == name {
					nodes = append(nodes, t)
				}
			}
		}
	}
	return nodes
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if id, ok := receiver.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return ""
}

// piece is what an edit looks for: an expression, or so many statements, or the head of a
// case clause, by its tokens.
type piece struct {
	statements int // 0 for an expression
	head       bool
	tokens     string
}

func parsePiece(text string) (piece, error) {
	p := piece{tokens: tokens(text)}
	if _, err := parser.ParseExpr(text); err == nil {
		return p, nil
	}
	body, err := parseBody("func _() {\n" + text + "\n}")
	if err == nil {
		p.statements = len(body)
		return p, nil
	}
	if body, caseErr := parseBody("func _() { switch {\n" + text + "\n} }"); caseErr == nil {
		clauses := body[0].(*ast.SwitchStmt).Body.List
		p.statements = len(clauses)
		p.head = len(clauses) == 1 && len(clauses[0].(*ast.CaseClause).Body) == 0
		return p, nil
	}
	return p, errors.Join(errors.New("the piece is neither an expression nor statements nor a case"), err)
}

func parseBody(function string) ([]ast.Stmt, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+function, 0)
	if err != nil {
		return nil, err
	}
	return file.Decls[0].(*ast.FuncDecl).Body.List, nil
}

// find returns the offsets of begin and end of each place where the piece is.
func (p piece) find(in ast.Node, text string, offset func(token.Pos) int) (found [][2]int) {
	try := func(from, to token.Pos) {
		begin, end := offset(from), offset(to)
		if tokens(text[begin:end]) == p.tokens {
			found = append(found, [2]int{begin, end})
		}
	}
	ast.Inspect(in, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && p.statements == 0 {
			try(e.Pos(), e.End())
		}
		if c, ok := n.(*ast.CaseClause); ok && p.head {
			try(c.Pos(), c.Colon+1)
		}
		if list := statements(n); p.statements > 0 && !p.head {
			for i := range len(list) - p.statements + 1 {
				try(list[i].Pos(), list[i+p.statements-1].End())
			}
		}
		return true
	})
	return found
}

func statements(n ast.Node) []ast.Stmt {
	switch n := n.(type) {
	case *ast.BlockStmt:
		return n.List
	case *ast.CaseClause:
		return n.Body
	case *ast.CommClause:
		return n.Body
	}
	return nil
}

// tokens is a text by its tokens: the same for each layout of it.
func tokens(text string) string {
	var all []string
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, []byte(text), func(token.Position, string) {}, 0)
	for {
		_, tok, literal := s.Scan()
		last := len(all) - 1
		if (tok == token.RPAREN || tok == token.RBRACE || tok == token.EOF) && last >= 0 && (all[last] == ";" || all[last] == ",") {
			all = all[:last]
		}
		switch {
		case tok == token.EOF:
			return strings.Join(all, " ")
		case tok == token.SEMICOLON:
			all = append(all, ";")
		case literal != "":
			all = append(all, literal)
		default:
			all = append(all, tok.String())
		}
	}
}
