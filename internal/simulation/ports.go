package simulation

import (
	"context"
	"errors"
	"fmt"
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

// call makes an outside call, with the failure that the plan has for it.
func (p *ports) call(name string, do func() error) error {
	s := p.sim
	s.calls++
	n := s.calls
	fault := s.faults[n]
	s.pause(s.latency())
	if fault.How != "" {
		s.logf("call %d (%s of %s by %s): %s", n, name, p.app.name, s.current.worker.name, fault.How)
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
	case ReportedFailed:
		return errOutside
	case KilledAfter:
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

// stored is a call to the store, which may be failing as a whole.
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
		seen := read(snap.Record)
		ask(p.app, func(h onLoad) error { h.loaded(p.sim.current, seen); return nil })
		return err
	})
	return snap, err
}

// Commit saves the record, and gives the worker what is read back, so that it goes on with
// the fields that are stored and no others.
func (p store) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (snap engine.Snapshot, err error) {
	err = p.stored("commit", func() error {
		before, given := p.app.peek(), c.Record
		snap, err = p.app.store.Commit(ctx, from, c)
		if err == nil {
			snap.Record = p.app.peek().Record
		}
		p.app.committed(commit{task: p.sim.current, from: before, given: given, facts: c.Facts, err: err}, c.Consumed)
		return err
	})
	return snap, err
}

// committed reports a commit to the promises.
func (a *app) committed(c commit, consumed []engine.Entry) {
	after := a.peek()
	c.before, c.after = read(c.from.Record), read(after.Record)
	c.stored, a.saved = after.Record, c.after
	c.kept = len(after.Inbox) == len(c.from.Inbox) && after.Version == c.from.Version
	if c.err == nil {
		for _, f := range c.facts {
			a.sim.logf("%s: %s: %s", a.name, f.Kind, f.Text)
		}
		for _, e := range consumed {
			a.sim.logf("%s: %s %v -> %s: %s", a.name, e.ID, e.Event, e.Decision.Kind, e.Decision.Text)
			c.decided = append(c.decided, e)
		}
	}
	ask(a, func(h onCommit) error { return h.committed(c) })
	if c.after.phase != c.before.phase || c.after.id != c.before.id {
		a.sim.entered(c.after.phase)
	}
	if c.after.writes && !c.before.writes {
		a.sim.entered(Writes)
	}
}

func (p store) Accept(ctx context.Context, app string, e engine.Entry) (fresh bool, err error) {
	err = p.stored("accept", func() error {
		fresh, err = p.app.store.Accept(ctx, app, e)
		if fresh {
			ask(p.app, func(h onAccept) error { h.accepted(p.sim.current, e); return nil })
		}
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

func (p store) Advance(ctx context.Context, app string, c engine.Progress) (is engine.Progress, err error) {
	err = p.stored("advance", func() error {
		if is, err = p.app.store.Advance(ctx, app, c); err == nil {
			ask(p.app, func(h onAdvance) error { return h.advanced(is) })
		}
		return err
	})
	return is, err
}

func (p store) ListDue(ctx context.Context) (rows []engine.Due, err error) {
	err = p.stored("list due", func() error {
		rows, err = p.app.store.ListDue(ctx)
		return err
	})
	return rows, err
}

func (p store) Due(ctx context.Context, app string) (d engine.Due, err error) {
	err = p.stored("due", func() error {
		d, err = p.app.store.Due(ctx, app)
		return err
	})
	return d, err
}

func (p store) Mark(ctx context.Context, app string) (version string, err error) {
	err = p.stored("mark", func() error {
		version, err = p.app.store.Mark(ctx, app)
		return err
	})
	return version, err
}

func (p store) Settle(ctx context.Context, rows []engine.Due) error {
	return p.stored("settle", func() error {
		err := p.app.store.Settle(ctx, rows)
		ask(p.app, func(h onSettle) error { return h.settled() })
		return err
	})
}

func (p store) Forget(ctx context.Context, rows []engine.Due) error {
	return p.stored("forget", func() error { return p.app.store.Forget(ctx, rows) })
}

func (p store) Ticked(ctx context.Context, at time.Time) error { return p.app.store.Ticked(ctx, at) }

func (p store) LastTick(ctx context.Context) (time.Time, error) { return p.app.store.LastTick(ctx) }

func (p store) Sweep(ctx context.Context, app string, before time.Time) error {
	return p.stored("sweep", func() error { return p.app.store.Sweep(ctx, app, before) })
}

// Wake implements engine.Wakeups. The queue's delay is relative, so the worker's clock
// does not matter.
func (p *ports) Wake(ctx context.Context, app string, at time.Time) error {
	w := wakeup{process: p.name, at: at}
	at = at.Add(-p.sim.current.worker.skew)
	ask(p.app, func(h onWake) error { return h.waking(p.sim.current, w) })
	err := p.call("wake", func() error {
		if _, deaf := p.sim.active[Deaf]; deaf {
			return nil
		}
		return p.sim.wakeups.Wake(ctx, app, later(at, p.sim.now))
	})
	if err == nil {
		ask(p.app, func(h onWoken) error { h.woken(p.sim.current, w); return nil })
	}
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// claimed fails when the deadline of a write has passed by the worker's clock.
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
		p.app.switching(p.name, to, fence)
		op, err = p.app.gateway.Switch(context.Background(), to, fence)
		if err == nil && p.sim.plan.Shared {
			for _, other := range p.sim.apps {
				if other != p.app {
					other.gateway.UnrelatedWrite()
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
		ask(p.app, func(on onHealth) error { on.health(c, h.Healthy); return nil })
		return nil
	})
	return h, err
}

func (p workloads) Observe(ctx context.Context, c release.Color, i release.Image, wait time.Duration) (o engine.Workload, err error) {
	look := func() error {
		o, err = p.app.cluster.Observe(ctx, c, i, 0)
		if err == nil {
			ask(p.app, func(h onLook) error { h.looked(c, o.Ready, o.Replicas[0]); return nil })
		}
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
		err := p.app.change(colorChange{by: p.name, what: "deploy", color: o.Color, fence: o.Fence},
			func() error { return p.app.cluster.Deploy(ctx, o) })
		if err == nil && o.Image.Digest != "" { // the color is bluegreen's again: no edit of it is undone later
			delete(p.app.editedTo, o.Color)
			delete(p.app.unedited, o.Color)
		}
		return err
	})
}

func (p workloads) Scale(ctx context.Context, c release.Color, replicas int32, fence int64) error {
	return p.call("scale", func() error {
		if err := p.claimed(ctx); err != nil {
			return err
		}
		return p.app.change(colorChange{by: p.name, what: "scale", color: c, fence: fence},
			func() error { return p.app.cluster.Scale(ctx, c, replicas, fence) })
	})
}

func (p workloads) HoldSize(ctx context.Context, c release.Color, fence int64) (held bool, why string, err error) {
	err = p.call("hold", func() error {
		return p.app.scale(ctx, p.ports, sizeHold{by: p.name, what: "hold", color: c, fence: fence}, func() error {
			held, why, err = p.app.cluster.HoldSize(ctx, c, fence)
			return err
		})
	})
	return held, why, err
}

func (p workloads) FreeSize(ctx context.Context, c release.Color, fence int64) error {
	return p.call("free", func() error {
		err := p.app.scale(ctx, p.ports, sizeHold{by: p.name, what: "free", color: c, fence: fence},
			func() error { return p.app.cluster.FreeSize(ctx, c, fence) })
		p.app.unfreed[c] = errors.Is(err, engine.ErrDenied)
		return err
	})
}

// scale holds or frees the size of a color and reports that to the promises.
func (a *app) scale(ctx context.Context, p *ports, h sizeHold, do func() error) error {
	if err := p.claimed(ctx); err != nil {
		return err
	}
	h.saved = a.saved
	was, _ := a.cluster.Minimum(h.color)
	if err := do(); err != nil {
		return err
	}
	if is, _ := a.cluster.Minimum(h.color); is != was {
		a.sim.logf("%s: %s %s: its autoscaler's minimum goes from %d to %d by %s, fence %d", a.name, h.what, h.color, was, is, h.by, h.fence)
	}
	ask(a, func(p onHold) error { return p.holding(h) })
	return nil
}

// switching reports a write to the gateway to the promises, before it is made.
func (a *app) switching(by string, to release.Color, fence int64) {
	s := a.saved
	runs, ready := a.cluster.Running(to)
	a.sim.logf("%s: write to the gateway towards %s (%s, %d ready) by %s, fence %d", a.name, to, runs.Tag, ready, by, fence)
	w := gatewayWrite{
		by: by, fence: fence, to: to, image: runs, saved: s, forward: s.forward(to),
		already: to == a.effective || to == a.gateway.Configured() && a.rivalUnseen(),
	}
	ask(a, func(h onSwitch) error { return h.switching(w) })
}

// change changes a color and reports the difference to the promises.
func (a *app) change(c colorChange, do func() error) error {
	c.saved = a.saved
	c.ran, c.carried = a.cluster.Running(c.color)
	c.had = a.cluster.Wanted(c.color)
	if err := do(); err != nil {
		return err
	}
	c.runs, _ = a.cluster.Running(c.color)
	c.has = a.cluster.Wanted(c.color)
	if !c.otherImage() && c.has == c.had {
		return nil
	}
	a.sim.logf("%s: %s %s from %s x%d to %s x%d by %s, fence %d", a.name, c.what, c.color, c.ran.Tag, c.had, c.runs.Tag, c.has, c.by, c.fence)
	delete(a.editedTo, c.color) // what was done since is not changed back
	ask(a, func(h onChange) error { return h.changed(c) })
	return nil
}
