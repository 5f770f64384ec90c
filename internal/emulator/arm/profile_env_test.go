package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/trafficmanager/armtrafficmanager"
)

// tmEnv is an emulator with one profile in front of a blue and a green backend: blue is
// live, green is disabled.
type tmEnv struct {
	*env // without a gateway
	p    *arm.Profile
	port int
}

const blueName, greenName = "agw-blue.westeurope.cloudapp.azure.com", "agw-green.westeurope.cloudapp.azure.com"

func newProfileEnv(t *testing.T, opts arm.Options, f arm.ProfileFixture) *tmEnv {
	t.Helper()
	if opts.ProbeSecond == 0 {
		opts.ProbeSecond = time.Millisecond
	}
	e, err := arm.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	w := &tmEnv{env: &env{t: t, e: e}}
	w.blue, w.grn, w.port = backends(t)
	for name, address := range map[string]string{blueName: "127.11.0.1", greenName: "127.11.0.2"} {
		if err := e.AddName(name, address); err != nil {
			t.Fatal(err)
		}
	}
	f.ProbePort = w.port
	if f.Endpoints == nil {
		f.Endpoints = []arm.Endpoint{{Name: "blue", Target: blueName}, {Name: "green", Target: greenName, Disabled: true}}
	}
	if w.p, err = e.AddProfile(arm.ProfileJSON(f)); err != nil {
		t.Fatal(err)
	}
	return w
}

func properties(doc map[string]any) map[string]any { return doc["properties"].(map[string]any) }

func endpointOf(doc map[string]any, name string) map[string]any {
	for _, e := range properties(doc)["endpoints"].([]any) {
		if e.(map[string]any)["name"] == name {
			return properties(e.(map[string]any))
		}
	}
	return nil
}

// enable changes the profile so that these endpoints are enabled and no others.
func enable(names ...string) func(map[string]any) {
	return func(doc map[string]any) {
		for _, e := range properties(doc)["endpoints"].([]any) {
			status := "Disabled"
			if slices.Contains(names, e.(map[string]any)["name"].(string)) {
				status = "Enabled"
			}
			properties(e.(map[string]any))["endpointStatus"] = status
		}
	}
}

func (w *tmEnv) rival(edit func(map[string]any)) {
	w.t.Helper()
	if err := w.p.Rival(edit); err != nil {
		w.t.Fatal(err)
	}
}

// call sends one raw request about the profile.
func (w *tmEnv) call(identity, method, path string, body any) (*http.Response, error) {
	w.t.Helper()
	return w.doAs(w.client(identity), method, w.p.ID()+path, "", body)
}

// sdk are the clients of the real SDK, which retry nothing.
func (w *tmEnv) sdk() *armtrafficmanager.ClientFactory {
	w.t.Helper()
	o := w.e.ClientOptions()
	o.Retry.MaxRetries = -1
	f, err := armtrafficmanager.NewClientFactory(strings.Split(w.p.ID(), "/")[2], w.e.Credential(""), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func code(err error) string {
	var r *azcore.ResponseError
	if errors.As(err, &r) {
		return r.ErrorCode
	}
	return fmt.Sprint(err)
}

// resolver queries the emulator's name server over the given network.
func (w *tmEnv) resolver(network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.e.DNS())
	}}
}

// lookup returns the addresses that the profile's name leads to, none where there is none.
func (w *tmEnv) lookup() []string {
	w.t.Helper()
	found, err := w.resolver("udp").LookupHost(w.t.Context(), w.p.FQDN())
	var missing *net.DNSError
	if errors.As(err, &missing) && missing.IsNotFound {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func (w *tmEnv) leads(want ...string) {
	w.t.Helper()
	if got := w.lookup(); !slices.Equal(got, want) {
		w.t.Fatalf("DNS leads to %v, want %v", got, want)
	}
}

func (w *tmEnv) status(name string) string {
	return fmt.Sprint(endpointOf(w.p.Document(), name)["endpointMonitorStatus"])
}

// fields decodes an answer.
func (w *tmEnv) fields(resp *http.Response, err error) map[string]any {
	w.t.Helper()
	b, err := runtime.Payload(w.send(resp, err))
	if err != nil {
		w.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		w.t.Fatal(err)
	}
	return m
}
