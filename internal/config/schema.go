package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Schema returns the JSON Schema (2020-12) of bluegreen.yaml and of the files beside it. It accepts
// every file that Load accepts; only Load checks ranges of durations and combinations of keys.
func Schema() []byte {
	s := schema{defs: map[string]any{}}
	root := s.object(reflect.TypeFor[Config]())
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

// schema describes types. Where an app has a template, and in templates, keys may be missing, but
// not in lists, which no template completes: these are partial. Texts of templates hold parameters.
type schema struct {
	defs           map[string]any
	partial, holes bool
}

func (s schema) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(t) {
		properties[f.key] = s.field(f, t.FieldByIndex(f.index).Type)
		if f.tag.need && (!s.partial || f.key == "name") {
			required = append(required, f.key)
		}
	}
	o := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func (s schema) field(f field, t reflect.Type) map[string]any {
	o := s.value(t, f.tag)
	o["description"] = f.tag.Get("doc")
	switch text := f.tag.Get("default"); {
	case text == "":
	case t.Kind() == reflect.Int:
		o["default"] = mustInt(text)
	default:
		o["default"] = text
	}
	if t == reflect.TypeFor[time.Duration]() {
		o["description"] = f.tag.Get("doc") + " From " + f.tag.Get("least") + " to " + f.tag.Get("most") + "."
	}
	return o
}

func (s schema) value(t reflect.Type, tag *spec) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return s.orHole(map[string]any{"type": "string", "pattern": durationPattern})
	case t == reflect.TypeFor[App]():
		return map[string]any{
			"if":   map[string]any{"required": []string{"template"}},
			"then": map[string]any{"$ref": "#/$defs/" + schema{defs: s.defs, partial: true}.define(t)},
			"else": map[string]any{"$ref": "#/$defs/" + s.define(t)},
		}
	case t == reflect.TypeFor[Template]():
		return map[string]any{"$ref": "#/$defs/" + schema{s.defs, true, true}.define(t)}
	case t.Kind() == reflect.Struct:
		return map[string]any{"$ref": "#/$defs/" + s.define(t)}
	case t.Kind() == reflect.Slice:
		s.partial = false
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
		return s.orHole(o)
	}
	is := ruleOf(tag.Get("is"))
	if is.pattern != "" {
		o["pattern"] = is.pattern
	}
	if is.most > 0 {
		o["maxLength"] = is.most
	}
	return s.orHole(o)
}

// orHole admits a text with a parameter beside what is admitted otherwise.
func (s schema) orHole(o map[string]any) map[string]any {
	if !s.holes || len(o) == 1 {
		return o
	}
	return map[string]any{"anyOf": []any{o, map[string]any{"type": "string", "pattern": `\$\{`}}}
}

// define describes a struct once, under its own name, and another one where it is partial or has
// holes and that makes a difference.
func (s schema) define(t reflect.Type) string {
	name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
	if t != reflect.TypeFor[Template]() && (s.partial || s.holes) {
		plain := schema{defs: s.defs}.define(t)
		if reflect.DeepEqual(s.describe(t), s.defs[plain]) {
			return plain
		}
		name += map[bool]string{false: "OfTemplate", true: "InTemplate"}[s.holes]
		if s.holes && !s.partial {
			name += "List"
		}
	}
	if _, done := s.defs[name]; !done {
		s.defs[name] = s.describe(t)
	}
	return name
}

func (s schema) describe(t reflect.Type) map[string]any {
	o := s.object(t)
	if short, ok := reflect.New(t).Interface().(shorthand); ok {
		o = map[string]any{"oneOf": []any{map[string]any{"enum": short.words()}, o}}
	}
	return o
}
