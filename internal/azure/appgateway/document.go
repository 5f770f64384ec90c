package appgateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

// document is a gateway as GET returned it.
type document struct{ resource.Document }

func (d document) section(name string) []*resource.Node { return d.Root.List("properties", name) }

// place is a reference of a routing rule to a backend pool, with its HTTP settings.
// Both nodes are ids; color and settingsColor are "" for resources of neither color.
type place struct {
	where                string
	pool, settings       *resource.Node
	color, settingsColor release.Color
}

func (p place) String() string {
	s := fmt.Sprintf("%s points at pool %s", p.where, resource.Last(p.pool.Text()))
	if p.settingsColor != "" {
		s += " with settings " + resource.Last(p.settings.Text())
	}
	return s
}

// places returns where a rule names backend pools, in words where it names none.
func (d document) places(rule *resource.Node) ([]place, string) {
	where := "rule " + rule.Text("name")
	p := rule.At("properties")
	switch kind := p.Text("ruleType"); {
	case p.Text("redirectConfiguration", "id") != "":
		return nil, where + " redirects: list the rule that serves the app instead"
	case strings.EqualFold(kind, "PathBasedRouting"):
		m := resource.WithID(d.section("urlPathMaps"), p.Text("urlPathMap", "id"))
		if m == nil {
			return nil, where + " has no path map"
		}
		if name := distributed(m); name != "" {
			return nil, fmt.Sprintf("path map %s distributes load by the policy %s, which names its own pools: let it name a backend pool", m.Text("name"), name)
		}
		return d.mapPlaces(m), ""
	case p.Text("loadDistributionPolicy", "id") != "":
		return nil, fmt.Sprintf("%s distributes load by the policy %s, which names its own pools: let it name a backend pool", where, resource.Last(p.Text("loadDistributionPolicy", "id")))
	case !strings.EqualFold(kind, "Basic"):
		return nil, fmt.Sprintf("%s is of type %q, which is not known here: Basic and PathBasedRouting are", where, kind)
	case p.At("backendAddressPool", "id") == nil:
		return nil, where + " names no backend pool"
	}
	return []place{{where: where, pool: p.At("backendAddressPool", "id"), settings: p.At("backendHttpSettings", "id")}}, ""
}

// distributed is the name of a load distribution policy that a path map uses; "" for none.
func distributed(m *resource.Node) string {
	if id := m.Text("properties", "defaultLoadDistributionPolicy", "id"); id != "" {
		return resource.Last(id)
	}
	for _, rule := range m.List("properties", "pathRules") {
		if id := rule.Text("properties", "loadDistributionPolicy", "id"); id != "" {
			return resource.Last(id)
		}
	}
	return ""
}

func (d document) mapPlaces(m *resource.Node) []place {
	where := "path map " + m.Text("name")
	p := m.At("properties")
	all := []place{{where: where, pool: p.At("defaultBackendAddressPool", "id"), settings: p.At("defaultBackendHttpSettings", "id")}}
	for _, rule := range p.List("pathRules") {
		p := rule.At("properties")
		all = append(all, place{
			where: where + ", path rule " + rule.Text("name"),
			pool:  p.At("backendAddressPool", "id"), settings: p.At("backendHttpSettings", "id"),
		})
	}
	var found []place
	for _, p := range all {
		if p.pool != nil { // a redirect has none
			found = append(found, p)
		}
	}
	return found
}

// routed reports whether a rule of the gateway, the app's or not, leads to a pool: only
// such a pool is probed by itself.
func (d document) routed(pool string) bool {
	for _, rule := range d.section("requestRoutingRules") {
		places, _ := d.places(rule)
		for _, p := range places {
			if strings.EqualFold(p.pool.Text(), pool) {
				return true
			}
		}
	}
	return false
}

// survey is the part of a gateway that belongs to the app.
type survey struct {
	pools, settings map[release.Color]*resource.Node // the ids; without those that are missing
	places          []place                          // the app's references
	elsewhere       []place                          // of rules of the app that have none
	parts           []*resource.Node                 // of the gateway, that the app's traffic passes
	problems        []string                         // why nothing may be changed
	missing         map[release.Color][]string       // why a color cannot get the traffic
}

func (g *Gateway) survey(d document) survey {
	s := survey{pools: map[release.Color]*resource.Node{}, settings: map[release.Color]*resource.Node{}, missing: map[release.Color][]string{}}
	for _, c := range []release.Color{release.Blue, release.Green} {
		create := "az network application-gateway %s create --gateway-name " + g.azure.ID.Name + " --resource-group " + g.azure.ID.ResourceGroupName + " --name "
		s.find(s.pools, c, d.section("backendAddressPools"), "backend pool", g.backends[c].Pool, fmt.Sprintf(create, "address-pool")+g.backends[c].Pool)
		if name := g.backends[c].Settings; name != "" {
			s.find(s.settings, c, d.section("backendHttpSettingsCollection"), "backend HTTP settings", name, fmt.Sprintf(create, "http-settings")+name)
		}
	}
	maps := map[*resource.Node]bool{}
	for _, name := range g.rules {
		rule := resource.Named(d.section("requestRoutingRules"), name)
		if rule == nil && resource.Named(d.section("routingRules"), name) != nil {
			s.problem("rule %s is one of layer 4 (TCP or TLS), and only those of HTTP are switched: the gateway has %s", name, resource.Names(d.section("requestRoutingRules")))
			continue
		}
		if rule == nil {
			s.problem("rule %s does not exist: the gateway has %s", name, resource.Names(d.section("requestRoutingRules")))
			continue
		}
		s.parts = append(s.parts, rule)
		m := resource.WithID(d.section("urlPathMaps"), rule.Text("properties", "urlPathMap", "id"))
		if m != nil && maps[m] {
			continue
		}
		maps[m] = true
		s.parts = append(s.parts, m)
		s.sharing(d, m, g.rules)
		places, problem := d.places(rule)
		if problem == "" && len(places) == 0 {
			problem = "rule " + name + " leads to no backend pool"
		}
		if problem != "" {
			s.problem("%s", problem)
		}
		s.sort(places)
	}
	return s
}

func (s *survey) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// find finds a part of a color by its name. Where it does not exist, the other color can
// still have the traffic, and get it.
func (s *survey) find(into map[release.Color]*resource.Node, c release.Color, list []*resource.Node, what, name, create string) {
	part := resource.Named(list, name)
	s.parts = append(s.parts, part)
	id := part.At("id")
	if id == nil || id.Text() == "" {
		s.missing[c] = append(s.missing[c], fmt.Sprintf("%s %s of %s does not exist: the gateway has %s; correct the name in the configuration, or create it with %s",
			what, name, c, resource.Names(list), create))
		return
	}
	into[c] = id
}

// sharing refuses a path map that also serves rules of others: they would move too.
func (s *survey) sharing(d document, m *resource.Node, own []string) {
	if m == nil {
		return
	}
	for _, rule := range d.section("requestRoutingRules") {
		name := rule.Text("name")
		if strings.EqualFold(rule.Text("properties", "urlPathMap", "id"), m.Text("id")) && !contains(own, name) {
			s.problem("path map %s also serves rule %s, which would move too: list that rule as well, or give the app a path map of its own", m.Text("name"), name)
		}
	}
}

// sort keeps the references of a rule that lead to either color. Others stay as they are,
// but a rule with nothing but others is not where the app left it.
func (s *survey) sort(places []place) {
	var owned []place
	for _, p := range places {
		if p.color = colorOf(s.pools, p.pool); p.color != "" {
			p.settingsColor = colorOf(s.settings, p.settings)
			owned = append(owned, p)
		}
	}
	if len(owned) == 0 {
		s.elsewhere = append(s.elsewhere, places...)
	}
	s.places = append(s.places, owned...)
}

func colorOf(ids map[release.Color]*resource.Node, id *resource.Node) release.Color {
	if id == nil {
		return ""
	}
	for _, c := range []release.Color{release.Blue, release.Green} {
		if ids[c] != nil && strings.EqualFold(ids[c].Text(), id.Text()) {
			return c
		}
	}
	return ""
}

// live is the color that every reference of the app leads to, or "".
func (s survey) live() release.Color {
	if len(s.problems) > 0 || len(s.elsewhere) > 0 || len(s.places) == 0 {
		return ""
	}
	live := s.places[0].color
	for _, p := range s.places {
		if p.color != live || p.settingsColor != "" && p.settingsColor != live {
			return ""
		}
	}
	return live
}

func (s survey) describe() string {
	var all []string
	for _, p := range s.places {
		all = append(all, p.String())
	}
	for _, p := range s.elsewhere {
		all = append(all, p.String()+", which is of neither color")
	}
	return strings.Join(slices.Concat(all, s.problems, s.absent()), "; ")
}

// absent lists what is missing of either color.
func (s survey) absent() []string {
	return slices.Concat(s.missing[release.Blue], s.missing[release.Green])
}

// repoint returns the document, the etags of its parts included, which the service ignores
// (Azure/azure-rest-api-specs issue 6789), with every reference of the app leading to a color.
func (s survey) repoint(raw []byte, to release.Color) []byte {
	changes := map[*resource.Node][]byte{}
	for _, p := range s.places {
		if p.color != to {
			changes[p.pool] = s.pools[to].Raw()
		}
		if p.settingsColor == to.Other() {
			changes[p.settings] = s.settings[to].Raw()
		}
	}
	return resource.Replace(raw, changes)
}

// agicRule is how the ingress controller names its rules.
var agicRule = regexp.MustCompile(`^rr-[0-9a-f]{32}$`)

// unwritable lists the reasons why a gateway must not be written to, whichever app asks.
func (d document) unwritable(id *arm.ResourceID) []string {
	var why []string
	if state := d.Root.Text("properties", "operationalState"); !strings.EqualFold(state, "Running") {
		why = append(why, fmt.Sprintf("the gateway is %s, not Running: start it first, because a write would start it as a side effect: az network application-gateway start --ids %s", orUnknown(state), id))
	}
	managed := ""
	for _, key := range d.Root.At("tags").Keys() {
		if strings.EqualFold(key, "managed-by-k8s-ingress") {
			managed = "it has the tag " + key
		}
	}
	for _, rule := range d.section("requestRoutingRules") {
		if managed == "" && agicRule.MatchString(rule.Text("name")) {
			managed = "its rule " + rule.Text("name") + " is named as by one"
		}
	}
	if managed != "" {
		why = append(why, "the gateway belongs to an ingress controller (AGIC), which would undo every change: "+managed+". Use a gateway of its own for bluegreen")
	}
	return why
}

func orUnknown(s string) string {
	if s == "" {
		return "in an unknown state"
	}
	return s
}

func contains(list []string, name string) bool {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}
