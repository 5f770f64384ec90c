package arm

import (
	"context"
	"net"
	"time"
)

// domain is a part of the data plane that has one configuration. The service updates one
// domain after the other, and a connection of a user stays in the one that took it.
type domain struct {
	*routing
	ctx context.Context // ends when another configuration takes over
	end context.CancelFunc
}

type domainKey struct{}

// join gives each connection a domain, in turn.
func (p *plane) join(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, domainKey{}, p.joined.Add(1))
}

// of is the domain that a request came in at.
func (p *plane) of(ctx context.Context) *domain {
	n, _ := ctx.Value(domainKey{}).(uint32)
	all := *p.domains.Load()
	return all[int(n)%len(all)]
}

// complete is the configuration of the domain that is updated last.
func (p *plane) complete() *routing {
	if all := *p.domains.Load(); len(all) > 0 {
		return all[len(all)-1].routing
	}
	return &routing{} // the gateway is being created
}

// prepare makes a configuration ready: its ports are open and its members are probed.
func (p *plane) prepare(doc document) (*routing, error) {
	next, err := compile(doc, p.members())
	if err != nil {
		return nil, err
	}
	for id := range next.sites {
		if err := p.open(id); err != nil {
			return nil, err
		}
	}
	for _, m := range next.members {
		if m.stop == nil {
			ctx, stop := context.WithCancel(p.ctx)
			m.stop = stop
			go m.watch(ctx, p.second, probeTransport)
		}
	}
	return next, nil
}

// members are those of every configuration that a domain has.
func (p *plane) members() map[memberKey]*member {
	all := map[memberKey]*member{}
	for _, d := range *p.domains.Load() {
		for key, m := range d.members {
			all[key] = m
		}
	}
	return all
}

// put puts a configuration into effect in the first k of n domains. Requests under way stay
// where they are; upgraded connections are cut, as the service cuts them at each update.
func (p *plane) put(next *routing, k, n int) {
	before, was := *p.domains.Load(), p.members()
	if len(before) == 0 {
		k = n
	}
	domains := make([]*domain, n)
	for i := range domains {
		if len(before) > 0 {
			domains[i] = before[i*len(before)/n]
		}
		if i < k && (domains[i] == nil || domains[i].routing != next) {
			domains[i] = &domain{routing: next}
			domains[i].ctx, domains[i].end = context.WithCancel(p.ctx)
		}
	}
	p.domains.Store(&domains)
	kept := map[*domain]bool{}
	for _, d := range domains {
		kept[d] = true
	}
	for _, d := range before {
		if !kept[d] {
			d.end()
		}
	}
	p.leave(was)
	if k == n {
		p.mu.Lock()
		p.switches = append(p.switches, Switch{time.Now(), next.rules})
		p.mu.Unlock()
	}
}

// leave stops watching the members, and listening on the ports, that no domain has any more.
func (p *plane) leave(was map[memberKey]*member) {
	now := p.members()
	for key, m := range was {
		if now[key] != m {
			m.stop()
		}
	}
	used := map[string]bool{}
	for _, d := range *p.domains.Load() {
		for id := range d.sites {
			used[id] = true
		}
	}
	p.closeUnused(used)
}

// step puts a running operation into effect in one more domain, but the last, which gets it
// when the operation ends.
func (g *Gateway) step(op *operation, k, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running != op || op.fails || g.behaviour.SecretDenied {
		return
	}
	if op.next == nil {
		next, err := g.plane.prepare(g.doc)
		if err != nil {
			return // the end of the operation reports it
		}
		op.next = next
	}
	g.plane.put(op.next, k, n)
}
