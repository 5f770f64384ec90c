package trafficmanager

import (
	"context"
	"errors"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
)

// String names the profile.
func (g *Gateway) String() string { return g.azure.String() }

// Lacking implements engine.Entitled: the right to write the profile, and to read the addresses
// of its endpoints, which Azure checks at every write.
func (g *Gateway) Lacking(ctx context.Context) ([]engine.Finding, error) {
	p, err := g.read(ctx)
	if errors.Is(err, engine.ErrDenied) {
		return nil, nil // which Preflight reports
	}
	if err != nil {
		return nil, err
	}
	needs := []resource.Needs{{Scope: g.azure.ID.String(), For: "to move traffic", Actions: []string{"Microsoft.Network/trafficManagerProfiles/write"}}}
	for _, e := range p.all {
		if id := value(e.Properties.TargetResourceID); id != "" {
			needs = append(needs, resource.Needs{Scope: id, For: "which Azure requires at every write of the profile", Actions: []string{"Microsoft.Network/publicIPAddresses/read"}})
		}
	}
	return g.azure.Lacking(ctx, needs...)
}
