package appgateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// healthTime is how long the gateway may take to report the health of a color.
const healthTime = 10 * time.Second

var errTooLong = fmt.Errorf("no answer within %s", healthTime)

// Health implements engine.Gateway. A color counts as healthy when every server of its pool
// is. The gateway probes only pools that a rule leads to; any other is probed on demand.
func (g *Gateway) Health(ctx context.Context, c release.Color) (engine.Health, error) {
	d, err := g.get(ctx)
	if err != nil {
		return engine.Health{}, err
	}
	s := g.survey(d)
	pool := s.pools[c]
	if pool == nil {
		return engine.Health{Detail: strings.Join(s.missing[c], "; ")}, nil
	}
	if len(resource.WithID(d.section("backendAddressPools"), pool.Text()).List("properties", "backendAddresses")) == 0 {
		return engine.Health{Detail: fmt.Sprintf("pool %s has no servers", resource.Last(pool.Text()))}, nil
	}
	settings := s.settingsFor(c)
	if len(settings) == 0 {
		return engine.Health{Unknown: true, Detail: "no rule of the app names the HTTP settings for pool " + resource.Last(pool.Text()) + ": " + s.describe()}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, healthTime, errTooLong)
	defer cancel()
	servers, err := g.servers(ctx, d, pool.Text(), settings)
	if err != nil {
		return g.unknown(ctx, err)
	}
	return judge(resource.Last(pool.Text()), servers), nil
}

// settingsFor are the ids of the HTTP settings that a color is reached with when it is live.
func (s survey) settingsFor(c release.Color) []string {
	var ids []string
	for _, p := range s.places {
		id := p.settings
		if p.settingsColor != "" {
			id = s.settings[c]
		}
		if id != nil && !contains(ids, id.Text()) {
			ids = append(ids, id.Text())
		}
	}
	return ids
}

type server = armnetwork.ApplicationGatewayBackendHealthServer

// servers asks for the health that the gateway knows already, and for a new probe where it
// knows nothing about these settings.
func (g *Gateway) servers(ctx context.Context, d document, pool string, settings []string) ([]*server, error) {
	if d.routed(pool) {
		found, err := g.probed(ctx, pool, settings)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	var all []*server
	for _, id := range settings {
		found, err := g.probe(ctx, d, pool, id)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// client is made when it is used: it is larger than all else that is kept of an app.
func (g *Gateway) client() (*armnetwork.ApplicationGatewaysClient, error) {
	return armnetwork.NewApplicationGatewaysClient(g.azure.ID.SubscriptionID, g.azure.Credential, g.azure.Options)
}

// probed returns the results of the gateway's own probes.
func (g *Gateway) probed(ctx context.Context, pool string, settings []string) ([]*server, error) {
	client, err := g.client()
	if err != nil {
		return nil, err
	}
	p, err := client.BeginBackendHealth(ctx, g.azure.ID.ResourceGroupName, g.azure.ID.Name, nil)
	if err != nil {
		return nil, err
	}
	health, err := await(ctx, p)
	if err != nil {
		return nil, err
	}
	var found []*server
	for _, p := range health.BackendAddressPools {
		if p == nil || p.BackendAddressPool == nil || !strings.EqualFold(text(p.BackendAddressPool.ID), pool) {
			continue
		}
		for _, s := range p.BackendHTTPSettingsCollection {
			if s != nil && s.BackendHTTPSettings != nil && contains(settings, text(s.BackendHTTPSettings.ID)) {
				found = append(found, s.Servers...)
			}
		}
	}
	return found, nil
}

// probe lets the gateway probe a pool now, as it would if a rule led there.
func (g *Gateway) probe(ctx context.Context, d document, pool, settings string) ([]*server, error) {
	check, err := d.check(settings)
	if err != nil {
		return nil, err
	}
	check.BackendAddressPool = &armnetwork.SubResource{ID: &pool}
	check.BackendHTTPSettings = &armnetwork.SubResource{ID: &settings}
	client, err := g.client()
	if err != nil {
		return nil, err
	}
	p, err := client.BeginBackendHealthOnDemand(ctx, g.azure.ID.ResourceGroupName, g.azure.ID.Name, check, nil)
	if err != nil {
		return nil, err
	}
	health, err := await(ctx, p)
	if err != nil || health.BackendHealthHTTPSettings == nil {
		return nil, err
	}
	return health.BackendHealthHTTPSettings.Servers, nil
}

// errCannotProbe means that a probe on demand would ask for something else than the probe
// of the settings does.
type errCannotProbe string

func (e errCannotProbe) Error() string { return string(e) }

// check is the probe of some settings; without one, it is the default of the service:
// https://learn.microsoft.com/azure/application-gateway/application-gateway-probe-overview
func (d document) check(settings string) (check armnetwork.ApplicationGatewayOnDemandProbe, err error) {
	var use armnetwork.ApplicationGatewayBackendHTTPSettings
	if err := resource.WithID(d.section("backendHttpSettingsCollection"), settings).Read(&use); err != nil {
		return check, fmt.Errorf("read settings %s: %w", resource.Last(settings), err)
	}
	if use.Properties == nil {
		return check, errCannotProbe("settings " + resource.Last(settings) + " do not exist")
	}
	if use.Properties.Probe == nil {
		check = armnetwork.ApplicationGatewayOnDemandProbe{Protocol: use.Properties.Protocol, Host: use.Properties.HostName, Path: to.Ptr("/"), Timeout: to.Ptr[int32](30)}
		if text(check.Host) == "" {
			check.Host = to.Ptr("127.0.0.1")
		}
		return check, nil
	}
	var probe armnetwork.ApplicationGatewayProbe
	id := text(use.Properties.Probe.ID)
	if err := resource.WithID(d.section("probes"), id).Read(&probe); err != nil {
		return check, fmt.Errorf("read probe %s: %w", resource.Last(id), err)
	}
	p := probe.Properties
	if p == nil {
		return check, errCannotProbe("probe " + resource.Last(id) + " does not exist")
	}
	if p.Port != nil && use.Properties.Port != nil && *p.Port != 0 && *p.Port != *use.Properties.Port {
		return check, errCannotProbe(fmt.Sprintf("probe %s has a port of its own, which cannot be asked for on demand", resource.Last(id)))
	}
	return armnetwork.ApplicationGatewayOnDemandProbe{
		Protocol: p.Protocol, Host: p.Host, Path: p.Path, Timeout: p.Timeout, Match: p.Match,
		PickHostNameFromBackendHTTPSettings: p.PickHostNameFromBackendHTTPSettings,
		EnableProbeProxyProtocolHeader:      p.EnableProbeProxyProtocolHeader,
	}, nil
}

// await follows an asynchronous answer more closely than PollUntilDone, whose least step
// is a second.
func await[T any](ctx context.Context, p *runtime.Poller[T]) (result T, err error) {
	for step := 50 * time.Millisecond; !p.Done(); step = min(2*step, time.Second) {
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return result, ctx.Err()
		}
		if _, err := p.Poll(ctx); err != nil {
			return result, err
		}
	}
	return p.Result(ctx)
}

// unknown distinguishes a gateway that does not know the health from a request that failed.
func (g *Gateway) unknown(ctx context.Context, err error) (engine.Health, error) {
	var failed *azcore.ResponseError
	var cannot errCannotProbe
	switch {
	case context.Cause(ctx) == errTooLong:
		return engine.Health{Unknown: true, Detail: errTooLong.Error()}, nil
	case errors.As(err, &cannot):
		return engine.Health{Unknown: true, Detail: cannot.Error()}, nil
	case !errors.As(err, &failed) || failed.RawResponse == nil:
		return engine.Health{}, fmt.Errorf("ask for backend health: %w", err)
	}
	f := resource.Read(failed.RawResponse)
	switch f.Class() {
	case resource.Operator:
		return engine.Health{Unknown: true, Detail: f.Explain(g.azure.ID)}, nil
	case resource.Occupied:
		return engine.Health{Unknown: true, Detail: f.Words()}, nil
	}
	return engine.Health{}, fmt.Errorf("ask for backend health: the service answered %d: %s", f.Status, f.Words())
}

// judge sums servers up. The real words are Healthy, Unhealthy and Unknown, of which the SDK's
// list has the last one only; any other word than these and the list's says nothing for certain.
// The gateway reports no server at all when the ports for its management are blocked.
func judge(pool string, servers []*server) engine.Health {
	var ill, unseen, well []string
	for _, s := range servers {
		if s == nil {
			continue
		}
		health := "Unknown"
		if s.Health != nil && *s.Health != "" {
			health = string(*s.Health)
		}
		line := strings.TrimSuffix(fmt.Sprintf("%s is %s: %s", text(s.Address), health, text(s.HealthProbeLog)), ": ")
		switch strings.ToLower(health) {
		case "healthy", "up":
			well = append(well, line)
		case "unhealthy", "down", "draining", "partial":
			ill = append(ill, line)
		default:
			unseen = append(unseen, line)
		}
	}
	lines := slices.Concat(ill, unseen, well)
	if more := len(lines) - 5; more > 0 {
		lines = append(lines[:5], fmt.Sprintf("and %d more", more))
	}
	if len(lines) == 0 {
		return engine.Health{Unknown: true, Detail: "the gateway reports no servers for pool " + pool + ": see whether a network security group or route blocks its ports 65200-65535"}
	}
	return engine.Health{Healthy: len(ill)+len(unseen) == 0, Unknown: len(ill) == 0 && len(unseen) > 0, Detail: "pool " + pool + ": " + strings.Join(lines, "; ")}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
