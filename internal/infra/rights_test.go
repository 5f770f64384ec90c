package infra_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/aks"
	"bluegreen/internal/azure/appgateway"
	management "bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// actions are those of custom roles of roles.bicep.
func actions(t *testing.T, roles ...string) (all []string) {
	t.Helper()
	for _, role := range roles {
		d := load(t)["roles.bicep"].find("resource", role)
		if d == nil {
			t.Fatalf("roles.bicep has no role %s", role)
		}
		for _, p := range object(d.body).get("properties").get("permissions").kids {
			for _, action := range p.get("actions").kids {
				all = append(all, strings.Join(action.parts, ""))
			}
		}
	}
	return all
}

// exact checks that use succeeds with these permitted actions, and fails if any one of them is
// missing.
func exact(t *testing.T, permitted []string, use func(t *testing.T, permitted []string) error) {
	t.Helper()
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		if err := use(t, permitted); err != nil {
			t.Errorf("the role does not suffice: %v", err)
		}
	})
	for i, action := range permitted {
		t.Run(strings.ReplaceAll(action, "/", "."), func(t *testing.T) {
			t.Parallel()
			if use(t, slices.Delete(slices.Clone(permitted), i, i+1)) == nil {
				t.Errorf("nothing needs %s", action)
			}
		})
	}
}

func TestTheRoleOfTheGatewayHasExactlyTheActionsOfASwitch(t *testing.T) {
	exact(t, actions(t, "gateway", "poll"), switchGateway)
}

func TestTheRoleOfTrafficManagerHasExactlyTheActionsOfASwitch(t *testing.T) {
	exact(t, actions(t, "traffic"), switchProfile)
}

func TestTheRoleOfAClusterIsNeeded(t *testing.T) {
	// Azure Kubernetes Service Cluster User Role
	exact(t, []string{"Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"}, readCluster)
}

// emulator is Azure for an identity that has some actions and no other.
func emulator(t *testing.T, permitted []string) *arm.Emulator {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{
		OperationTime: 20 * time.Millisecond, HealthTime: 5 * time.Millisecond, ProbeSecond: time.Millisecond, Propagation: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	e.Permit("", permitted...)
	return e
}

// server answers every request, at an address of its own on a port that is free there.
func server(t *testing.T, address string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().(*net.TCPAddr).Port
}

func switchGateway(t *testing.T, permitted []string) error {
	e := emulator(t, permitted)
	made, err := e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: 80, Rules: []arm.Rule{{Name: "podinfo", Pool: "pool-blue"}},
		Pools: []arm.Pool{
			{Name: "pool-blue", Addresses: []string{"127.0.0.1"}, Port: server(t, "127.0.0.1")},
			{Name: "pool-green", Addresses: []string{"127.0.0.1"}, Port: server(t, "127.0.0.1")},
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	// The fixture's rule leads to blue with the settings that both colors share.
	if err := made.Rival(func(doc map[string]any) {
		for _, r := range doc["properties"].(map[string]any)["requestRoutingRules"].([]any) {
			if rule := r.(map[string]any); rule["name"] == "podinfo" {
				rule["properties"].(map[string]any)["backendHttpSettings"] = map[string]any{"id": made.ID() + "/backendHttpSettingsCollection/set-pool-blue"}
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	made.Release()
	g, err := appgateway.New(appgateway.Options{
		ID: made.ID(), Rules: []string{"podinfo"}, Manager: management.NewManager(e.Credential(""), e.ClientOptions()),
		Blue:  appgateway.Backend{Pool: "pool-blue", Settings: "set-pool-blue"},
		Green: appgateway.Backend{Pool: "pool-green", Settings: "set-pool-green"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return use(t.Context(), g)
}

func switchProfile(t *testing.T, permitted []string) error {
	e := emulator(t, permitted)
	hosts := map[release.Color]string{release.Blue: "blue.example.com", release.Green: "green.example.com"}
	port := server(t, "127.0.0.1")
	made, err := e.AddProfile(arm.ProfileJSON(arm.ProfileFixture{ProbePort: port, Endpoints: []arm.Endpoint{
		{Name: "blue", Target: hosts[release.Blue], Priority: 1}, {Name: "green", Target: hosts[release.Green], Priority: 2, Disabled: true},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	for color, address := range map[release.Color]string{release.Blue: "127.0.0.1", release.Green: "127.0.0.2"} {
		if err := e.AddName(hosts[color], address); err != nil {
			t.Fatal(err)
		}
	}
	made.Release()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, e.DNS())
	}}
	g, err := trafficmanager.New(trafficmanager.Options{
		ID: made.ID(), Blue: "blue", Green: "green", Manager: management.NewManager(e.Credential(""), e.ClientOptions()), Resolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	return switched(t.Context(), g)
}

func readCluster(t *testing.T, permitted []string) error {
	const id = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-shop/providers/Microsoft.ContainerService/managedClusters/aks-blue"
	e := emulator(t, permitted)
	e.AddCluster(arm.Cluster{ID: id, Server: "https://127.0.0.1:1"})
	c, err := aks.New(id, e.Credential(""), e.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Config(t.Context())
	return err
}

// gateway is the interface of the gateway adapters.
type gateway interface {
	engine.Gateway
	engine.Preflight
	engine.Entitled
}

// use does everything that a release does with a gateway.
func use(ctx context.Context, g gateway) error {
	for _, c := range []release.Color{release.Blue, release.Green} {
		h, err := g.Health(ctx, c)
		// A gateway that is new does not know of its servers yet.
		for end := time.Now().Add(20 * time.Second); err == nil && strings.HasSuffix(h.Detail, " is Unknown") && time.Now().Before(end); h, err = g.Health(ctx, c) {
			time.Sleep(5 * time.Millisecond)
		}
		if err != nil || !h.Healthy {
			return fmt.Errorf("health of %s: %+v, error %v", c, h, err)
		}
	}
	return switched(ctx, g)
}

func switched(ctx context.Context, g gateway) error {
	found, err := g.Preflight(ctx)
	for _, problem := range found {
		if !problem.Warning {
			err = errors.Join(err, errors.New(problem.Text))
		}
	}
	if err != nil {
		return err
	}
	if lacking, err := g.Lacking(ctx); err != nil || len(lacking) > 0 {
		return fmt.Errorf("the rights are seen as %v, %w", lacking, err)
	}
	op, err := g.Switch(ctx, release.Green, 1)
	for end := time.Now().Add(20 * time.Second); err == nil && !op.Done; time.Sleep(5 * time.Millisecond) {
		if op.Lost || time.Now().After(end) {
			return fmt.Errorf("the switch is not confirmed: %+v", op)
		}
		op, err = g.Poll(ctx, op.Token)
	}
	return err
}
