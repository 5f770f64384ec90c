// Package resource reads and writes one Azure resource as the text that it is. Azure knows
// many resources only as a whole, and models drop unknown fields: a write is
// therefore the exact text of the last read, in which only a few values are changed.
package resource

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"bluegreen/internal/outbound"
	"bluegreen/internal/round"
)

// Kind is a type of resource, and how it is spoken of.
type Kind struct {
	Type    string // such as Microsoft.Network/applicationGateways
	Version string // of the API, the same for reading and writing, which keeps properties that this code does not know
	Word    string // in a sentence, such as "gateway"
	What    string // its full name, such as "Application Gateway"
	Key     string // of the configuration that names it
}

// Manager is Azure Resource Manager as one identity reaches it. All resources share its
// connections, its token and their parsed ids.
type Manager struct {
	Credential azcore.TokenCredential
	Options    *arm.ClientOptions
	Endpoint   string // without a slash at its end
	Pipeline   runtime.Pipeline
	err        error // of the options

	mu  sync.Mutex
	ids map[string]*arm.ResourceID
}

// NewManager makes a Manager; nil options are those of Azure's public cloud. An error of theirs is
// that of each resource.
func NewManager(credential azcore.TokenCredential, given *arm.ClientOptions) *Manager {
	m := &Manager{Credential: credential, Options: clientOptions(given), ids: map[string]*arm.ResourceID{}}
	c, err := arm.NewClient("bluegreen", "v1.0.0", credential, m.Options)
	if err != nil {
		m.err = fmt.Errorf("make ARM client: %w", err)
		return m
	}
	m.Endpoint, m.Pipeline = strings.TrimSuffix(c.Endpoint(), "/"), c.Pipeline()
	return m
}

func (m *Manager) parse(id string) (*arm.ResourceID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.ids[id]; known != nil {
		return known, nil
	}
	parsed, err := arm.ParseResourceID(id)
	if err == nil {
		m.ids[id] = parsed
	}
	return parsed, err
}

// Resource is one resource in Azure Resource Manager.
type Resource struct {
	*Manager
	ID   *arm.ResourceID
	kind Kind
}

// New makes a Resource. Nothing is asked of Azure yet.
func New(kind Kind, id string, m *Manager) (*Resource, error) {
	parsed, err := m.parse(id)
	if err != nil || !strings.EqualFold(parsed.ResourceType.String(), kind.Type) {
		return nil, fmt.Errorf("%q is not a resource id of the type %s", id, kind.Type)
	}
	return &Resource{Manager: m, ID: parsed, kind: kind}, m.err
}

// String is the resource as it is spoken of.
func (r *Resource) String() string { return r.kind.What + " " + r.ID.Name }

// clientOptions bounds how long reads take; the caller waits for a gateway.
func clientOptions(given *arm.ClientOptions) *arm.ClientOptions {
	var o arm.ClientOptions
	if given != nil {
		o = *given
	}
	o.DisableRPRegistration = true // where a resource is, its provider is registered
	o.Retry = outbound.Management.Retry()
	return &o
}

// Once keeps the SDK from sending a request again by itself.
func Once(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
}

// Document is a resource as GET returned it.
type Document struct {
	Raw  []byte
	Root *Node
	ETag string

	versions string // of the API that the service has, where the answer names them
}

// Get reads the resource. Errors: engine.ErrBusy, engine.ErrDenied, or one that may pass.
func (r *Resource) Get(ctx context.Context) (Document, error) {
	doing := "read " + r.kind.Word + " " + r.ID.Name
	resp, err := r.send(ctx, http.MethodGet, nil, "")
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", doing, err)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return Document{}, r.refused(doing, resp)
	}
	raw, err := runtime.Payload(resp)
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", doing, err)
	}
	root, err := Parse(raw)
	if err != nil {
		return Document{}, fmt.Errorf("%s: its description cannot be used: %w", doing, err)
	}
	d := Document{Raw: raw, Root: root, ETag: resp.Header.Get("ETag"), versions: resp.Header.Get("api-supported-versions")}
	if d.ETag == "" {
		d.ETag = root.Text("etag")
	}
	return d, nil
}

// identity is what makes two Resources one in a round. Azure compares ids without case.
type identity struct{ endpoint, id, version string }

// Look is Get for those who only look: it shares the reads of the context's round.
func (r *Resource) Look(ctx context.Context) (Document, error) {
	return round.Read(ctx, identity{r.Endpoint, strings.ToLower(r.ID.String()), r.kind.Version}, r.Get)
}

// Put writes the resource once, with If-Match where there is an ETag. Sending it again by
// itself, as the SDK would, would undo a write of another client in between. Errors:
// engine.ErrBusy, engine.ErrDenied; any other leaves open whether it was done.
func (r *Resource) Put(ctx context.Context, body []byte, etag string) (*http.Response, error) {
	doing := "write " + r.kind.Word + " " + r.ID.Name
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: not sent: %w", doing, err)
	}
	resp, err := r.send(Once(ctx), http.MethodPut, body, etag)
	if err != nil {
		return nil, fmt.Errorf("%s, whether it was done is not known: %w", doing, err)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusCreated) {
		return nil, r.refused(doing, resp)
	}
	return resp, nil
}

// send makes a request about the resource itself.
func (r *Resource) send(ctx context.Context, method string, body []byte, etag string) (*http.Response, error) {
	req, err := runtime.NewRequest(ctx, method, r.Endpoint+r.ID.String())
	if err != nil {
		return nil, err
	}
	req.Raw().URL.RawQuery = "api-version=" + r.kind.Version
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json"); err != nil {
			return nil, err
		}
		if etag != "" {
			req.Raw().Header.Set("If-Match", etag)
		}
	}
	return r.Pipeline.Do(req)
}
