package appgateway_test

import (
	"encoding/json"
	"testing"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// reading reads a gateway with a path map and settings by color as a GET returns it.
func reading(t *testing.T, change func(doc map[string]any)) engine.Reading {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(arm.GatewayJSON(arm.Fixture{
		Port: 80, Rules: shapes["paths"].rules,
		Pools: []arm.Pool{{Name: "pool-blue", Port: 81}, {Name: "pool-green", Port: 82}, {Name: "pool-other"}},
	}), &doc); err != nil {
		t.Fatal(err)
	}
	p := doc["properties"].(map[string]any)
	p["provisioningState"], p["operationalState"] = "Succeeded", "Running"
	for _, section := range []string{"requestRoutingRules", "urlPathMaps", "backendAddressPools", "backendHttpSettingsCollection", "redirectConfigurations"} {
		for _, o := range list(p, section) {
			id := gatewayID + "/" + section + "/" + o["name"].(string)
			o["id"], o["properties"].(map[string]any)["provisioningState"] = id, "Succeeded"
		}
	}
	change(doc)
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	g, err := appgateway.New(appgateway.Options{
		ID: gatewayID, Rules: []string{"podinfo"}, Credential: &fake.TokenCredential{},
		Client: &azarm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &service{document: raw}}},
		Blue:   appgateway.Backend{Pool: "pool-blue", Settings: "set-pool-blue"}, Green: appgateway.Backend{Pool: "pool-green", Settings: "set-pool-green"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := g.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAWriteIsUnderwayWhateverOfTheAppsTrafficHasNotSettled(t *testing.T) {
	for state, want := range map[string]bool{
		"Succeeded": false, "Failed": false, "Canceled": false, "Updating": true, "Creating": true, "SomethingNew": true,
	} {
		for section, name := range map[string]string{
			"requestRoutingRules": "podinfo", "urlPathMaps": "map-podinfo",
			"backendAddressPools": "pool-green", "backendHttpSettingsCollection": "set-pool-blue",
		} {
			r := reading(t, func(doc map[string]any) {
				part(doc["properties"].(map[string]any), section, name)["provisioningState"] = state
			})
			if r.Underway != want || r.Live != "blue" {
				t.Errorf("%s %s is %s: it reads %+v", section, name, state, r)
			}
			if want {
				says(t, r.Detail, name+" is "+state)
			}
		}
		r := reading(t, func(doc map[string]any) { doc["properties"].(map[string]any)["provisioningState"] = state })
		if r.Underway != want {
			t.Errorf("the gateway is %s: it reads %+v", state, r)
		}
	}
	of := func(section, name string) func(map[string]any) {
		return func(doc map[string]any) {
			part(doc["properties"].(map[string]any), section, name)["provisioningState"] = "Updating"
		}
	}
	if r := reading(t, of("redirectConfigurations", "to-https")); r.Underway {
		t.Errorf("what the app's traffic does not pass is Updating: it reads %+v", r)
	}
}
