package infra_test

import (
	"fmt"
	"strconv"
	"strings"
)

func (c *deployment) truth(s scope, n *node) bool {
	b, ok := c.value(s, n).(bool)
	if !ok {
		c.Fatalf("%s:%d: the value of the condition is unknown", s.path, n.line)
	}
	return b
}

func (c *deployment) value(s scope, n *node) any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case 's':
		return c.joined(s, n)
	case 'n':
		i, _ := strconv.Atoi(n.text)
		return i
	case 'i':
		return c.named(s, n)
	case 'm':
		return c.member(s, n)
	case 'x':
		return index(c.value(s, n.kids[0]), c.value(s, n.kids[1]))
	case 'c':
		return c.call(s, n)
	case 't':
		if c.truth(s, n.kids[0]) {
			return c.value(s, n.kids[1])
		}
		return c.value(s, n.kids[2])
	case 'u':
		if i, ok := c.value(s, n.kids[0]).(int); ok && n.text == "-" {
			return -i
		}
		return !c.truth(s, n.kids[0])
	case 'b':
		return c.binary(s, n)
	case 'f', 'a':
		return c.list(s, n)
	case 'o':
		m := map[string]any{}
		for i, key := range n.keys {
			if name := n.names[i]; name != nil {
				key = c.joined(s, name)
			}
			m[key] = c.value(s, n.kids[i])
		}
		return m
	}
	c.Fatalf("%s:%d: the value is unknown", s.path, n.line)
	return nil
}

func (c *deployment) list(s scope, n *node) []any {
	list := []any{}
	if n.kind == 'f' {
		for _, round := range c.each(s, n) {
			list = append(list, c.value(round, n.kids[1]))
		}
		return list
	}
	for _, kid := range n.kids {
		list = append(list, c.value(s, kid))
	}
	return list
}

// joined evaluates a string with its interpolations.
func (c *deployment) joined(s scope, n *node) string {
	text := strings.Builder{}
	for i, part := range n.parts {
		if i < len(n.kids) && n.kids[i] != nil {
			part = c.text(s, c.value(s, n.kids[i]))
		}
		text.WriteString(part)
	}
	return text.String()
}

// text is a value as a string shows it.
func (c *deployment) text(s scope, v any) string {
	switch v.(type) {
	case string, int, bool:
		return fmt.Sprint(v)
	}
	c.Fatalf("%s: a string is made of %v", s.path, v)
	return ""
}

func (c *deployment) named(s scope, n *node) any {
	switch n.text {
	case "true", "false":
		return n.text == "true"
	case "null":
		return nil
	}
	if v, ok := s.given[n.text]; ok {
		return v
	}
	if d := s.find("var", n.text); d != nil {
		return c.value(s, d.body)
	}
	if d := s.find("param", n.text); d != nil && (d.body != nil || strings.HasSuffix(d.kind, "?")) {
		return c.value(s, d.body)
	}
	for _, word := range []string{"resource", "module"} {
		if d := s.find(word, n.text); d != nil {
			return c.referred(s, d)
		}
	}
	c.Fatalf("%s:%d: %s has no value", s.path, n.line, n.text)
	return nil
}

// member returns a key of an object, a property of a resource, or an output of a module.
func (c *deployment) member(s scope, n *node) any {
	switch of := c.value(s, n.kids[0]).(type) {
	case nil:
		return nil
	case map[string]any:
		return of[n.text]
	case resource:
		return of.reported(n.text)
	case scope:
		if n.text == "outputs" {
			return of
		}
		return c.output(of, n.text)
	}
	c.Fatalf("%s:%d: what has no parts has no %s", s.path, n.line, n.text)
	return nil
}

func (c *deployment) binary(s scope, n *node) any {
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
	case "&&":
		return left == true && right == true
	case "<", ">", "-":
		if isInt && isToo {
			return map[string]any{"<": a < b, ">": a > b, "-": a - b}[n.text]
		}
	}
	c.Fatalf("%s:%d: the value of %v %s %v is unknown", s.path, n.line, left, n.text, right)
	return nil
}
