package matching

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// kind is what a name is the name of.
type kind string

const (
	unknown    kind = "" // a column of one's own, for instance: compared with the names of every kind
	word       kind = "color"
	pool       kind = "pool"
	settings   kind = "settings"
	endpoint   kind = "endpoint"
	resource   kind = "resource" // id, or the last part of it; clusters too
	namespace  kind = "namespace"
	deployment kind = "deployment"
	label      kind = "label"   // of a selector
	kubeconfig kind = "context" // the local name of a cluster
)

// name is a name in an alert, or one that the configuration knows; lower case. Key is what the
// alert calls it, or the label of a selector, plain.
type name struct {
	kind  kind
	value string
	key   string
}

// plain keeps the lower-case letters and digits of a key: services and exporters spell
// ClusterName, cluster_name and k8s.cluster.name, and old log columns end in _s.
func plain(key string) string {
	key = strings.TrimSuffix(strings.ToLower(key), "_s")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, key)
}

// kinds are recognized by a part of the key, in this order.
var kinds = []struct {
	part string
	kind kind
}{
	{"backendhttpsetting", settings}, {"backendpool", pool}, {"endpointname", endpoint}, {"color", word}, {"namespace", namespace},
	{"resourceid", resource}, {"cluster", resource}, {"deployment", deployment}, {"replicaset", deployment}, {"controller", deployment}, {"pod", deployment},
}

func kindOf(key string) kind {
	for _, k := range kinds {
		if strings.Contains(key, k.part) {
			return k.kind
		}
	}
	return unknown
}

// namesIn are the names in an alert that may be those of a color's parts.
func namesIn(a monitor.Alert) []name {
	var list []name
	add := func(k kind, value, key string) {
		if value = strings.ToLower(value); value != "" && value != "*" {
			list = append(list, name{k, value, key})
		}
	}
	for _, id := range slices.Concat(a.Targets, a.Items) {
		add(resource, id, "")
	}
	for _, d := range a.Dimensions {
		switch key := plain(d.Name); key {
		case "backendsettingspool": // the setting follows after a tilde
			of, set, _ := strings.Cut(d.Value, "~")
			add(pool, of, key)
			add(settings, set, key)
		default:
			add(kindOf(key), d.Value, key)
		}
	}
	return list
}

// namesOf are the names that the configuration knows of a color.
func namesOf(app config.App, c release.Color) []name {
	own := app.Color(c)
	list := []name{{word, string(c), ""}, {pool, own.Backend, ""}, {settings, own.Settings, ""}, {endpoint, own.Endpoint, ""}, {namespace, own.Namespace, ""}}
	for _, d := range own.Names() {
		list = append(list, name{deployment, d, ""})
	}
	ids := own.Resources
	if local, ok := strings.CutPrefix(own.Cluster, "context:"); ok {
		list = append(list, name{kubeconfig, local, ""})
	} else {
		ids = append([]string{own.Cluster}, ids...)
	}
	for _, id := range ids {
		list = append(list, name{resource, id, ""}, name{resource, id[strings.LastIndex(id, "/")+1:], ""})
	}
	for key, value := range own.Selector {
		list = append(list, name{label, value, plain(key)})
	}
	for i := range list {
		list[i].value = strings.ToLower(list[i].value)
	}
	return list
}

// template is what follows the name of a Deployment in those of its ReplicaSets and pods. A
// hash has no vowels, so that shop-green-… is not taken for a pod of shop.
var template = regexp.MustCompile(`^-[bcdfghjklmnpqrstvwxz2456789]+(-[bcdfghjklmnpqrstvwxz2456789]{5})?$`)

// is reports whether a name in an alert is one that the configuration knows.
func (n name) is(known name) bool {
	if known.value == "" {
		return false
	}
	rest, begins := strings.CutPrefix(n.value, known.value)
	same := begins && rest == ""
	switch {
	case known.kind == label: // exporters put label before its key
		return same && strings.TrimPrefix(n.key, "label") == known.key
	case n.kind == unknown:
		return same && known.kind != word && known.kind != kubeconfig
	case known.kind == kubeconfig:
		return same && n.kind == resource
	case n.kind != known.kind:
		return false
	case n.kind == resource:
		return same || begins && strings.HasPrefix(known.value, "/") && rest[0] == '/'
	case n.kind == deployment:
		return same || begins && template.MatchString(rest)
	}
	return same
}

// means is the name of a color that a name in an alert is, where it is none of the other's; ""
// otherwise. A name of unknown kind must not be the beginning of the other's either, nor the
// mere word blue or green, unless the color's selector has it under the same key.
func (n name) means(own, other []name) string {
	at := slices.IndexFunc(own, n.is)
	if at < 0 || slices.ContainsFunc(other, n.is) {
		return ""
	}
	if n.kind == unknown && own[at].kind != label {
		begins := func(k name) bool { return k.kind != label && strings.HasPrefix(k.value, n.value) }
		if slices.ContainsFunc(other, begins) || n.value == string(release.Blue) || n.value == string(release.Green) {
			return ""
		}
	}
	known := own[at].value
	return known[strings.LastIndex(known, "/")+1:]
}

// colorOf is the one color that an alert names: by a name that the configuration knows of
// that color and not of the other. It is "" when the alert names neither or both; doubt then
// says so.
func colorOf(app config.App, a monitor.Alert) (c release.Color, doubt string) {
	known := map[release.Color][]name{release.Blue: namesOf(app, release.Blue), release.Green: namesOf(app, release.Green)}
	by := map[release.Color]string{}
	for _, n := range namesIn(a) {
		for c := range known {
			if found := n.means(known[c], known[c.Other()]); found != "" {
				by[c] = found
			}
		}
	}
	switch {
	case len(by) == 2:
		return "", fmt.Sprintf("either color: it names both, blue by %s and green by %s", by[release.Blue], by[release.Green])
	case by[release.Blue] != "":
		return release.Blue, ""
	case by[release.Green] != "":
		return release.Green, ""
	}
	return "", "either color: it names neither"
}
