package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bluegreen/internal/access"
	"bluegreen/internal/app"
	"bluegreen/internal/azure/acr"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/lab/parts"
	"bluegreen/internal/outbound"
	"bluegreen/internal/probe"
	"bluegreen/internal/signin"
)

// handlerSetting is set in the process that is the handler of a lab.
const handlerSetting = "BLUEGREEN_LAB_HANDLER"

// Files beside host.json.
const (
	configFile = "bluegreen.yaml"
	trustFile  = "azure.pem"
	socketFile = "parts.sock"
)

// Handle is the handler, in the process that a lab has started as one, and does not return
// there. In any other process it does nothing. A program that starts labs calls it first.
func Handle() {
	if os.Getenv(handlerSetting) == "" {
		return
	}
	fmt.Fprintln(os.Stderr, "the handler of the lab ends:", serve(os.Getenv("FUNCTIONS_APP_ROOT_PATH")))
	os.Exit(1)
}

// serve answers the host until the lab ends.
func serve(root string) error {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{} // the host's log has the time
		}
		return a
	}}))
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT")))
	if err != nil {
		return fmt.Errorf("listen where the host expects it: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(root, configFile))
	if err != nil {
		return err
	}
	all, err := config.Load(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", configFile, err)
	}
	lent := parts.Borrow(filepath.Join(root, socketFile))
	client, err := azure(root, os.Getenv("AZURE_RESOURCE_MANAGER_ENDPOINT"))
	if err != nil {
		return err
	}
	var apps []engine.App
	for _, a := range all.Apps {
		apps = append(apps, app.Assemble(a, adapters{lent, client, names(os.Getenv("BLUEGREEN_DNS"))}.of))
	}
	e := engine.New(engine.Options{
		Store: impatient{lent}, Wakeups: lent, Apps: apps, Log: log, Poll: 250 * time.Millisecond,
		Lease: 10 * time.Second, // after a kill nothing goes on before the claim of the dead worker ends
	})
	handler := app.Handler(app.Options{Engine: e, Apps: all.Apps, Keys: access.Admin, Log: log, Verify: verify})
	ended := make(chan error, 2)
	go e.Resume(context.Background()) // what a killed process has left
	go func() { ended <- http.Serve(listener, handler) }()
	go func() { lent.Lost(); ended <- errors.New("the lab is down") }()
	return <-ended
}

// impatient is a store by which no app at rest was looked at yet, so that each tick of the clock
// does it: who changes something outside bluegreen does not wait five minutes for the drift.
type impatient struct{ engine.Store }

// Load implements engine.Store.
func (i impatient) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	s, err := i.Store.Load(ctx, app)
	s.Record.Ran = maps.Clone(s.Record.Ran)
	delete(s.Record.Ran, "look")
	return s, err
}

// ListDue implements engine.Store.
func (i impatient) ListDue(ctx context.Context) ([]engine.Due, error) {
	rows, err := i.Store.ListDue(ctx)
	for n := range rows {
		rows[n].Marked = true
		delete(rows[n].Glances, "look")
	}
	return rows, err
}

// azure is how the emulated Azure Resource Manager is reached, which has a certificate of its own.
func azure(root, url string) (*arm.ClientOptions, error) {
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(root, trustFile))
	if err != nil {
		return nil, err
	}
	trusted.AppendCertsFromPEM(pem)
	transport := outbound.Transport()
	transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
	return &arm.ClientOptions{
		DisableRPRegistration: true,
		ClientOptions: policy.ClientOptions{Transport: outbound.Client(transport), Cloud: cloud.Configuration{
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: url, Audience: "https://management.azure.com"}},
		}},
	}, nil
}

// names looks up public names at one DNS server.
func names(server string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
}

// verify asks the host whether it takes a key.
func verify(ctx context.Context, key string, commands bool) (bool, error) {
	h := signin.Host{URL: "http://" + os.Getenv("WEBSITE_HOSTNAME"), Client: outbound.Client(nil), Try: outbound.Host.Try}
	return h.Takes(ctx, key, commands)
}

// adapters are real ones for gateway, registry and checks, and fakes for the clusters.
type adapters struct {
	lent   *parts.Client
	client *arm.ClientOptions
	names  *net.Resolver
}

func (from adapters) of(a config.App) (app.Adapters, error) {
	public := outbound.Transport()
	public.DialContext = (&net.Dialer{Resolver: from.names}).DialContext
	gateway, err := from.gateway(a, public)
	return app.Adapters{
		Gateway: gateway, Workloads: from.lent.Workloads(a.Name), Prober: probe.New(public, os.Getenv),
		Registry: acr.NewRegistry(acr.Options{LoginServer: a.Image.Registry, Repository: a.Image.Repository, Admits: a.Admits, Newer: a.Policy().Newer}),
	}, err
}
