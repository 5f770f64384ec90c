package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// outcomesDelivered: a channel gets each outcome, in order; it is passed over only after it was
// delivered, and none stays behind. One may come again.
type outcomesDelivered struct {
	outcomes []int // numbers of the facts that are outcomes
	got      int   // how many of them were delivered
}

func (*outcomesDelivered) Name() string { return "5 (outcomes are delivered in order)" }

func (p *outcomesDelivered) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, f := range c.facts {
		if f.Kind.Published() {
			p.outcomes = append(p.outcomes, f.Number)
		}
	}
	return nil
}

func (p *outcomesDelivered) notified(f release.Fact) error {
	switch at := slices.Index(p.outcomes, f.Number); {
	case at < 0 || at > p.got:
		return fmt.Errorf("fact %d is delivered as outcome %d, and %d were delivered before: %s", f.Number, at+1, p.got, f.Text)
	case at == p.got:
		p.got++
	}
	return nil
}

func (p *outcomesDelivered) advanced(c engine.Progress) error {
	if c.GivenUp > 0 || p.got < len(p.outcomes) && c.Done >= p.outcomes[p.got] {
		return fmt.Errorf("the channel is at fact %d with %d given up, and has got %d of the outcomes %v", c.Done, c.GivenUp, p.got, p.outcomes)
	}
	return nil
}

func (p *outcomesDelivered) restless(engine.Snapshot) error {
	if n := len(p.outcomes) - p.got; n > 0 {
		return fmt.Errorf("%d outcomes are not delivered", n)
	}
	return nil
}

// pushesFound: an image whose event was lost is found in the registry.
type pushesFound struct{ app *app }

func (*pushesFound) Name() string { return "5 (missed pushes are found)" }

func (p *pushesFound) restless(snap engine.Snapshot) error {
	a := p.app
	newest, err := a.registry.Newest(context.Background(), 1)
	if err != nil || len(newest) == 0 || snap.Record.State.Newest.IsZero() {
		return nil
	}
	id := "push|" + engine.PushIdentity("registry/"+a.name, newest[0], newest[0].PushedAt.UTC().Format(time.RFC3339))
	if _, err := a.store.Accepted(context.Background(), a.name, id); err == nil {
		return nil
	}
	if s := snap.Record.State; newest[0].Digest != s.Newest.Digest && s.MayStart(newest[0]) && newest[0].PushedAt.After(s.Newest.PushedAt) && !newest[0].Same(s.Release.Image) && !newest[0].Same(s.LastPush.Image) {
		return fmt.Errorf("%s was pushed, and is not known", newest[0])
	}
	return nil
}
