package main

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// mutant is a source file in which one text is another.
type mutant struct {
	file, function string
	line           int
	from, to       string
	source         string            // of the whole file, with the change
	place          [sha256.Size]byte // in the order of a seed
}

func (m mutant) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s:%d %s: %s → %s", m.file, m.line, m.function, m.from, m.to)), " ")
}

// mutantsOf makes all mutants of a source file. Not all of them compile.
func mutantsOf(name, source string, seed int) ([]mutant, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, 0)
	if err != nil {
		return nil, err
	}
	c := changes{file: set.File(file.Pos()), source: source, seed: seed, seen: map[string]int{}}
	for _, d := range file.Decls {
		c.function = "declaration"
		if f, ok := d.(*ast.FuncDecl); ok {
			c.function = f.Name.Name
		}
		ast.Inspect(d, c.visit)
	}
	return c.made, nil
}

type changes struct {
	file     *token.File
	source   string
	seed     int
	function string
	seen     map[string]int
	made     []mutant
}

func (c *changes) text(n ast.Node) string {
	return c.source[c.file.Offset(n.Pos()):c.file.Offset(n.End())]
}

func (c *changes) replace(from, end token.Pos, to string) {
	b, e := c.file.Offset(from), c.file.Offset(end)
	m := mutant{file: c.file.Name(), function: c.function, line: c.file.Line(from), from: c.source[b:e], to: to}
	key := fmt.Sprint(c.seed, m.file, m.function, m.from, m.to)
	c.seen[key]++
	m.place, m.source = sha256.Sum256(fmt.Append(nil, key, c.seen[key])), c.source[:b]+to+c.source[e:]
	c.made = append(c.made, m)
}

func (c *changes) change(n ast.Node, to string) { c.replace(n.Pos(), n.End(), to) }

// visit makes the mutants of a node, and reports whether those inside it are made too.
func (c *changes) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		c.operator(n)
	case *ast.BasicLit:
		if i, err := strconv.Atoi(n.Value); err == nil {
			c.change(n, strconv.Itoa(max(1, 2*i)))
		}
	case *ast.Ident:
		if opposite := map[string]string{"true": "false", "false": "true"}[n.Name]; opposite != "" {
			c.change(n, opposite)
		}
	case *ast.KeyValueExpr: // of a struct or a map
		end := n.End()
		if c.source[c.file.Offset(end)] == ',' {
			end++
		}
		c.replace(n.Pos(), end, "")
	case *ast.IfStmt:
		c.change(n.Cond, "!("+c.text(n.Cond)+")")
	case *ast.CaseClause:
		if len(n.Body) > 1 { // else it is dropped as a statement
			c.replace(n.Body[0].Pos(), n.Body[len(n.Body)-1].End(), "")
		}
		for _, e := range n.List { // compiles in a switch over conditions
			c.change(e, "false && ("+c.text(e)+")")
		}
	case ast.Stmt:
		return c.statement(n)
	}
	return true
}

var instead = map[token.Token][]string{
	token.EQL: {"!="}, token.NEQ: {"=="}, token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.QUO: {"*"},
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
}

// operator exchanges an operator, or lets one side of a condition not count.
func (c *changes) operator(n *ast.BinaryExpr) {
	for _, op := range instead[n.Op] {
		c.replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), op)
	}
	ignored := map[token.Token]string{token.LAND: " || true)", token.LOR: " && false)"}[n.Op]
	for _, side := range []ast.Expr{n.X, n.Y} {
		if inner, ok := side.(*ast.BinaryExpr); ignored != "" && (!ok || inner.Op != n.Op) {
			c.change(side, "(("+c.text(side)+")"+ignored)
		}
	}
}

// statement drops a statement, or what it assigns. Statements that only log are left alone.
func (c *changes) statement(n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt:
		if strings.Contains(c.text(n), ".Log.") {
			return false
		}
		c.change(n, "")
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			if n.Tok == token.ASSIGN && c.text(left) != "_" {
				c.change(left, "_")
			}
		}
		if n.Tok != token.ASSIGN && n.Tok != token.DEFINE {
			c.change(n, "")
		}
	case *ast.ReturnStmt:
		if len(n.Results) == 0 {
			c.change(n, "")
		}
		for _, r := range n.Results {
			if _, ok := r.(*ast.CallExpr); ok { // compiles where it is a condition
				c.change(r, "!"+c.text(r))
			}
		}
	}
	return true
}
