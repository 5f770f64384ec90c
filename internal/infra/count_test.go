package infra_test

import (
	"path"
	"strconv"
	"strings"
	"testing"
)

// counter makes, without Azure, what an entry point makes with given parameters. A value is
// a string, a bool, an int, a list, an object, or nil where only Azure knows it.
type counter struct {
	*testing.T
	files map[string]*file
	made  []made
}

// made is one resource: its type, and the properties that can be told.
type made struct {
	kind       string
	properties map[string]any
}

// scope is a file with the values of its parameters, and the names of loops.
type scope struct {
	*file
	given map[string]any
}

func (s scope) with(name string, value any) scope {
	given := map[string]any{name: value}
	for k, v := range s.given {
		if k != name {
			given[k] = v
		}
	}
	return scope{s.file, given}
}

// setup makes what bicep/NAME.bicepparam deploys. Settings of the environment that have no
// default are given as text.
func setup(t *testing.T, name string) *counter {
	t.Helper()
	c := &counter{T: t, files: load(t)}
	text := read(t, root+"/bicep/"+name+".bicepparam")
	decls, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	here := scope{&file{path: name + ".bicepparam", text: text, decls: decls}, nil}
	given := map[string]any{}
	for _, d := range decls {
		if d.word == "param" {
			given[d.name] = c.value(here, d.body)
		}
	}
	_, rest, _ := strings.Cut(text, "using '")
	c.make(scope{c.files[before(rest, "'")], given})
	return c
}

func (c *counter) make(s scope) {
	for _, d := range s.decls {
		if d.existing || d.word != "resource" && d.word != "module" || d.when != nil && !c.truth(s, d.when) {
			continue
		}
		for _, at := range c.each(s, d.body) {
			if d.word == "module" {
				target := c.files[path.Join(path.Dir(s.path), d.kind)]
				params, _ := c.value(at, object(d.body).get("params")).(map[string]any)
				c.make(scope{target, params})
				continue
			}
			properties, _ := c.value(at, object(d.body)).(map[string]any)
			c.made = append(c.made, made{before(d.kind, "@"), properties})
		}
	}
}

// each is the scope of each round of a loop, or the scope itself.
func (c *counter) each(s scope, body *node) (rounds []scope) {
	if body.kind != 'f' {
		return []scope{s}
	}
	list, ok := c.value(s, body.kids[0]).([]any)
	if !ok {
		c.Fatalf("%s:%d: over what the loop goes cannot be told", s.path, body.line)
	}
	for i, element := range list {
		round := s.with(body.text, element)
		for _, index := range body.keys {
			round = round.with(index, i)
		}
		rounds = append(rounds, round)
	}
	return rounds
}

func (c *counter) truth(s scope, n *node) bool {
	b, ok := c.value(s, n).(bool)
	if !ok {
		c.Fatalf("%s:%d: whether it is made cannot be told", s.path, n.line)
	}
	return b
}

func (c *counter) value(s scope, n *node) any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case 's':
		return c.text(s, n)
	case 'n':
		i, _ := strconv.Atoi(n.text)
		return i
	case 'i':
		return c.named(s, n.text)
	case 'm':
		m, _ := c.value(s, n.kids[0]).(map[string]any)
		return m[n.text]
	case 'x':
		return index(c.value(s, n.kids[0]), c.value(s, n.kids[1]))
	case 'c':
		return c.call(s, n)
	case 't':
		switch c.value(s, n.kids[0]) {
		case true:
			return c.value(s, n.kids[1])
		case false:
			return c.value(s, n.kids[2])
		}
		return nil
	case 'u':
		b, ok := c.value(s, n.kids[0]).(bool)
		return ok && !b
	case 'b':
		return c.binary(s, n)
	case 'f':
		list := []any{}
		for _, round := range c.each(s, n) {
			list = append(list, c.value(round, n.kids[1]))
		}
		return list
	case 'a':
		list := []any{}
		for _, kid := range n.kids {
			list = append(list, c.value(s, kid))
		}
		return list
	case 'o':
		m := map[string]any{}
		for i, key := range n.keys {
			m[key] = c.value(s, n.kids[i])
		}
		return m
	}
	return nil
}

// text is a string; what only Azure knows in it is left out, so that it is not empty.
func (c *counter) text(s scope, n *node) string {
	text := strings.Builder{}
	for i, part := range n.parts {
		if i >= len(n.kids) || n.kids[i] == nil {
			text.WriteString(part)
		} else if known, ok := c.value(s, n.kids[i]).(string); ok {
			text.WriteString(known)
		} else {
			text.WriteString("?")
		}
	}
	return text.String()
}

func (c *counter) named(s scope, name string) any {
	switch name {
	case "true", "false":
		return name == "true"
	case "null":
		return nil
	}
	if v, ok := s.given[name]; ok {
		return v
	}
	for _, word := range []string{"var", "param"} {
		if d := s.find(word, name); d != nil {
			return c.value(scope{s.file, s.given}, d.body)
		}
	}
	return nil
}

func (c *counter) binary(s scope, n *node) any {
	left := c.value(s, n.kids[0])
	if n.text == "??" && left != nil {
		return left
	}
	right := c.value(s, n.kids[1])
	a, isInt := left.(int)
	b, isToo := right.(int)
	switch n.text {
	case "??":
		return right
	case "==":
		return left == right
	case "!=":
		return left != right
	case "&&", "||":
		x, _ := left.(bool)
		y, _ := right.(bool)
		return x && y || n.text == "||" && (x || y)
	case "<", ">", "-":
		if isInt && isToo {
			return map[string]any{"<": a < b, ">": a > b, "-": a - b}[n.text]
		}
	}
	return nil
}

func (c *counter) call(s scope, n *node) any {
	var args []any
	for _, kid := range n.kids {
		if kid.kind != 'l' {
			args = append(args, c.value(s, kid))
		}
	}
	switch n.text {
	case "readEnvironmentVariable":
		if len(args) == 1 {
			return "given"
		}
		return args[1]
	case "bool":
		return args[0] == "true"
	case "empty":
		return size(args[0]) == 0
	case "length":
		return size(args[0])
	case "last":
		return index(args[0], size(args[0])-1)
	case "concat", "flatten", "union":
		return joinedLists(n.text, args)
	case "map", "filter":
		return c.over(s, n, args[0])
	case "resourceId", "subscriptionResourceId", "guid", "uniqueString", "format", "toLower", "replace", "take":
		return n.text // text that is not empty, whatever it is
	case "split":
		return []any{"", "", "", "", "", "", "", "", "", "", ""}
	}
	return nil
}
