// Package dnscache plays the recursive resolver of some users: it asks a name server and
// keeps each answer until its TTL has run out, or longer, as resolvers do that do not keep
// to it. Several of them are several groups of users, each with a phase of its own.
package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Options configures how a resolver treats the TTL of an answer. The zero value respects it.
type Options struct {
	Minimum time.Duration    // keeps an answer at least so long; also one with TTL 0
	Now     func() time.Time // default time.Now
}

// Resolver looks names up and remembers their IPv4 addresses.
type Resolver struct {
	server string
	opts   Options

	mu    sync.Mutex
	names map[string]*entry
	asked int
}

// entry is the cached answer for a name. Its lock is held during a query, so that concurrent
// users cause one query.
type entry struct {
	mu        sync.Mutex
	addresses []netip.Addr
	until     time.Time
	turn      int
}

// New makes a resolver that knows nothing yet and asks the name server at host:port.
func New(server string, opts Options) *Resolver {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Resolver{server: server, opts: opts, names: map[string]*entry{}}
}

// Asked is how many questions went to the name server.
func (r *Resolver) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// Lookup returns the IPv4 addresses of a name; they begin with another one each time. An
// error is a *net.DNSError and is not remembered.
func (r *Resolver) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	e := r.entry(strings.ToLower(strings.TrimSuffix(host, ".")))
	e.mu.Lock()
	defer e.mu.Unlock()
	if !r.opts.Now().Before(e.until) {
		found, ttl, err := r.ask(ctx, host)
		if err != nil {
			return nil, err
		}
		e.addresses, e.until, e.turn = found, r.opts.Now().Add(max(ttl, r.opts.Minimum)), 0
	}
	start := e.turn % len(e.addresses)
	e.turn++
	return append(append([]netip.Addr(nil), e.addresses[start:]...), e.addresses[:start]...), nil
}

func (r *Resolver) entry(name string) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[name] == nil {
		r.names[name] = &entry{}
	}
	return r.names[name]
}

// DialContext connects to host:port, and tries the next address if one does not answer. It is
// meant for http.Transport.
func (r *Resolver) DialContext(ctx context.Context, network, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	all, err := r.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, address := range all {
		conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(address.String(), port))
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}
