package infra_test

import (
	"fmt"
	"slices"
	"strings"
)

// node is an expression: s string, i identifier, n number, o object, a array, c call,
// m member, x index, t ternary, b binary, u unary, f for, l lambda.
type node struct {
	kind byte
	text string // name, operator, number
	line int
	kids []*node
	keys []string // of an object
	// names are the keys of an object that are strings, nil in the place of others.
	names []*node
	// inner are the resources that are declared inside of an object.
	inner []*decl
	// parts are the text and, where it is nil in kids' place, the expressions of a string.
	parts []string
}

// decl is a declaration: a param, var, output, type, resource or module, or a property of
// a type.
type decl struct {
	word, name string
	line       int
	about      string // text of its decorators
	kind       string // type of a param, output or property; type of a resource; path of a module
	existing   bool
	when       *node // the condition of a resource or module
	body       *node
	props      []*decl
}

// reader parses tokens; it supports the part of the language that these files use.
type reader struct {
	tokens []token
	at     int
	err    error
}

func parse(text string) ([]*decl, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &reader{tokens: tokens}
	var all []*decl
	for p.skip(); p.err == nil && p.at < len(p.tokens); p.skip() {
		all = append(all, p.declaration())
	}
	return all, p.err
}

func (p *reader) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{kind: 'l'}
}

func (p *reader) take() token { t := p.peek(); p.at++; return t }

func (p *reader) is(text string) bool {
	t := p.peek()
	return (t.kind == 'p' || t.kind == 'i') && t.text == text
}

func (p *reader) got(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

func (p *reader) want(text string) {
	if t := p.peek(); !p.got(text) && p.err == nil {
		p.err = fmt.Errorf("line %d: %q instead of %q", t.line, t.text, text)
		p.at = len(p.tokens)
	}
}

func (p *reader) skip() {
	for p.at < len(p.tokens) && p.peek().kind == 'l' {
		p.at++
	}
}

// then goes over line ends when one of the marks follows them.
func (p *reader) then(marks ...string) bool {
	from := p.at
	p.skip()
	if t := p.peek(); t.kind == 'p' && slices.Contains(marks, t.text) {
		return true
	}
	p.at = from
	return false
}

func (p *reader) decorators() string {
	var about strings.Builder
	for p.is("@") {
		from := p.at
		p.at += 2
		for p.got(".") {
			p.at++
		}
		if p.got("(") {
			for depth := 1; depth > 0 && p.at < len(p.tokens); {
				depth += p.take().turn()
			}
		}
		about.WriteString(source(p.tokens[from:p.at]) + "\n")
		p.skip()
	}
	return about.String()
}

// source is tokens as text again, without the spaces.
func source(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		if t.kind != 's' {
			b.WriteString(t.text)
			continue
		}
		b.WriteByte('\'')
		for _, part := range t.parts {
			b.WriteString(part.text)
		}
		b.WriteByte('\'')
	}
	return b.String()
}

func (p *reader) declaration() *decl {
	d := &decl{about: p.decorators(), line: p.peek().line, word: p.take().text}
	switch d.word {
	case "targetScope":
		p.want("=")
		d.body = p.expression()
	case "using", "import", "metadata", "func":
		for p.peek().kind != 'l' {
			p.at++
		}
	case "param", "output", "var":
		d.name = p.take().text
		if !p.is("=") {
			d.kind = p.typed()
		}
		if p.got("=") {
			d.body = p.expression()
		}
	case "type":
		d.name = p.take().text
		p.want("=")
		p.definition(d)
	case "resource", "module":
		p.thing(d)
	default:
		p.at--
		p.want("a declaration")
	}
	return d
}

// thing reads the rest of a resource or a module.
func (p *reader) thing(d *decl) {
	d.name = p.take().text
	d.kind = source([]token{p.take()})
	d.kind = strings.Trim(d.kind, "'")
	d.existing = p.got("existing")
	p.want("=")
	if p.got("if") {
		d.when = p.primary()
	}
	d.body = p.expression()
}

// typed reads a type up to where its line or it ends.
func (p *reader) typed() string {
	from, depth := p.at, 0
	for p.at < len(p.tokens) {
		t := p.peek()
		if depth == 0 && (t.kind == 'l' || t.text == "=" || t.text == "}") {
			break
		}
		depth += t.turn()
		p.at++
	}
	return source(p.tokens[from:p.at])
}

// definition reads a type: an object with properties, or a simple type.
func (p *reader) definition(d *decl) {
	if !p.is("{") {
		d.kind = p.typed()
		return
	}
	p.at++
	for p.skip(); p.err == nil && !p.got("}"); p.skip() {
		about := p.decorators()
		prop := &decl{word: "property", about: about, line: p.peek().line}
		prop.name = strings.Trim(source([]token{p.take()}), "'")
		p.want(":")
		p.definition(prop)
		if p.got("?") {
			prop.kind += "?"
		}
		p.got(",")
		d.props = append(d.props, prop)
	}
}
