package appgateway_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// env is a gateway in Azure as the emulator plays it, with backends that answer their
// color, and the adapter for an app behind it.
type env struct {
	*appgateway.Gateway
	t        *testing.T
	shape    shape
	arm      *arm.Emulator
	azure    *arm.Gateway
	options  appgateway.Options
	backends map[release.Color]*backend
}

type backend struct{ sick atomic.Bool }

// shape is how the app's traffic is routed.
type shape struct {
	rules    []arm.Rule
	path     string // that users ask for
	settings bool   // each color has HTTP settings of its own
	// defaultElsewhere is set where the default of the path map is not the app's.
	defaultElsewhere bool
}

var shapes = map[string]shape{
	"basic":    {rules: []arm.Rule{{Name: "podinfo", Pool: "pool-blue"}}, path: "/"},
	"settings": {rules: []arm.Rule{{Name: "podinfo", Pool: "pool-blue"}}, path: "/", settings: true},
	"paths": {path: "/api/orders", rules: []arm.Rule{{Name: "podinfo", Pool: "pool-blue", Paths: []arm.Path{
		{Name: "api", Paths: []string{"/api/*"}, Pool: "pool-blue"}, {Name: "static", Paths: []string{"/static/*"}, Pool: "pool-other"},
	}}}},
	"defaultElsewhere": {path: "/api/orders", defaultElsewhere: true, rules: []arm.Rule{{Name: "podinfo", Pool: "pool-other", Paths: []arm.Path{
		{Name: "api", Paths: []string{"/api/*"}, Pool: "pool-blue"},
	}}}},
}

func newEnv(t *testing.T, s shape) *env {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{OperationTime: 50 * time.Millisecond, HealthTime: 10 * time.Millisecond, ProbeSecond: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	w := &env{t: t, shape: s, arm: e, backends: map[release.Color]*backend{}}
	port := w.serve()
	pool := func(name, address string) arm.Pool {
		p := arm.Pool{Name: name, Addresses: []string{address}}
		if s.settings {
			p.Port = port
		}
		return p
	}
	rules := append([]arm.Rule{{Name: "neighbour", Hosts: []string{"other.example.com"}, Pool: "pool-other"}}, s.rules...)
	for i := range rules {
		rules[i].Port = 8000 + i // a port each, so that no host name is needed
	}
	w.azure, err = e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: port, Rules: rules,
		Pools: []arm.Pool{pool("pool-blue", "127.11.1.1"), pool("pool-green", "127.11.1.2"), pool("pool-other", "127.11.1.3")},
	}))
	if err != nil {
		t.Fatal(err)
	}
	w.options = appgateway.Options{
		ID: w.azure.ID(), Rules: []string{"podinfo"}, Manager: resource.NewManager(e.Credential(""), e.ClientOptions()),
		Blue: appgateway.Backend{Pool: "pool-blue"}, Green: appgateway.Backend{Pool: "pool-green"},
	}
	if s.settings {
		w.options.Blue.Settings, w.options.Green.Settings = "set-pool-blue", "set-pool-green"
	}
	w.Gateway = w.open()
	return w
}

// open makes an adapter as another process would.
func (w *env) open() *appgateway.Gateway {
	w.t.Helper()
	g, err := appgateway.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// serve starts a backend for each color and one for neither, on one port of three addresses.
func (w *env) serve() int {
	colors := map[string]release.Color{"127.11.1.1": release.Blue, "127.11.1.2": release.Green, "127.11.1.3": ""}
next:
	for range 20 {
		port := 0
		listeners := map[string]net.Listener{}
		for address := range colors {
			l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
			if err != nil {
				for _, l := range listeners {
					l.Close()
				}
				continue next
			}
			port, listeners[address] = l.Addr().(*net.TCPAddr).Port, l
		}
		for address, color := range colors {
			w.backends[color] = answer(w.t, listeners[address], string(color))
		}
		return port
	}
	w.t.Fatal("no port is free on all addresses")
	return 0
}

func answer(t *testing.T, l net.Listener, text string) *backend {
	b := &backend{}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.sick.Load() && r.URL.Path == "/healthz" {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, text)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return b
}

// ask sends a request of a user and returns the color that answers.
func (w *env) ask() release.Color {
	w.t.Helper()
	resp, err := http.Get(w.azure.ListenerURL("lst-podinfo") + w.shape.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return release.Color(body)
}

// rival writes as another client does that has just read the gateway.
func (w *env) rival(to release.Color) {
	w.t.Helper()
	if err := w.azure.Rival(func(doc map[string]any) { w.point(doc, to) }); err != nil {
		w.t.Fatal(err)
	}
}

// point changes the target of the app's references in a gateway; "" is the pool of neither.
func (w *env) point(doc map[string]any, to release.Color) {
	pool := map[release.Color]string{release.Blue: "pool-blue", release.Green: "pool-green", "": "pool-other"}[to]
	for _, section := range []string{"requestRoutingRules", "urlPathMaps"} {
		for _, o := range list(doc["properties"], section) {
			switch o["name"] {
			case "podinfo":
				w.lead(o["properties"], "backendAddressPool", "backendHttpSettings", pool)
			case "map-podinfo":
				if !w.shape.defaultElsewhere {
					w.lead(o["properties"], "defaultBackendAddressPool", "defaultBackendHttpSettings", pool)
				}
				for _, path := range list(o["properties"], "pathRules") {
					if path["name"] != "static" {
						w.lead(path["properties"], "backendAddressPool", "backendHttpSettings", pool)
					}
				}
			}
		}
	}
}

func (w *env) lead(properties any, poolKey, settingsKey, pool string) {
	p := properties.(map[string]any)
	if p[poolKey] == nil { // a rule with a path map
		return
	}
	p[poolKey] = map[string]any{"id": w.azure.ID() + "/backendAddressPools/" + pool}
	if w.shape.settings {
		p[settingsKey] = map[string]any{"id": w.azure.ID() + "/backendHttpSettingsCollection/set-" + pool}
	}
}

func list(properties any, section string) (found []map[string]any) {
	all, _ := properties.(map[string]any)[section].([]any)
	for _, o := range all {
		found = append(found, o.(map[string]any))
	}
	return found
}

// done switches and follows to the end.
func (w *env) done(to release.Color) {
	w.t.Helper()
	op, err := w.Switch(w.t.Context(), to, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	if op = w.follow(op); !op.Done {
		w.t.Fatalf("the switch to %s is lost: %s", to, op.Detail)
	}
}

func (w *env) follow(op engine.Operation) engine.Operation {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); !op.Done && !op.Lost; time.Sleep(2 * time.Millisecond) {
		var err error
		if op, err = w.Poll(w.t.Context(), op.Token); err != nil {
			w.t.Fatal(err)
		}
		if time.Now().After(end) {
			w.t.Fatal("the operation does not end")
		}
	}
	return op
}

// denied checks that a switch is refused for good, moves nothing, and gives the reason.
func (w *env) denied(texts ...string) {
	w.t.Helper()
	before := fmt.Sprint(w.azure.Document())
	op, err := w.Switch(w.t.Context(), release.Green, 1)
	if !errors.Is(err, engine.ErrDenied) {
		w.t.Fatalf("the switch is not denied: %+v, error %v", op, err)
	}
	says(w.t, err.Error(), texts...)
	if fmt.Sprint(w.azure.Document()) != before {
		w.t.Error("a switch that was denied changed the gateway")
	}
}

func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}
