package infra_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// deployment evaluates an entry point with given parameters, without Azure. A value is a
// string, a bool, an int, a list, an object, nil for null, a resource, or a scope for the
// outputs of a module.
type deployment struct {
	*testing.T
	files map[string]*file
	entry scope
	made  []resource
	// nested are the deployments of the modules: a name is one for a group or subscription.
	nested []resource
}

// resource is one that is made, with its body, or one that is referred to.
type resource struct {
	kind, id, name string
	fqdn           string // that Azure gives it
	body           map[string]any
}

// scope is a file with the values of its parameters and of the names of loops, and the id
// of the subscription or resource group that it is deployed to.
type scope struct {
	*file
	given map[string]any
	to    string
}

const nestedKind = "Microsoft.Resources/deployments"

const here = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"

func (s scope) with(name string, value any) scope {
	given := map[string]any{name: value}
	for k, v := range s.given {
		if k != name {
			given[k] = v
		}
	}
	return scope{s.file, given, s.to}
}

// setup evaluates the deployment of bicep/NAME.bicepparam, with some parameters replaced.
// Environment variables without a default have their name as the value.
func setup(t *testing.T, name string, instead map[string]any) *deployment {
	t.Helper()
	c := &deployment{T: t, files: load(t)}
	text := read(t, root+"/bicep/"+name+".bicepparam")
	decls, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	params := scope{&file{path: name + ".bicepparam", text: text, decls: decls}, nil, ""}
	_, rest, _ := strings.Cut(text, "using '")
	c.entry = scope{c.files[before(rest, "'")], nil, here}
	for _, d := range decls {
		if d.word == "param" {
			c.entry = c.entry.with(d.name, c.value(params, d.body))
		}
	}
	for name, value := range instead {
		c.entry = c.entry.with(name, value)
	}
	c.make(c.entry)
	return c
}

func (c *deployment) make(s scope) {
	for _, d := range s.decls {
		if d.existing || d.word != "resource" && d.word != "module" || d.when != nil && !c.truth(s, d.when) {
			continue
		}
		for _, at := range c.each(s, d.body) {
			if d.word == "module" {
				module := c.inside(at, d)
				name := c.text(at, c.value(at, object(d.body).get("name")))
				c.nested = append(c.nested, resource{kind: nestedKind, name: name, id: idOf(module.to, nestedKind, name)})
				c.make(module)
				continue
			}
			r := c.resource(at, d)
			r.body, _ = c.value(at, object(d.body)).(map[string]any)
			c.made = append(c.made, r)
		}
	}
}

// of are the resources of a type that are made.
func (c *deployment) of(kind string) (found []resource) {
	for _, r := range c.made {
		if r.kind == kind {
			found = append(found, r)
		}
	}
	return found
}

// withID is a resource that is made.
func (c *deployment) withID(id string) (resource, bool) {
	i := slices.IndexFunc(c.made, func(r resource) bool { return r.id == id })
	if i < 0 {
		return resource{}, false
	}
	return c.made[i], true
}

// each is the scope of each round of a loop, or the scope itself.
func (c *deployment) each(s scope, body *node) (rounds []scope) {
	if body.kind != 'f' {
		return []scope{s}
	}
	list, ok := c.value(s, body.kids[0]).([]any)
	if !ok {
		c.Fatalf("%s:%d: the value of the loop is unknown", s.path, body.line)
	}
	for i, element := range list {
		round := s.with(body.text, element)
		for _, index := range body.keys {
			round = round.with(index, i)
		}
		rounds = append(rounds, round)
	}
	return rounds
}

// referred is a resource or a module by its name, a list for one in a loop.
func (c *deployment) referred(s scope, d *decl) any {
	all := []any{}
	for _, at := range c.each(s, d.body) {
		if d.word == "module" {
			all = append(all, c.inside(at, d))
		} else {
			all = append(all, c.resource(at, d))
		}
	}
	if d.body.kind == 'f' {
		return all
	}
	return all[0]
}

// inside is the scope of a module.
func (c *deployment) inside(s scope, d *decl) scope {
	body, to := object(d.body), s.to
	if group, ok := c.value(s, body.get("scope")).(resource); ok {
		to = group.id
	}
	params, _ := c.value(s, body.get("params")).(map[string]any)
	return scope{c.files[path.Join(path.Dir(s.path), d.kind)], params, to}
}

// output returns an output of a module or an entry point.
func (c *deployment) output(s scope, name string) any {
	d := s.find("output", name)
	if d == nil {
		c.Fatalf("%s has no output %s", s.path, name)
	}
	return c.value(s, d.body)
}

func (c *deployment) resource(s scope, d *decl) resource {
	body := object(d.body)
	r := resource{kind: before(d.kind, "@")}
	r.name, _ = c.value(s, body.get("name")).(string)
	parent, child := c.value(s, body.get("parent")).(resource)
	on, extends := c.value(s, body.get("scope")).(resource)
	switch {
	case r.kind == "Microsoft.Resources/resourceGroups":
		r.id = s.to + "/resourceGroups/" + r.name
	case child:
		r.id = parent.id + "/" + path.Base(r.kind) + "/" + r.name
	case extends:
		r.id = idOf(on.id, r.kind, r.name)
	default:
		r.id = idOf(s.to, r.kind, r.name)
	}
	properties := object(body.get("properties"))
	switch r.kind {
	case "Microsoft.Network/publicIPAddresses":
		if dns, ok := c.value(s, properties.get("dnsSettings")).(map[string]any); ok {
			r.fqdn = c.text(s, dns["domainNameLabel"]) + "." + c.text(s, c.value(s, body.get("location"))) + ".cloudapp.azure.com"
		}
	case "Microsoft.Network/trafficManagerProfiles":
		if dns, ok := c.value(s, properties.get("dnsConfig")).(map[string]any); ok {
			r.fqdn = c.text(s, dns["relativeName"]) + ".trafficmanager.net"
		}
	}
	return r
}

// onlyAzure marks values that are known only after a deployment.
const onlyAzure = ", assigned by Azure"

// reported returns a property that the resource itself reports.
func (r resource) reported(name string) any {
	switch name {
	case "id":
		return r.id
	case "name":
		return r.name
	case "properties", "identity", "dnsConfig", "dnsSettings", "primaryEndpoints":
		return r
	case "fqdn":
		return r.fqdn
	case "loginServer":
		return r.name + ".azurecr.io"
	case "endpoint":
		return "https://" + r.name + ".westeurope-1.eventgrid.azure.net/api/events"
	}
	return name + " of " + r.id + onlyAzure
}

// idOf is the id of a resource below a group, a subscription, or a resource that it extends.
func idOf(below, kind string, names ...string) string {
	parts := strings.Split(kind, "/")
	id := below + "/providers/" + parts[0]
	for i, part := range parts[1:] {
		id += "/" + part + "/" + names[i]
	}
	return id
}
