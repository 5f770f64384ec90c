// Package appgateway moves an app's traffic between two backend pools of an Azure
// Application Gateway. A gateway can only be written as a whole, and the last write wins:
// a write is therefore the exact text of the last read, in which only the references of the
// app's routing rules are changed.
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
)

// apiVersion is that of armnetwork v9, whose models read the answers. Reading and writing
// with the same version keeps the properties that this code does not know.
const apiVersion = "2025-05-01"

// Options name the gateway and the parts of it that belong to the app.
type Options struct {
	ID          string   // resource id of the gateway
	Rules       []string // request routing rules of the app, with the path maps that they use
	Blue, Green Backend
	Manager     *resource.Manager
}

// Backend is where a color is reached: a backend pool, and the backend HTTP settings of the
// color where they differ by color. Without Settings, those in use are left alone.
type Backend struct{ Pool, Settings string }

var kind = resource.Kind{
	Type: "Microsoft.Network/applicationGateways", Version: apiVersion,
	Word: "gateway", What: "Application Gateway", Key: "gateway.applicationGateway",
}

// Gateway implements engine.Gateway and engine.Preflight.
type Gateway struct {
	azure    *resource.Resource
	rules    []string
	backends map[release.Color]Backend
}

// New makes a Gateway. Nothing is asked of Azure yet.
func New(o Options) (*Gateway, error) {
	r, err := resource.New(kind, o.ID, o.Manager)
	if err != nil {
		return nil, err
	}
	switch {
	case len(o.Rules) == 0:
		return nil, errors.New("no routing rule is named")
	case o.Blue.Pool == "" || o.Green.Pool == "" || strings.EqualFold(o.Blue.Pool, o.Green.Pool):
		return nil, fmt.Errorf("blue and green need a backend pool each, not %q and %q", o.Blue.Pool, o.Green.Pool)
	case (o.Blue.Settings == "") != (o.Green.Settings == ""):
		return nil, errors.New("only one color has backend HTTP settings: name both, or neither")
	case strings.EqualFold(o.Blue.Settings, o.Green.Settings):
		o.Blue.Settings, o.Green.Settings = "", "" // nothing to change at a switch
	}
	return &Gateway{r, o.Rules, map[release.Color]Backend{release.Blue: o.Blue, release.Green: o.Green}}, nil
}

// Live implements engine.Gateway.
func (g *Gateway) Live(ctx context.Context) (engine.Reading, error) {
	seen, err := g.azure.Look(ctx)
	if err != nil {
		return engine.Reading{}, err
	}
	d := document{seen}
	s := g.survey(d)
	pending, trouble := d.pending(s), d.trouble(g.azure.ID)
	return engine.Reading{
		Live: s.live(), Underway: len(pending) > 0, Warnings: append(trouble, s.absent()...),
		Detail: strings.Join(slices.Concat([]string{s.describe()}, pending, trouble), "; "),
	}, nil
}

// Switch implements engine.Gateway. The service knows no fence: a worker that has become
// stale is held back by its deadline and, where the service honours it, by If-Match.
func (g *Gateway) Switch(ctx context.Context, to release.Color, _ int64) (engine.Operation, error) {
	if to != release.Blue && to != release.Green {
		return engine.Operation{}, resource.Refuse("traffic can go to blue or green, not to %q", to)
	}
	d, err := g.get(ctx)
	if err != nil {
		return engine.Operation{}, err
	}
	s := g.survey(d)
	why := slices.Concat(d.unwritable(g.azure.ID), s.problems, s.missing[to])
	for _, p := range s.elsewhere {
		why = append(why, fmt.Sprintf("%s, which is of neither color: point it at one of them; a change made outside bluegreen is not overwritten", p))
	}
	if len(why) > 0 {
		return engine.Operation{}, resource.Refuse("%s", strings.Join(why, "; "))
	}
	resp, err := g.azure.Put(ctx, s.repoint(d.Raw, to), d.ETag)
	if err != nil {
		return engine.Operation{}, err
	}
	return g.operation(resp)
}

// get reads the gateway.
func (g *Gateway) get(ctx context.Context) (document, error) {
	d, err := g.azure.Get(ctx)
	return document{d}, err
}
