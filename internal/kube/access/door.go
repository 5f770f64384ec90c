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
)

const (
	// patience is how long an answer may take, and how long it may take to learn the way.
	patience = 10 * time.Second
	// restraint is how soon the way is asked for again while the cluster cannot be reached.
	restraint = 10 * time.Second
	userAgent = "bluegreen"
)

// errSilent means that the API server did not answer in time: what was asked may be done.
var errSilent = fmt.Errorf("no answer within %v", patience)

// door sends requests to where the cluster is now.
type door struct {
	config Config
	asking singleflight.Group

	mu    sync.Mutex
	way   *way      // nil until it was learned
	err   error     // of the last asking
	asked time.Time // when the way was last asked for because it had failed
}

// way leads to one API server.
type way struct {
	base      *url.URL
	transport http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A request that surely did not reach the server
// is sent once more when a new way is known.
func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	w, err := d.find(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := w.send(r, r.Body)
	if err == nil || r.Context().Err() != nil || !unreached(err) && !errors.Is(err, errSilent) {
		return resp, err
	}
	other, why := d.find(r.Context(), w)
	switch {
	case why != nil:
		return nil, fmt.Errorf("%w (%v)", why, err)
	case other == w || !unreached(err):
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

// find returns the way, another one than failed if it may be asked for by now.
func (d *door) find(ctx context.Context, failed *way) (*way, error) {
	if w, err, known := d.known(failed); known {
		return w, err
	}
	return d.join(ctx, failed)
}

// join asks together with the requests that ask at the same time.
func (d *door) join(ctx context.Context, failed *way) (*way, error) {
	answer := d.asking.DoChan("", func() (any, error) {
		// Another request may have asked since this one looked.
		if w, err, known := d.known(failed); known {
			return w, err
		}
		return d.ask(context.WithoutCancel(ctx), failed != nil)
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*way), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// known returns what was learned, unless it is time to ask again.
func (d *door) known(failed *way) (w *way, err error, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.way == nil {
		return nil, nil, false
	}
	if d.way != failed {
		return d.way, nil, true
	}
	return d.way, d.err, time.Since(d.asked) < restraint
}

func (d *door) ask(ctx context.Context, again bool) (*way, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w, err := learn(ctx, d.config)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err = err; err == nil {
		d.way = w
	}
	if again {
		d.asked = time.Now()
	}
	return w, err
}

func learn(ctx context.Context, ask Config) (*way, error) {
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
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to %s: %w", config.Host, err)
	}
	return &way{base: base, transport: transport}, nil
}

// send bounds the time to a whole answer; of a watch, only to the beginning of it.
func (w *way) send(r *http.Request, body io.ReadCloser) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	bound := time.AfterFunc(patience, func() { cancel(errSilent) })
	end := func() { bound.Stop(); cancel(nil) }
	out := r.Clone(ctx)
	out.Body = body
	out.Host, out.URL.Scheme, out.URL.Host = "", w.base.Scheme, w.base.Host
	out.URL.Path = strings.TrimSuffix(w.base.Path, "/") + out.URL.Path
	resp, err := w.transport.RoundTrip(out)
	if err != nil {
		defer end()
		if r.Context().Err() == nil && errors.Is(context.Cause(ctx), errSilent) {
			return nil, fmt.Errorf("%s: %w", w.base.Host, errSilent)
		}
		return nil, err
	}
	if r.URL.Query().Get("watch") != "" {
		bound.Stop()
	}
	resp.Body = &answer{resp.Body, end}
	return resp, nil
}

// answer frees what bounds a request when its body is closed.
type answer struct {
	io.ReadCloser
	end func()
}

func (a *answer) Close() error { defer a.end(); return a.ReadCloser.Close() }

// unreached reports whether a request failed before anything of it was sent: no connection,
// or one to a server that could not prove who it is.
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
