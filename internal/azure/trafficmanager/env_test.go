package trafficmanager_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"
)

// env is a profile in Azure as the emulator plays it, in front of a server for each color
// and one for neither, and the adapter for an app behind it.
type env struct {
	*trafficmanager.Gateway
	t        *testing.T
	arm      *arm.Emulator
	azure    *arm.Profile
	options  trafficmanager.Options
	resolver *net.Resolver
	port     string
	backends map[release.Color]*backend

	mu    sync.Mutex
	later time.Duration // by which the adapter's clock is ahead
}

// backend is sick for all, or for all but bluegreen's own question.
type backend struct{ sick, apart atomic.Bool }

var hosts = map[release.Color]string{
	release.Blue: "agw-blue.westeurope.cloudapp.azure.com", release.Green: "agw-green.westeurope.cloudapp.azure.com", "": "sorry.example.com",
}

// newEnv has blue live, green idle and a page for neither at the lowest priority. ttl is
// in seconds.
func newEnv(t *testing.T, ttl int) *env {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{Propagation: 20 * time.Millisecond, ProbeSecond: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	w := &env{t: t, arm: e, backends: map[release.Color]*backend{}}
	w.serve()
	port, _ := strconv.Atoi(w.port)
	w.azure, err = e.AddProfile(arm.ProfileJSON(arm.ProfileFixture{TTL: ttl, Protocol: "HTTPS", ProbePort: port, Endpoints: []arm.Endpoint{
		{Name: "blue", Target: hosts[release.Blue], Priority: 1},
		{Name: "green", Target: hosts[release.Green], Priority: 2, Disabled: true},
		{Name: "sorry", Target: hosts[""], Priority: 9, External: true},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	w.azure.Release()
	w.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, e.DNS())
	}}
	w.options = trafficmanager.Options{
		ID: w.azure.ID(), Blue: "Blue", Green: "green", Manager: resource.NewManager(e.Credential(""), e.ClientOptions()),
		Resolver: w.resolver, Transport: &http.Transport{DialContext: (&net.Dialer{Resolver: w.resolver}).DialContext}, Now: w.now,
	}
	w.Gateway = w.open()
	return w
}

func (w *env) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.later)
}

func (w *env) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.later += d
}

// open makes an adapter as another process would.
func (w *env) open() *trafficmanager.Gateway {
	w.t.Helper()
	g, err := trafficmanager.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// serve starts the servers, on one port of three addresses.
func (w *env) serve() {
	w.t.Helper()
	addresses := map[release.Color]string{release.Blue: "127.12.1.1", release.Green: "127.12.1.2", "": "127.12.1.3"}
next:
	for range 20 {
		w.port = "0"
		listeners := map[release.Color]net.Listener{}
		for color, address := range addresses {
			l, err := net.Listen("tcp", net.JoinHostPort(address, w.port))
			if err != nil {
				for _, l := range listeners {
					l.Close()
				}
				continue next
			}
			_, w.port, _ = net.SplitHostPort(l.Addr().String())
			listeners[color] = l
		}
		for color, l := range listeners {
			w.backends[color] = answer(w.t, l, string(color))
			if err := w.arm.AddName(hosts[color], addresses[color]); err != nil {
				w.t.Fatal(err)
			}
		}
		return
	}
	w.t.Fatal("no port is free on all addresses")
}

func answer(t *testing.T, l net.Listener, text string) *backend {
	b := &backend{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && (b.sick.Load() || b.apart.Load() && r.UserAgent() != "bluegreen" || r.Host != "shop.example.com") {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, text)
	}))
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return b
}

// ask sends a request of a user whose resolver knows nothing yet, and returns the color
// that answers.
func (w *env) ask() release.Color {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Resolver: w.resolver}).DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Get("https://" + w.azure.FQDN() + ":" + w.port + "/")
	if gone := (*net.DNSError)(nil); errors.As(err, &gone) && gone.IsNotFound {
		return ""
	}
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

// edit changes the profile outside bluegreen, and waits until that is in effect.
func (w *env) edit(change func(properties map[string]any)) {
	w.t.Helper()
	if err := w.azure.Rival(func(doc map[string]any) { change(doc["properties"].(map[string]any)) }); err != nil {
		w.t.Fatal(err)
	}
	w.azure.Release()
}

// endpoint is the description of an endpoint, to be changed.
func endpoint(properties map[string]any, name string) map[string]any {
	for _, e := range properties["endpoints"].([]any) {
		if e.(map[string]any)["name"] == name {
			return e.(map[string]any)["properties"].(map[string]any)
		}
	}
	return nil
}

// point sends the traffic to a color outside bluegreen; "" to the endpoint of neither.
func point(to release.Color) func(properties map[string]any) {
	return func(properties map[string]any) {
		for _, c := range []release.Color{release.Blue, release.Green} {
			e := endpoint(properties, string(c))
			e["endpointStatus"] = "Disabled"
			if c == to {
				e["endpointStatus"] = "Enabled"
			}
		}
	}
}

// done switches and follows to the end.
func (w *env) done(to release.Color) {
	w.t.Helper()
	op, err := w.Switch(w.t.Context(), to, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); !op.Done; time.Sleep(2 * time.Millisecond) {
		if op, err = w.Poll(w.t.Context(), op.Token); err != nil || op.Lost {
			w.t.Fatalf("the switch to %s is lost: %+v, error %v", to, op, err)
		}
		if time.Now().After(end) {
			w.t.Fatalf("the operation does not end: %s", op.Detail)
		}
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
