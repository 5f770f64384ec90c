package trafficmanager

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/trafficmanager/armtrafficmanager"
)

// profile is a Traffic Manager profile as GET returned it: as text, which is written back,
// and as the SDK's model, which is read.
type profile struct {
	resource.Document
	model    armtrafficmanager.ProfileProperties
	all      []endpoint
	of       map[release.Color]*endpoint // the app's own; without those that are missing
	problems []string                    // why nothing may be changed
	missing  map[release.Color]string    // why a color cannot get the traffic
}

type endpoint struct {
	armtrafficmanager.Endpoint
	color release.Color // "" for an endpoint that is not the app's
	text  *resource.Node
}

func (g *Gateway) read(ctx context.Context) (profile, error) { return g.profile(g.azure.Get(ctx)) }

func (g *Gateway) profile(d resource.Document, err error) (profile, error) {
	if err != nil {
		return profile{}, err
	}
	var whole armtrafficmanager.Profile
	if err := d.Root.Read(&whole); err != nil || whole.Properties == nil {
		return profile{}, fmt.Errorf("read profile %s: its description is not one of a profile: %w", g.azure.ID.Name, err)
	}
	p := profile{Document: d, model: *whole.Properties, of: map[release.Color]*endpoint{}, missing: map[release.Color]string{}}
	for i, text := range d.Root.List("properties", "endpoints") {
		e := endpoint{Endpoint: value(whole.Properties.Endpoints[i]), text: text}
		if e.Properties == nil {
			e.Properties = &armtrafficmanager.EndpointProperties{}
		}
		for color, name := range g.endpoints {
			if strings.EqualFold(name, value(e.Name)) {
				e.color = color
			}
		}
		p.all = append(p.all, e)
	}
	for i := range p.all {
		switch e := &p.all[i]; {
		case e.color == "":
		case p.of[e.color] != nil:
			p.problems = append(p.problems, fmt.Sprintf("two endpoints are called %s: give the app's a name of its own", value(e.Name)))
		default:
			p.of[e.color] = e
		}
	}
	g.judge(&p)
	return p, nil
}

// judge finds the reasons why the profile cannot be changed.
func (g *Gateway) judge(p *profile) {
	names := g.endpoints
	say := func(format string, args ...any) { p.problems = append(p.problems, fmt.Sprintf(format, args...)) }
	if method := value(p.model.TrafficRoutingMethod); method != armtrafficmanager.TrafficRoutingMethodPriority {
		say("the profile routes by %q: set its routing method to Priority, the only one with which all traffic goes to one color", method)
	}
	if value(p.model.ProfileStatus) == armtrafficmanager.ProfileStatusDisabled {
		say("the profile is disabled: its name leads nowhere; enable it with az network traffic-manager profile update --name %s --resource-group %s --status Enabled", g.azure.ID.Name, g.azure.ID.ResourceGroupName)
	}
	if p.fqdn() == "" {
		say("the profile has no DNS name (dnsConfig.fqdn)")
	}
	for _, c := range []release.Color{release.Blue, release.Green} {
		switch e := p.of[c]; {
		case e == nil:
			p.missing[c] = fmt.Sprintf("endpoint %s of %s does not exist: the profile has %s; correct the name in the configuration, or create it with %s",
				names[c], c, resource.Names(p.Root.List("properties", "endpoints")), g.command("create", names[c], "azureEndpoints", "--endpoint-status Disabled"))
		case e.Properties.Priority == nil || e.Properties.EndpointStatus == nil:
			say("endpoint %s of %s has no priority or no status: give the live color's endpoint priority 1 and the other 2", names[c], c)
		case value(e.Properties.Target) == "":
			say("endpoint %s of %s has no target: give its public IP a DNS label", names[c], c)
		}
	}
}

func (p profile) fqdn() string {
	if p.model.DNSConfig == nil {
		return ""
	}
	return value(p.model.DNSConfig.Fqdn)
}

// ttl is how long resolvers keep an answer about the profile.
func (p profile) ttl() time.Duration {
	if p.model.DNSConfig == nil {
		return 0
	}
	return time.Duration(value(p.model.DNSConfig.TTL)) * time.Second
}

func (p profile) target(c release.Color) string {
	if p.of[c] == nil {
		return ""
	}
	return value(p.of[c].Properties.Target)
}

func (p profile) enabled(e *endpoint) bool {
	return e != nil && value(e.Properties.EndpointStatus) == armtrafficmanager.EndpointStatusEnabled
}

// preferred is the endpoint that gets the traffic while it is healthy; nil when none is enabled.
func (p profile) preferred() *endpoint {
	var best *endpoint
	for i := range p.all {
		e := &p.all[i]
		if p.enabled(e) && (best == nil || value(e.Properties.Priority) < value(best.Properties.Priority)) {
			best = e
		}
	}
	return best
}

// live is the color that gets the traffic, or "".
func (p profile) live() release.Color {
	if e := p.preferred(); e != nil && len(p.problems) == 0 {
		return e.color
	}
	return ""
}

// elsewhere lists the reasons why the traffic of the profile is not the app's to move.
func (p profile) elsewhere() []string {
	switch e := p.preferred(); {
	case len(p.problems) > 0:
		return nil
	case e == nil:
		return []string{"no endpoint of the profile is enabled, its name leads nowhere: enable the one of the color that shall be live"}
	case e.color == "":
		return []string{fmt.Sprintf("endpoint %s, which is of neither color, gets the traffic (priority %d): disable it, or give it a higher number than both colors; a change made outside bluegreen is not overwritten", value(e.Name), value(e.Properties.Priority))}
	}
	return nil
}

func (p profile) describe() string {
	var all []string
	for _, e := range p.all {
		all = append(all, fmt.Sprintf("endpoint %s is %s with priority %d", value(e.Name), value(e.Properties.EndpointStatus), value(e.Properties.Priority)))
	}
	return strings.Join(append(all, p.problems...), "; ")
}

// absent lists what is missing of either color.
func (p profile) absent() (all []string) {
	for _, c := range []release.Color{release.Blue, release.Green} {
		if why := p.missing[c]; why != "" {
			all = append(all, why)
		}
	}
	return all
}

// open warns of an idle endpoint that Traffic Manager may send users to.
func (g *Gateway) open(p profile) []string {
	live := p.live()
	idle := p.of[live.Other()]
	if live == "" || !p.enabled(idle) {
		return nil
	}
	kind := "azureEndpoints"
	if strings.EqualFold(resource.Last(value(idle.Type)), "externalEndpoints") {
		kind = "externalEndpoints"
	}
	name := g.endpoints[idle.color]
	return []string{fmt.Sprintf("endpoint %s of %s is also enabled: Traffic Manager sends users there by itself when %s fails, whatever runs there; disable it with %s, or the next switch does",
		name, idle.color, live, g.command("update", name, kind, "--endpoint-status Disabled"))}
}

func (g *Gateway) command(verb, name, kind, more string) string {
	return fmt.Sprintf("az network traffic-manager endpoint %s --profile-name %s --resource-group %s --type %s --name %s %s",
		verb, g.azure.ID.Name, g.azure.ID.ResourceGroupName, kind, name, more)
}

// lead returns the profile's text with the traffic on a color. The lower of the two
// priorities goes with it, so that enabling the other endpoint by hand moves no traffic.
func (p profile) lead(to release.Color) []byte {
	other := p.of[to.Other()]
	if other == nil { // it has been deleted
		other = p.of[to]
	}
	low, high := value(p.of[to].Properties.Priority), value(other.Properties.Priority)
	low, high = min(low, high), max(low, high)
	changes := map[*resource.Node][]byte{}
	set := func(e *endpoint, status armtrafficmanager.EndpointStatus, priority int64) {
		properties := e.text.At("properties")
		changes[properties.At("endpointStatus")] = []byte(strconv.Quote(string(status)))
		changes[properties.At("priority")] = strconv.AppendInt(nil, priority, 10)
	}
	set(other, armtrafficmanager.EndpointStatusDisabled, high)
	set(p.of[to], armtrafficmanager.EndpointStatusEnabled, low)
	return resource.Replace(p.Raw, changes)
}

// value is the value of a pointer, zero for nil.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
