package infra_test

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// sampler computes the longest value that an expression can have. A value is a string, a list
// ([]any), an object (map[string]any), or nil if it is unknown.
type sampler struct {
	files map[string]*file
	// traced prefers the values that the templates pass to a parameter over its declared limits.
	traced bool
	depth  int
}

// place is the context of an expression: its file, and the variables of loops and lambdas.
type place struct {
	file   *file
	locals map[string]any
}

func (at place) with(name string, value any) place {
	locals := map[string]any{name: value}
	for k, v := range at.locals {
		if k != name {
			locals[k] = v
		}
	}
	return place{at.file, locals}
}

func (s *sampler) value(at place, n *node) any {
	if n == nil || s.depth > 60 {
		return nil
	}
	s.depth++
	defer func() { s.depth-- }()
	switch n.kind {
	case 's':
		return s.text(at, n)
	case 'n':
		return n.text
	case 'i':
		return s.named(at, n.text)
	case 'm':
		return s.member(at, n)
	case 'x':
		return pick(s.value(at, n.kids[0]), s.value(at, n.kids[1]))
	case 'c':
		return s.call(at, n)
	case 't':
		return longer(s.value(at, n.kids[1]), s.value(at, n.kids[2]))
	case 'b':
		if n.text == "??" {
			return longer(s.value(at, n.kids[0]), s.value(at, n.kids[1]))
		}
	case 'f':
		return s.each(at, n)
	case 'a':
		list := []any{}
		for _, kid := range n.kids {
			list = append(list, s.value(at, kid))
		}
		return list
	case 'o':
		m := map[string]any{}
		for i, key := range n.keys {
			m[key] = s.value(at, n.kids[i])
		}
		return m
	}
	return nil
}

func (s *sampler) text(at place, n *node) any {
	var b strings.Builder
	for i, kid := range n.kids {
		if kid == nil {
			b.WriteString(n.parts[i])
			continue
		}
		text, ok := s.value(at, kid).(string)
		if !ok {
			return nil
		}
		b.WriteString(text)
	}
	if len(n.kids) == 0 {
		return strings.Join(n.parts, "")
	}
	return b.String()
}

func (s *sampler) each(at place, n *node) any {
	list, ok := s.value(at, n.kids[0]).([]any)
	if !ok {
		return nil
	}
	made := []any{}
	for i, element := range list {
		inner := at.with(n.text, element)
		for _, index := range n.keys {
			inner = inner.with(index, strconv.Itoa(i))
		}
		made = append(made, s.value(inner, n.kids[1]))
	}
	return made
}

func (s *sampler) named(at place, name string) any {
	if v, ok := at.locals[name]; ok {
		return v
	}
	if d := at.file.find("var", name); d != nil {
		return s.value(place{file: at.file}, d.body)
	}
	if d := at.file.find("param", name); d != nil {
		return s.param(at.file, d)
	}
	return nil
}

// member is a part of an object, the name of a resource, or an output of a module.
func (s *sampler) member(at place, n *node) any {
	of := n.kids[0]
	if d := at.file.find("resource", of.text); of.kind == 'i' && d != nil && n.text == "name" {
		return s.value(at, object(d.body).get("name"))
	}
	if of.kind == 'm' && of.text == "outputs" {
		if target := s.files[s.target(at.file, of.kids[0].text)]; target != nil {
			if d := target.find("output", n.text); d != nil {
				return s.value(place{file: target}, d.body)
			}
		}
		return nil
	}
	if m, ok := s.value(at, of).(map[string]any); ok {
		return m[n.text]
	}
	return nil
}

// target is the path of a module from bicep/; "" for a name that is none.
func (s *sampler) target(f *file, module string) string {
	d := f.find("module", module)
	if d == nil {
		return ""
	}
	return path.Join(path.Dir(f.path), d.kind)
}

var maxLength = regexp.MustCompile(`@(?:sys\.)?maxLength\((\d+)\)`)
var literal = regexp.MustCompile(`'([^']*)'`)

// longRegion is a region of Azure, and none has a longer name.
const longRegion = "germanywestcentral"

// param is the longest value that may be given.
func (s *sampler) param(f *file, d *decl) any {
	declared := s.typed(d.about, d.kind)
	if declared == nil && d.name == "location" {
		declared = longRegion
	}
	if declared != nil && !s.traced {
		return declared
	}
	var longest any
	for _, caller := range s.files {
		for _, m := range caller.decls {
			if m.word == "module" && s.target(caller, m.name) == f.path {
				longest = longer(longest, s.given(caller, m, f, d))
			}
		}
	}
	if longest == nil {
		return declared
	}
	return longest
}

// given returns the value that a file passes to a module's parameter, or its default.
func (s *sampler) given(caller *file, m *decl, f *file, d *decl) any {
	params := object(m.body).get("params")
	if params == nil || params.get(d.name) == nil {
		return s.value(place{file: f}, d.body)
	}
	var longest any
	for _, at := range s.places(caller, m) {
		longest = longer(longest, s.value(at, params.get(d.name)))
	}
	return longest
}

// typed is the longest value of a type with its decorators, nil if they set no limit.
func (s *sampler) typed(about, kind string) any {
	kind = strings.TrimSuffix(kind, "?")
	if limit := maxLength.FindStringSubmatch(about); limit != nil && kind == "string" {
		n, _ := strconv.Atoi(limit[1])
		return strings.Repeat("x", n)
	}
	if _, allowed, ok := strings.Cut(about, "@allowed("); ok {
		return longestOf(allowed)
	}
	if strings.HasSuffix(kind, "[]") {
		if element := s.typed("", strings.TrimSuffix(kind, "[]")); element != nil {
			return []any{element}
		}
		return nil
	}
	if strings.HasPrefix(kind, "'") {
		return longestOf(kind)
	}
	types := s.files["types.bicep"]
	if types == nil || types.find("type", kind) == nil {
		return nil
	}
	d := types.find("type", kind)
	if d.kind != "" {
		return s.typed(d.about, d.kind)
	}
	m := map[string]any{}
	for _, p := range d.props {
		m[p.name] = s.typed(p.about, p.kind)
	}
	return m
}

func longestOf(source string) any {
	var longest any
	for _, found := range literal.FindAllStringSubmatch(source, -1) {
		longest = longer(longest, found[1])
	}
	return longest
}
