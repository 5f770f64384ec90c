package appgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// node is a JSON value and where it lies in the bytes that it was read from. Changes are
// made to those bytes, so that all that is not changed stays as it came.
type node struct {
	start, end int
	text       string // of a string
	members    map[string]*node
	items      []*node
}

// parse reads a JSON document. A key that is there twice is an error: readers differ in
// which one they believe.
func parse(raw []byte) (*node, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not UTF-8")
	}
	if !json.Valid(raw) { // also bounds the nesting
		return nil, errors.New("it is not valid JSON")
	}
	p := parser{raw: raw, d: json.NewDecoder(bytes.NewReader(raw))}
	p.d.UseNumber()
	return p.value()
}

type parser struct {
	raw []byte
	d   *json.Decoder
}

// start is where the next token begins.
func (p *parser) start() int {
	rest := p.raw[p.d.InputOffset():]
	return len(p.raw) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
}

func (p *parser) value() (*node, error) {
	n := &node{start: p.start()}
	token, err := p.d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case string:
		n.text = token
	case json.Delim:
		if err := p.fill(n, token); err != nil {
			return nil, err
		}
		if _, err := p.d.Token(); err != nil { // the closing bracket
			return nil, err
		}
	}
	n.end = int(p.d.InputOffset())
	return n, nil
}

func (p *parser) fill(n *node, open json.Delim) error {
	if open == '{' {
		n.members = map[string]*node{}
	}
	for p.d.More() {
		var key string
		if open == '{' {
			token, err := p.d.Token()
			if err != nil {
				return err
			}
			key, _ = token.(string)
			if n.members[key] != nil {
				return fmt.Errorf("the key %q is there twice in one object", key)
			}
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		if open == '{' {
			n.members[key] = value
		} else {
			n.items = append(n.items, value)
		}
	}
	return nil
}

// at follows keys from object to object; nil when there is no such value.
func (n *node) at(keys ...string) *node {
	for _, key := range keys {
		if n == nil {
			return nil
		}
		n = n.members[key]
	}
	return n
}

// string is the text at a path of keys, "" when there is none.
func (n *node) string(keys ...string) string {
	if n = n.at(keys...); n == nil {
		return ""
	}
	return n.text
}

// list is the array at a path of keys, empty when there is none.
func (n *node) list(keys ...string) []*node {
	if n = n.at(keys...); n == nil {
		return nil
	}
	return n.items
}

// named returns the element of a list that has a name; Azure compares names without case.
func named(list []*node, name string) *node {
	for _, n := range list {
		if strings.EqualFold(n.string("name"), name) {
			return n
		}
	}
	return nil
}

// withID returns the element of a list that has an id; Azure compares ids without case.
func withID(list []*node, id string) *node {
	for _, n := range list {
		if id != "" && strings.EqualFold(n.string("id"), id) {
			return n
		}
	}
	return nil
}

func names(list []*node) string {
	var all []string
	for _, n := range list {
		all = append(all, n.string("name"))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// replace returns raw with the bytes of some values replaced by those of others.
func replace(raw []byte, changes map[*node]*node) []byte {
	places := make([]*node, 0, len(changes))
	for n := range changes {
		places = append(places, n)
	}
	slices.SortFunc(places, func(a, b *node) int { return a.start - b.start })
	var out []byte
	done := 0
	for _, n := range places {
		by := changes[n]
		out = append(append(out, raw[done:n.start]...), raw[by.start:by.end]...)
		done = n.end
	}
	return append(out, raw[done:]...)
}
