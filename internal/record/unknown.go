package record

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// An unknown tree holds the stored fields that this version does not know, at their
// places: an object of unknown fields, or for a list the unknown fields of its elements by
// what is known of them.
type (
	fields   map[string]any
	elements map[string]any
)

// decode decodes data and returns the fields that the type of into does not have; nil when
// there are none.
func decode(data []byte, into any) (unknown any, err error) {
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if strict.Decode(into) == nil {
		return nil, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return nil, err
	}
	tree, err := treeOf(data)
	return unknownIn(tree, reflect.TypeOf(into)), err
}

// treeOf decodes data as it is, numbers too.
func treeOf(data []byte) (tree any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&tree)
	return tree, err
}

func unknownIn(tree any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch tree := tree.(type) {
	case map[string]any:
		if t.Kind() == reflect.Struct {
			return unknownFields(tree, fieldsOf(t))
		}
	case []any:
		if t.Kind() == reflect.Slice {
			return unknownElements(tree, t.Elem())
		}
	}
	return nil
}

func unknownFields(tree map[string]any, known map[string]reflect.Type) any {
	found := fields{}
	for name, value := range tree {
		if t, ok := known[name]; !ok {
			found[name] = value
		} else if inside := unknownIn(value, t); inside != nil {
			found[name] = inside
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

func unknownElements(list []any, t reflect.Type) any {
	found := elements{}
	for _, element := range list {
		if unknown := unknownIn(element, t); unknown != nil {
			found[identity(without(element, unknown))] = unknown
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// without returns an object without its unknown fields.
func without(tree any, unknown any) any {
	object, ok := tree.(map[string]any)
	drop, unknownFields := unknown.(fields)
	if !ok || !unknownFields {
		return tree
	}
	out := map[string]any{}
	for name, value := range object {
		if inside, ok := drop[name]; !ok {
			out[name] = value
		} else if _, nested := inside.(fields); nested {
			out[name] = without(value, inside)
		}
	}
	return out
}

func identity(tree any) string {
	data, _ := json.Marshal(tree) // a decoded tree can always be encoded
	return string(data)
}

// fieldsOf returns the JSON names of a struct's fields with their types. A time is no
// object.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" {
			known[name] = t.Field(i).Type
		}
	}
	return known
}

// mergeUnknown puts unknown fields back at their places.
func mergeUnknown(data []byte, unknown any) ([]byte, error) {
	tree, err := treeOf(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(merge(tree, unknown))
}

func merge(tree, unknown any) any {
	switch unknown := unknown.(type) {
	case fields:
		object, ok := tree.(map[string]any)
		if !ok {
			object = map[string]any{}
		}
		for name, value := range unknown {
			object[name] = merge(object[name], value)
		}
		return object
	case elements:
		list, _ := tree.([]any)
		for i, element := range list {
			if value, ok := unknown[identity(element)]; ok {
				list[i] = merge(element, value)
			}
		}
		return tree
	}
	return unknown
}
