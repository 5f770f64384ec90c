package appgateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// Preflight implements engine.Preflight. The rights to write the gateway and to
// join its linked resources are not asked for: see Lacking.
func (g *Gateway) Preflight(ctx context.Context) ([]engine.Finding, error) {
	d, err := g.get(ctx)
	if errors.Is(err, engine.ErrDenied) {
		return []engine.Finding{engine.Denied(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	s := g.survey(d)
	found := resource.Findings(slices.Concat(d.unwritable(g.azure.ID), s.problems, s.absent())...)
	for _, p := range s.elsewhere {
		found = append(found, engine.Finding{Text: fmt.Sprintf("%s, which is of neither color: point it at the pool of the color that is live", p)})
	}
	warnings, err := d.warnings(s)
	warnings = append(warnings, d.unlisted(s, g.rules)...)
	return slices.Concat(found, warnings, g.beyond(ctx, d)), err
}

// warnings are about settings that do not prevent a switch, but that users may notice in it.
func (d document) warnings(s survey) ([]engine.Finding, error) {
	var found []engine.Finding
	warn := func(format string, args ...any) {
		found = append(found, engine.Finding{Text: fmt.Sprintf(format, args...), Warning: true})
	}
	var seen []string
	for _, c := range []release.Color{release.Blue, release.Green} {
		if pool := s.pools[c]; pool != nil && len(resource.WithID(d.section("backendAddressPools"), pool.Text()).List("properties", "backendAddresses")) == 0 {
			warn("backend pool %s of %s has no servers: nothing can answer there", resource.Last(pool.Text()), c)
		}
		for _, id := range s.settingsFor(c) {
			if contains(seen, id) {
				continue
			}
			seen = append(seen, id)
			var use armnetwork.ApplicationGatewayBackendHTTPSettings
			if err := resource.WithID(d.section("backendHttpSettingsCollection"), id).Read(&use); err != nil {
				return nil, fmt.Errorf("read settings %s: %w", resource.Last(id), err)
			}
			if p := use.Properties; p != nil {
				rough(*p, resource.Last(id), warn)
			}
		}
	}
	for _, p := range s.places {
		if len(s.settings) > 0 && p.settings != nil && p.settingsColor == "" {
			warn("%s uses the HTTP settings %s, which are of neither color: a switch leaves them as they are", p.where, resource.Last(p.settings.Text()))
		}
	}
	return found, nil
}

// unlisted warns of rules, of HTTP or of layer 4, that are not the app's and lead to a pool of
// either color: a switch leaves them where they are. A rule that has the color in its name, such
// as one of a preview, is meant to stay.
func (d document) unlisted(s survey, own []string) (found []engine.Finding) {
	warn := func(rule *resource.Node, where string, pool *resource.Node) {
		c := colorOf(s.pools, pool)
		if c == "" || strings.Contains(strings.ToLower(rule.Text("name")), string(c)) {
			return
		}
		found = append(found, engine.Finding{Warning: true, Text: fmt.Sprintf(
			"%s, which is not listed for the app, leads to pool %s of %s: a switch leaves it there; list its rule as well, give it a pool of its own, or name it after %s where it is to stay", where, resource.Last(pool.Text()), c, c)})
	}
	for _, rule := range d.section("requestRoutingRules") {
		if contains(own, rule.Text("name")) {
			continue
		}
		places, _ := d.places(rule) // a rule without any leads to no color
		for _, p := range places {
			if !s.has(p) {
				warn(rule, p.where, p.pool)
			}
		}
	}
	for _, rule := range d.section("routingRules") {
		warn(rule, "layer 4 rule "+rule.Text("name"), rule.At("properties", "backendAddressPool", "id"))
	}
	return found
}

// has reports whether a reference is one of the app's: a path map may serve several rules.
func (s survey) has(p place) bool {
	return slices.ContainsFunc(s.places, func(own place) bool { return own.pool == p.pool })
}

func rough(p armnetwork.ApplicationGatewayBackendHTTPSettingsPropertiesFormat, name string, warn func(string, ...any)) {
	if d := p.ConnectionDraining; d == nil || d.Enabled == nil || !*d.Enabled {
		warn("HTTP settings %s have no connection draining: turn it on, with a time longer than the slowest request takes", name)
	}
	if p.Probe == nil {
		warn("HTTP settings %s have no probe: the gateway asks for / and takes 200 to 399 for healthy", name)
	}
	if p.CookieBasedAffinity != nil && *p.CookieBasedAffinity == armnetwork.ApplicationGatewayCookieBasedAffinityEnabled {
		warn("HTTP settings %s have cookie affinity on: clients may be held to a server of the color that has lost the traffic", name)
	}
}
