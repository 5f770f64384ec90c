package simulation

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// alertsAnswered: an alert that speaks of the live version in its bake leads to a
// rollback, and one that does not never moves traffic.
type alertsAnswered struct{}

func (alertsAnswered) Name() string { return "4 (alerts are answered)" }

func (alertsAnswered) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, e := range c.decided {
		alert, ok := e.Event.(release.AlertFired)
		switch d := e.Decision; {
		case !ok:
		case d.Reason == reason.Returning && !speaksOfLive(c.after, alert):
			return fmt.Errorf("traffic returns because of an alert that does not speak of the live version: %s", d.Text)
		case d.Kind == release.Dropped && mustCount(c.before, c.after, alert):
			return fmt.Errorf("an alert in the bake led to nothing: %s", d.Text)
		}
	}
	return nil
}

func speaksOfLive(s *saved, e release.AlertFired) bool {
	foreign := e.Color != "" && s.phase.Moving() && e.Color != s.to
	old := !s.routedAt.IsZero() && e.At.Before(s.routedAt.Add(-10*time.Second))
	return !foreign && !old
}

// mustCount reports whether an alert was decided in a bake, of no color and no time that
// would excuse that it was dropped.
func mustCount(before, after *saved, e release.AlertFired) bool {
	inWindow := before.writes || !e.At.After(before.served.Until)
	baked := before.id == after.id && (before.phase == release.Switching && inWindow || before.phase == release.Baking)
	ignored := after.phase == release.Switching || after.phase == release.Baking || after.phase == release.Completed
	own := e.Color == "" && !e.At.Before(after.routedAt)
	return baked && ignored && own && after.from != "" && !after.drift
}

// decisionsRecorded: every accepted event reaches one decision that the history reports,
// and a commit that fails changes nothing.
type decisionsRecorded struct{ app *app }

func (*decisionsRecorded) Name() string { return "5 (every event is decided)" }

func (p *decisionsRecorded) committed(c commit) error {
	if c.err != nil {
		if !c.kept {
			return fmt.Errorf("a commit that failed with %v changed something", c.err)
		}
		return nil
	}
	for _, e := range c.decided {
		d := e.Decision
		reported := slices.ContainsFunc(c.facts, func(f release.Fact) bool { return f.Kind == d.Kind && f.Reason == d.Reason && f.Release == d.Release })
		if e.Unreadable != nil || !reported && d.Reason != reason.SamePush {
			return fmt.Errorf("%s was decided as %+v, which the history does not report", e.ID, d)
		}
	}
	return nil
}

func (p *decisionsRecorded) restless(snap engine.Snapshot) error {
	switch {
	case p.app.undelivered > 0:
		return fmt.Errorf("%d events were not accepted", p.app.undelivered)
	case len(snap.Inbox) > 0:
		return fmt.Errorf("%d events are not decided", len(snap.Inbox))
	}
	for id := range p.app.accepted {
		if e, err := p.app.store.Accepted(context.Background(), p.app.name, id); err != nil || e.Decision.IsZero() {
			return fmt.Errorf("%s was accepted and has no decision: %v", id, err)
		}
	}
	return nil
}

// historyNumbered: the facts of the history are numbered without gap or repetition.
type historyNumbered struct{ last int }

func (*historyNumbered) Name() string { return "5 (history is numbered)" }

func (p *historyNumbered) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	for _, f := range c.facts {
		if p.last++; f.Number != p.last {
			return fmt.Errorf("fact %d has the number %d: %s", p.last, f.Number, f.Text)
		}
	}
	return nil
}

// recordWhole: the record that is read back equals the one that was saved.
type recordWhole struct{}

func (recordWhole) Name() string { return "5 (record is stored whole)" }

func (recordWhole) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	if reflect.DeepEqual(c.given, c.stored) {
		return nil
	}
	if diff := cmp.Diff(c.given, c.stored, emptyIsNil, unexportedToo); diff != "" {
		return fmt.Errorf("the record that is read back differs from the one that was saved:\n%s", diff)
	}
	return nil
}

var (
	emptyIsNil    = cmpopts.EquateEmpty()
	unexportedToo = cmp.Exporter(func(reflect.Type) bool { return true })
)
