package appgateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// edit changes the gateway outside bluegreen, and waits until that is in effect.
func (w *env) edit(change func(properties map[string]any)) {
	w.t.Helper()
	if err := w.azure.Rival(func(doc map[string]any) { change(doc["properties"].(map[string]any)) }); err != nil {
		w.t.Fatal(err)
	}
	w.azure.Release()
}

func (w *env) check() []engine.Finding {
	w.t.Helper()
	found, err := w.Preflight(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func part(properties map[string]any, section, name string) map[string]any {
	for _, o := range list(properties, section) {
		if o["name"] == name {
			return o["properties"].(map[string]any)
		}
	}
	return nil
}

func TestAGatewayThatIsAllRightHasNothingToCheck(t *testing.T) {
	for name, s := range shapes {
		if found := newEnv(t, s).check(); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestObstaclesAreReportedBeforeAndAtTheSwitch expects the same sentences of both.
func TestObstaclesAreReportedBeforeAndAtTheSwitch(t *testing.T) {
	for name, c := range map[string]struct {
		shape string
		spoil func(w *env)
		says  []string
	}{
		"no such gateway": {says: []string{"there is no Application Gateway", "agw-none", "gateway.applicationGateway"}, spoil: func(w *env) {
			w.options.ID = strings.Replace(w.options.ID, "agw-shop", "agw-none", 1)
		}},
		"stopped": {says: []string{"Stopped", "start it first"}, spoil: func(w *env) { w.azure.Stop() }},
		"no such rule": {says: []string{"rule shop does not exist", "neighbour, podinfo"}, spoil: func(w *env) {
			w.options.Rules = []string{"podinfo", "shop"}
		}},
		"a redirect": {says: []string{"rule rule-redirect redirects"}, spoil: func(w *env) { w.options.Rules = []string{"rule-redirect"} }},
		"a rule of layer 4": {says: []string{"rule tcp is one of layer 4", "neighbour, podinfo"}, spoil: func(w *env) {
			w.edit(func(p map[string]any) { w.layer4(p, "tcp", "pool-blue") })
			w.options.Rules = []string{"tcp"}
		}},
		"no such pool": {says: []string{"backend pool pool-red of green does not exist", "pool-blue, pool-green, pool-other"}, spoil: func(w *env) {
			w.options.Green.Pool = "pool-red"
		}},
		"no such settings": {says: []string{"backend HTTP settings set-red of green do", "set-app"}, spoil: func(w *env) {
			w.options.Blue.Settings, w.options.Green.Settings = "set-app", "set-red"
		}},
		"an ingress controller's tag": {says: []string{"AGIC", "tag Managed-By-K8S-Ingress"}, spoil: func(w *env) {
			if err := w.azure.Rival(func(doc map[string]any) { doc["tags"] = map[string]any{"Managed-By-K8S-Ingress": "1.7"} }); err != nil {
				w.t.Fatal(err)
			}
		}},
		"an ingress controller's rule": {says: []string{"AGIC", "rr-0123456789abcdef0123456789abcdef"}, spoil: func(w *env) {
			w.edit(func(p map[string]any) {
				for _, o := range list(p, "requestRoutingRules") {
					if o["name"] == "neighbour" {
						o["name"] = "rr-0123456789abcdef0123456789abcdef"
					}
				}
			})
		}},
		"a path map that others use": {shape: "paths", says: []string{"path map map-podinfo also serves rule neighbour"}, spoil: func(w *env) {
			w.edit(func(p map[string]any) {
				rule := part(p, "requestRoutingRules", "neighbour")
				rule["ruleType"], rule["urlPathMap"] = "PathBasedRouting", part(p, "requestRoutingRules", "podinfo")["urlPathMap"]
				delete(rule, "backendAddressPool")
				delete(rule, "backendHttpSettings")
			})
		}},
		"a rule that leads elsewhere": {says: []string{"rule podinfo points at pool pool-other", "neither color"}, spoil: func(w *env) {
			w.rival("")
			w.azure.Release()
		}},
		"no right to read": {says: []string{"lacks Microsoft.Network/applicationGateways/read", "Network Contributor"}, spoil: func(w *env) {
			w.arm.Deny("", "Microsoft.Network/applicationGateways/read")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := shapes["basic"]
			if c.shape != "" {
				s = shapes[c.shape]
			}
			w := newEnv(t, s)
			c.spoil(w)
			w.Gateway = w.open()
			found := w.check()
			if len(found) == 0 || found[0].Warning {
				t.Fatalf("the check finds %+v", found)
			}
			says(t, fmt.Sprint(found), c.says...)
			w.denied(c.says...)
		})
	}
}

func TestASharedPathMapIsTheAppsWhenAllItsRulesAre(t *testing.T) {
	w := newEnv(t, shapes["paths"])
	w.edit(func(p map[string]any) {
		rule := part(p, "requestRoutingRules", "neighbour")
		rule["ruleType"], rule["urlPathMap"] = "PathBasedRouting", part(p, "requestRoutingRules", "podinfo")["urlPathMap"]
		delete(rule, "backendAddressPool")
		delete(rule, "backendHttpSettings")
	})
	w.options.Rules = []string{"podinfo", "Neighbour"}
	w.Gateway = w.open()
	if found := w.check(); len(found) > 0 {
		t.Errorf("the check finds %+v", found)
	}
	w.done(release.Green)
	if got := w.ask(); got != release.Green {
		t.Errorf("requests are answered by %s", got)
	}
}

// layer4 adds a rule of layer 4.
func (w *env) layer4(properties map[string]any, name, pool string) {
	properties["routingRules"] = []any{map[string]any{
		"name": name, "id": w.azure.ID() + "/routingRules/" + name,
		"properties": map[string]any{"ruleType": "Basic", "backendAddressPool": map[string]any{"id": w.azure.ID() + "/backendAddressPools/" + pool}},
	}}
}

func TestARuleThatIsNotListedAndLeadsToAColorIsAWarning(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.edit(func(p map[string]any) {
		w.lead(part(p, "requestRoutingRules", "neighbour"), "backendAddressPool", "", "pool-green")
		w.layer4(p, "tcp", "pool-blue")
	})
	found := w.check()
	if len(found) != 2 || slices.ContainsFunc(found, func(f engine.Finding) bool { return !f.Warning }) {
		t.Fatalf("the check finds %+v", found)
	}
	says(t, fmt.Sprint(found), "rule neighbour, which is not listed for the app, leads to pool pool-green of green", "layer 4 rule tcp, which is not listed for the app, leads to pool pool-blue of blue")
	w.edit(func(p map[string]any) {
		delete(p, "routingRules")
		for _, o := range list(p, "requestRoutingRules") {
			if o["name"] == "neighbour" {
				o["name"], o["id"] = "preview-green", w.azure.ID()+"/requestRoutingRules/preview-green"
			}
		}
	})
	if found := w.check(); len(found) > 0 {
		t.Errorf("a preview of green is warned of: %+v", found)
	}
	w.done(release.Green)
}

func TestSettingsThatUsersNoticeInASwitchAreWarnings(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.edit(func(p map[string]any) {
		s := part(p, "backendHttpSettingsCollection", "set-app")
		s["connectionDraining"] = map[string]any{"enabled": false, "drainTimeoutInSec": 1}
		s["cookieBasedAffinity"] = "Enabled"
		delete(s, "probe")
		part(p, "backendAddressPools", "pool-green")["backendAddresses"] = []any{}
	})
	found := w.check()
	if len(found) != 4 || slices.ContainsFunc(found, func(f engine.Finding) bool { return !f.Warning }) {
		t.Errorf("the check finds %+v", found)
	}
	says(t, fmt.Sprint(found), "no connection draining", "no probe", "cookie affinity", "backend pool pool-green of green has no servers")
	w.done(release.Green) // warnings are not in the way
}

func TestSettingsOfNeitherColorAreLeftAloneAndReported(t *testing.T) {
	w := newEnv(t, shapes["settings"])
	w.edit(func(p map[string]any) {
		w.lead(part(p, "requestRoutingRules", "podinfo"), "backendAddressPool", "backendHttpSettings", "pool-blue")
		part(p, "requestRoutingRules", "podinfo")["backendHttpSettings"] = map[string]any{"id": w.azure.ID() + "/backendHttpSettingsCollection/set-pool-other"}
	})
	says(t, fmt.Sprint(w.check()), "rule podinfo uses the HTTP settings set-pool-other, which are of neither color")
	w.done(release.Green)
	settings := part(w.azure.Document()["properties"].(map[string]any), "requestRoutingRules", "podinfo")["backendHttpSettings"].(map[string]any)["id"]
	if !strings.HasSuffix(settings.(string), "/set-pool-other") || w.ask() != release.Green {
		t.Errorf("settings are %s, requests are answered by %s", settings, w.ask())
	}
}

func TestAPreflightWithoutAnAnswerIsAnError(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.azure.Inject(9, arm.Read, arm.InternalError)
	if found, err := w.Preflight(t.Context()); err == nil {
		t.Errorf("the check finds %+v", found)
	}
}

func TestReadingAndWritingUseTheVersionOfTheModels(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	seen := map[string]bool{}
	o := *w.options.Manager.Options
	o.Transport = watch{o.Transport, func(r *http.Request) {
		if r.Method != http.MethodGet || strings.HasSuffix(r.URL.Path, "agw-shop") {
			seen[r.URL.Query().Get("api-version")] = true
		}
	}}
	w.options.Manager = resource.NewManager(w.options.Manager.Credential, &o)
	w.Gateway = w.open()
	w.done(release.Green)
	for _, c := range []release.Color{release.Blue, release.Green} {
		if _, err := w.Health(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("versions in use: %v, want one", seen)
	}
}
