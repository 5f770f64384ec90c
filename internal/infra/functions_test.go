package infra_test

import (
	"strconv"
	"strings"
)

// longer returns the longer of two values, or the known one if the other is unknown: an
// unknown value is the name of an existing resource, not a name that the templates create.
func longer(a, b any) any {
	x, isText := a.(string)
	y, isToo := b.(string)
	switch {
	case a == nil:
		return b
	case isText && isToo && len(y) > len(x):
		return b
	}
	if m, ok := a.(map[string]any); ok {
		n, _ := b.(map[string]any)
		both := map[string]any{}
		for k, v := range n {
			both[k] = v
		}
		for k, v := range m {
			both[k] = longer(v, both[k])
		}
		return both
	}
	if l, ok := a.([]any); ok {
		more, _ := b.([]any)
		return append(append([]any{}, l...), more...)
	}
	return a
}

func pick(of, index any) any {
	text, _ := index.(string)
	switch v := of.(type) {
	case []any:
		if i, err := strconv.Atoi(text); err == nil && i < len(v) {
			return v[i]
		}
	case map[string]any:
		if found, ok := v[text]; ok {
			return found
		}
		var longest any
		for _, element := range v {
			longest = longer(longest, element)
		}
		return longest
	}
	return nil
}

// suffixes are those of the public cloud.
var suffixes = map[string]any{"acrLoginServer": ".azurecr.io", "keyvaultDns": ".vault.azure.net", "storage": "core.windows.net"}

const guid = "00000000-0000-0000-0000-000000000000"

// call is the longest result of a function; nil for those that names are not made with.
func (s *sampler) call(at place, n *node) any {
	switch n.text {
	case "uniqueString":
		return strings.Repeat("u", 13)
	case "guid":
		return guid
	case "resourceGroup":
		return map[string]any{"name": strings.Repeat("g", 90)}
	case "environment":
		return map[string]any{"suffixes": suffixes}
	case "map":
		list, ok := s.value(at, n.kids[0]).([]any)
		made := []any{}
		for _, element := range list {
			made = append(made, s.value(at.with(n.kids[1].text, element), n.kids[1].kids[0]))
		}
		if ok {
			return made
		}
		return nil
	case "filter":
		return s.value(at, n.kids[0])
	}
	var args []any
	for _, kid := range n.kids {
		args = append(args, s.value(at, kid))
	}
	if len(args) == 0 {
		return nil
	}
	return apply(n.text, args)
}

func apply(name string, args []any) any {
	text, _ := args[0].(string)
	switch name {
	case "take":
		if length, err := strconv.Atoi(toText(args, 1)); err == nil {
			if text == "" { // unknown, and at most so long
				return strings.Repeat("x", length)
			}
			return text[:min(length, len(text))]
		}
	case "toLower":
		if text != "" {
			return strings.ToLower(text)
		}
	case "string":
		return args[0]
	case "replace":
		if len(args) == 3 && text != "" {
			return strings.ReplaceAll(text, toText(args, 1), toText(args, 2))
		}
	case "concat", "union":
		return joined(args)
	case "flatten":
		list, _ := args[0].([]any)
		return joined(list)
	case "first", "last":
		if list, ok := args[0].([]any); ok && len(list) > 0 {
			return list[map[string]int{"first": 0, "last": len(list) - 1}[name]]
		}
	}
	return nil
}

func toText(args []any, i int) string {
	if i >= len(args) {
		return ""
	}
	text, _ := args[i].(string)
	return text
}

// joined is lists in one, or texts.
func joined(args []any) any {
	if _, ok := args[0].(string); ok {
		all := ""
		for i := range args {
			all += toText(args, i)
		}
		return all
	}
	list := []any{}
	for _, arg := range args {
		more, _ := arg.([]any)
		list = append(list, more...)
	}
	return list
}
