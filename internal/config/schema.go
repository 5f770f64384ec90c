package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Schema returns the JSON Schema (2020-12) of bluegreen.yaml. It accepts every file that
// Load accepts; only Load checks ranges of durations and combinations of keys.
func Schema() []byte {
	s := schema{defs: map[string]any{}}
	root := s.object(reflect.ValueOf(Config{}))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "bluegreen.yaml"
	root["description"] = "Which apps bluegreen releases, where, and how."
	root["$defs"] = s.defs
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // people read it
	if err := e.Encode(root); err != nil {
		panic(err) // maps of texts and numbers
	}
	return out.Bytes()
}

type schema struct{ defs map[string]any }

func (s schema) object(v reflect.Value) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fields(v) {
		properties[f.key] = s.field(f)
		if f.tag.Get("need") != "" {
			required = append(required, f.key)
		}
	}
	o := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func (s schema) field(f field) map[string]any {
	o := s.value(f.value.Type(), f.tag)
	o["description"] = f.tag.Get("doc")
	switch text := f.tag.Get("default"); {
	case text == "":
	case f.value.Kind() == reflect.Int:
		o["default"] = mustInt(text)
	default:
		o["default"] = text
	}
	if f.value.Type() == reflect.TypeFor[time.Duration]() {
		o["description"] = f.tag.Get("doc") + " From " + f.tag.Get("least") + " to " + f.tag.Get("most") + "."
	}
	return o
}

func (s schema) value(t reflect.Type, tag reflect.StructTag) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": durationPattern}
	case t.Kind() == reflect.Struct:
		return map[string]any{"$ref": "#/$defs/" + s.define(t)}
	case t.Kind() == reflect.Slice:
		o := map[string]any{"type": "array", "items": s.value(t.Elem(), tag)}
		if least := tag.Get("least"); least != "" {
			o["minItems"] = mustInt(least)
		}
		return o
	case t.Kind() == reflect.Map:
		o := map[string]any{"type": "object", "additionalProperties": s.value(t.Elem(), tag)}
		if keys := ruleOf(tag.Get("keys")).pattern; keys != "" {
			o["propertyNames"] = map[string]any{"pattern": keys}
		}
		if least := tag.Get("least"); least != "" {
			o["minProperties"] = mustInt(least)
		}
		return o
	case t.Kind() == reflect.Int:
		return map[string]any{"type": "integer", "minimum": mustInt(tag.Get("least")), "maximum": mustInt(tag.Get("most"))}
	}
	if t.Kind() == reflect.Bool {
		return map[string]any{"type": "boolean"}
	}
	o := map[string]any{"type": "string"}
	if one := tag.Get("one"); one != "" {
		o["enum"] = strings.Split(one, ",")
		return o
	}
	is := ruleOf(tag.Get("is"))
	if is.pattern != "" {
		o["pattern"] = is.pattern
	}
	if is.most > 0 {
		o["maxLength"] = is.most
	}
	return o
}

// define describes a struct once, under its own name.
func (s schema) define(t reflect.Type) string {
	name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
	if _, done := s.defs[name]; !done {
		v := reflect.New(t)
		o := s.object(v.Elem())
		if short, ok := v.Interface().(shorthand); ok {
			o = map[string]any{"oneOf": []any{map[string]any{"enum": short.words()}, o}}
		}
		s.defs[name] = o
	}
	return name
}
