package appgateway_test

import (
	"encoding/json"
	"slices"
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
		ID: gatewayID, Rules: []string{"podinfo"}, Manager: resource.NewManager(&fake.TokenCredential{}, &azarm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &service{document: raw}}}),
		Blue: appgateway.Backend{Pool: "pool-blue", Settings: "set-pool-blue"}, Green: appgateway.Backend{Pool: "pool-green", Settings: "set-pool-green"},
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

func TestAReadingWarnsOfWhatIsWrongAlthoughItLeadsToOneColor(t *testing.T) {
	type change = func(doc map[string]any)
	property := func(key, value string) change {
		return func(doc map[string]any) { doc["properties"].(map[string]any)[key] = value }
	}
	without := func(section, name string) change {
		return func(doc map[string]any) {
			p := doc["properties"].(map[string]any)
			p[section] = slices.DeleteFunc(p[section].([]any), func(o any) bool { return o.(map[string]any)["name"] == name })
		}
	}
	for name, c := range map[string]struct {
		change change
		says   []string
	}{
		"all is well":    {change: func(map[string]any) {}},
		"it is stopped":  {property("operationalState", "Stopped"), []string{"the gateway is Stopped", "users get no answer", "az network application-gateway start --ids " + gatewayID}},
		"it is stopping": {property("operationalState", "Stopping"), []string{"the gateway is Stopping"}},
		"the last write failed": {property("provisioningState", "Failed"), []string{
			"the last write to the gateway failed", "users may be served by the configuration before it", "az network application-gateway update --ids " + gatewayID,
		}},
		"the idle pool is deleted": {without("backendAddressPools", "pool-green"), []string{
			"backend pool pool-green of green does not exist", "az network application-gateway address-pool create --gateway-name agw-shop --resource-group rg-shop-prod --name pool-green",
		}},
		"the idle settings are deleted": {without("backendHttpSettingsCollection", "set-pool-green"), []string{"backend HTTP settings set-pool-green of green"}},
	} {
		r := reading(t, c.change)
		if r.Live != "blue" || r.Underway {
			t.Errorf("%s: it reads %+v", name, r)
		}
		says(t, strings.Join(r.Warnings, "\n"), c.says...)
		says(t, r.Detail, c.says...)
		if len(c.says) == 0 && len(r.Warnings) > 0 {
			t.Errorf("%s: it warns of %q", name, r.Warnings)
		}
	}
}

func TestAPoolThatIsGoneHoldsBackOnlyItsOwnColor(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.edit(func(p map[string]any) {
		p["backendAddressPools"] = slices.DeleteFunc(p["backendAddressPools"].([]any), func(o any) bool { return o.(map[string]any)["name"] == "pool-green" })
	})
	w.denied("backend pool pool-green of green does not exist", "az network application-gateway address-pool create")
	w.done(release.Blue)
	if found := w.check(); len(found) != 1 || found[0].Warning {
		t.Errorf("the check finds %+v", found)
	}
}
