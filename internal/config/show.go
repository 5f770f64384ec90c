package config

import (
	"fmt"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// Document is an app as it is used, with what defaults and built-in values add, as a document of
// YAML in the order of the schema. Keys without a value are left out.
func (a App) Document() *yaml.Node { return nodeOf(reflect.ValueOf(a)) }

func nodeOf(v reflect.Value) *yaml.Node {
	if part, ok := v.Interface().(interface{ Asked() bool }); ok && !part.Asked() {
		return nil // it has defaults, and does nothing
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return scalar(durationText(time.Duration(v.Int())))
	case v.Kind() == reflect.Struct:
		if t, ok := v.Interface().(Trust); ok && !t.Asked() { // its other keys say nothing then
			return nil
		}
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fields(v) {
			unset := f.value.Kind() == reflect.Int64 && f.value.IsZero() && f.tag.Get("default") == "" // a duration that is not given
			if value := nodeOf(f.value); value != nil && !unset {
				n.Content = append(n.Content, scalar(f.key), value)
			}
		}
		return unlessEmpty(n)
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, nodeOf(v.Index(i)))
		}
		return unlessEmpty(n)
	case v.Kind() == reflect.Map && v.Len() == 0 || v.Kind() == reflect.String && v.Len() == 0:
		return nil
	}
	var n yaml.Node
	if err := n.Encode(v.Interface()); err != nil {
		panic(err) // texts, numbers and truth values, and maps of texts, have a form
	}
	return &n
}

func unlessEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// durationText writes a duration as the file has it.
func durationText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	text := ""
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / unit.size; n > 0 {
			text += fmt.Sprint(int64(n)) + unit.name
			d -= n * unit.size
		}
	}
	return text
}
