package infra_test

var infix = []string{"??", "||", "&&", "==", "!=", "=~", "!~", "<=", ">=", "<", ">", "+", "-", "*", "/", "%"}

// expression parses an expression. Operators have no precedence here, because the tests use
// only the strings in the tree.
func (p *reader) expression() *node {
	left := p.unary()
	for p.then(infix...) {
		operator := p.take()
		p.skip()
		left = &node{kind: 'b', text: operator.text, line: operator.line, kids: []*node{left, p.unary()}}
	}
	if !p.then("?") {
		return left
	}
	line := p.take().line
	p.skip()
	yes := p.expression()
	p.then(":")
	p.want(":")
	p.skip()
	return &node{kind: 't', line: line, kids: []*node{left, yes, p.expression()}}
}

func (p *reader) unary() *node {
	if p.is("!") || p.is("-") {
		t := p.take()
		return &node{kind: 'u', text: t.text, line: t.line, kids: []*node{p.unary()}}
	}
	n := p.primary()
	for {
		switch t := p.peek(); {
		case p.got("!"):
		case p.got(".") || p.got(".?") || p.got("::"):
			n = &node{kind: 'm', text: p.take().text, line: t.line, kids: []*node{n}}
			if p.is("(") { // a function of a namespace
				n = p.call(&node{kind: 'i', text: n.text, line: t.line})
			}
		case p.got("[") || p.got("[?"):
			n = &node{kind: 'x', line: t.line, kids: []*node{n, p.expression()}}
			p.want("]")
		case p.is("("):
			n = p.call(n)
		default:
			return n
		}
	}
}

func (p *reader) call(of *node) *node {
	n := &node{kind: 'c', text: of.text, line: of.line}
	p.want("(")
	for p.skip(); p.err == nil && !p.got(")"); p.skip() {
		n.kids = append(n.kids, p.argument())
		p.got(",")
	}
	return n
}

// argument is an expression or a lambda.
func (p *reader) argument() *node {
	from := p.at
	if t := p.take(); t.kind == 'i' && p.got("=>") {
		p.skip()
		return &node{kind: 'l', text: t.text, line: t.line, kids: []*node{p.expression()}}
	}
	p.at = from
	return p.expression()
}

func (p *reader) primary() *node {
	t := p.take()
	n := &node{text: t.text, line: t.line, kind: t.kind}
	switch {
	case t.kind == 's':
		for _, part := range t.parts {
			if part.code == nil {
				n.parts = append(n.parts, part.text)
				n.kids = append(n.kids, nil)
				continue
			}
			inner := &reader{tokens: part.code}
			n.parts = append(n.parts, "")
			n.kids = append(n.kids, inner.expression())
			if inner.err != nil && p.err == nil {
				p.err = inner.err
			}
		}
	case t.kind == 'i' || t.kind == 'n':
	case t.text == "(":
		p.skip()
		n = p.expression()
		p.skip()
		p.want(")")
	case t.text == "{":
		p.object(n)
	case t.text == "[":
		p.array(n)
	default:
		p.at--
		p.want("an expression")
	}
	return n
}

func (p *reader) object(n *node) {
	n.kind = 'o'
	for p.skip(); p.err == nil && !p.got("}"); p.skip() {
		if about := p.at; p.is("resource") || p.is("@") {
			if d := p.declaration(); d.word == "resource" {
				n.inner = append(n.inner, d)
				continue
			}
			p.at = about
		}
		key := p.take()
		var name *node
		if key.kind == 's' {
			p.at--
			name = p.primary()
		}
		p.want(":")
		p.skip()
		n.keys, n.names = append(n.keys, stringOf(key)), append(n.names, name)
		value := p.conditional()
		n.kids = append(n.kids, value)
		p.got(",")
	}
}

func stringOf(t token) string {
	if t.kind != 's' {
		return t.text
	}
	return source([]token{t})[1 : len(source([]token{t}))-1]
}

func (p *reader) array(n *node) {
	n.kind = 'a'
	p.skip()
	if p.got("for") {
		p.loop(n)
		return
	}
	for p.skip(); p.err == nil && !p.got("]"); p.skip() {
		n.kids = append(n.kids, p.expression())
		p.got(",")
	}
}

// loop reads [for x in list: body] and [for (x, i) in list: body].
func (p *reader) loop(n *node) {
	n.kind = 'f'
	if p.got("(") {
		n.text = p.take().text
		p.want(",")
		n.keys = []string{p.take().text}
		p.want(")")
	} else {
		n.text = p.take().text
	}
	p.want("in")
	list := p.expression()
	p.want(":")
	p.skip()
	n.kids = []*node{list, p.conditional()}
	p.skip()
	p.want("]")
}

// conditional is an expression, or one with an if before it.
func (p *reader) conditional() *node {
	if p.got("if") {
		p.primary()
	}
	return p.expression()
}
