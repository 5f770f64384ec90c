package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Node is a JSON value and where it lies in the bytes that it was read from. Changes are
// made to those bytes, so that all that is not changed stays as it came. A nil Node is a
// value that is not there.
type Node struct {
	start   int
	raw     []byte
	text    string // of a string
	members map[string]*Node
	items   []*Node
}

// Parse reads a JSON document. A key that is there twice is an error: readers differ in
// which one they believe.
func Parse(raw []byte) (*Node, error) {
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

func (p *parser) value() (*Node, error) {
	n := &Node{start: p.start()}
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
	n.raw = p.raw[n.start:p.d.InputOffset()]
	return n, nil
}

func (p *parser) fill(n *Node, open json.Delim) error {
	if open == '{' {
		n.members = map[string]*Node{}
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

// At follows keys from object to object; nil when there is no such value.
func (n *Node) At(keys ...string) *Node {
	for _, key := range keys {
		if n == nil {
			return nil
		}
		n = n.members[key]
	}
	return n
}

// Text is the string at a path of keys, "" when there is none.
func (n *Node) Text(keys ...string) string {
	if n = n.At(keys...); n == nil {
		return ""
	}
	return n.text
}

// List is the array at a path of keys, empty when there is none.
func (n *Node) List(keys ...string) []*Node {
	if n = n.At(keys...); n == nil {
		return nil
	}
	return n.items
}

// Keys are those of an object, in no order.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	return slices.Collect(maps.Keys(n.members))
}

// Raw is the JSON text of the value, nil when there is none.
func (n *Node) Raw() []byte {
	if n == nil {
		return nil
	}
	return n.raw
}

// Read decodes the value, and does nothing when there is none.
func (n *Node) Read(into any) error {
	if n == nil {
		return nil
	}
	return json.Unmarshal(n.raw, into)
}

// Named returns the element of a list that has a name; Azure compares names without case.
func Named(list []*Node, name string) *Node { return having(list, "name", name) }

// WithID returns the element of a list that has an id; Azure compares ids without case.
func WithID(list []*Node, id string) *Node { return having(list, "id", id) }

func having(list []*Node, key, value string) *Node {
	for _, n := range list {
		if value != "" && strings.EqualFold(n.Text(key), value) {
			return n
		}
	}
	return nil
}

// Names lists the names of the elements, for messages.
func Names(list []*Node) string {
	var all []string
	for _, n := range list {
		all = append(all, n.Text("name"))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// Replace returns raw, from which the nodes were read, with other JSON texts in their places.
func Replace(raw []byte, changes map[*Node][]byte) []byte {
	places := slices.SortedFunc(maps.Keys(changes), func(a, b *Node) int { return a.start - b.start })
	var out []byte
	done := 0
	for _, n := range places {
		out = append(append(out, raw[done:n.start]...), changes[n]...)
		done = n.start + len(n.raw)
	}
	return append(out, raw[done:]...)
}

// Last is the name at the end of a resource id.
func Last(id string) string { return id[strings.LastIndex(id, "/")+1:] }
