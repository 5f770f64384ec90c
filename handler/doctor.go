package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
)

// mostSkew is how far clocks may be apart: alerts and pushes are compared by the times of others.
const mostSkew = 5 * time.Second

// examinations are those of what all apps share.
func (w *wiring) examinations(store engine.Store, wakeups engine.Wakeups) []engine.Examination {
	all := []engine.Examination{{Check: "identity", Target: "managed identity", Run: w.examineIdentity}}
	for target, port := range map[string]any{"tables": store, "queue": wakeups} {
		if p, ok := port.(engine.Preflight); ok {
			all = append(all, engine.Examination{Check: "storage", Target: target, Run: p.Preflight})
		}
	}
	for _, address := range []string{w.Cloud.Services[cloud.ResourceManager].Endpoint, cmp.Or(w.Storage.TableURL, tableURL(w.Storage.ConnectionString))} {
		if at, err := url.Parse(address); err == nil && at.Host != "" {
			all = append(all, engine.Examination{Check: "clock", Target: at.Host, Run: func(ctx context.Context) ([]engine.Finding, error) {
				return w.examineClock(ctx, at)
			}})
		}
	}
	slices.SortStableFunc(all, func(a, b engine.Examination) int { return strings.Compare(a.Check+a.Target, b.Check+b.Target) })
	return all
}

func (w *wiring) token(ctx context.Context) (azcore.AccessToken, error) {
	audience := strings.TrimRight(w.Cloud.Services[cloud.ResourceManager].Audience, "/")
	return w.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
}

func (w *wiring) examineIdentity(ctx context.Context) ([]engine.Finding, error) {
	_, err := w.token(ctx)
	if err == nil || ctx.Err() != nil {
		return nil, err
	}
	which := "its system-assigned identity"
	if w.ClientID != "" {
		which = "the identity with the client id " + w.ClientID + " (AZURE_CLIENT_ID)"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return []engine.Finding{{
		Text: fmt.Sprintf("the app gets no token for %s: %s", which, text),
		Fix:  "assign it with az functionapp identity assign --resource-group GROUP --name APP --identities IDENTITY-ID, and set AZURE_CLIENT_ID to its client id, as bicep/modules/app.bicep does",
	}}, nil
}

func (w *wiring) examineClock(ctx context.Context, at *url.URL) ([]engine.Finding, error) {
	skew, err := outbound.Skew(ctx, w.connections, at.String())
	if err != nil {
		return nil, fmt.Errorf("what time it is at %s is not known: %w", at.Host, err)
	}
	if skew.Abs() <= mostSkew {
		return nil, nil
	}
	return []engine.Finding{{
		Text: fmt.Sprintf("the clock of %s differs from that of the app by %s, and the times of alerts and pushes are compared", at.Host, skew.Round(time.Second)),
		Fix:  "restart the app, so that it gets another instance: az functionapp restart --resource-group GROUP --name APP",
	}}, nil
}

// objectID is that of the app's identity, as its token says; "" where that is not known.
func (w *wiring) objectID(ctx context.Context) string {
	token, err := w.token(ctx)
	if err != nil {
		return ""
	}
	return objectIDOf(token.Token)
}

func objectIDOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		ID string `json:"oid"`
	}
	if errors.Join(err, json.Unmarshal(payload, &claims)) != nil {
		return ""
	}
	return claims.ID
}

// tableURL is where the tables of a connection string are; "" where it does not say.
func tableURL(connection string) string {
	parts := map[string]string{}
	for _, part := range strings.Split(connection, ";") {
		key, value, _ := strings.Cut(part, "=")
		parts[strings.ToLower(key)] = value
	}
	switch {
	case parts["tableendpoint"] != "":
		return parts["tableendpoint"]
	case parts["accountname"] != "" && parts["endpointsuffix"] != "":
		return "https://" + parts["accountname"] + ".table." + parts["endpointsuffix"]
	}
	return ""
}
