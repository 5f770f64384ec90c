package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Ingress stands for the ingress or internal load balancer of one color: it
// forwards HTTP, round robin, to the ready endpoints of a Service, and answers
// 503 when there is none.
type Ingress struct {
	addr   netip.AddrPort
	server *http.Server
	stop   context.CancelFunc
	pods   *http.Transport
	turn   atomic.Uint64

	updating sync.Mutex // keeps an older list from replacing a newer one
	targets  atomic.Pointer[[]string]
}

// IngressOptions choose where an Ingress listens; the zero value takes an
// address of the cluster's own network and a free port.
type IngressOptions struct {
	IP   string
	Port int
}

// Backend names a Service in a cluster.
type Backend struct {
	Cluster            *Cluster
	Namespace, Service string
}

// Ingress returns when the Service's present endpoints are known (the Service
// need not exist yet). It serves until Close, its own or the cluster's.
func (c *Cluster) Ingress(ctx context.Context, namespace, service string, opts IngressOptions) (*Ingress, error) {
	addr, err := c.ingressAddress(opts)
	if err != nil {
		return nil, fmt.Errorf("start ingress: %w", err)
	}
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("start ingress: %w", err)
	}
	life, stop := context.WithCancel(c.life)
	in := &Ingress{addr: addr, stop: stop, pods: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
	}}
	in.targets.Store(&[]string{})
	in.server = &http.Server{Handler: in.proxy(), ErrorLog: log.New(io.Discard, "", 0)}
	slices := in.watch(c, namespace, service)
	c.serving.Go(func() { slices.RunWithContext(life) })
	c.serving.Go(func() { in.server.Serve(l) })
	c.serving.Go(func() { <-life.Done(); in.server.Close(); in.pods.CloseIdleConnections() })
	if !cache.WaitForCacheSync(ctx.Done(), slices.HasSynced) {
		stop()
		return nil, fmt.Errorf("start ingress: read endpoints: %w", context.Cause(ctx))
	}
	in.update(slices.GetStore())
	return in, nil
}

// Ingresses starts one Ingress per backend, each with an IP of its own and all
// with the same port, as the pools of an Application Gateway need that share
// one backend HTTP setting.
func Ingresses(ctx context.Context, backends ...Backend) ([]*Ingress, error) {
	ips := make([]netip.Addr, len(backends))
	for i, b := range backends {
		ips[i] = b.Cluster.network.address()
	}
	port, err := freePort(ips...)
	if err != nil {
		return nil, fmt.Errorf("start ingresses: %w", err)
	}
	var all []*Ingress
	for i, b := range backends {
		in, err := b.Cluster.Ingress(ctx, b.Namespace, b.Service, IngressOptions{IP: ips[i].String(), Port: port})
		if err != nil {
			for _, in := range all {
				in.Close()
			}
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

func (c *Cluster) ingressAddress(opts IngressOptions) (netip.AddrPort, error) {
	ip, err := c.network.address(), error(nil)
	if opts.IP != "" {
		if ip, err = netip.ParseAddr(opts.IP); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if opts.Port == 0 {
		if opts.Port, err = freePort(ip); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return netip.AddrPortFrom(ip, uint16(opts.Port)), nil
}

// Addr is host:port.
func (in *Ingress) Addr() string { return in.addr.String() }

// IP is the loopback address that the Ingress listens on.
func (in *Ingress) IP() string { return in.addr.Addr().String() }

// Port is the port that the Ingress listens on.
func (in *Ingress) Port() int { return int(in.addr.Port()) }

// URL is http://host:port.
func (in *Ingress) URL() string { return "http://" + in.Addr() }

// Close cuts all connections.
func (in *Ingress) Close() {
	in.stop()
	in.server.Close()
}

func (in *Ingress) watch(c *Cluster, namespace, service string) cache.SharedInformer {
	slices := cache.NewSharedInformer(cache.NewFilteredListWatchFromClient(
		c.client.DiscoveryV1().RESTClient(), "endpointslices", namespace,
		func(o *metav1.ListOptions) { o.LabelSelector = discoveryv1.LabelServiceName + "=" + service },
	), &discoveryv1.EndpointSlice{}, 0)
	// Both calls fail only once the informer has stopped, and it has not begun.
	slices.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		c.logf("ingress of %s/%s: watch endpoints: %v", namespace, service, err)
	})
	slices.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { in.update(slices.GetStore()) },
		UpdateFunc: func(_, _ any) { in.update(slices.GetStore()) },
		DeleteFunc: func(any) { in.update(slices.GetStore()) },
	})
	return slices
}

func (in *Ingress) update(slices cache.Store) {
	in.updating.Lock()
	defer in.updating.Unlock()
	targets := []string{}
	for _, obj := range slices.List() {
		slice := obj.(*discoveryv1.EndpointSlice)
		if len(slice.Ports) == 0 || slice.Ports[0].Port == nil {
			continue
		}
		port := strconv.Itoa(int(*slice.Ports[0].Port))
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				targets = append(targets, net.JoinHostPort(Dialable(e.Addresses[0]), port))
			}
		}
	}
	in.targets.Store(&targets)
}

var errNoEndpoint = errors.New("the Service has no ready endpoint")

func (in *Ingress) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.URL.Scheme = "http"
		},
		Transport: roundTripper(in.forward),
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			status := http.StatusBadGateway
			if errors.Is(err, errNoEndpoint) {
				status = http.StatusServiceUnavailable
			}
			http.Error(w, err.Error(), status)
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// forward tries each ready endpoint once, the next one only when no
// connection could be opened, so that nothing is sent twice.
func (in *Ingress) forward(r *http.Request) (*http.Response, error) {
	targets := *in.targets.Load()
	err := errNoEndpoint
	first := in.turn.Add(1)
	for i := range uint64(len(targets)) {
		attempt := r.Clone(r.Context())
		attempt.URL.Host = targets[(first+i)%uint64(len(targets))]
		if r.Body != nil && r.Body != http.NoBody {
			attempt.Body = io.NopCloser(r.Body) // a failed attempt must not close it
		}
		var resp *http.Response
		if resp, err = in.pods.RoundTrip(attempt); err == nil {
			return resp, nil
		}
		var opening *net.OpError
		if !errors.As(err, &opening) || opening.Op != "dial" {
			break
		}
	}
	return nil, err
}
