package appgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// maxToken is the port's bound. The service's URLs have some 4 kB, most of it signature.
const maxToken = 8 << 10

// operation reads the running operation from the answer to a write. The token is the part
// after the host of the operation's URL, byte for byte, because the URL is signed. A host
// is never stored, so a token leads nowhere but to our own Azure Resource Manager.
func (g *Gateway) operation(resp *http.Response) (engine.Operation, error) {
	at := resp.Header.Get("Azure-AsyncOperation")
	if at == "" {
		return finished(resp)
	}
	if len(at) < len(g.azure.Endpoint) || !strings.EqualFold(at[:len(g.azure.Endpoint)], g.azure.Endpoint) {
		return engine.Operation{}, fmt.Errorf("follow the write: its operation is not at %s: %.200s", g.azure.Endpoint, at)
	}
	token := at[len(g.azure.Endpoint):]
	if !followable(token) {
		return engine.Operation{}, fmt.Errorf("follow the write: its operation cannot be used: %.200s", at)
	}
	return engine.Operation{Token: token}, nil
}

// finished takes a write without an operation as done only when its answer confirms it.
func finished(resp *http.Response) (engine.Operation, error) {
	raw, err := runtime.Payload(resp)
	if err != nil {
		return engine.Operation{}, fmt.Errorf("read the answer to the write: %w", err)
	}
	root, err := resource.Parse(raw)
	if err != nil {
		return engine.Operation{}, fmt.Errorf("read the answer to the write: %w", err)
	}
	if state := root.Text("properties", "provisioningState"); state != "Succeeded" {
		return engine.Operation{}, fmt.Errorf("follow the write: it names no operation and the gateway is %s", orUnknown(state))
	}
	return engine.Operation{Done: true}, nil
}

func followable(token string) bool {
	u, err := url.Parse(token)
	return err == nil && len(token) <= maxToken && strings.HasPrefix(token, "/subscriptions/") && u.Fragment == "" &&
		!strings.Contains(u.Path, "/..")
}

// Poll implements engine.Gateway.
func (g *Gateway) Poll(ctx context.Context, token string) (engine.Operation, error) {
	if !followable(token) {
		return engine.Operation{Token: token, Lost: true, Detail: "what was saved of the operation does not lead to one"}, nil
	}
	req, err := runtime.NewRequest(resource.Once(ctx), http.MethodGet, g.azure.Endpoint+token)
	if err != nil {
		return engine.Operation{}, fmt.Errorf("ask for the operation: %w", err)
	}
	resp, err := g.azure.Pipeline.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err // without the URL and its signature
	}
	if err != nil {
		return engine.Operation{}, fmt.Errorf("ask for the operation: %w", err)
	}
	if runtime.HasStatusCode(resp, http.StatusOK, http.StatusAccepted) {
		return g.progress(token, resp)
	}
	return g.unanswered(token, resp)
}

// unanswered classifies answers without the operation. A failure that may pass is an error,
// and so is a missing right: the operation may still be running.
func (g *Gateway) unanswered(token string, resp *http.Response) (engine.Operation, error) {
	f := resource.Read(resp)
	switch class := f.Class(); {
	case f.Final(), f.Status == http.StatusUnauthorized && class == resource.Operator:
		return engine.Operation{}, resource.Refuse("ask for the operation: %s", f.Explain(g.azure.ID))
	case class == resource.Unknown, class == resource.Retry:
		return engine.Operation{}, fmt.Errorf("ask for the operation: the service answered %d: %s", f.Status, f.Words())
	case f.Status == http.StatusNotFound:
		return engine.Operation{Token: token, Lost: true, Detail: "Azure does not know the gateway's operation any more"}, nil
	}
	return engine.Operation{Token: token, Lost: true, Detail: "Azure does not report on the gateway's operation: " + f.Words()}, nil
}

// progress reads how far an operation is. A failed one is reported with HTTP 200 too.
func (g *Gateway) progress(token string, resp *http.Response) (engine.Operation, error) {
	raw, err := runtime.Payload(resp)
	if err != nil {
		return engine.Operation{}, fmt.Errorf("ask for the operation: %w", err)
	}
	var status struct{ Status string }
	if err := json.Unmarshal(raw, &status); err != nil {
		return engine.Operation{}, fmt.Errorf("ask for the operation: its answer is not JSON: %w", err)
	}
	op := engine.Operation{Token: token}
	switch strings.ToLower(status.Status) {
	case "":
		return op, errors.New("ask for the operation: its answer has no status")
	case "succeeded", "completed":
		op.Done = true
	case "failed":
		f := resource.Read(resp)
		op.Lost, op.Denied, op.Detail = true, f.Final(), "the gateway's operation failed: "+f.Words()
		if op.Denied {
			op.Detail = "the gateway's operation failed: " + f.Explain(g.azure.ID)
		}
	case "canceled", "cancelled":
		f := resource.Read(resp)
		op.Lost, op.Detail = true, "the gateway's operation was canceled: "+f.Words()
		if f.Has("CanceledAndSupersededDueToAnotherOperation") {
			op.Detail = "another write to the gateway took this one's place: " + f.Words()
		}
	}
	return op, nil
}
