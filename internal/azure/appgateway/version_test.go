package appgateway_test

import (
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// TestTheGatewayIsReadWithTheVersionOfTheModule compares with what the module itself sends.
func TestTheGatewayIsReadWithTheVersionOfTheModule(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	var seen []string
	o := *w.options.Manager.Options
	o.Transport = watch{o.Transport, func(r *http.Request) { seen = append(seen, r.URL.Query().Get("api-version")) }}
	w.options.Manager = resource.NewManager(w.options.Manager.Credential, &o)
	if _, err := w.open().Live(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(w.azure.ID(), "/")
	client, err := armnetwork.NewApplicationGatewaysClient(parts[2], w.options.Manager.Credential, &o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), parts[4], parts[8], nil); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[0] != seen[1] {
		t.Errorf("the versions of the adapter and of the module are %q", seen)
	}
}

func TestWhatASwitchCouldDropIsReportedBefore(t *testing.T) {
	newer := func(b *arm.Behaviour) {
		b.Versions = []string{"2024-05-01", "2025-05-01", "2026-01-01", "2026-03-01", "2027-01-01-preview"}
		b.Since = map[string]string{"newFeature": "2026-03-01", "offFeature": "2026-03-01"}
	}
	for name, c := range map[string]struct {
		edit func(p map[string]any)
		set  func(*arm.Behaviour)
		says []string
	}{
		"nothing": {set: newer, edit: func(p map[string]any) { p["offFeature"] = map[string]any{"enabled": false, "list": []any{}} }},
		"what a newer version of the API shows": {set: newer, edit: func(p map[string]any) { p["newFeature"] = map[string]any{"enabled": true} }, says: []string{
			"version 2026-03-01", "newFeature", "2025-05-01", "a switch may drop",
		}},
		"a property that the models do not have": {edit: func(p map[string]any) { p["strangeFeature"] = map[string]any{"enabled": true} }, says: []string{
			"strangeFeature", "written back as it is",
		}},
		"a SKU that the models do not have": {edit: func(p map[string]any) {
			p["sku"].(map[string]any)["name"], p["sku"].(map[string]any)["tier"] = "Standard_v3", "Standard_v3"
		}, says: []string{"SKU Standard_v3", "2025-05-01"}},
	} {
		w := newEnv(t, shapes["basic"])
		w.edit(c.edit)
		if c.set != nil {
			w.azure.Set(c.set)
		}
		found := w.check()
		if len(c.says) == 0 {
			if len(found) > 0 {
				t.Errorf("%s: the check finds %+v", name, found)
			}
			continue
		}
		if len(found) != 1 || !found[0].Warning {
			t.Errorf("%s: the check finds %+v", name, found)
			continue
		}
		says(t, found[0].Text, c.says...)
		w.done(release.Green) // a warning holds nothing back
	}
}

func TestAHeaderNamesTheVersionsToo(t *testing.T) {
	var asked []string
	g := against(t, func(r *http.Request) *http.Response {
		version := r.URL.Query().Get("api-version")
		asked = append(asked, version)
		body := plain
		if version > "2026" {
			body = strings.Replace(plain, `"operationalState"`, `"newFeature":{"on":true},"operationalState"`, 1)
			body = strings.Replace(body, `"id":"/b"`, `"id":"/b","properties":{"sticky":true,"loose":false}`, 1)
		}
		return say(http.StatusOK, body, "api-supported-versions", "2024-05-01, 2026-03-01,2025-05-01")
	})
	found, err := g.Preflight(t.Context())
	if err != nil || len(asked) != 2 || asked[1] != "2026-03-01" {
		t.Errorf("asked with %q, error %v", asked, err)
	}
	if text := ""; len(found) > 0 {
		for _, f := range found {
			text += f.Text + "\n"
		}
		says(t, text, "newFeature", "backendAddressPools[pool-blue].properties", "version 2026-03-01")
	} else {
		t.Error("the check finds nothing")
	}
}
