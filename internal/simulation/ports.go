package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// ports stand between the engines and the fakes of one app: each call is a place where
// workers change, where time passes, and where something may go wrong.
type ports struct {
	sim  *sim
	app  *app
	name string // of the engine
}

type (
	store     struct{ *ports }
	gateway   struct{ *ports }
	workloads struct{ *ports }
)

// call makes an outside call in the way that the plan wants it.
func (p *ports) call(name string, do func() error) error {
	s := p.sim
	s.calls++
	n := s.calls
	fault := s.faults[n]
	s.pause(s.latency())
	if fault.How != "" {
		s.tell("call %d (%s of %s by %s): %s", n, name, p.app.name, s.current.worker.name, fault.How)
	}
	switch fault.How {
	case Frozen:
		s.pause(fault.For)
	case Refused:
		return errOutside
	case KilledBefore:
		s.kill()
	}
	if err := do(); err != nil {
		return err
	}
	switch fault.How {
	case FrozenAfter:
		s.pause(fault.For)
	case Lied:
		return errOutside
	case LiedKilled, KilledAfter:
		s.kill()
	}
	return nil
}

func (s *sim) latency() time.Duration {
	d := time.Duration(5+s.dice.IntN(60)) * time.Millisecond
	if _, slow := s.active[Lag]; slow {
		d *= time.Duration(1 + s.dice.IntN(100))
	}
	return d
}

// stored is a call to the store, which may have a bad time as a whole.
func (p store) stored(name string, do func() error) error {
	return p.call(name, func() error {
		bad, is := p.sim.active[Storage]
		is = is && p.sim.dice.IntN(2) == 0
		if is && bad.How == Refused {
			return errOutside
		}
		if err := do(); err != nil {
			return err
		}
		if is {
			return errOutside
		}
		return nil
	})
}

func (p store) Load(ctx context.Context, app string) (snap engine.Snapshot, err error) {
	err = p.stored("load", func() error {
		snap, err = p.app.store.Load(ctx, app)
		snap.Outbox = nil // what is published is no part of these histories
		return err
	})
	return snap, err
}

func (p store) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (snap engine.Snapshot, err error) {
	err = p.stored("commit", func() error {
		before := p.app.peek()
		snap, err = p.app.store.Commit(ctx, from, c)
		snap.Outbox = nil
		p.app.committed(before, c, err)
		return err
	})
	return snap, err
}

func (p store) Accept(ctx context.Context, app string, e engine.Entry) (fresh bool, err error) {
	err = p.stored("accept", func() error {
		fresh, err = p.app.store.Accept(ctx, app, e)
		return err
	})
	return fresh, err
}

func (p store) Accepted(ctx context.Context, app, id string) (e engine.Entry, err error) {
	err = p.stored("accepted", func() error {
		e, err = p.app.store.Accepted(ctx, app, id)
		return err
	})
	return e, err
}

func (p store) History(ctx context.Context, app string, limit, before int) ([]release.Fact, error) {
	return p.app.store.History(ctx, app, limit, before)
}

func (p store) Sent(ctx context.Context, app string, facts []release.Fact) error {
	return p.app.store.Sent(ctx, app, facts)
}

func (p store) Sweep(ctx context.Context, app string, before time.Time) error {
	return p.stored("sweep", func() error { return p.app.store.Sweep(ctx, app, before) })
}

// Wake implements engine.Wakeups. The queue's delay is relative, so the worker's clock
// does not matter.
func (p *ports) Wake(ctx context.Context, app string, at time.Time) error {
	at = at.Add(-p.sim.current.worker.skew)
	return p.call("wake", func() error {
		if _, deaf := p.sim.active[Deaf]; deaf {
			return nil
		}
		return p.sim.wakeups.Wake(ctx, app, later(at, p.sim.now))
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Probe implements engine.Prober: of a color before the switch, or of what users see.
func (p *ports) Probe(ctx context.Context, c engine.Check) error {
	return p.call("probe", func() error {
		kind, name, _ := strings.Cut(c.URL, "/")
		color := release.Color(name)
		i, ready := p.app.cluster.Running(color)
		switch {
		case kind == "public" && p.app.gateway.Effective() != color:
			return fmt.Errorf("answered by %s", p.app.gateway.Effective())
		case ready == 0:
			return fmt.Errorf("answered 503")
		case p.app.cluster.Fails(color):
			return fmt.Errorf("answered 500")
		case kind == "preview":
			p.app.verified[color], p.app.proven[i.Digest] = i.Digest, true
		}
		return nil
	})
}

// claimed reports whether what has a deadline may still be sent, by the worker's clock.
func (p *ports) claimed(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !p.sim.now.Add(p.sim.current.worker.skew).Before(deadline) {
		return fmt.Errorf("not sent: %w", context.DeadlineExceeded)
	}
	return nil
}

func (p gateway) Live(ctx context.Context) (r engine.Reading, err error) {
	err = p.call("live", func() error {
		r, err = p.app.gateway.Live(ctx)
		return err
	})
	return r, err
}

func (p gateway) Switch(ctx context.Context, to release.Color, fence int64) (op engine.Operation, err error) {
	err = p.call("switch", func() error {
		if err := p.claimed(ctx); err != nil {
			return err
		}
		p.app.beforeSwitch(p.name, to, fence)
		op, err = p.app.gateway.Switch(context.Background(), to, fence)
		if err == nil && p.sim.plan.Shared {
			for _, other := range p.sim.apps {
				if other != p.app {
					other.gateway.Neighbour()
				}
			}
		}
		return err
	})
	return op, err
}

func (p gateway) Poll(ctx context.Context, token string) (op engine.Operation, err error) {
	err = p.call("poll", func() error {
		op, err = p.app.gateway.Poll(ctx, token)
		return err
	})
	return op, err
}

func (p gateway) Health(ctx context.Context, c release.Color) (h engine.Health, err error) {
	err = p.call("health", func() error {
		_, ready := p.app.cluster.Running(c)
		h = engine.Health{Healthy: ready > 0, Detail: fmt.Sprintf("%d backends answer", ready)}
		return nil
	})
	return h, err
}

func (p workloads) Observe(ctx context.Context, c release.Color, i release.Image, wait time.Duration) (o engine.Workload, err error) {
	look := func() error {
		o, err = p.app.cluster.Observe(ctx, c, i, 0)
		return err
	}
	if err := p.call("observe", look); err != nil || wait == 0 || o.Status == release.Complete || o.Status == release.Broken {
		return o, err
	}
	p.sim.pause(wait)
	err = p.call("observe", look)
	return o, err
}

func (p workloads) Deploy(ctx context.Context, o engine.Order) error {
	return p.call("deploy", func() error {
		if err := p.claimed(ctx); err != nil {
			return err
		}
		done := p.app.beforeChange(p.name, "deploy", o.Color, o.Image, o.Fence)
		err := p.app.cluster.Deploy(ctx, o)
		done(err)
		return err
	})
}

func (p workloads) Scale(ctx context.Context, c release.Color, replicas int32, fence int64) error {
	return p.call("scale", func() error {
		if err := p.claimed(ctx); err != nil {
			return err
		}
		done := p.app.beforeChange(p.name, "scale", c, release.Image{}, fence)
		err := p.app.cluster.Scale(ctx, c, replicas, fence)
		done(err)
		return err
	})
}
