package lab

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/dns"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// The kinds of gateway that the lab can have.
const (
	AppGateway     = "appgateway"
	TrafficManager = "trafficmanager"
)

// Gateways are the kinds of gateway that the lab can have.
var Gateways = []string{AppGateway, TrafficManager}

// ttl is how long resolvers in the lab keep what Traffic Manager answers, in seconds.
const ttl = 2

// front routes the users of an app to a color: one Application Gateway, or two of them, one a
// color, behind Traffic Manager.
type front struct {
	address  string // where users ask
	rule     string // of each gateway
	gateways []*arm.Gateway
	profile  *arm.Profile // nil without Traffic Manager
	users    *http.Transport
}

var colors = []release.Color{release.Blue, release.Green}

func openFront(azure *arm.Emulator, kind string, s *site) (*front, error) {
	if kind == TrafficManager {
		return behindTrafficManager(azure, s)
	}
	f := &front{rule: s.name + "-https", users: &http.Transport{MaxIdleConnsPerHost: 32}}
	var pools []arm.Pool
	for _, c := range colors {
		pools = append(pools, arm.Pool{Name: "pool-" + string(c), Addresses: []string{loopback}, Port: s.instances.port[c]})
	}
	g, err := azure.AddGateway(arm.GatewayJSON(arm.Fixture{
		Name: "agw-" + s.name, Port: s.instances.port[release.Blue], Pools: pools, Rules: []arm.Rule{{Name: f.rule, Listener: listener, Pool: "pool-blue"}},
	}))
	if err != nil {
		return nil, err
	}
	f.gateways, f.address = []*arm.Gateway{g}, g.ListenerURL(listener)+"/"
	return f, nil
}

const (
	// loopback is the only address that every system has from the start: macOS has no 127.0.0.2.
	loopback = "127.0.0.1"
	listener = "lst-https"
)

// behindTrafficManager opens a gateway for each color on one port of two addresses, and
// leads to blue. Users open a connection for each request: an open one would stay where it is.
func behindTrafficManager(azure *arm.Emulator, s *site) (*front, error) {
	f := &front{rule: s.name + "-https"}
	port, endpoints := 0, []arm.Endpoint{}
	for i, c := range colors {
		address, host := fmt.Sprintf("127.30.0.%d", i+1), fmt.Sprintf("agw-%s-%s.westeurope.cloudapp.azure.com", s.name, c)
		g, err := azure.AddGateway(arm.GatewayJSON(arm.Fixture{
			Name: fmt.Sprintf("agw-%s-%s", s.name, c), Port: s.instances.port[c], Frontend: address, FrontendPort: port,
			Pools: []arm.Pool{{Name: "pool-app", Addresses: []string{loopback}}},
			Rules: []arm.Rule{{Name: f.rule, Listener: listener, Pool: "pool-app"}},
		}))
		if err != nil {
			return nil, fmt.Errorf("the two gateways need an address each (on macOS: sudo ifconfig lo0 alias %s): %w", address, err)
		}
		if err := azure.AddName(host, address); err != nil {
			return nil, err
		}
		f.gateways = append(f.gateways, g)
		endpoints = append(endpoints, arm.Endpoint{Name: string(c), Target: host, Disabled: c != release.Blue})
		_, text, _ := net.SplitHostPort(strings.TrimPrefix(g.ListenerURL(listener), "http://"))
		port, _ = strconv.Atoi(text)
	}
	var err error
	f.profile, err = azure.AddProfile(arm.ProfileJSON(arm.ProfileFixture{Name: "tm-" + s.name, TTL: ttl, ProbePort: port, Endpoints: endpoints}))
	if err != nil {
		return nil, err
	}
	f.address = fmt.Sprintf("http://%s:%d/", f.profile.FQDN(), port)
	f.users = &http.Transport{DialContext: dns.New(azure.DNS(), dns.Options{}).DialContext, DisableKeepAlives: true}
	return f, nil
}

// settings are the parts of bluegreen.yaml for the gateway and for each color.
func (f *front) settings() (gateway string, of [2]string) {
	for i, c := range colors {
		if of[i] = fmt.Sprintf("backend: pool-%s, settings: set-pool-%s", c, c); f.profile != nil {
			of[i] = fmt.Sprintf("endpoint: %s, resources: [%s]", c, f.gateways[i].ID())
		}
	}
	if f.profile != nil {
		return "trafficManager: " + f.profile.ID(), of
	}
	return fmt.Sprintf("applicationGateway: %s, rules: [%s]", f.gateways[0].ID(), f.rule), of
}

// gateway is the adapter of the app's gateway.
func (from adapters) gateway(a config.App, public *http.Transport) (engine.Gateway, error) {
	if a.Gateway.TrafficManager != "" {
		return trafficmanager.New(trafficmanager.Options{
			ID: a.Gateway.TrafficManager, Blue: a.Colors.Blue.Endpoint, Green: a.Colors.Green.Endpoint, Longest: a.SwitchTimeout,
			Manager: resource.NewManager(from.lent, from.client), Resolver: from.names, Transport: public,
		})
	}
	return appgateway.New(appgateway.Options{
		ID: a.Gateway.ApplicationGateway, Rules: a.Gateway.Rules,
		Blue:    appgateway.Backend{Pool: a.Backend(release.Blue), Settings: a.Colors.Blue.Settings},
		Green:   appgateway.Backend{Pool: a.Backend(release.Green), Settings: a.Colors.Green.Settings},
		Manager: resource.NewManager(from.lent, from.client),
	})
}

// source is what an alert is about: a pool of a gateway.
type source struct{ gateway, pool string }

// failures counts the errors of each pool since the start.
func (f *front) failures() map[source]int {
	failed := map[source]int{}
	for _, g := range f.gateways {
		for a, n := range g.Served() {
			if a.Status >= 500 && a.Pool != "" {
				failed[source{g.ID(), a.Pool}] += n
			}
		}
	}
	return failed
}

// live is where users are led now.
func (f *front) live() source {
	if f.profile == nil {
		return source{f.gateways[0].ID(), f.gateways[0].RulePool(f.rule)}
	}
	for i, c := range colors {
		if slices.Contains(f.profile.Serving(), string(c)) {
			return source{f.gateways[i].ID(), "pool-app"}
		}
	}
	return source{}
}

// reroute points the gateway at the other color, as a person in the portal does, and returns it.
func (f *front) reroute() (release.Color, error) {
	to := release.Green
	if f.leadsTo(to) {
		to = release.Blue
	}
	if f.profile != nil {
		return to, f.profile.Rival(func(doc map[string]any) {
			for _, e := range list(doc, "endpoints") {
				status := "Disabled"
				if e["name"] == string(to) {
					status = "Enabled"
				}
				e["properties"].(map[string]any)["endpointStatus"] = status
			}
		})
	}
	return to, f.gateways[0].Rival(func(doc map[string]any) {
		for _, r := range list(doc, "requestRoutingRules") {
			if r["name"] != f.rule {
				continue
			}
			for key, name := range map[string]string{"backendAddressPool": "backendAddressPools/pool-", "backendHttpSettings": "backendHttpSettingsCollection/set-pool-"} {
				r["properties"].(map[string]any)[key] = map[string]any{"id": f.gateways[0].ID() + "/" + name + string(to)}
			}
		}
	})
}

// leadsTo reports whether users are led to a color.
func (f *front) leadsTo(c release.Color) bool {
	if f.profile != nil {
		return slices.Contains(f.profile.Serving(), string(c))
	}
	return f.gateways[0].RulePool(f.rule) == "pool-"+string(c)
}

// list are the objects of a list in the properties of a document.
func list(doc map[string]any, name string) (all []map[string]any) {
	for _, o := range doc["properties"].(map[string]any)[name].([]any) {
		all = append(all, o.(map[string]any))
	}
	return all
}
