package infra_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cloud is the public cloud.
var cloud = map[string]any{"suffixes": suffixes, "authentication": map[string]any{"loginEndpoint": "https://login.microsoftonline.com/"}}

func (c *deployment) call(s scope, n *node) any {
	var args []any
	for _, kid := range n.kids {
		if kid.kind != 'l' {
			args = append(args, c.value(s, kid))
		}
	}
	switch n.text {
	case "readEnvironmentVariable":
		return args[len(args)-1]
	case "bool":
		return args[0] == "true"
	case "empty":
		return size(args[0]) == 0
	case "length":
		return size(args[0])
	case "contains":
		list, _ := args[0].([]any)
		return slices.Contains(list, args[1])
	case "last":
		return index(args[0], size(args[0])-1)
	case "concat", "flatten", "union":
		return together(n.text, args)
	case "map", "filter":
		return c.over(s, n, args[0])
	case "subscription":
		return map[string]any{"id": here, "subscriptionId": path.Base(here)}
	case "tenant":
		return map[string]any{"tenantId": guid}
	case "environment":
		return cloud
	}
	var texts []string
	for _, arg := range args {
		texts = append(texts, c.text(s, arg))
	}
	result := s.result(n.text, texts)
	if result == nil {
		c.Fatalf("%s:%d: what %s gives is not known here: add it", s.path, n.line, n.text)
	}
	return result
}

// result is that of a function of texts and numbers, nil for one that is not known.
func (s scope) result(name string, args []string) any {
	switch name {
	case "resourceGroup":
		id := s.to
		switch len(args) {
		case 1:
			id = here + "/resourceGroups/" + args[0]
		case 2:
			id = "/subscriptions/" + args[0] + "/resourceGroups/" + args[1]
		}
		return resource{id: id, name: path.Base(id)}
	case "resourceId":
		if strings.Contains(args[0], "/") {
			return idOf(s.to, args[0], args[1:]...)
		}
		return idOf("/subscriptions/"+args[0]+"/resourceGroups/"+args[1], args[2], args[3:]...)
	case "subscriptionResourceId":
		return idOf(here, args[0], args[1:]...)
	case "loadFileAsBase64":
		return "what is in " + args[0]
	case "uniqueString":
		return hash(args)[:13]
	case "guid":
		h := hash(args)
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
	case "toLower":
		return strings.ToLower(args[0])
	case "replace":
		return strings.ReplaceAll(args[0], args[1], args[2])
	case "take":
		n, _ := strconv.Atoi(args[1])
		return args[0][:min(n, len(args[0]))]
	case "split":
		list := []any{}
		for _, part := range strings.Split(args[0], args[1]) {
			list = append(list, part)
		}
		return list
	case "cidrSubnet", "cidrHost":
		return cidr(args)
	}
	return nil
}

// cidr is a network within a network, or an address in one, which counts from the first
// that can be used.
func cidr(args []string) string {
	network := netip.MustParsePrefix(args[0])
	n, _ := strconv.Atoi(args[1])
	ahead := n + 1
	if len(args) == 3 {
		at, _ := strconv.Atoi(args[2])
		ahead = at << (32 - n)
	}
	var bytes [4]byte
	first := network.Masked().Addr().As4()
	binary.BigEndian.PutUint32(bytes[:], binary.BigEndian.Uint32(first[:])+uint32(ahead))
	if len(args) == 3 {
		return netip.PrefixFrom(netip.AddrFrom4(bytes), n).String()
	}
	return netip.AddrFrom4(bytes).String()
}

// hash is the same text for the same arguments.
func hash(args []string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(args, "\n"))))
}

// over evaluates map or filter, with a lambda as the second argument.
func (c *deployment) over(s scope, n *node, of any) any {
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

// together is lists as one, in which union has each element once, or objects as one.
func together(name string, args []any) any {
	if name == "flatten" {
		args, _ = args[0].([]any)
	}
	list, object, isObject := []any{}, map[string]any{}, false
	for _, arg := range args {
		switch v := arg.(type) {
		case map[string]any:
			isObject = true
			maps.Copy(object, v)
		case []any:
			for _, element := range v {
				if name != "union" || !slices.Contains(list, element) {
					list = append(list, element)
				}
			}
		}
	}
	if isObject {
		return object
	}
	return list
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
