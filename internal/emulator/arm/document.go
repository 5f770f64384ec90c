package arm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// document is the JSON of an application gateway. Unknown keys are kept as sent.
type document map[string]any

// collections are the sections of a gateway that hold sub-resources. The service returns
// each of them, empty or not.
var collections = []string{
	"gatewayIPConfigurations", "sslCertificates", "trustedRootCertificates", "trustedClientCertificates",
	"sslProfiles", "frontendIPConfigurations", "frontendPorts", "backendAddressPools", "loadDistributionPolicies",
	"backendHttpSettingsCollection", "backendSettingsCollection", "httpListeners", "listeners", "urlPathMaps",
	"requestRoutingRules", "routingRules", "probes", "rewriteRuleSets", "redirectConfigurations",
	"privateLinkConfigurations", "privateEndpointConnections",
}

// backlinks are the read-only lists of references to a sub-resource, by the section of the
// referring sub-resource.
var backlinks = map[string]string{
	"requestRoutingRules": "requestRoutingRules", "pathRules": "pathRules", "urlPathMaps": "urlPathMaps",
	"httpListeners": "httpListeners", "backendHttpSettingsCollection": "backendHttpSettings",
}

// sub is a sub-resource and the section it is in.
type sub struct {
	section string
	json    map[string]any
}

func (s sub) id() string { id, _ := s.json["id"].(string); return id }

func (s sub) name() string { name, _ := s.json["name"].(string); return name }

func (s sub) properties() map[string]any { return object(s.json, "properties") }

func (d document) properties() map[string]any { return object(d, "properties") }

func (d document) string(key string) string { s, _ := d[key].(string); return s }

// object returns the object at key, and creates it if missing.
func object(m map[string]any, key string) map[string]any {
	o, ok := m[key].(map[string]any)
	if !ok {
		o = map[string]any{}
		m[key] = o
	}
	return o
}

func refID(m map[string]any, key string) string {
	ref, _ := m[key].(map[string]any)
	id, _ := ref["id"].(string)
	return id
}

func (d document) copy() document {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // came from JSON
	}
	c, err := decode(b)
	if err != nil {
		panic(err)
	}
	return c
}

func objects(m map[string]any, key string) []map[string]any {
	list, _ := m[key].([]any)
	var found []map[string]any
	for _, v := range list {
		if o, ok := v.(map[string]any); ok {
			found = append(found, o)
		}
	}
	return found
}

// each visits every sub-resource, path rules included, in the order of the sections.
func (d document) each(visit func(sub)) {
	for _, section := range collections {
		for _, o := range objects(d.properties(), section) {
			visit(sub{section, o})
			if section == "urlPathMaps" {
				for _, p := range objects(object(o, "properties"), "pathRules") {
					visit(sub{"pathRules", p})
				}
			}
		}
	}
}

// identify sets the fields that the service derives from names, and removes the read-only
// lists, which link creates again.
func (d document) identify(id string) {
	d["id"], d["type"] = id, "Microsoft.Network/applicationGateways"
	d["name"] = id[strings.LastIndex(id, "/")+1:]
	p := d.properties()
	for _, section := range collections {
		if _, ok := p[section].([]any); !ok {
			p[section] = []any{}
		}
		for _, o := range objects(p, section) {
			identifySub(sub{section, o}, id)
			if section == "urlPathMaps" {
				for _, r := range objects(object(o, "properties"), "pathRules") {
					identifySub(sub{"pathRules", r}, o["id"].(string))
				}
			}
		}
	}
}

func identifySub(s sub, parent string) {
	s.json["id"] = parent + "/" + s.section + "/" + s.name()
	kind := s.section
	if kind == "pathRules" {
		kind = "urlPathMaps/pathRules"
	}
	s.json["type"] = "Microsoft.Network/applicationGateways/" + kind
	for _, key := range backlinks {
		if _, list := s.properties()[key].([]any); list && (s.section != "urlPathMaps" || key != "pathRules") {
			delete(s.properties(), key)
		}
	}
	if _, sent := s.properties()["enableHttp3"]; !sent && s.section == "httpListeners" {
		s.properties()["enableHttp3"] = false
	}
}

// keepSecrets treats certificates as the service does: their data is never returned, and a
// write without the data keeps the stored data.
func (d document) keepSecrets(before document) {
	stored := map[string]map[string]any{}
	before.each(func(s sub) {
		if s.section == "sslCertificates" {
			stored[strings.ToLower(s.name())] = s.properties()
		}
	})
	d.each(func(s sub) {
		if s.section != "sslCertificates" {
			return
		}
		p := s.properties()
		delete(p, "password")
		if data, sent := p["data"]; sent {
			delete(p, "data")
			p["publicCertData"] = data
		} else if kept, known := stored[strings.ToLower(s.name())]; known {
			p["publicCertData"] = kept["publicCertData"]
		}
	})
}

// stamp sets the etag and the provisioning state of the gateway and all that is in it.
func (d document) stamp(etag, state string) {
	d["etag"] = etag
	d.properties()["provisioningState"] = state
	d.each(func(s sub) {
		s.json["etag"] = etag
		s.properties()["provisioningState"] = state
	})
}

// references returns the ids that a sub-resource refers to.
func (s sub) references() []string {
	var ids []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if id, ok := v["id"].(string); ok {
				ids = append(ids, id)
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	for key, v := range s.properties() {
		if s.section != "urlPathMaps" || key != "pathRules" {
			walk(v)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// link checks that the target of every reference within the gateway exists, and fills the
// targets' lists of references.
func (d document) link(gatewayID string) error {
	known := map[string]sub{}
	d.each(func(s sub) { known[strings.ToLower(s.id())] = s })
	prefix := strings.ToLower(gatewayID) + "/"
	var lost error
	d.each(func(s sub) {
		for _, id := range s.references() {
			key := strings.ToLower(id)
			target, found := known[key]
			if !found && strings.HasPrefix(key, prefix) && lost == nil {
				lost = invalid("InvalidResourceReference", fmt.Sprintf("Resource %s referenced by resource %s was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.", id, s.id()))
			}
			if back, listed := backlinks[s.section]; found && listed {
				list, _ := target.properties()[back].([]any)
				target.properties()[back] = append(list, map[string]any{"id": s.id()})
			}
		}
	})
	return lost
}

// refusal is the error of an invalid write; the answer is 400.
type refusal struct{ code, message string }

func invalid(code, message string) error { return refusal{code, message} }

func (r refusal) Error() string { return r.code + ": " + r.message }

// validate checks a write against the rules of the service, references aside.
func (d document) validate(before document) error {
	p := d.properties()
	for section, kind := range map[string]string{
		"backendAddressPools": "BackendAddressPool", "backendHttpSettingsCollection": "BackendHttpSettings",
		"httpListeners": "HttpListener", "requestRoutingRules": "RequestRoutingRule", "frontendPorts": "FrontendPort",
		"frontendIPConfigurations": "FrontendIPConfiguration", "gatewayIPConfigurations": "GatewayIPConfiguration",
	} {
		if len(objects(p, section)) == 0 {
			return invalid("ApplicationGatewayMustHaveAtleastOneResourceOfType", fmt.Sprintf("At least one %s resource must be specified for Application Gateway %s.", kind, d.string("id")))
		}
	}
	if len(objects(p, "loadDistributionPolicies")) > 0 {
		return invalid("SubscriptionNotRegisteredForFeature", "Subscription is not registered for feature Microsoft.Network/LoadDistributionPolicy required to carry out the requested operation.")
	}
	if waf, inline := p["webApplicationFirewallConfiguration"]; inline && refID(p, "firewallPolicy") != "" {
		was, _ := json.Marshal(before.properties()["webApplicationFirewallConfiguration"])
		if is, _ := json.Marshal(waf); string(is) != string(was) {
			return invalid("ApplicationGatewayWafConfigurationCannotBeChangedWithWafPolicy", "WebApplicationFirewallConfiguration cannot be changed when there is a WAF Policy "+refID(p, "firewallPolicy")+" associated with it.")
		}
	}
	if err := d.validateCertificates(); err != nil {
		return err
	}
	return d.validateRules()
}

func (d document) validateCertificates() error {
	for _, o := range objects(d.properties(), "sslCertificates") {
		p := object(o, "properties")
		if p["publicCertData"] == nil && p["keyVaultSecretId"] == nil {
			return invalid("ApplicationGatewaySslCertificateDataMustBeSpecified", fmt.Sprintf("Data must be specified for Certificate %s.", o["id"]))
		}
	}
	return nil
}

func (d document) validateRules() error {
	priorities := map[string]string{}
	for _, o := range objects(d.properties(), "requestRoutingRules") {
		rule := sub{"requestRoutingRules", o}
		p := rule.properties()
		priority := fmt.Sprint(p["priority"])
		switch other, taken := priorities[priority]; {
		case p["priority"] == nil:
			return invalid("ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty", fmt.Sprintf("Priority for the request routing rule %s cannot be empty. All the request routing rules should have a priority defined.", rule.id()))
		case taken:
			return invalid("ApplicationGatewayRequestRoutingRulePriorityDuplicate", fmt.Sprintf("Request routing rules %s and %s have the same priority %s.", other, rule.id(), priority))
		}
		priorities[priority] = rule.id()
		if refID(p, "redirectConfiguration") != "" && refID(p, "backendAddressPool") != "" {
			return invalid("ApplicationGatewayRequestRoutingRuleCannotHaveBothBackendAndRedirect", fmt.Sprintf("Request routing rule %s refers to a redirect configuration and to a backend address pool.", rule.id()))
		}
	}
	return nil
}
