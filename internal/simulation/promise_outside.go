package simulation

import (
	"context"
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// outcomesPublished: a fact that is to be published leaves the outbox only after it was, and none
// stays there.
type outcomesPublished struct{ published map[int]bool }

func (*outcomesPublished) Name() string { return "5 (outcomes are published)" }

func (p *outcomesPublished) notified(facts []release.Fact) {
	for _, f := range facts {
		p.published[f.Number] = true
	}
}

func (p *outcomesPublished) sent(facts []release.Fact) error {
	for _, f := range facts {
		if !p.published[f.Number] {
			return fmt.Errorf("fact %d leaves the outbox and was not published: %s", f.Number, f.Text)
		}
	}
	return nil
}

func (p *outcomesPublished) restless(snap engine.Snapshot) error {
	if n := len(snap.Outbox); n > 0 {
		return fmt.Errorf("%d facts are not published", n)
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
