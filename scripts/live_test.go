package scripts_test

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	profileList = "network traffic-manager profile list --resource-group rg-bluegreen"
	gatewayList = "network application-gateway list --resource-group rg-bluegreen"
)

// profile is the list of one Traffic Manager profile with the status of each endpoint.
func profile(endpoints ...string) string {
	type endpoint struct {
		Name   string `json:"name"`
		Status string `json:"endpointStatus"`
	}
	var list []endpoint
	for _, e := range endpoints {
		name, status, _ := strings.Cut(e, " ")
		list = append(list, endpoint{name, status})
	}
	return text([]map[string]any{{"name": "tm", "endpoints": list}})
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps, lists and strings
	}
	return string(data)
}

// gateway is an Application Gateway with rules given as "NAME POOL", and path maps alike.
func gateway(rules, paths []string) map[string]any {
	pool := func(name string) map[string]any {
		return map[string]any{"id": scope + "/resourceGroups/rg/providers/Microsoft.Network/applicationGateways/agw/backendAddressPools/" + name}
	}
	g := map[string]any{"name": "agw", "backendAddressPools": []any{map[string]any{"name": "pool-blue"}, map[string]any{"name": "pool-green"}}}
	var list, maps []any
	for _, r := range rules {
		name, to, _ := strings.Cut(r, " ")
		list = append(list, map[string]any{"name": name, "backendAddressPool": pool(to)})
	}
	for _, p := range paths {
		name, to, _ := strings.Cut(p, " ")
		maps = append(maps, map[string]any{"name": name, "defaultBackendAddressPool": nil, "pathRules": []any{map[string]any{"backendAddressPool": pool(to)}}})
	}
	list = append(list, map[string]any{"name": "redirect", "redirectConfiguration": map[string]any{"id": "to-https"}})
	g["requestRoutingRules"], g["urlPathMaps"] = list, maps
	return g
}

func TestBlueIsLiveAfterTheFirstDeployment(t *testing.T) {
	w := newEnv(t)
	w.azure(answer{when: "group exists", print: "false"})
	w.prints(w.run("live-color.sh"), "blue")

	// A deployment that failed before it created a gateway changes nothing.
	w = newEnv(t)
	w.azure(answer{when: profileList, print: "[]"}, answer{when: gatewayList, print: "[]"})
	w.prints(w.run("live-color.sh"), "blue")
	alone := map[string]any{"name": "agw-green", "backendAddressPools": []any{map[string]any{"name": "pool-green"}}}
	w.azure(answer{when: profileList, print: "[]"}, answer{when: gatewayList, print: text([]any{alone})})
	w.prints(w.run("live-color.sh"), "blue")
}

func TestTheLiveColorIsReadFromTrafficManager(t *testing.T) {
	for list, want := range map[string]string{
		profile("blue Enabled", "green Disabled"):  "blue",
		profile("blue Disabled", "green Enabled"):  "green",
		profile("Blue Disabled", "Green Enabled"):  "green",
		profile("blue Enabled", "green Enabled"):   "",
		profile("blue Disabled", "green Disabled"): "",
		profile("red Enabled", "green Disabled"):   "",
		`[{"name":"one"},{"name":"two"}]`:          "",
		"nonsense":                                 "",
	} {
		w := newEnv(t)
		w.azure(answer{when: profileList, print: list})
		if r := w.run("live-color.sh"); want != "" {
			w.prints(r, want)
		} else {
			w.stops(r, "cannot determine the live color: ")
		}
	}
}

func TestTheLiveColorIsReadFromTheRulesOfAGateway(t *testing.T) {
	preview := []string{"preview-blue pool-blue", "preview-green pool-green"}
	for name, c := range map[string]struct {
		rules, paths []string
		want         string
	}{
		"blue":                      {append(preview, "podinfo pool-blue"), nil, "blue"},
		"green":                     {append(preview, "podinfo pool-green"), nil, "green"},
		"two rules, one color":      {[]string{"podinfo pool-green", "shop pool-green"}, []string{"paths pool-green"}, "green"},
		"two rules, two colors":     {[]string{"podinfo pool-green", "shop pool-blue"}, nil, ""},
		"a path to the other color": {[]string{"podinfo pool-green"}, []string{"paths pool-blue"}, ""},
		"another pool":              {[]string{"podinfo pool-other"}, nil, ""},
		"only previews":             {preview, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.azure(answer{when: profileList, print: "[]"}, answer{when: gatewayList, print: text([]any{gateway(c.rules, c.paths)})})
			if r := w.run("live-color.sh"); c.want != "" {
				w.prints(r, c.want)
			} else {
				w.stops(r, "do not all point at one color")
			}
		})
	}
}

func TestTheLiveColorIsNotGuessedWhenAzureFails(t *testing.T) {
	for when, why := range map[string]string{
		"group exists": "does not answer whether resource group rg-bluegreen exists",
		profileList:    "Traffic Manager profiles of rg-bluegreen cannot be read",
		gatewayList:    "Application Gateways of rg-bluegreen cannot be read",
	} {
		w := newEnv(t)
		w.azure(answer{when: when, fail: "AuthorizationFailed"}, answer{when: profileList, print: "[]"})
		w.stops(w.run("live-color.sh"), why)
	}
}

func TestEveryScriptChecksTheSubscriptionAndTheSettings(t *testing.T) {
	for _, script := range []string{"live-color.sh", "settings.sh", "preflight.sh", "infra.sh", "quiet.sh", "publish.sh", "events.sh", "health.sh", "entra.sh", "azure-down.sh"} {
		w := newEnv(t)
		w.write("dist/bluegreen.zip", "zip", 0o644)
		w.program("az", answer{when: "account show", fail: "Please run 'az login'"})
		w.stops(w.run(script), "not signed in to Azure: run az login")

		w.azure()
		w.set("AZURE_SUBSCRIPTION_ID", "11111111-0000-0000-0000-000000000000")
		w.stops(w.run(script), "the current subscription of az is "+subscription+", but AZURE_SUBSCRIPTION_ID is 11111111")
		w.azure(account("AzureChinaCloud", "user"))
		w.stops(w.run(script), "az is signed in to AzureChinaCloud: bluegreen runs in AzureCloud only")
		w.set("AZURE_ENV_NAME", "x; rm -rf /")
		w.stops(w.run(script), "use letters, digits and hyphens")
		w.set("AZURE_ENV_NAME", "test")
		for _, name := range []string{"Shop", "ab", "shop-1", "abcdefghijklm"} {
			w.set("BLUEGREEN_NAME", name)
			w.stops(w.run(script), `BLUEGREEN_NAME "`+name+`": use 3 to 12 lower-case letters and digits`)
		}
		w.set("BLUEGREEN_NAME", "shop1")
		w.set("BLUEGREEN_SETUP", "other")
		w.stops(w.run(script), "use main, shared or controller")
	}
}
