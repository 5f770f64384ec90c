package infra_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/appgateway"
	management "bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"
)

const (
	profiles  = "Microsoft.Network/trafficManagerProfiles"
	gateways  = "Microsoft.Network/applicationGateways"
	addresses = "Microsoft.Network/publicIPAddresses"
)

var colors = []release.Color{release.Blue, release.Green}

// loopback are the addresses of the colors' servers in place of those of their internal
// load balancers.
var loopback = []any{"127.14.0.1", "127.14.0.2"}

// azure is Azure after a deployment, as the emulator plays it, with a server for each color.
type azure struct {
	*deployment
	emulator *arm.Emulator
	port     int           // of the servers
	later    time.Duration // by which the clock of the adapters is ahead
}

func deploy(t *testing.T, name string, instead map[string]any) *azure {
	t.Helper()
	a := &azure{deployment: setup(t, name, instead), port: answering(t)}
	var actions []string
	for _, r := range a.rights() {
		actions = append(actions, r.action)
	}
	a.emulator = emulator(t, actions)
	for i, ip := range a.of(addresses) {
		if ip.fqdn != "" {
			if err := a.emulator.AddName(ip.fqdn, fmt.Sprintf("127.14.1.%d", i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range a.of(gateways) {
		if _, err := a.emulator.AddGateway(a.json(a.body(r))); err != nil {
			t.Error(err)
		}
	}
	for _, r := range a.of(profiles) {
		body := a.body(r)
		for _, e := range list(body, "endpoints") { // Azure fills in the name of the address
			e := e["properties"].(map[string]any)
			ip, _ := a.withID(e["targetResourceId"].(string))
			e["target"] = ip.fqdn
		}
		if _, err := a.emulator.AddProfile(a.json(body)); err != nil {
			t.Error(err)
		}
	}
	return a
}

// answering starts servers that answer their color, on one port.
func answering(t *testing.T) int {
	t.Helper()
next:
	for range 20 {
		port := "0"
		var all []net.Listener
		for _, address := range loopback {
			l, err := net.Listen("tcp", net.JoinHostPort(address.(string), port))
			if err != nil {
				for _, l := range all {
					l.Close()
				}
				continue next
			}
			all = append(all, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		}
		for i, l := range all {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, string(colors[i])) }))
			s.Listener.Close()
			s.Listener = l
			s.Start()
			t.Cleanup(s.Close)
		}
		n, _ := strconv.Atoi(port)
		return n
	}
	t.Fatal("no port is free on both addresses")
	return 0
}

// body is a resource as it is deployed, in front of the servers here.
func (a *azure) body(r resource) map[string]any {
	a.Helper()
	var body map[string]any
	text := a.json(given(r.body))
	if err := json.Unmarshal(text, &body); err != nil || strings.Contains(string(text), onlyAzure) {
		a.Fatalf("%s cannot be made: %v\n%s", r.id, err, text)
	}
	body["id"] = r.id
	for _, s := range list(body, "backendHttpSettingsCollection") {
		s["properties"].(map[string]any)["port"] = a.port
	}
	return body
}

func (a *azure) json(v any) []byte {
	a.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		a.Fatal(err)
	}
	return text
}

// given is a value without the members that are null: Azure takes them for not given.
func given(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for key, value := range v {
			if value != nil {
				m[key] = given(value)
			}
		}
		return m
	case []any:
		l := []any{}
		for _, value := range v {
			l = append(l, given(value))
		}
		return l
	}
	return v
}

// list is a section of a resource.
func list(of map[string]any, section string) (found []map[string]any) {
	properties, _ := of["properties"].(map[string]any)
	all, _ := properties[section].([]any)
	for _, one := range all {
		found = append(found, one.(map[string]any))
	}
	return found
}

// adapter returns the gateway adapter that the handler creates for an app.
func (a *azure) adapter(app config.App) (g gateway) {
	a.Helper()
	var err error
	blue, green, e := app.Colors.Blue, app.Colors.Green, a.emulator
	if app.Gateway.TrafficManager != "" {
		g, err = trafficmanager.New(trafficmanager.Options{
			ID: app.Gateway.TrafficManager, Blue: blue.Endpoint, Green: green.Endpoint, Longest: app.SwitchTimeout,
			Manager: management.NewManager(e.Credential(""), e.ClientOptions()), Now: func() time.Time { return time.Now().Add(a.later) },
			Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, e.DNS())
			}},
		})
	} else {
		g, err = appgateway.New(appgateway.Options{
			ID: app.Gateway.ApplicationGateway, Rules: app.Gateway.Rules, Manager: management.NewManager(e.Credential(""), e.ClientOptions()),
			Blue: appgateway.Backend{Pool: blue.Backend, Settings: blue.Settings}, Green: appgateway.Backend{Pool: green.Backend, Settings: green.Settings},
		})
	}
	if err != nil {
		a.Fatal(err)
	}
	return g
}

// ask returns the color that answers a check: it follows the gateway with that address and the
// listener with that port. A host name outside the deployment is the owner's own.
func (a *azure) ask(check config.HTTPCheck, c release.Color) release.Color {
	a.Helper()
	at, err := url.Parse(strings.ReplaceAll(check.URL, "{color}", string(c)))
	if err != nil {
		a.Fatal(err)
	}
	host := at.Hostname()
	if all := a.of(profiles); len(all) > 0 && (host == all[0].fqdn || host == a.entry.given["hostName"]) {
		p := a.emulator.Profile(all[0].id)
		for _, e := range list(p.Document(), "endpoints") {
			if e["name"] == p.Serving()[0] {
				host = e["properties"].(map[string]any)["target"].(string)
			}
		}
	} else if host == a.entry.given["hostName"] {
		host = a.output(a.entry, "GATEWAY_FQDN").(string)
	}
	req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, a.listener(host, cmp.Or(at.Port(), map[string]string{"http": "80", "https": "443"}[at.Scheme]))+at.Path, nil)
	if err != nil {
		a.Fatalf("%s: %v", at, err)
	}
	req.Host = at.Hostname()
	if h := check.Headers["Host"]; h != "" {
		req.Host = strings.ReplaceAll(h, "{color}", string(c))
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		a.Fatalf("%s: %v", at, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	return release.Color(body)
}

// listener is where the emulator takes the requests to a port of a gateway; "" for none.
func (a *azure) listener(host, port string) string {
	for _, r := range a.of(gateways) {
		body := a.body(r)
		ip, _ := a.withID(list(body, "frontendIPConfigurations")[0]["properties"].(map[string]any)["publicIPAddress"].(map[string]any)["id"].(string))
		ports := map[string]string{}
		for _, p := range list(body, "frontendPorts") {
			ports[p["name"].(string)] = fmt.Sprint(p["properties"].(map[string]any)["port"])
		}
		for _, l := range list(body, "httpListeners") {
			on := path.Base(l["properties"].(map[string]any)["frontendPort"].(map[string]any)["id"].(string))
			if ip.fqdn == host && ports[on] == port {
				return a.emulator.Gateway(r.id).ListenerURL(l["name"].(string))
			}
		}
	}
	a.Errorf("nothing listens at %s:%s", host, port)
	return ""
}
