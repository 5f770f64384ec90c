package arm

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// Fixture describes a gateway document. The caller names pools and rules; the document also
// has everything else that a real gateway has.
type Fixture struct {
	Subscription, ResourceGroup, Name string // defaults: one of each
	Pools                             []Pool
	Rules                             []Rule
	Port                              int               // of the backends, in the HTTP settings "set-app"
	ProbePath                         string            // default /healthz
	RequestTimeout                    int               // seconds, default 30
	Tags                              map[string]string // in addition to two default tags
	Frontend                          string            // loopback address where the data plane listens, default 127.0.0.1
	FrontendPort                      int               // where it really listens for the frontend port of the first rule; 0 is any
}

// Pool is a backend pool and its members, IP addresses or host names.
type Pool struct {
	Name      string
	Addresses []string
	Port      int // if set, the pool has its own HTTP settings, "set-<name>"
}

// Rule is a routing rule with its own listener.
type Rule struct {
	Name     string
	Listener string   // default lst-<name>
	Port     int      // frontend port, default 443
	Hosts    []string // host names of the listener; none means any host
	Pool     string   // for a path map, the pool of its default
	Paths    []Path   // makes it a PathBasedRouting rule with the map "map-<name>"
}

// Path is one path rule of a map.
type Path struct {
	Name  string
	Paths []string
	Pool  string
}

func (f *Fixture) setDefaults() {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&f.Subscription, "0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10")
	set(&f.ResourceGroup, "rg-shop-prod")
	set(&f.Name, "agw-shop")
	set(&f.ProbePath, "/healthz")
	if f.RequestTimeout == 0 {
		f.RequestTimeout = 30
	}
}

// group is the id of the resource group that all of it is in.
func (f *Fixture) group() string {
	return "/subscriptions/" + f.Subscription + "/resourceGroups/" + f.ResourceGroup
}

func (f *Fixture) id() string {
	return f.group() + "/providers/Microsoft.Network/applicationGateways/" + f.Name
}

func (f *Fixture) ref(section, name string) map[string]any {
	return map[string]any{"id": f.id() + "/" + section + "/" + name}
}

type fields = map[string]any

func named(name string, properties fields) fields {
	return fields{"name": name, "properties": properties}
}

// GatewayJSON is the document of a WAF_v2 gateway as the service returns it, with
// identity, WAF policy, certificate, rewrite set, tags, and a redirect from port 80
// (listener "lst-redirect") that belongs to no app.
func GatewayJSON(f Fixture) []byte {
	f.setDefaults()
	network := f.group() + "/providers/Microsoft.Network"
	properties := f.fixed(network)
	var pools, ports, listeners, rules, maps []any
	seen := map[int]bool{80: true}
	ports = append(ports, named("port_80", fields{"port": 80}))
	settings := []any{f.settings("set-app", f.Port)}
	for _, p := range f.Pools {
		pools = append(pools, f.pool(p))
		if p.Port != 0 {
			settings = append(settings, f.settings("set-"+p.Name, p.Port))
		}
	}
	for i, r := range f.Rules {
		if r.Port == 0 {
			r.Port = 443
		}
		if r.Listener == "" {
			r.Listener = "lst-" + r.Name
		}
		if !seen[r.Port] {
			seen[r.Port] = true
			ports = append(ports, named(fmt.Sprintf("port_%d", r.Port), fields{"port": r.Port}))
		}
		listeners = append(listeners, f.listener(r))
		rules = append(rules, f.rule(r, 100+10*i))
		if len(r.Paths) > 0 {
			maps = append(maps, f.pathMap(r))
		}
	}
	listeners = append(listeners, named("lst-redirect", fields{
		"frontendIPConfiguration": f.ref("frontendIPConfigurations", "fip-public"), "frontendPort": f.ref("frontendPorts", "port_80"),
		"protocol": "Http", "hostNames": []any{}, "requireServerNameIndication": false, "enableHttp3": false,
	}))
	rules = append(rules, named("rule-redirect", fields{
		"ruleType": "Basic", "priority": 1000, "httpListener": f.ref("httpListeners", "lst-redirect"),
		"redirectConfiguration": f.ref("redirectConfigurations", "to-https"),
	}))
	properties["backendAddressPools"], properties["frontendPorts"], properties["urlPathMaps"] = pools, ports, maps
	properties["httpListeners"], properties["requestRoutingRules"] = listeners, rules
	properties["backendHttpSettingsCollection"] = settings
	return f.document(network, properties)
}

func (f *Fixture) document(network string, properties fields) []byte {
	b, err := json.Marshal(fields{
		"id": f.id(), "name": f.Name, "type": "Microsoft.Network/applicationGateways", "location": "westeurope",
		"tags":  f.tags(),
		"zones": []any{"1", "2", "3"},
		"identity": fields{"type": "UserAssigned", "userAssignedIdentities": fields{
			f.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-agw": fields{"principalId": "d0c1a7f2-1a0e-4b7c-8f7e-3b9a5c2d1e00", "clientId": "a3e4b5c6-2b1f-4c8d-9a0f-4cab6d3e2f11"},
		}},
		"properties": properties,
		placeKey:     f.place(),
	})
	if err != nil {
		panic(err) // made of strings and numbers only
	}
	return b
}

// placeKey is a key in a gateway's JSON that is only for the emulator: AddGateway removes it.
// It has the listen address of the data plane.
const placeKey = "emulator"

func (f *Fixture) place() fields {
	place := fields{"frontend": f.Frontend}
	if f.FrontendPort != 0 && len(f.Rules) > 0 {
		port := f.Rules[0].Port
		if port == 0 {
			port = 443
		}
		place["ports"] = fields{fmt.Sprintf("port_%d", port): f.FrontendPort}
	}
	return place
}

func (f *Fixture) tags() fields {
	tags := fields{"team": "shop", "cost-center": "4711"}
	for k, v := range f.Tags {
		tags[k] = v
	}
	return tags
}

// fixed is the part that no caller chooses.
func (f *Fixture) fixed(network string) fields {
	return fields{
		"sku":                            fields{"name": "WAF_v2", "tier": "WAF_v2", "family": "Generation_2"},
		"autoscaleConfiguration":         fields{"minCapacity": 2, "maxCapacity": 10},
		"enableHttp2":                    true,
		"forceFirewallPolicyAssociation": true,
		"defaultPredefinedSslPolicy":     "AppGwSslPolicy20220101",
		"sslPolicy":                      fields{"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101S"},
		"globalConfiguration":            fields{"enableRequestBuffering": true, "enableResponseBuffering": true},
		"firewallPolicy":                 fields{"id": network + "/ApplicationGatewayWebApplicationFirewallPolicies/waf-shop"},
		"gatewayIPConfigurations":        []any{named("gip", fields{"subnet": fields{"id": network + "/virtualNetworks/vnet-shop/subnets/snet-agw"}})},
		"frontendIPConfigurations":       []any{named("fip-public", fields{"privateIPAllocationMethod": "Dynamic", "publicIPAddress": fields{"id": network + "/publicIPAddresses/pip-agw"}})},
		"sslCertificates":                []any{named("cert-shop", fields{"publicCertData": "MIIF...", "keyVaultSecretId": "https://kv-shop.vault.azure.net/secrets/cert-shop"})},
		"probes": []any{named("probe-app", fields{
			"protocol": "Http", "host": "shop.example.com", "path": f.ProbePath, "interval": 10, "timeout": 5, "unhealthyThreshold": 2,
			"pickHostNameFromBackendHttpSettings": false, "minServers": 0, "match": fields{"statusCodes": []any{"200-399"}}, "enableProbeProxyProtocolHeader": false,
		})},
		"rewriteRuleSets": []any{named("rw-headers", fields{"rewriteRules": []any{fields{
			"name": "hsts", "ruleSequence": 100, "conditions": []any{},
			"actionSet": fields{"requestHeaderConfigurations": []any{}, "responseHeaderConfigurations": []any{fields{"headerName": "Strict-Transport-Security", "headerValue": "max-age=31536000"}}},
		}}})},
		"redirectConfigurations": []any{named("to-https", fields{"redirectType": "Permanent", "targetUrl": "https://shop.example.com", "includePath": true, "includeQueryString": true})},
	}
}

func (f *Fixture) settings(name string, port int) fields {
	return named(name, fields{
		"port": port, "protocol": "Http", "cookieBasedAffinity": "Disabled", "requestTimeout": f.RequestTimeout,
		"connectionDraining":             fields{"enabled": true, "drainTimeoutInSec": 30},
		"pickHostNameFromBackendAddress": false, "probe": f.ref("probes", "probe-app"),
		"dedicatedBackendConnection": false, "validateCertChainAndExpiry": true, "validateSNI": true, "sniName": nil,
	})
}

// settingsOf are the HTTP settings that go with a pool.
func (f *Fixture) settingsOf(pool string) fields {
	for _, p := range f.Pools {
		if p.Name == pool && p.Port != 0 {
			return f.ref("backendHttpSettingsCollection", "set-"+pool)
		}
	}
	return f.ref("backendHttpSettingsCollection", "set-app")
}

func (f *Fixture) pool(p Pool) fields {
	addresses := []any{}
	for _, a := range p.Addresses {
		key := "fqdn"
		if isIP(a) {
			key = "ipAddress"
		}
		addresses = append(addresses, fields{key: a})
	}
	return named(p.Name, fields{"backendAddresses": addresses})
}

func (f *Fixture) listener(r Rule) fields {
	hosts := []any{}
	for _, h := range r.Hosts {
		hosts = append(hosts, h)
	}
	return named(r.Listener, fields{
		"frontendIPConfiguration": f.ref("frontendIPConfigurations", "fip-public"),
		"frontendPort":            f.ref("frontendPorts", fmt.Sprintf("port_%d", r.Port)),
		"protocol":                "Https", "sslCertificate": f.ref("sslCertificates", "cert-shop"),
		"hostNames": hosts, "requireServerNameIndication": len(hosts) > 0, "enableHttp3": true,
		"customErrorConfigurations": []any{},
	})
}

func (f *Fixture) rule(r Rule, priority int) fields {
	p := fields{"ruleType": "Basic", "priority": priority, "httpListener": f.ref("httpListeners", r.Listener)}
	if len(r.Paths) > 0 {
		p["ruleType"], p["urlPathMap"] = "PathBasedRouting", f.ref("urlPathMaps", "map-"+r.Name)
		return named(r.Name, p)
	}
	p["backendAddressPool"] = f.ref("backendAddressPools", r.Pool)
	p["backendHttpSettings"] = f.settingsOf(r.Pool)
	p["rewriteRuleSet"] = f.ref("rewriteRuleSets", "rw-headers")
	return named(r.Name, p)
}

func (f *Fixture) pathMap(r Rule) fields {
	var rules []any
	for _, p := range r.Paths {
		patterns := []any{}
		for _, pattern := range p.Paths {
			patterns = append(patterns, pattern)
		}
		rules = append(rules, named(p.Name, fields{
			"paths": patterns, "backendAddressPool": f.ref("backendAddressPools", p.Pool),
			"backendHttpSettings": f.settingsOf(p.Pool),
		}))
	}
	return named("map-"+r.Name, fields{
		"defaultBackendAddressPool":  f.ref("backendAddressPools", r.Pool),
		"defaultBackendHttpSettings": f.settingsOf(r.Pool),
		"defaultRewriteRuleSet":      f.ref("rewriteRuleSets", "rw-headers"),
		"pathRules":                  rules,
	})
}

func isIP(s string) bool { _, err := netip.ParseAddr(s); return err == nil }
