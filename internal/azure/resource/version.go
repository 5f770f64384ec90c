package resource

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// noVersion is one that no service has: the refusal lists those that it has.
const noVersion = "2999-01-01"

var (
	offered  = regexp.MustCompile(`supported (?:api-)?versions are '([^']+)'`)
	released = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// Unseen lists what the newest version of the service's API shows of the resource, and the
// one that it was read with does not: a write may drop that. It asks without insisting:
// where the service does not say which versions it has, nothing is known and nothing listed.
func (r *Resource) Unseen(ctx context.Context, d Document) (version string, properties []string) {
	version = r.newest(ctx, d)
	if version == "" {
		return "", nil
	}
	resp, err := r.as(version).send(Once(ctx), http.MethodGet, nil, "")
	if err != nil || !runtime.HasStatusCode(resp, http.StatusOK) {
		return "", nil
	}
	raw, err := runtime.Payload(resp)
	if err != nil {
		return "", nil
	}
	root, err := Parse(raw)
	if err != nil {
		return "", nil
	}
	return version, more(root.At("properties"), d.Root.At("properties"), "")
}

// as is the resource as another version of the API has it.
func (r *Resource) as(version string) *Resource {
	other := *r
	other.kind.Version = version
	return &other
}

// newest is the newest released version that the service has, "" when that is the one in use.
func (r *Resource) newest(ctx context.Context, d Document) string {
	list := d.versions
	if list == "" {
		resp, err := r.as(noVersion).send(Once(ctx), http.MethodGet, nil, "")
		if err != nil {
			return ""
		}
		if m := offered.FindStringSubmatch(Read(resp).Message); m != nil {
			list = m[1]
		}
	}
	newest := r.kind.Version
	for _, v := range strings.Split(list, ",") {
		if v = strings.TrimSpace(v); released.MatchString(v) && v > newest {
			newest = v
		}
	}
	if newest == r.kind.Version {
		return ""
	}
	return newest
}

// more lists the paths of what one description has and another one lacks. Elements of lists
// are matched by name. A value that is off or empty is what its absence means too.
func more(new, old *Node, path string) []string {
	var all []string
	if old == nil {
		if new.empty() {
			return nil
		}
		return []string{path}
	}
	for _, key := range slices.Sorted(maps.Keys(new.members)) {
		all = append(all, more(new.members[key], old.At(key), strings.TrimPrefix(path+"."+key, "."))...)
	}
	for _, item := range new.items {
		if name := item.Text("name"); Named(old.items, name) != nil {
			all = append(all, more(item, Named(old.items, name), fmt.Sprintf("%s[%s]", path, name))...)
		}
	}
	return all
}

// empty reports whether all that a value holds is off, null or without content.
func (n *Node) empty() bool {
	for _, v := range n.members {
		if !v.empty() {
			return false
		}
	}
	for _, v := range n.items {
		if !v.empty() {
			return false
		}
	}
	if n.members != nil || len(n.items) > 0 {
		return true
	}
	return slices.Contains([]string{"null", "false", `""`, "[]", "0"}, strings.Join(strings.Fields(string(n.raw)), ""))
}
