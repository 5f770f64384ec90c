package infra_test

import "slices"

// over is map or filter, whose second argument is a lambda.
func (c *counter) over(s scope, n *node, of any) any {
	list, _ := of.([]any)
	lambda, result := n.kids[1], []any{}
	for _, element := range list {
		got := c.value(s.with(lambda.text, element), lambda.kids[0])
		if n.text == "map" {
			result = append(result, got)
		} else if got == true {
			result = append(result, element)
		}
	}
	return result
}

func joinedLists(name string, args []any) any {
	all, isList := []any{}, false
	if name == "flatten" && len(args) == 1 {
		args, _ = args[0].([]any)
		isList = true
	}
	for _, arg := range args {
		list, ok := arg.([]any)
		all, isList = append(all, list...), isList || ok
	}
	if !isList {
		return args[0] // of objects: the tags
	}
	if name == "union" {
		seen := []any{}
		for _, v := range all {
			if !slices.Contains(seen, v) {
				seen = append(seen, v)
			}
		}
		return seen
	}
	return all
}

func size(of any) int {
	switch v := of.(type) {
	case string:
		return len(v)
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

func index(of, at any) any {
	switch v := of.(type) {
	case []any:
		if i, ok := at.(int); ok && i >= 0 && i < len(v) {
			return v[i]
		}
	case map[string]any:
		key, _ := at.(string)
		return v[key]
	}
	return nil
}
