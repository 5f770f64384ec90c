package arm_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// health returns the result of the backend health request, as pool → address → health.
func (w *env) health() map[string]map[string]string {
	w.t.Helper()
	body, err := wait(w.t, w.poller(w.send(w.do(http.MethodPost, "/backendhealth", "", nil))))
	if err != nil {
		w.t.Fatal(err)
	}
	var h armnetwork.ApplicationGatewayBackendHealth
	if err := json.Unmarshal(body, &h); err != nil {
		w.t.Fatal(err)
	}
	got := map[string]map[string]string{}
	for _, p := range h.BackendAddressPools {
		name := (*p.BackendAddressPool.ID)[strings.LastIndex(*p.BackendAddressPool.ID, "/")+1:]
		got[name] = map[string]string{}
		for _, s := range p.BackendHTTPSettingsCollection {
			for _, server := range s.Servers {
				got[name][*server.Address] = string(*server.Health)
			}
		}
	}
	return got
}

func TestBackendHealthIsAnOperationAboutReferencedPoolsOnly(t *testing.T) {
	w := newEnv(t, arm.Options{})
	if err := w.g.Rival(func(doc map[string]any) {
		p := doc["properties"].(map[string]any)
		p["requestRoutingRules"] = p["requestRoutingRules"].([]any)[:1]
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one pool, healthy", func() bool {
		h := w.health()
		return len(h) == 1 && h["pool-blue"]["127.11.0.1"] == "Healthy"
	})
	w.blue.server.Close()
	eventually(t, "a pool without a listening server is unhealthy", func() bool { return w.health()["pool-blue"]["127.11.0.1"] == "Unhealthy" })
}

func TestBackendHealthAnswersLaterThanAsked(t *testing.T) {
	w := newEnv(t, arm.Options{})
	resp := w.send(w.do(http.MethodPost, "/backendhealth", "", nil))
	if resp.StatusCode != http.StatusAccepted || !strings.Contains(resp.Header.Get("Location"), "/operationResults/") {
		t.Errorf("status %d, Location %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestOnDemandHealthProbesAPoolThatNoRuleNames(t *testing.T) {
	w := newEnv(t, arm.Options{})
	if err := w.g.Rival(func(doc map[string]any) {
		p := doc["properties"].(map[string]any)
		p["requestRoutingRules"] = p["requestRoutingRules"].([]any)[:1]
	}); err != nil {
		t.Fatal(err)
	}
	c, err := armnetwork.NewApplicationGatewaysClient("0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10", w.e.Credential(""), w.e.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	probe := armnetwork.ApplicationGatewayOnDemandProbe{
		Protocol: to.Ptr(armnetwork.ApplicationGatewayProtocolHTTP), Host: to.Ptr("shop.example.com"), Path: to.Ptr("/healthz"), Timeout: to.Ptr[int32](5),
		Match:               &armnetwork.ApplicationGatewayProbeHealthResponseMatch{StatusCodes: []*string{to.Ptr("200-399")}},
		BackendAddressPool:  &armnetwork.SubResource{ID: to.Ptr(w.g.ID() + "/backendAddressPools/pool-green")},
		BackendHTTPSettings: &armnetwork.SubResource{ID: to.Ptr(w.g.ID() + "/backendHttpSettingsCollection/set-app")},
	}
	ask := func() string {
		t.Helper()
		p, err := c.BeginBackendHealthOnDemand(t.Context(), "rg-shop-prod", "agw-shop", probe, nil)
		if err != nil {
			t.Fatal(err)
		}
		for !p.Done() {
			if _, err := p.Poll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r, err := p.Result(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(*r.BackendHealthHTTPSettings.Servers[0].Health) + ": " + *r.BackendHealthHTTPSettings.Servers[0].HealthProbeLog
	}
	if got := ask(); got != "Healthy: Success. Received 200 status code" {
		t.Errorf("health is %q", got)
	}
	w.grn.set(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(http.StatusBadGateway) })
	if got := ask(); !strings.HasPrefix(got, "Unhealthy: Received invalid status code: 502") {
		t.Errorf("health is %q", got)
	}
	probe.BackendAddressPool.ID = to.Ptr(w.g.ID() + "/backendAddressPools/pool-red")
	_, err = c.BeginBackendHealthOnDemand(t.Context(), "rg-shop-prod", "agw-shop", probe, nil)
	if err == nil || !strings.Contains(err.Error(), "InvalidResourceReference") {
		t.Errorf("an unknown pool: %v", err)
	}
}
