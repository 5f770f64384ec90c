package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/client-go/rest"
	kubetransport "k8s.io/client-go/transport"

	"bluegreen/internal/outbound"
)

const (
	// restraint is how soon the route is asked for again while the cluster cannot be reached.
	restraint = 10 * time.Second
	userAgent = "bluegreen"
)

// errSilent means that the API server did not answer in time: the request may have been carried out.
var errSilent = fmt.Errorf("no answer within %v", outbound.Cluster.Try)

// transport sends requests to the address that the cluster has now.
type transport struct {
	config Config
	asking singleflight.Group

	mu    sync.Mutex
	route *route    // nil until it was learned
	err   error     // of the last asking
	asked time.Time // when the route was last asked for because it had failed
}

// route leads to one API server.
type route struct {
	base    *url.URL
	tripper http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A request that surely did not reach the server
// is sent once more when a new route is known.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := t.find(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := to.send(r, r.Body)
	if err == nil || r.Context().Err() != nil || !unreached(err) && !errors.Is(err, errSilent) {
		return resp, err
	}
	other, why := t.find(r.Context(), to)
	switch {
	case why != nil:
		return nil, fmt.Errorf("%w (%v)", why, err)
	case other == to || !unreached(err):
		return nil, err
	case r.Body == nil || r.Body == http.NoBody:
		return other.send(r, nil)
	case r.GetBody == nil:
		return nil, err
	}
	body, berr := r.GetBody()
	if berr != nil {
		return nil, errors.Join(err, berr)
	}
	return other.send(r, body)
}

// find returns the route, another one than failed if it may be asked for by now.
func (t *transport) find(ctx context.Context, failed *route) (*route, error) {
	if to, err, known := t.known(failed); known {
		return to, err
	}
	return t.join(ctx, failed)
}

// join asks together with the requests that ask at the same time.
func (t *transport) join(ctx context.Context, failed *route) (*route, error) {
	answer := t.asking.DoChan("", func() (any, error) {
		// Another request may have asked since this one looked.
		if to, err, known := t.known(failed); known {
			return to, err
		}
		return t.ask(context.WithoutCancel(ctx), failed != nil)
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*route), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// known returns the cached route or error, unless it is time to ask again.
func (t *transport) known(failed *route) (to *route, err error, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.route == nil {
		return nil, nil, false
	}
	if t.route != failed {
		return t.route, nil, true
	}
	return t.route, t.err, time.Since(t.asked) < restraint
}

func (t *transport) ask(ctx context.Context, again bool) (*route, error) {
	ctx, cancel := context.WithTimeout(ctx, outbound.Discovery.Total)
	defer cancel()
	to, err := learn(ctx, t.config)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err = err; err == nil {
		t.route = to
	}
	if again {
		t.asked = time.Now()
	}
	return to, err
}

func learn(ctx context.Context, ask Config) (*route, error) {
	config, err := ask(ctx)
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.UserAgent = userAgent
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the address %q: %w", config.Host, err)
	}
	tripper, err := connect(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to %s: %w", config.Host, err)
	}
	return &route{base: base, tripper: tripper}, nil
}

// connect makes new connections of a route. Those that rest.TransportFor shares between routes
// may be dead, and are found so after 45 s only.
func connect(config *rest.Config) (http.RoundTripper, error) {
	settings, err := config.TransportConfig()
	if err != nil {
		return nil, err
	}
	connections := outbound.Transport()
	if connections.TLSClientConfig, err = kubetransport.TLSConfigFor(settings); err != nil {
		return nil, err
	}
	if settings.DialHolder != nil {
		connections.DialContext = settings.DialHolder.Dial
	}
	if settings.Proxy != nil {
		connections.Proxy = settings.Proxy
	}
	return kubetransport.HTTPWrappersForConfig(settings, connections)
}

// send bounds the time to a whole answer; of a watch, only to the beginning of it.
func (to *route) send(r *http.Request, body io.ReadCloser) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	bound := time.AfterFunc(outbound.Cluster.Try, func() { cancel(errSilent) })
	end := func() { bound.Stop(); cancel(nil) }
	out := r.Clone(ctx)
	out.Body = body
	out.Host, out.URL.Scheme, out.URL.Host = "", to.base.Scheme, to.base.Host
	out.URL.Path = strings.TrimSuffix(to.base.Path, "/") + out.URL.Path
	resp, err := to.tripper.RoundTrip(out)
	if err != nil {
		defer end()
		if r.Context().Err() == nil && errors.Is(context.Cause(ctx), errSilent) {
			return nil, fmt.Errorf("%s: %w", to.base.Host, errSilent)
		}
		return nil, err
	}
	if r.URL.Query().Get("watch") != "" {
		bound.Stop()
	}
	resp.Body = &answer{resp.Body, end}
	return resp, nil
}

// answer releases the time limit of a request when its body is closed.
type answer struct {
	io.ReadCloser
	end func()
}

func (a *answer) Close() error { defer a.end(); return a.ReadCloser.Close() }

// unreached reports whether a request failed before anything of it was sent: no connection,
// or one to a server that could not prove its identity.
func unreached(err error) bool {
	var (
		op       *net.OpError
		dns      *net.DNSError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) ||
		errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &hostname) || errors.As(err, &invalid)
}
