package appgateway_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// canned is a service that gives answers which the emulator never gives.
type canned func(r *http.Request) *http.Response

func (c canned) Do(r *http.Request) (*http.Response, error) {
	resp := c(r)
	resp.Request = r
	return resp, nil
}

func say(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func against(t *testing.T, c canned) *appgateway.Gateway {
	t.Helper()
	g, err := appgateway.New(appgateway.Options{
		ID: gatewayID, Rules: []string{"podinfo"}, Manager: resource.NewManager(&fake.TokenCredential{}, &azarm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: c}}),
		Blue: appgateway.Backend{Pool: "pool-blue"}, Green: appgateway.Backend{Pool: "pool-green"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAPollRequiresAnExplicitStatus(t *testing.T) {
	for body, want := range map[string]struct{ done, lost, failed bool }{
		`{"status":"Succeeded"}`:                           {done: true},
		`{"status":"InProgress"}`:                          {},
		`{"status":"Updating","properties":{}}`:            {},
		`{"status":"Failed"}`:                              {lost: true},
		`{"status":"Failed","error":{"code":"X"}}`:         {lost: true},
		`{"status":"Cancelled"}`:                           {lost: true},
		`{"properties":{"provisioningState":"Succeeded"}}`: {failed: true},
		`{}`:                       {failed: true},
		`<html>`:                   {failed: true},
		``:                         {failed: true},
		`{"status":["Succeeded"]}`: {failed: true},
		`{"status":"Canceled","error":{"code":5}}`:           {lost: true},
		`{"status":"Failed","error":{"details":[{"a":1}]}}`:  {lost: true},
		`{"status":"Succeeded","error":{"code":"Whatever"}}`: {done: true},
	} {
		g := against(t, func(*http.Request) *http.Response { return say(http.StatusOK, body) })
		op, err := g.Poll(t.Context(), "/subscriptions/s/providers/Microsoft.Network/locations/l/operations/o?api-version=1")
		if op.Done != want.done || op.Lost != want.lost || (err != nil) != want.failed || op.Lost && op.Detail == "" {
			t.Errorf("%s: %+v, error %v", body, op, err)
		}
	}
}

func TestATokenLeadsOnlyToOurOwnResourceManager(t *testing.T) {
	for _, token := range []string{
		"https://example.com/subscriptions/s", "//example.com/subscriptions/s", "@example.com/subscriptions/s", ".example.com/subscriptions/",
		"/subscriptions/s/../../other", "/subscriptions/s\r\nHost: example.com", "/subscriptions/" + strings.Repeat("x", 9000), "/tenants",
	} {
		g := against(t, func(r *http.Request) *http.Response {
			t.Errorf("%.60q is asked of %s", token, r.URL.Host)
			return say(http.StatusOK, `{"status":"Succeeded"}`)
		})
		if op, err := g.Poll(t.Context(), token); err != nil || !op.Lost {
			t.Errorf("%.60q: %v %v", token, op.Lost, err)
		}
	}
}

func TestAWriteIsDoneOnlyWhenTheServiceConfirmsIt(t *testing.T) {
	const document = `{"properties":{"operationalState":"Running",
		"backendAddressPools":[{"name":"pool-blue","id":"/b"},{"name":"pool-green","id":"/g"}],
		"requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"Basic","backendAddressPool":{"id":"/b"}}}]}}`
	const async = "Azure-AsyncOperation"
	for name, c := range map[string]struct {
		answer func() *http.Response
		done   bool
		token  string
		err    string
	}{
		"at once":   {answer: func() *http.Response { return say(200, `{"properties":{"provisioningState":"Succeeded"}}`) }, done: true},
		"who knows": {answer: func() *http.Response { return say(200, `{"properties":{"provisioningState":"Updating"}}`) }, err: "names no operation and the gateway is Updating"},
		"nothing":   {answer: func() *http.Response { return say(200, ``) }, err: "read the answer"},
		"elsewhere": {answer: func() *http.Response { return say(200, `{}`, async, "https://example.com/subscriptions/s") }, err: "not at https://management.azure.com"},
		"a longer host": {answer: func() *http.Response {
			return say(200, `{}`, async, "https://management.azure.com.example.com/subscriptions/s")
		}, err: "cannot be used"},
		"the usual": {answer: func() *http.Response {
			return say(201, `{"properties":{"provisioningState":"Succeeded"}}`, async, "https://MANAGEMENT.azure.com/subscriptions/s/operations/o?a=%2F&c=d")
		}, token: "/subscriptions/s/operations/o?a=%2F&c=d"},
		"gone":           {answer: func() *http.Response { return say(404, `{"error":{"code":"ResourceGroupNotFound"}}`) }, err: gatewayID},
		"wrong":          {answer: func() *http.Response { return say(400, `{"error":{"code":"InvalidResourceReference","message":"x"}}`) }, err: "InvalidResourceReference: x"},
		"plain words":    {answer: func() *http.Response { return say(502, `Bad Gateway`) }, err: "502 Bad Gateway"},
		"not even words": {answer: func() *http.Response { return say(418, ``) }, err: "418"},
	} {
		g := against(t, func(r *http.Request) *http.Response {
			if r.Method == http.MethodGet {
				return say(http.StatusOK, document)
			}
			return c.answer()
		})
		op, err := g.Switch(t.Context(), release.Green, 1)
		if op.Done != c.done || op.Token != c.token || (err != nil) != (c.err != "") {
			t.Errorf("%s: %+v, error %v", name, op, err)
		} else if err != nil {
			says(t, err.Error(), c.err)
		}
	}
}

func TestAnotherClientBetweenReadAndWriteMakesItBusy(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		w := newEnv(t, shapes["basic"])
		w.azure.Set(func(b *arm.Behaviour) { b.IgnoreIfMatch = ignored })
		o := *w.options.Manager.Options
		o.Transport = watch{o.Transport, func(r *http.Request) {
			if r.Method == http.MethodPut {
				w.edit(func(map[string]any) {})
			}
		}}
		w.options.Manager = resource.NewManager(w.options.Manager.Credential, &o)
		w.Gateway = w.open()
		op, err := w.Switch(t.Context(), release.Green, 1)
		if ignored != (err == nil) || !ignored && !errors.Is(err, engine.ErrBusy) {
			t.Errorf("with If-Match ignored %v: %+v, error %v", ignored, op, err)
		}
		if err != nil {
			says(t, err.Error(), "PreconditionFailedEtagMismatch")
		}
	}
}

// TestALoadDistributionPolicyHasItsOwnMessage reads gateways that the emulator refuses to have, as
// Azure does without a feature of the subscription.
func TestALoadDistributionPolicyHasItsOwnMessage(t *testing.T) {
	const policy = `{"id":"` + gatewayID + `/loadDistributionPolicies/canary"}`
	for want, parts := range map[string]string{
		"rule podinfo distributes load by the policy canary": `"requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"Basic","loadDistributionPolicy":` + policy + `}}]`,
		"path map paths distributes load by the policy canary": `"requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"PathBasedRouting","urlPathMap":{"id":"/m"}}}],
			"urlPathMaps":[{"name":"paths","id":"/m","properties":{"defaultBackendAddressPool":{"id":"/b"},"pathRules":[{"name":"api","properties":{"loadDistributionPolicy":` + policy + `}}]}}]`,
		"path map all distributes load by the policy canary": `"requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"PathBasedRouting","urlPathMap":{"id":"/m"}}}],
			"urlPathMaps":[{"name":"all","id":"/m","properties":{"defaultLoadDistributionPolicy":` + policy + `}}]`,
	} {
		g := against(t, func(*http.Request) *http.Response {
			return say(http.StatusOK, `{"properties":{"operationalState":"Running","backendAddressPools":[{"name":"pool-blue","id":"/b"},{"name":"pool-green","id":"/g"}],`+parts+`}}`)
		})
		found, err := g.Preflight(t.Context())
		if err != nil || len(found) == 0 || found[0].Warning {
			t.Errorf("%v: %+v", err, found)
			continue
		}
		says(t, found[0].Text, want)
	}
}

func TestServersAreSummedUp(t *testing.T) {
	const pool, settings = gatewayID + "/backendAddressPools/pool-blue", gatewayID + "/backendHttpSettingsCollection/set"
	document := `{"properties":{"operationalState":"Running",
		"backendAddressPools":[{"name":"pool-blue","id":"` + pool + `","properties":{"backendAddresses":[{"ipAddress":"10.0.0.1"}]}},{"name":"pool-green","id":"/g"}],
		"backendHttpSettingsCollection":[{"name":"set","id":"` + settings + `","properties":{"port":80,"protocol":"Http"}}],
		"requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"Basic","backendAddressPool":{"id":"` + pool + `"},"backendHttpSettings":{"id":"` + settings + `"}}}]}}`
	for servers, want := range map[string]engine.Health{
		`{"address":"a","health":"Healthy"},{"address":"b","health":"Up"}`:                              {Healthy: true, Detail: "pool pool-blue: a is Healthy; b is Up"},
		`{"address":"a","health":"Healthy"},{"address":"b","health":"Unknown"}`:                         {Unknown: true, Detail: "pool pool-blue: b is Unknown; a is Healthy"},
		`{"address":"a","health":"Unhealthy","healthProbeLog":"no"},{"address":"b","health":"Unknown"}`: {Detail: "pool pool-blue: a is Unhealthy: no; b is Unknown"},
		`{"address":"a","health":"Draining"}`:                                                           {Detail: "pool pool-blue: a is Draining"},
		`{"address":"a","health":"healthy"},{"address":"b","health":"initializing"}`:                    {Unknown: true, Detail: "pool pool-blue: b is initializing; a is healthy"},
		`{"address":"a","health":"DOWN"}`:                                                               {Detail: "pool pool-blue: a is DOWN"},
		`{"address":"a","health":""}`:                                                                   {Unknown: true, Detail: "pool pool-blue: a is Unknown"},
		`{"address":"a"}`:                                                                               {Unknown: true, Detail: "pool pool-blue: a is Unknown"},
		strings.Repeat(`{"address":"a","health":"Up"},`, 6) + `{"address":"b","health":"Down"},null`:    {Detail: "pool pool-blue: b is Down; a is Up; a is Up; a is Up; a is Up; and 2 more"},
	} {
		g := against(t, func(r *http.Request) *http.Response {
			if r.Method == http.MethodGet {
				return say(http.StatusOK, document)
			}
			return say(http.StatusOK, `{"backendAddressPools":[{"backendAddressPool":{"id":"`+strings.ToUpper(pool)+`"},"backendHttpSettingsCollection":[
				{"backendHttpSettings":{"id":"`+settings+`"},"servers":[`+servers+`]},{"backendHttpSettings":{"id":"/other"},"servers":[{"health":"Down"}]},{}]},{}]}`)
		})
		if h, err := g.Health(t.Context(), release.Blue); err != nil || h != want {
			t.Errorf("%s: %+v, error %v, want %+v", servers, h, err, want)
		}
	}
	empty := against(t, func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet {
			return say(http.StatusOK, document)
		}
		return say(http.StatusOK, `{"backendAddressPools":[]}`)
	})
	h, err := empty.Health(t.Context(), release.Blue)
	if err != nil || !h.Unknown {
		t.Errorf("no servers reported: %+v, error %v", h, err)
	}
	says(t, h.Detail, "65200-65535")
}

func TestHealthThatTakesTooLongIsUnknown(t *testing.T) {
	if testing.Short() {
		t.Skip("waits ten seconds")
	}
	t.Parallel()
	w := newEnv(t, shapes["basic"])
	o := *w.options.Manager.Options
	o.Transport = watch{o.Transport, func(r *http.Request) {
		if r.Method == http.MethodPost {
			<-r.Context().Done()
		}
	}}
	w.options.Manager = resource.NewManager(w.options.Manager.Credential, &o)
	w.Gateway = w.open()
	if h := w.health(release.Blue); !h.Unknown || h.Healthy {
		t.Errorf("%+v", h)
	} else {
		says(t, h.Detail, "no answer within 10s")
	}
}
