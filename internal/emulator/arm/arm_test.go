package arm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

var managementScope = policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}}

const apiVersion = "2025-05-01"

// env is an emulator with one gateway in front of a blue and a green backend.
type env struct {
	t    *testing.T
	e    *arm.Emulator
	g    *arm.Gateway
	blue *backend
	grn  *backend
}

// backend answers with its color by default.
type backend struct {
	server  *http.Server
	handler atomic.Value // of http.HandlerFunc
}

func (b *backend) set(h http.HandlerFunc) { b.handler.Store(h) }

func newEnv(t *testing.T, opts arm.Options) *env {
	t.Helper()
	if opts.OperationTime == 0 {
		opts.OperationTime = 100 * time.Millisecond
	}
	if opts.HealthTime == 0 {
		opts.HealthTime = 10 * time.Millisecond
	}
	if opts.ProbeSecond == 0 {
		opts.ProbeSecond = time.Millisecond
	}
	e, err := arm.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	w := &env{t: t, e: e}
	var port int
	w.blue, w.grn, port = backends(t)
	w.g, err = e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: port,
		Pools: []arm.Pool{
			{Name: "pool-blue", Addresses: []string{"127.11.0.1"}}, {Name: "pool-green", Addresses: []string{"127.11.0.2"}},
		},
		Rules: []arm.Rule{
			{Name: "podinfo-https", Listener: "lst-https", Pool: "pool-blue"},
			{Name: "podinfo-paths", Port: 8443, Pool: "pool-blue", Paths: []arm.Path{{Name: "api", Paths: []string{"/api/*"}, Pool: "pool-green"}, {Name: "img", Paths: []string{"/img/*"}, Pool: "pool-blue"}}},
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// backends listens on two loopback addresses with the same port: the port of a gateway's
// backends is in its settings, not in its pools.
func backends(t *testing.T) (blue, green *backend, port int) {
	t.Helper()
	for range 20 {
		a, err := net.Listen("tcp", "127.11.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port = a.Addr().(*net.TCPAddr).Port
		b, err := net.Listen("tcp", fmt.Sprintf("127.11.0.2:%d", port))
		if err == nil {
			return serve(t, a, "blue"), serve(t, b, "green"), port
		}
		a.Close()
	}
	t.Fatal("no port is free on both addresses")
	return nil, nil, 0
}

func serve(t *testing.T, l net.Listener, color string) *backend {
	b := &backend{}
	b.set(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, color) })
	b.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.handler.Load().(http.HandlerFunc)(w, r) })}
	go b.server.Serve(l)
	t.Cleanup(func() { b.server.Close() })
	return b
}

// client is a raw ARM client that sends each request once.
func (w *env) client(identity string) *azarm.Client {
	w.t.Helper()
	o := w.e.ClientOptions()
	o.Retry.MaxRetries = -1
	c, err := azarm.NewClient("arm_test", "v1.0.0", w.e.Credential(identity), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// do sends one request about the gateway.
func (w *env) do(method, path, ifMatch string, body any) (*http.Response, error) {
	return w.doAs(w.client(""), method, w.g.ID()+path, ifMatch, body)
}

func (w *env) doAs(c *azarm.Client, method, path, ifMatch string, body any) (*http.Response, error) {
	w.t.Helper()
	req, err := runtime.NewRequest(w.t.Context(), method, runtime.JoinPaths(c.Endpoint(), path))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Raw().URL.RawQuery = "api-version=" + apiVersion
	if ifMatch != "" {
		req.Raw().Header.Set("If-Match", ifMatch)
	}
	if body != nil {
		b, _ := json.Marshal(body)
		if err := req.SetBody(streaming.NopCloser(strings.NewReader(string(b))), "application/json"); err != nil {
			w.t.Fatal(err)
		}
	}
	return c.Pipeline().Do(req)
}

// repoint sends the PUT that lets the rule podinfo-https name a pool.
func (w *env) repoint(pool, ifMatch string) (*http.Response, error) {
	w.t.Helper()
	doc := w.g.Document()
	point(doc, w.g.ID(), "podinfo-https", pool)
	return w.do(http.MethodPut, "", ifMatch, doc)
}

func point(doc map[string]any, id, rule, pool string) {
	for _, r := range doc["properties"].(map[string]any)["requestRoutingRules"].([]any) {
		if r := r.(map[string]any); r["name"] == rule {
			r["properties"].(map[string]any)["backendAddressPool"] = map[string]any{"id": id + "/backendAddressPools/" + pool}
		}
	}
}

func (w *env) poller(resp *http.Response) *runtime.Poller[json.RawMessage] {
	w.t.Helper()
	p, err := runtime.NewPoller[json.RawMessage](resp, w.client("").Pipeline(), &runtime.NewPollerOptions[json.RawMessage]{FinalStateVia: runtime.FinalStateViaAzureAsyncOp})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// wait polls an operation to its end, faster than azcore's least second.
func wait(t *testing.T, p *runtime.Poller[json.RawMessage]) (json.RawMessage, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !p.Done() {
		if _, err := p.Poll(ctx); err != nil {
			return nil, err
		}
	}
	return p.Result(ctx)
}

// send is a request that must be accepted.
func (w *env) send(resp *http.Response, err error) *http.Response {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		b, _ := runtime.Payload(resp)
		w.t.Fatalf("status %d: %s", resp.StatusCode, b)
	}
	return resp
}

// refused checks status, error code and some text of a refusal.
func (w *env) refused(resp *http.Response, err error, status int, code string, texts ...string) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	body, _ := runtime.Payload(resp)
	failed, _ := runtime.NewResponseError(resp).(*azcore.ResponseError)
	if resp.StatusCode != status || failed.ErrorCode != code {
		w.t.Fatalf("answer is %d %s, want %d %s: %s", resp.StatusCode, failed.ErrorCode, status, code, body)
	}
	for _, text := range texts {
		if !strings.Contains(string(body), text) {
			w.t.Errorf("answer %s lacks %q", body, text)
		}
	}
}

// ask sends one request through the data plane.
func (w *env) ask(listener, path string) (int, string) {
	w.t.Helper()
	resp, err := http.Get(w.g.ListenerURL(listener) + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// eventually polls for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen within 10 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func etag(doc map[string]any) string { return doc["etag"].(string) }

func state(doc map[string]any) string {
	return doc["properties"].(map[string]any)["provisioningState"].(string)
}
