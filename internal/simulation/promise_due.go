package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/engine"
)

// pendingIsDue: an app that is claimed, has a release under way or an accepted event to be decided is
// due at the next ticks, whatever was lost and whoever died.
type pendingIsDue struct{ app *app }

func (*pendingIsDue) Name() string { return "5 (what is pending is due)" }

// soonDue is how much later than a wake-up a tick may take it for lost.
const soonDue = 30 * time.Second

func (p *pendingIsDue) committed(c commit) error { return p.settled() }

func (p *pendingIsDue) settled() error {
	a := p.app
	row, err := a.store.Due(context.Background(), a.name)
	if err != nil {
		return err
	}
	if row.Marked || row.App == "" || !row.At.After(a.sim.now.Add(soonDue)) || row.Config != fmt.Sprint(a.configs) {
		return nil
	}
	snap := a.peek()
	s := read(snap.Record)
	at := row.At.Sub(epoch).Round(time.Millisecond)
	switch accepted := func(e engine.Entry) bool { return a.accepted[e.ID] }; {
	case s.lease.Owner != "":
		return fmt.Errorf("it is claimed by %s, and not due before %s", s.lease.Owner, at)
	case slices.ContainsFunc(snap.Inbox, accepted):
		return fmt.Errorf("it has events to decide, and is not due before %s", at)
	}
	return nil
}
