package infra_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"bluegreen/internal/config"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp"
)

// deployments are parameters that make other resources to switch, each with those of one
// file in bicep/.
var deployments = map[string]struct {
	file   string
	params map[string]any
}{
	"main":               {"main", nil},
	"main, full":         {"main.full", nil},
	"main, full and TLS": {"main.full", map[string]any{"certificate": "app", "hostName": "shop.example.com"}},
	"shared":             {"shared", nil},
	"shared, as much as there is": {"shared", map[string]any{
		"certificate": "app", "hostName": "shop.example.com", "oneCluster": false, "outcomeTopic": true, "zones": []any{"1", "2"},
		"gateway": map[string]any{"firewall": "Prevention", "least": 1, "most": 3},
	}},
}

// each runs a test on every deployment with every color that may be live.
func each(t *testing.T, test func(t *testing.T, file string, params map[string]any, live release.Color)) {
	for name, d := range deployments {
		for _, live := range colors {
			t.Run(name+", "+string(live), func(t *testing.T) {
				params := map[string]any{"ingressAddresses": loopback, "live": string(live)}
				maps.Copy(params, d.params)
				test(t, d.file, params, live)
			})
		}
	}
}

// TestBluegreenSwitchesTheDeployedGateways goes all the way: from the parameters by the resources
// and the outputs to bluegreen.yaml, a switch, and another deployment.
func TestBluegreenSwitchesTheDeployedGateways(t *testing.T) {
	each(t, func(t *testing.T, file string, params map[string]any, live release.Color) {
		a := deploy(t, file, params)
		app := a.configured()
		a.names(app)
		if t.Failed() {
			return
		}
		g := a.adapter(app)
		if found, err := g.Preflight(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("before the first switch it is found: %+v, error %v", found, err)
		}
		a.leads(app, g, live)
		a.lead(app, g, live.Other())
		a.leads(app, g, live.Other())
		if found, err := g.Preflight(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("after a switch it is found: %+v, error %v", found, err)
		}
		a.deployedAgain(app, file, params)
		a.leads(app, g, live.Other())
	})
}

// names checks that the resources in bluegreen.yaml exist in the deployment.
func (a *azure) names(app config.App) {
	a.Helper()
	for _, c := range colors {
		for _, id := range append(app.Color(c).Resources, app.Color(c).Cluster, app.Gateway.TrafficManager+app.Gateway.ApplicationGateway) {
			if _, ok := a.withID(id); !ok {
				a.Errorf("%s: there is no %s", c, id)
			}
		}
	}
}

// leads checks that a color has the traffic, and that each is seen where it is verified.
func (a *azure) leads(app config.App, g gateway, to release.Color) {
	a.Helper()
	if r, err := g.Live(a.Context()); err != nil || r.Live != to {
		a.Errorf("it reads %+v, error %v, want %s", r, err, to)
	}
	for _, check := range app.Behavior.Confirm.HTTP {
		if got := a.ask(check, to); got != to {
			a.Errorf("users get %q, want %s", got, to)
		}
	}
	for _, check := range app.Verify.HTTP {
		for _, c := range colors {
			if got := a.ask(check, c); got != c {
				a.Errorf("where %s is verified, %q answers", c, got)
			}
		}
	}
}

// lead switches and follows to the end.
func (a *azure) lead(app config.App, g gateway, to release.Color) {
	a.Helper()
	op, err := g.Switch(a.Context(), to, 1)
	for end := time.Now().Add(30 * time.Second); err == nil && !op.Done; time.Sleep(2 * time.Millisecond) {
		if op.Lost || time.Now().After(end) {
			a.Fatalf("the switch to %s does not end well: %+v", to, op)
		}
		if p := a.emulator.Profile(app.Gateway.TrafficManager); p != nil {
			p.Release()
			a.later += 10 * time.Second // the TTL
		}
		op, err = g.Poll(a.Context(), op.Token)
	}
	if err != nil {
		a.Fatal(err)
	}
}

// deployedAgain checks that a deployment with the color that scripts/live-color.sh finds
// live changes nothing.
func (a *azure) deployedAgain(app config.App, file string, params map[string]any) {
	a.Helper()
	params = maps.Clone(params)
	params["live"] = a.live()
	made, _ := setup(a.T, file, params).withID(app.Gateway.TrafficManager + app.Gateway.ApplicationGateway)
	again := func(doc map[string]any) {
		clear(doc)
		maps.Copy(doc, a.body(made))
	}
	var before, after map[string]any
	var err error
	if p := a.emulator.Profile(made.id); p != nil {
		before, err = p.Document(), p.Rival(again)
		p.Release()
		after = p.Document()
	} else {
		g := a.emulator.Gateway(made.id)
		before, err = g.Document(), g.Rival(again)
		after = g.Document()
	}
	if err != nil {
		a.Fatal(err)
	}
	if diff := cmp.Diff(a.lasting(before), a.lasting(after)); diff != "" {
		a.Errorf("a deployment with %s live changes what was switched:\n%s", params["live"], diff)
	}
}

// lasting is a document without the fields that the service changes.
func (a *azure) lasting(doc map[string]any) (v any) {
	if err := json.Unmarshal(a.json(doc), &v); err != nil {
		a.Fatal(err)
	}
	var strip func(v any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range []string{"etag", "provisioningState", "endpointMonitorStatus", "profileMonitorStatus"} {
				delete(v, key)
			}
			for _, value := range v {
				strip(value)
			}
		case []any:
			for _, value := range v {
				strip(value)
			}
		}
	}
	strip(v)
	return v
}
