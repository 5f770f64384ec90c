// Package appgateway moves an app's traffic between two backend pools of an Azure
// Application Gateway. A gateway can only be written as a whole, and the last write wins:
// what is written is the very text that was just read, with nothing changed in it but the
// references of the app's routing rules.
package appgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// apiVersion is that of armnetwork v9, whose models read the answers. Reading and writing
// with the same version is what keeps properties that nobody here knows.
const apiVersion = "2025-05-01"

// Options say which gateway, and what in it belongs to the app.
type Options struct {
	ID          string   // resource id of the gateway
	Rules       []string // request routing rules of the app, with the path maps that they use
	Blue, Green Backend
	Credential  azcore.TokenCredential
	Client      *arm.ClientOptions // cloud and transport; nil for Azure's public cloud
}

// Backend is where a color is reached: a backend pool, and the backend HTTP settings of the
// color where they differ by color. Without Settings, those in use are left alone.
type Backend struct{ Pool, Settings string }

// Gateway implements engine.Gateway and engine.Checker.
type Gateway struct {
	id       *arm.ResourceID
	rules    []string
	backends map[release.Color]Backend
	endpoint string // of Azure Resource Manager, without a slash at its end
	pipeline runtime.Pipeline
	client   *armnetwork.ApplicationGatewaysClient
}

// New makes a Gateway. Nothing is asked of Azure yet.
func New(o Options) (*Gateway, error) {
	id, err := arm.ParseResourceID(o.ID)
	if err != nil || !strings.EqualFold(id.ResourceType.String(), "Microsoft.Network/applicationGateways") {
		return nil, fmt.Errorf("%q is not the resource id of an Application Gateway", o.ID)
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
	options := clientOptions(o.Client)
	c, err := arm.NewClient("bluegreen", "v1.0.0", o.Credential, options)
	if err != nil {
		return nil, fmt.Errorf("make ARM client: %w", err)
	}
	client, err := armnetwork.NewApplicationGatewaysClient(id.SubscriptionID, o.Credential, options)
	if err != nil {
		return nil, fmt.Errorf("make gateway client: %w", err)
	}
	return &Gateway{
		id: id, rules: o.Rules, backends: map[release.Color]Backend{release.Blue: o.Blue, release.Green: o.Green},
		endpoint: strings.TrimSuffix(c.Endpoint(), "/"), pipeline: c.Pipeline(), client: client,
	}, nil
}

// clientOptions makes reads try again, but only soon: who reads a gateway waits for it.
func clientOptions(given *arm.ClientOptions) *arm.ClientOptions {
	var o arm.ClientOptions
	if given != nil {
		o = *given
	}
	o.DisableRPRegistration = true // where a gateway is, its provider is registered
	o.Retry = policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second, TryTimeout: 20 * time.Second}
	return &o
}

// once keeps the SDK from sending a request again by itself.
func once(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
}

// Live implements engine.Gateway.
func (g *Gateway) Live(ctx context.Context) (engine.Reading, error) {
	d, err := g.get(ctx)
	if err != nil {
		return engine.Reading{}, err
	}
	s := g.survey(d)
	return engine.Reading{Live: s.live(), Detail: s.describe()}, nil
}

// Switch implements engine.Gateway. The service knows no fence: a worker that has become
// stale is held back by its deadline and, where the service honours it, by If-Match.
func (g *Gateway) Switch(ctx context.Context, to release.Color, _ int64) (engine.Operation, error) {
	if to != release.Blue && to != release.Green {
		return engine.Operation{}, refuse("traffic can go to blue or green, not to %q", to)
	}
	d, err := g.get(ctx)
	if err != nil {
		return engine.Operation{}, err
	}
	s := g.survey(d)
	why := append(d.unfit(), s.problems...)
	for _, p := range s.elsewhere {
		why = append(why, fmt.Sprintf("%s, which is of neither color: point it at one of them, nobody's choice is overwritten", p))
	}
	if len(why) > 0 {
		return engine.Operation{}, refuse("%s", strings.Join(why, "; "))
	}
	return g.put(ctx, s.repoint(d.raw, to), d.etag)
}

// get reads the gateway.
func (g *Gateway) get(ctx context.Context) (document, error) {
	resp, err := g.send(ctx, http.MethodGet, nil, "")
	if err != nil {
		return document{}, fmt.Errorf("read gateway %s: %w", g.id.Name, err)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return document{}, g.refusal("read gateway "+g.id.Name, resp)
	}
	raw, err := runtime.Payload(resp)
	if err != nil {
		return document{}, fmt.Errorf("read gateway %s: %w", g.id.Name, err)
	}
	root, err := parse(raw)
	if err != nil {
		return document{}, fmt.Errorf("read gateway %s: its description cannot be used: %w", g.id.Name, err)
	}
	d := document{raw: raw, root: root, etag: resp.Header.Get("ETag")}
	if d.etag == "" {
		d.etag = root.string("etag")
	}
	return d, nil
}

// put writes the gateway once. Sending it again by itself, as the SDK would, would undo
// what another client wrote meanwhile.
func (g *Gateway) put(ctx context.Context, body []byte, etag string) (engine.Operation, error) {
	if err := ctx.Err(); err != nil {
		return engine.Operation{}, fmt.Errorf("write gateway %s: not sent: %w", g.id.Name, err)
	}
	resp, err := g.send(once(ctx), http.MethodPut, body, etag)
	if err != nil {
		return engine.Operation{}, fmt.Errorf("write gateway %s, whether it was done is not known: %w", g.id.Name, err)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusCreated) {
		return engine.Operation{}, g.refusal("write gateway "+g.id.Name, resp)
	}
	return g.operation(resp)
}

// send makes a request about the gateway itself.
func (g *Gateway) send(ctx context.Context, method string, body []byte, etag string) (*http.Response, error) {
	req, err := runtime.NewRequest(ctx, method, g.endpoint+g.id.String())
	if err != nil {
		return nil, err
	}
	req.Raw().URL.RawQuery = "api-version=" + apiVersion
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json"); err != nil {
			return nil, err
		}
		if etag != "" {
			req.Raw().Header.Set("If-Match", etag)
		}
	}
	return g.pipeline.Do(req)
}
