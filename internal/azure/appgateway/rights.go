package appgateway

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
)

// String names the gateway.
func (g *Gateway) String() string { return g.azure.String() }

// Lacking implements engine.Entitled: the rights to write the gateway, to follow a write, and on
// the resources that Azure checks at every write.
func (g *Gateway) Lacking(ctx context.Context) ([]engine.Finding, error) {
	d, err := g.get(ctx)
	if errors.Is(err, engine.ErrDenied) {
		return nil, nil // which Preflight reports
	}
	if err != nil {
		return nil, err
	}
	id := g.azure.ID.String()
	return g.azure.Lacking(ctx, append(d.linked(),
		resource.Needs{Scope: id, For: "to move traffic", Actions: []string{"Microsoft.Network/applicationGateways/write"}},
		resource.Needs{Scope: id, For: "to see whether a color is healthy", Actions: []string{
			"Microsoft.Network/applicationGateways/backendhealth/action", "Microsoft.Network/applicationGateways/getBackendHealthOnDemand/action",
		}},
		resource.Needs{Scope: strings.Join(strings.Split(id, "/")[:3], "/"), For: "to follow a write to its end", Actions: []string{
			"Microsoft.Network/locations/operations/read", "Microsoft.Network/locations/operationResults/read",
		}},
	)...)
}

// linked are the rights on the resources that the gateway refers to.
func (d document) linked() (all []resource.Needs) {
	need := func(scope, action string) {
		known := slices.ContainsFunc(all, func(n resource.Needs) bool { return strings.EqualFold(n.Scope, scope) && n.Actions[0] == action })
		if scope != "" && !known {
			all = append(all, resource.Needs{Scope: scope, For: "which Azure requires at every write of the gateway", Actions: []string{action}})
		}
	}
	const policies = "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action"
	for _, id := range d.Root.At("identity", "userAssignedIdentities").Keys() {
		need(id, "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action")
	}
	need(d.Root.Text("properties", "firewallPolicy", "id"), policies)
	for _, c := range d.section("gatewayIPConfigurations") {
		need(c.Text("properties", "subnet", "id"), "Microsoft.Network/virtualNetworks/subnets/join/action")
	}
	for _, c := range d.section("frontendIPConfigurations") {
		need(c.Text("properties", "publicIPAddress", "id"), "Microsoft.Network/publicIPAddresses/join/action")
		need(c.Text("properties", "subnet", "id"), "Microsoft.Network/virtualNetworks/subnets/join/action")
	}
	for _, section := range []string{"httpListeners", "urlPathMaps"} {
		for _, part := range d.section(section) {
			need(part.Text("properties", "firewallPolicy", "id"), policies)
			for _, rule := range part.List("properties", "pathRules") {
				need(rule.Text("properties", "firewallPolicy", "id"), policies)
			}
		}
	}
	return all
}
