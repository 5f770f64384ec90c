// Package trafficmanager moves an app's traffic between two endpoints of an Azure Traffic
// Manager profile, each the public side of one color. Exactly one of the two is enabled:
// Traffic Manager sends users by itself to any enabled endpoint when the preferred one
// fails, and must not find an idle color there that was not checked. A write counts at
// once, but users follow only when their resolvers have forgotten the answer before.
package trafficmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// kind has the API version of armtrafficmanager, whose models read the answers.
var kind = resource.Kind{
	Type: "Microsoft.Network/trafficManagerProfiles", Version: "2022-04-01",
	Word: "profile", What: "Traffic Manager profile", Key: "gateway.trafficManager",
}

// Options name the profile and the endpoints of the app's colors.
type Options struct {
	ID          string // resource id of the profile
	Blue, Green string // names of the endpoints
	// Longest is how long a switch may go without being confirmed; 0 for no bound.
	Longest   time.Duration
	Manager   *resource.Manager
	Resolver  Resolver         // default: the system's
	Transport *http.Transport  // for health checks; default: http.DefaultTransport's like
	Now       func() time.Time // default: time.Now
}

// Resolver looks up the addresses of a host name; net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// Gateway implements engine.Gateway and engine.Preflight.
type Gateway struct {
	azure     *resource.Resource
	endpoints map[release.Color]string
	longest   time.Duration
	resolver  Resolver
	transport *http.Transport
	now       func() time.Time
}

// New makes a Gateway. Nothing is asked of Azure yet.
func New(o Options) (*Gateway, error) {
	if o.Blue == "" || o.Green == "" || strings.EqualFold(o.Blue, o.Green) {
		return nil, fmt.Errorf("blue and green need an endpoint each, not %q and %q", o.Blue, o.Green)
	}
	azure, err := resource.New(kind, o.ID, o.Manager)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		azure: azure, endpoints: map[release.Color]string{release.Blue: o.Blue, release.Green: o.Green}, longest: o.Longest,
		resolver: cmp.Or[Resolver](o.Resolver, net.DefaultResolver), transport: probing(o.Transport), now: time.Now,
	}
	if o.Now != nil {
		g.now = o.Now
	}
	return g, nil
}

// Live implements engine.Gateway. A name that cannot be looked up does not hide what the
// profile says: it only leaves open whether users have followed.
func (g *Gateway) Live(ctx context.Context) (engine.Reading, error) {
	p, err := g.profile(g.azure.Look(ctx))
	if err != nil {
		return engine.Reading{}, err
	}
	r := engine.Reading{Live: p.live(), Lag: p.ttl(), Warnings: append(p.absent(), g.open(p)...)}
	r.Detail = strings.Join(append([]string{p.describe()}, r.Warnings...), "; ")
	if r.Live == "" {
		return r, nil
	}
	if why := g.unseen(ctx, p, r.Live); why != "" {
		r.Underway, r.Detail = true, r.Detail+"; "+why
	}
	return r, nil
}

// Switch implements engine.Gateway: one write of the whole profile, in which the color's
// endpoint is enabled and preferred and the other one disabled, so that no order of writes
// exists in which users could be lost. The service knows neither ETag nor fence: a worker
// that has become stale is held back by its deadline, and Poll finds the last writer.
func (g *Gateway) Switch(ctx context.Context, to release.Color, _ int64) (engine.Operation, error) {
	if to != release.Blue && to != release.Green {
		return engine.Operation{}, resource.Refuse("traffic can go to blue or green, not to %q", to)
	}
	p, err := g.read(ctx)
	if err != nil {
		return engine.Operation{}, err
	}
	why := append(p.problems, p.elsewhere()...)
	if p.missing[to] != "" {
		why = append(why, p.missing[to])
	}
	if len(why) > 0 {
		return engine.Operation{}, resource.Refuse("%s", strings.Join(why, "; "))
	}
	if _, err := g.azure.Put(ctx, p.lead(to), ""); err != nil {
		return engine.Operation{}, err
	}
	return operation{To: to, Wrote: g.now()}.running("the profile is changed, its name servers follow"), nil
}

// Preflight implements engine.Preflight. The right to write is not asked for: see Lacking.
func (g *Gateway) Preflight(ctx context.Context) ([]engine.Finding, error) {
	p, err := g.read(ctx)
	if errors.Is(err, engine.ErrDenied) {
		return []engine.Finding{engine.Denied(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	found := resource.Findings(slices.Concat(p.problems, p.absent(), p.elsewhere())...)
	if len(found) > 0 {
		return found, nil
	}
	if g.longest > 0 && p.ttl() >= g.longest {
		found = append(found, engine.Finding{Text: fmt.Sprintf("resolvers keep the profile's answers for %s (dnsConfig.ttl), and a switch must be confirmed within %s (switchTimeout): set the TTL to a minute or less", p.ttl(), g.longest)})
	} else if p.ttl() > time.Minute {
		found = append(found, engine.Finding{Warning: true, Text: fmt.Sprintf("users follow a switch or a return only within %s, as long as resolvers keep the profile's answers: set dnsConfig.ttl to 60 or less", p.ttl())})
	}
	for _, text := range g.open(p) {
		found = append(found, engine.Finding{Warning: true, Text: text})
	}
	if version, unseen := g.azure.Unseen(ctx, p.Document); len(unseen) > 0 {
		found = append(found, engine.Finding{Warning: true, Text: fmt.Sprintf("version %s of Azure's API shows %s, which version %s, with which bluegreen writes the profile, does not: a switch may drop it; use a newer version of bluegreen, or compare it after the first switch",
			version, strings.Join(unseen, ", "), kind.Version)})
	}
	names, err := g.named(ctx, p)
	return append(found, names...), err
}

// named checks that the names which a switch is confirmed by can be looked up.
func (g *Gateway) named(ctx context.Context, p profile) ([]engine.Finding, error) {
	blue, blueErr := g.resolver.LookupHost(ctx, p.target(release.Blue))
	green, greenErr := g.resolver.LookupHost(ctx, p.target(release.Green))
	_, ownErr := g.resolver.LookupHost(ctx, p.fqdn())
	var found []engine.Finding
	for _, err := range []error{ownErr, blueErr, greenErr} {
		if none := (*net.DNSError)(nil); errors.As(err, &none) && none.IsNotFound {
			found = append(found, engine.Finding{Text: fmt.Sprintf("the name %s does not exist: a switch could not be confirmed (an endpoint needs a DNS label on its public IP)", none.Name)})
		} else if err != nil {
			return found, fmt.Errorf("look up where the colors are: %w", err)
		}
	}
	if len(found) == 0 && overlap(blue, green) {
		found = append(found, engine.Finding{Text: fmt.Sprintf("the endpoints of blue and green lead to the same address (%s): each color needs a public address of its own", strings.Join(blue, ", "))})
	}
	return found, nil
}
