package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Entry is one key of an app's configuration with the value in effect.
type Entry struct{ Key, Value string }

// Entries are Document as a list, such as colors.blue.cluster. What may hold a secret is left
// out: the values of headers, and the queries of URLs.
func (a App) Entries() []Entry { return entries(nil, "", a.Document()) }

func entries(list []Entry, key string, n *yaml.Node) []Entry {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			list = entries(list, strings.TrimPrefix(key+"."+n.Content[i].Value, "."), n.Content[i+1])
		}
		return list
	case yaml.SequenceNode:
		for i, item := range n.Content {
			list = entries(list, fmt.Sprintf("%s[%d]", key, i), item)
		}
		return list
	}
	value := n.Value
	if strings.Contains(key, ".headers.") {
		value = "…"
	} else if address, _, found := strings.Cut(value, "?"); found && strings.Contains(address, "://") {
		value = address + "?…"
	}
	return append(list, Entry{key, value})
}
