package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// The kinds of items by which an answer or an event is wrong, late or missing.
const (
	ChecksFail    Kind = "checks fail"
	ChecksLie     Kind = "checks pass whatever they check"
	ChecksHang    Kind = "checks hang"
	ChecksLate    Kind = "checks answer late"
	ChecksUnknown Kind = "checks cannot be made"
	RegistryFails Kind = "registry fails"
	RegistryLies  Kind = "registry lists the oldest image"
	RegistryLags  Kind = "registry lists pushes late"
	RegistryHangs Kind = "registry hangs"
	Missed        Kind = "push without an event"
	NotifierFails Kind = "notifier fails"
	NotifierHangs Kind = "notifier hangs"
	Reconfigured  Kind = "configuration changes"
	Misconfigured Kind = "configuration with a problem"
)

const (
	checkHangs     = 10 * time.Second
	registryHangs  = 2 * time.Second
	notifierHangs  = 5 * time.Second
	answersAreLate = 6 * time.Second
	preflightFails = "applicationGateways/write is missing"
	timedOut       = "no answer in time"
)

var services = []disturbance{
	whileIt(ChecksFail), whileIt(ChecksLie), whileIt(ChecksHang), whileIt(ChecksLate), whileIt(ChecksUnknown),
	whileIt(RegistryHangs), whileIt(NotifierFails), whileIt(NotifierHangs),
	registryFault(RegistryFails, fake.RegistryFails), registryFault(RegistryLies, fake.RegistryOldest), registryFault(RegistryLags, fake.RegistryLags),
	{
		kind: Missed, draw: func(r *rand.Rand, i *Item) { i.Image = 1 + r.IntN(images-1) },
		says:  func(i Item) string { return "of " + tag(i.Image) },
		begin: func(a *app, i Item) { a.registry.Push(image(i.Image, false, a.sim.now)) },
	},
	{
		kind: Reconfigured, draw: func(r *rand.Rand, i *Item) { i.N = r.IntN(3) },
		says: func(i Item) string {
			return []string{"to half of the bake", "to twice the bake", "to keep the idle color"}[i.N]
		},
		begin: (*app).reconfigure,
	},
	{
		kind: Misconfigured, says: forItsTime,
		begin: func(a *app, i Item) { a.misconfigure(true) },
		end:   func(a *app, i Item) { a.misconfigure(false) },
	},
}

func forItsTime(i Item) string { return fmt.Sprintf("for %s", i.For) }

// whileIt is a kind that a port asks for at each call.
func whileIt(k Kind) disturbance {
	return disturbance{
		kind: k, says: forItsTime,
		begin: func(a *app, i Item) { a.failing[k] = true },
		end:   func(a *app, i Item) { delete(a.failing, k) },
	}
}

func registryFault(k Kind, f fake.RegistryFault) disturbance {
	return disturbance{
		kind: k, says: forItsTime,
		begin: func(a *app, i Item) { a.registry.SetFault(f) },
		end:   func(a *app, i Item) { a.registry.SetFault(fake.RegistryAnswers) },
	}
}

// reconfigure changes the configuration: all processes start anew with it.
func (a *app) reconfigure(i Item) {
	switch i.N {
	case 0:
		a.policy.Bake /= 2
	case 1:
		a.policy.Bake *= 2
	case 2:
		a.policy.Standby.Size = release.StandbyReady
	}
	a.shortestBake = min(a.shortestBake, a.policy.Bake)
	a.restarted()
}

// misconfigure makes the configuration name what does not exist, or no longer.
func (a *app) misconfigure(wrong bool) {
	if a.failing[Misconfigured] == wrong {
		return
	}
	a.failing[Misconfigured] = wrong
	a.restarted()
}

// restarted starts all processes anew. Invocations under way end in the old ones.
func (a *app) restarted() {
	a.configs++
	for _, w := range a.sim.workers {
		a.sim.restart(w)
	}
}

// Preflight implements engine.Preflight.
func (p gateway) Preflight(ctx context.Context) (found []engine.Finding, err error) {
	err = p.call("preflight", func() error {
		if p.app.failing[Misconfigured] {
			found = []engine.Finding{{Text: preflightFails}}
		}
		return nil
	})
	return found, err
}

// check is of a color before the switch, or of the public address.
type check struct {
	*ports
	public bool
}

// Run implements engine.Check.
func (c check) Run(ctx context.Context, s engine.Subject) engine.Result {
	if c.public {
		ask(c.app, func(h onProbe) error { return h.probing(c.sim.current) })
	}
	var found engine.Result
	err := c.call("check", func() error {
		found = c.found(s)
		return nil
	})
	if err != nil {
		found = engine.Result{Verdict: release.Undecided, Detail: err.Error()}
	}
	if c.public && c.sim.current.owner == c.app.saved.lease.Owner { // or its result is not saved
		ask(c.app, func(h onProbeEnd) error { h.probed(found.Verdict); return nil })
	}
	return found
}

func (c check) found(s engine.Subject) engine.Result {
	failing := c.app.failing
	switch {
	case failing[ChecksHang]:
		c.sim.pause(checkHangs)
		return engine.Result{Verdict: release.Unknown, Detail: timedOut}
	case failing[ChecksUnknown]:
		return engine.Result{Verdict: release.Unknown, Detail: "the name cannot be resolved"}
	case failing[ChecksFail]:
		return engine.Result{Verdict: release.Undecided, Detail: "answered 502"}
	case failing[ChecksLie]:
		c.app.passes(c.public, s.Color)
		return engine.Result{Verdict: release.Passed}
	}
	err := c.app.answer(c.public, s.Color)
	if failing[ChecksLate] {
		c.sim.pause(answersAreLate)
	}
	if err != nil {
		return engine.Result{Verdict: release.Undecided, Detail: err.Error()}
	}
	return engine.Result{Verdict: release.Passed}
}

// answer is the result of a check of a color, at its preview address or at the public one.
func (a *app) answer(public bool, c release.Color) error {
	_, ready := a.cluster.Running(c)
	switch {
	case public && a.gateway.Effective() != c:
		return fmt.Errorf("answered by %s", a.gateway.Effective())
	case ready == 0:
		return fmt.Errorf("answered 503")
	case a.cluster.Fails(c):
		return fmt.Errorf("answered 500")
	}
	a.passes(public, c)
	return nil
}

// passes reports a check that passes to the promises.
func (a *app) passes(public bool, c release.Color) {
	if public {
		return
	}
	i, _ := a.cluster.Running(c)
	ask(a, func(h onPreview) error { h.previewed(c, i); return nil })
}

type registry struct{ *ports }

// Resolve implements engine.Registry.
func (r registry) Resolve(ctx context.Context, ref string) (i release.Image, err error) {
	err = r.asked(func() error {
		i, err = r.app.registry.Resolve(ctx, ref)
		return err
	})
	return i, err
}

// Newest implements engine.Registry.
func (r registry) Newest(ctx context.Context, limit int) (images []release.Image, err error) {
	err = r.asked(func() error {
		images, err = r.app.registry.Newest(ctx, limit)
		return err
	})
	return images, err
}

func (r registry) asked(do func() error) error {
	return r.call("registry", func() error {
		if r.app.failing[RegistryHangs] {
			r.sim.pause(registryHangs)
			return errors.New(timedOut)
		}
		return do()
	})
}

type notifier struct{ *ports }

// channel is the name of the one channel of an app.
const channel = "team"

// Notify implements engine.Notifier.
func (n notifier) Notify(ctx context.Context, m engine.Message) error {
	return n.call("notify", func() error {
		switch {
		case n.app.failing[NotifierHangs]:
			n.sim.pause(notifierHangs)
			return errors.New(timedOut)
		case n.app.failing[NotifierFails]:
			return errOutside
		}
		ask(n.app, func(h onNotify) error { return h.notified(m.Fact) })
		return nil
	})
}
