package appgateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// watch is a transport that shows each request before it is sent.
type watch struct {
	policy.Transporter
	seen func(*http.Request)
}

func (w watch) Do(r *http.Request) (*http.Response, error) {
	w.seen(r)
	return w.Transporter.Do(r)
}

func (w *env) health(c release.Color) engine.Health {
	w.t.Helper()
	h, err := w.Health(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// becomes waits for the gateway's view of a color.
func (w *env) becomes(c release.Color, met func(engine.Health) bool) engine.Health {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h := w.health(c)
		if met(h) {
			return h
		}
		if time.Now().After(end) {
			w.t.Fatalf("the health of %s stays %+v", c, h)
		}
	}
}

func healthy(h engine.Health) bool { return h.Healthy }

func TestTheLiveColorIsAskedForAndTheIdleOneIsProbed(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	says(t, w.becomes(release.Blue, healthy).Detail, "127.11.1.1 is Healthy", "Success. Received 200 status code")
	says(t, w.becomes(release.Green, healthy).Detail, "127.11.1.2 is Healthy")
	asked := map[string]int{}
	for _, r := range w.arm.Requests() {
		if r.Method == http.MethodPost {
			asked[r.Path[strings.LastIndex(r.Path, "/")+1:]]++
		}
	}
	if asked["backendhealth"] == 0 || asked["getBackendHealthOnDemand"] == 0 {
		t.Errorf("asked %v", asked)
	}
	for _, c := range []release.Color{release.Green, release.Blue} {
		w.backends[c].sick.Store(true)
		h := w.becomes(c, func(h engine.Health) bool { return !h.Healthy && !h.Unknown })
		says(t, h.Detail, "is Unhealthy", "Received invalid status code: 502")
	}
}

func TestASettingOfTheColorDecidesHowItIsProbed(t *testing.T) {
	w := newEnv(t, shapes["settings"])
	w.edit(func(p map[string]any) { part(p, "backendHttpSettingsCollection", "set-pool-green")["port"] = 1 })
	h := w.becomes(release.Green, func(h engine.Health) bool { return !h.Healthy })
	says(t, h.Detail, "127.11.1.2 is Unhealthy", "Cannot connect")
	w.becomes(release.Blue, healthy)
}

func TestSettingsWithoutAProbeAreProbedAsTheServiceDoes(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.edit(func(p map[string]any) { delete(part(p, "backendHttpSettingsCollection", "set-app"), "probe") })
	w.backends[release.Green].sick.Store(true) // only at /healthz
	w.becomes(release.Green, healthy)
}

func TestAPoolThatOnlyAPreviewLeadsToIsAskedFor(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.edit(func(p map[string]any) {
		w.lead(part(p, "requestRoutingRules", "neighbour"), "backendAddressPool", "", "pool-green")
	})
	w.arm.Deny("", "Microsoft.Network/applicationGateways/getBackendHealthOnDemand/action")
	w.becomes(release.Green, healthy)
}

func TestAPoolWithoutServersIsNotHealthy(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.edit(func(p map[string]any) { part(p, "backendAddressPools", "pool-green")["backendAddresses"] = []any{} })
	if h := w.health(release.Green); h.Healthy || h.Unknown {
		t.Errorf("%+v", h)
	} else {
		says(t, h.Detail, "pool-green has no servers")
	}
}

func TestHealthThatTheGatewayDoesNotReportIsUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		color release.Color
		spoil func(w *env)
		says  []string
	}{
		"no right to ask": {release.Blue, func(w *env) { w.arm.Deny("", "Microsoft.Network/applicationGateways/backendhealth/action") }, []string{"applicationGateways/backendhealth/action"}},
		"no right to probe": {release.Green, func(w *env) {
			w.arm.Deny("", "Microsoft.Network/applicationGateways/getBackendHealthOnDemand/action")
		}, []string{"getBackendHealthOnDemand/action"}},
		"no right to fetch":           {release.Green, func(w *env) { w.arm.Deny("", "Microsoft.Network/locations/operationResults/read") }, []string{"operationResults/read", "subscription"}},
		"stopped":                     {release.Blue, func(w *env) { w.azure.Stop() }, []string{"Stopped"}},
		"a rule that leads elsewhere": {release.Green, func(w *env) { w.rival(""); w.azure.Release() }, []string{"rule podinfo points at pool pool-other"}},
		"a probe's own port": {release.Green, func(w *env) {
			w.edit(func(p map[string]any) { part(p, "probes", "probe-app")["port"] = 1 })
		}, []string{"probe-app has a port of its own"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, shapes["basic"])
			c.spoil(w)
			h := w.health(c.color)
			if !h.Unknown || h.Healthy {
				t.Errorf("%+v", h)
			}
			says(t, h.Detail, c.says...)
		})
	}
}

func TestAHealthRequestThatGoesWrongIsAnError(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.azure.Inject(9, arm.Action, arm.InternalError)
	if h, err := w.Health(t.Context(), release.Blue); err == nil {
		t.Errorf("%+v", h)
	}
}
