package arm

import (
	"fmt"
	"strings"
)

const (
	profileType = "Microsoft.Network/trafficManagerProfiles"
	readAddress = "Microsoft.Network/publicIPAddresses/read"
)

// endpointKinds are the kinds of endpoints by the lower-case last part of their type, as
// ids and as types spell them. Nested profiles are not played here.
var endpointKinds = map[string][2]string{
	"azureendpoints":    {"AzureEndpoints", "azureEndpoints"},
	"externalendpoints": {"ExternalEndpoints", "externalEndpoints"},
}

func (d document) endpoints() []map[string]any { return objects(d.properties(), "endpoints") }

func (d document) fqdn() string {
	s, _ := object(d.properties(), "dnsConfig")["fqdn"].(string)
	return s
}

func (d document) enabled() bool { return d.properties()["profileStatus"] == "Enabled" }

// endpoint finds an endpoint, or returns nil.
func (d document) endpoint(kind, name string) map[string]any {
	for _, e := range d.endpoints() {
		if strings.EqualFold(kindOf(e), kind) && strings.EqualFold(nameOf(e), name) {
			return e
		}
	}
	return nil
}

func kindOf(endpoint map[string]any) string {
	kind, _ := endpoint["type"].(string)
	return strings.ToLower(kind[strings.LastIndex(kind, "/")+1:])
}

func nameOf(endpoint map[string]any) string {
	name, _ := endpoint["name"].(string)
	return name
}

// targets are the rights on public IP addresses that a write of the profile needs: to read
// them, as Azure's own role of Fleet Manager has it, which writes such profiles too.
// Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers, Azure Kubernetes Fleet Manager Hub Agent Role
func (d document) targets() []link {
	var links []link
	for _, e := range d.endpoints() {
		id, _ := object(e, "properties")["targetResourceId"].(string)
		if strings.Contains(strings.ToLower(id), "/publicipaddresses/") {
			links = append(links, link{readAddress, id})
		}
	}
	return links
}

// patched is the document after a PATCH.
func (d document) patched(change document) document {
	next := d.copy()
	merge(next, change)
	return next
}

// merge applies a PATCH: only the keys that it contains change. Lists and tags are replaced as a whole.
func merge(to, from map[string]any) {
	for k, v := range from {
		old, was := to[k].(map[string]any)
		if o, is := v.(map[string]any); is && was && k != "tags" {
			merge(old, o)
			continue
		}
		to[k] = v
	}
}

// prepare turns a written profile into a stored one, or returns the service's refusal.
func (p *Profile) prepare(doc, before document) error {
	doc["id"], doc["type"] = p.id, profileType
	doc["name"] = p.id[strings.LastIndex(p.id, "/")+1:]
	props := doc.properties()
	dns, monitor := object(props, "dnsConfig"), object(props, "monitorConfig")
	dns["fqdn"] = strings.ToLower(fmt.Sprint(dns["relativeName"])) + ".trafficmanager.net"
	setDefault(props, "profileStatus", "Enabled")
	setDefault(monitor, "intervalInSeconds", 30)
	setDefault(monitor, "timeoutInSeconds", min(10, number(monitor, "intervalInSeconds")-1))
	setDefault(monitor, "toleratedNumberOfFailures", 3)
	delete(monitor, "profileMonitorStatus") // shown computes it
	none := true
	for _, e := range doc.endpoints() {
		p.prepareEndpoint(e, before)
		none = none && object(e, "properties")["priority"] == nil
	}
	for i, e := range doc.endpoints() {
		if none {
			object(e, "properties")["priority"] = i + 1
		}
	}
	if p.name != "" && doc.fqdn() != p.name {
		return bad("The relative DNS name of a profile cannot be changed from %s to %s.", p.name, doc.fqdn())
	}
	return doc.validateProfile()
}

func (p *Profile) prepareEndpoint(e map[string]any, before document) {
	spelled, known := endpointKinds[kindOf(e)]
	if !known {
		return // validateProfile reports it
	}
	e["id"] = fmt.Sprintf("%s/%s/%s", p.id, spelled[0], nameOf(e))
	e["type"] = profileType + "/" + spelled[1]
	props := object(e, "properties")
	setDefault(props, "endpointStatus", "Enabled")
	setDefault(props, "weight", 1)
	delete(props, "endpointMonitorStatus") // shown computes it
	if old := before.endpoint(spelled[1], nameOf(e)); old != nil {
		was := object(old, "properties")
		if id := was["targetResourceId"]; id != nil && id == props["targetResourceId"] {
			setDefault(props, "target", was["target"]) // a public IP address has its name from elsewhere
		}
	}
}

func setDefault(m map[string]any, key string, value any) {
	if m[key] == nil {
		m[key] = value
	}
}
