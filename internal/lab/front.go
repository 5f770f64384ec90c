package lab

import (
	"context"
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

// front routes the users of the lab to a color: one Application Gateway, or two of
// them, one a color, behind Traffic Manager.
type front struct {
	azure    *arm.Emulator
	address  string // where users ask
	gateways []*arm.Gateway
	profile  *arm.Profile // nil without Traffic Manager
	users    *http.Transport
	probes   *http.Transport
	resolver *net.Resolver
}

var colors = []release.Color{release.Blue, release.Green}

func (s *Lab) openFront() (*front, error) {
	if s.Gateway == TrafficManager {
		return s.behindTrafficManager()
	}
	f := &front{azure: s.azure, users: &http.Transport{MaxIdleConnsPerHost: 32}}
	var pools []arm.Pool
	for _, c := range colors {
		pools = append(pools, arm.Pool{Name: "pool-" + string(c), Addresses: []string{s.instances.address[c]}})
	}
	g, err := s.azure.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: s.instances.port, Pools: pools, Rules: []arm.Rule{{Name: rule, Listener: listener, Pool: "pool-blue"}},
	}))
	if err != nil {
		return nil, err
	}
	f.gateways, f.address = []*arm.Gateway{g}, g.ListenerURL(listener)+"/"
	return f, nil
}

// behindTrafficManager opens a gateway for each color on one port of two addresses, and
// leads to blue. Users open a connection for each request: an open one would stay where it is.
func (s *Lab) behindTrafficManager() (*front, error) {
	f := &front{azure: s.azure}
	port, endpoints := 0, []arm.Endpoint{}
	for i, c := range colors {
		address, host := fmt.Sprintf("127.30.0.%d", i+1), fmt.Sprintf("agw-%s.westeurope.cloudapp.azure.com", c)
		g, err := s.azure.AddGateway(arm.GatewayJSON(arm.Fixture{
			Name: "agw-" + string(c), Port: s.instances.port, Frontend: address, FrontendPort: port,
			Pools: []arm.Pool{{Name: "pool-app", Addresses: []string{s.instances.address[c]}}},
			Rules: []arm.Rule{{Name: rule, Listener: listener, Pool: "pool-app"}},
		}))
		if err != nil {
			return nil, err
		}
		if err := s.azure.AddName(host, address); err != nil {
			return nil, err
		}
		f.gateways = append(f.gateways, g)
		endpoints = append(endpoints, arm.Endpoint{Name: string(c), Target: host, Disabled: c != release.Blue})
		_, text, _ := net.SplitHostPort(strings.TrimPrefix(g.ListenerURL(listener), "http://"))
		port, _ = strconv.Atoi(text)
	}
	var err error
	if f.profile, err = s.azure.AddProfile(arm.ProfileJSON(arm.ProfileFixture{TTL: ttl, ProbePort: port, Endpoints: endpoints})); err != nil {
		return nil, err
	}
	f.address = fmt.Sprintf("http://%s:%d/", f.profile.FQDN(), port)
	f.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.azure.DNS())
	}}
	f.probes = &http.Transport{DialContext: (&net.Dialer{Resolver: f.resolver}).DialContext}
	f.users = &http.Transport{DialContext: dns.New(s.azure.DNS(), dns.Options{}).DialContext, DisableKeepAlives: true}
	return f, nil
}

// settings are the parts of bluegreen.yaml for the gateway and for each color.
func (f *front) settings() (gateway string, of [2]string) {
	for i, c := range colors {
		if of[i] = fmt.Sprintf("backend: pool-%s", c); f.profile != nil {
			of[i] = fmt.Sprintf("endpoint: %s, resources: [%s]", c, f.gateways[i].ID())
		}
	}
	if f.profile != nil {
		return "trafficManager: " + f.profile.ID(), of
	}
	return fmt.Sprintf("applicationGateway: %s, rules: [%s]", f.gateways[0].ID(), rule), of
}

// adapter is the app's gateway adapter.
func (f *front) adapter(a config.App) (engine.Gateway, error) {
	if f.profile != nil {
		return trafficmanager.New(trafficmanager.Options{
			ID: a.Gateway.TrafficManager, Blue: a.Colors.Blue.Endpoint, Green: a.Colors.Green.Endpoint, Longest: a.SwitchTimeout,
			Manager: resource.NewManager(f.azure.Credential(""), f.azure.ClientOptions()), Resolver: f.resolver, Transport: f.probes,
		})
	}
	return appgateway.New(appgateway.Options{
		ID: a.Gateway.ApplicationGateway, Rules: a.Gateway.Rules,
		Blue: appgateway.Backend{Pool: a.Backend(release.Blue)}, Green: appgateway.Backend{Pool: a.Backend(release.Green)},
		Manager: resource.NewManager(f.azure.Credential(""), f.azure.ClientOptions()),
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
		return source{f.gateways[0].ID(), f.gateways[0].RulePool(rule)}
	}
	for i, c := range colors {
		if slices.Contains(f.profile.Serving(), string(c)) {
			return source{f.gateways[i].ID(), "pool-app"}
		}
	}
	return source{}
}
