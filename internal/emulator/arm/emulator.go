// Package arm emulates the Azure services that a release uses: Application Gateway with a
// data plane that forwards requests, Traffic Manager with a DNS server, AKS credentials,
// alert rules, managed identity and Event Grid topics. It implements the wire protocols on
// loopback, so the clients are the real SDKs, and it can inject the services' failures. A
// write takes effect for requests only when the gateway's long-running operation has ended,
// or when the name servers have received the change of a profile.
package arm

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// TenantID is the Entra tenant of all identities of the emulator.
const TenantID = "5f1d6a0e-9a2b-4c58-8a3e-1b7c0d2e4f60"

// Options configures the emulator. The zero value is usable.
type Options struct {
	OperationTime time.Duration // duration of a gateway write, default 2 s; about 20 s on Azure
	HealthTime    time.Duration // minimum duration of a backend health request, default 100 ms
	ProbeSecond   time.Duration // duration of one second of a probe's interval, default 20 ms
	Propagation   time.Duration // delay until a profile's change reaches the name servers, default 300 ms
	ClientIDs     []string      // user-assigned identities of the identity endpoint
	Addr          string        // listen address of ARM, default 127.0.0.1 on a free port
}

// Emulator is a running emulator of Azure Resource Manager and related services.
type Emulator struct {
	opts      Options
	url       string
	authority *authority
	identity  *identity
	rights    *rights
	ctx       context.Context
	cancel    context.CancelFunc
	server    *http.Server
	names     *nameServer
	probes    *http.Transport // of Traffic Manager

	mu         sync.Mutex
	gateways   map[string]*Gateway
	profiles   map[string]*Profile
	zone       map[string][]netip.Addr
	barriers   map[string]string // scope → code of the refusal, see barrier.go
	clusters   map[string]Cluster
	rules      []AlertRule
	topics     []*Topic
	operations map[string]*operation
	results    map[string]*result
	requests   []Request
}

// Start runs an emulator until ctx ends or Close is called.
func Start(ctx context.Context, opts Options) (*Emulator, error) {
	setDefaults(&opts)
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	e := &Emulator{
		opts: opts, authority: ca, rights: newRights(),
		gateways: map[string]*Gateway{}, profiles: map[string]*Profile{}, zone: map[string][]netip.Addr{}, clusters: map[string]Cluster{},
		operations: map[string]*operation{}, results: map[string]*result{}, barriers: map[string]string{},
	}
	e.ctx, e.cancel = context.WithCancel(ctx)
	if err := e.listen(); err != nil {
		e.cancel()
		return nil, err
	}
	context.AfterFunc(e.ctx, e.shut)
	return e, nil
}

func setDefaults(o *Options) {
	if o.OperationTime == 0 {
		o.OperationTime = 2 * time.Second
	}
	if o.HealthTime == 0 {
		o.HealthTime = 100 * time.Millisecond
	}
	if o.ProbeSecond == 0 {
		o.ProbeSecond = 20 * time.Millisecond
	}
	if o.Propagation == 0 {
		o.Propagation = 300 * time.Millisecond
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
}

func (e *Emulator) listen() error {
	l, err := net.Listen("tcp", e.opts.Addr)
	if err != nil {
		return fmt.Errorf("listen for ARM: %w", err)
	}
	if e.identity, err = newIdentity(e.opts.ClientIDs); err != nil {
		l.Close()
		return err
	}
	if err := e.listenDNS(); err != nil {
		l.Close()
		e.identity.server.Close()
		return err
	}
	// The real probes accept any certificate, too.
	e.probes = &http.Transport{DisableKeepAlives: true, DialContext: e.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	e.url = "https://" + l.Addr().String()
	e.server = &http.Server{Handler: http.HandlerFunc(e.serve), TLSConfig: e.authority.serverConfig(), ErrorLog: silent}
	go e.server.ServeTLS(l, "", "")
	return nil
}

// Close stops everything that the emulator started, open connections included.
func (e *Emulator) Close() { e.cancel(); e.shut() }

func (e *Emulator) shut() {
	e.server.Close()
	e.identity.server.Close()
	e.names.close()
	e.mu.Lock()
	gateways, topics := e.gateways, e.topics
	e.gateways, e.topics = map[string]*Gateway{}, nil
	e.mu.Unlock()
	for _, g := range gateways {
		g.close()
	}
	for _, t := range topics {
		t.Set(TopicRefuses)
	}
}

// URL is the endpoint of Azure Resource Manager, without a slash at its end.
func (e *Emulator) URL() string { return e.url }

// CAPEM is the certificate authority that signs every TLS endpoint of the emulator. A
// separate process trusts it when SSL_CERT_FILE names a file that holds it.
func (e *Emulator) CAPEM() []byte { return e.authority.pem }

// HTTPClient returns a client that trusts the emulator, with its own connections.
func (e *Emulator) HTTPClient() *http.Client { return e.authority.client() }

// Cloud is the configuration of Azure SDK clients for the emulator.
func (e *Emulator) Cloud() cloud.Configuration {
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: "https://login.microsoftonline.com/",
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: e.url, Audience: managementAudience},
		},
	}
}

// ClientOptions are options for ARM clients in the same process as the emulator.
func (e *Emulator) ClientOptions() *azarm.ClientOptions {
	return &azarm.ClientOptions{
		ClientOptions:         policy.ClientOptions{Cloud: e.Cloud(), Transport: e.HTTPClient()},
		DisableRPRegistration: true,
	}
}

// Credential gives the tokens that the identity endpoint would give, for tests that
// cannot set the process's environment. "" is the system-assigned identity.
func (e *Emulator) Credential(clientID string) azcore.TokenCredential {
	return credential{e.identity, clientID}
}

type credential struct {
	identity *identity
	clientID string
}

// GetToken implements azcore.TokenCredential.
func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	resource := strings.TrimSuffix(o.Scopes[0], "/.default")
	return azcore.AccessToken{Token: c.identity.issue(resource, c.clientID), ExpiresOn: time.Now().Add(tokenLife)}, nil
}

// newGUID returns an identifier in the format of Azure.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
