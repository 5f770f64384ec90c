package arm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// plane is the data plane of a gateway: it listens on each frontend port with a listener,
// and forwards requests by the routing in effect.
type plane struct {
	ctx       context.Context
	cancel    context.CancelFunc
	second    time.Duration
	place     map[string]any // as Fixture.place makes it
	transport *http.Transport
	domains   atomic.Pointer[[]*domain]
	joined    atomic.Uint32
	stopped   atomic.Bool

	mu       sync.Mutex
	ports    map[string]*port
	served   map[Answer]int
	switches []Switch
}

type port struct {
	addr   string
	server *http.Server
}

// Answer is a kind of answer that the data plane gave. Pool is "" where no backend was
// chosen, ByGateway true where no backend gave the answer.
type Answer struct {
	Pool      string
	Status    int
	ByGateway bool
}

// Switch is a change of the configuration that requests meet.
type Switch struct {
	At    time.Time
	Rules map[string][]string // rule → its pools, the default pool first
}

func newPlane(ctx context.Context, second time.Duration, place map[string]any) *plane {
	p := &plane{second: second, place: place, ports: map[string]*port{}, served: map[Answer]int{}, transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 4 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 256, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
	}}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.domains.Store(new([]*domain))
	return p
}

func (p *plane) close() {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range p.ports {
		port.server.Close()
	}
	p.transport.CloseIdleConnections()
}

// apply puts a configuration into effect in one step.
func (p *plane) apply(doc document) error {
	next, err := p.prepare(doc)
	if err != nil {
		return err
	}
	p.put(next, 1, 1)
	return nil
}

func (p *plane) open(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ports[id] != nil {
		return nil
	}
	if err := p.ctx.Err(); err != nil {
		return fmt.Errorf("open frontend port %s: %w", id, err)
	}
	l, err := net.Listen("tcp", p.address(id))
	if err != nil {
		return fmt.Errorf("listen for frontend port %s: %w", id, err)
	}
	server := &http.Server{ErrorLog: silent, ConnContext: p.join, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, id) })}
	p.ports[id] = &port{l.Addr().String(), server}
	go server.Serve(l)
	return nil
}

// address is where the plane listens for a frontend port.
func (p *plane) address(id string) string {
	host, _ := p.place["frontend"].(string)
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(number(object(p.place, "ports"), path.Base(id))))
}

func (p *plane) closeUnused(used map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, port := range p.ports {
		if !used[id] {
			delete(p.ports, id)
			go port.server.Shutdown(p.ctx)
		}
	}
}

func (p *plane) count(a Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served[a]++
}

func (p *plane) serve(w http.ResponseWriter, r *http.Request, port string) {
	if p.stopped.Load() {
		panic(http.ErrAbortHandler) // close the connection without an answer
	}
	now := p.of(r.Context())
	to, found := now.find(port, r)
	switch {
	case !found:
		p.refuse(w, "", http.StatusNotFound)
	case to.redirect != nil:
		p.count(Answer{"", to.redirect.status, true})
		http.Redirect(w, r, to.redirect.to(r), to.redirect.status)
	default:
		p.forward(w, r, now, to.backend)
	}
}

func (p *plane) refuse(w http.ResponseWriter, pool string, status int) {
	p.count(Answer{pool, status, true})
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Server", "Microsoft-Azure-Application-Gateway/v2")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html>\r\n<head><title>%d %[2]s</title></head>\r\n<body>\r\n<center><h1>%[1]d %[2]s</h1></center>\r\n<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n", status, http.StatusText(status))
}

func (p *plane) forward(w http.ResponseWriter, r *http.Request, now *domain, b *backend) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	if r.Header.Get("Upgrade") != "" {
		defer context.AfterFunc(now.ctx, func() { cancel(nil) })()
	} else if b.timeout > 0 {
		defer time.AfterFunc(b.timeout, func() { cancel(context.DeadlineExceeded) }).Stop()
	}
	proxy := httputil.ReverseProxy{
		Transport: members{p.transport, b},
		ErrorLog:  silent,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetXForwarded()
			pr.Out.URL.Scheme, pr.Out.URL.Host = b.scheme, b.pool
			pr.Out.Host = pr.In.Host
			if b.host != "" {
				pr.Out.Host = b.host
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			p.count(Answer{b.pool, resp.StatusCode, false})
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			switch {
			case context.Cause(ctx) == context.DeadlineExceeded:
				p.refuse(w, b.pool, http.StatusGatewayTimeout)
			case r.Context().Err() != nil:
				panic(http.ErrAbortHandler) // the client has gone
			default:
				p.refuse(w, b.pool, http.StatusBadGateway)
			}
		},
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// members is a transport to the members of a pool.
type members struct {
	transport *http.Transport
	backend   *backend
}

var errNoMember = errors.New("no healthy member")

// RoundTrip asks the members in turn. Only a connection that could not be opened leads to
// the next one: nothing was sent then, so nothing can happen twice. (A kept connection
// that a member has closed is opened anew by the transport where HTTP allows it.)
func (m members) RoundTrip(req *http.Request) (*http.Response, error) {
	all := m.backend.members
	if req.Body != nil {
		req.Body = io.NopCloser(req.Body) // a failed dial would close it
	}
	start, err := m.backend.turn.Add(1), errNoMember
	for i := range all {
		member := all[(int(start)+i)%len(all)]
		if !member.takes() {
			continue
		}
		req.URL.Host = member.key.hostport()
		var resp *http.Response
		resp, err = m.transport.RoundTrip(req)
		var op *net.OpError
		if err == nil || !errors.As(err, &op) || op.Op != "dial" {
			return resp, err
		}
	}
	return nil, err
}

// ListenerURL is the URL of a listener in effect, plain HTTP for each protocol. Listeners on
// the same frontend port share the URL and are selected by the Host header. It is "" for a
// listener without a rule.
func (g *Gateway) ListenerURL(listener string) string {
	for id, sites := range g.plane.complete().sites {
		for _, s := range sites {
			if strings.EqualFold(s.listener, listener) {
				g.plane.mu.Lock()
				defer g.plane.mu.Unlock()
				return "http://" + g.plane.ports[id].addr
			}
		}
	}
	return ""
}

// RulePool is the pool that a rule sends requests to now; for a rule with a path map, the
// pool of its default. "" means that there is no such rule.
func (g *Gateway) RulePool(rule string) string {
	for name, pools := range g.plane.complete().rules {
		if strings.EqualFold(name, rule) && len(pools) > 0 {
			return pools[0]
		}
	}
	return ""
}

// RulePools is every pool that a rule may send requests to now, the default first.
func (g *Gateway) RulePools(rule string) []string {
	return append([]string(nil), g.plane.complete().rules[rule]...)
}

// Served counts the answers of the data plane.
func (g *Gateway) Served() map[Answer]int {
	g.plane.mu.Lock()
	defer g.plane.mu.Unlock()
	return maps.Clone(g.plane.served)
}

// Switches returns every configuration that was put into effect, the first at the start.
func (g *Gateway) Switches() []Switch {
	g.plane.mu.Lock()
	defer g.plane.mu.Unlock()
	return append([]Switch(nil), g.plane.switches...)
}
