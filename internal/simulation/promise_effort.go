package simulation

import (
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// wakeup is a wake-up that is about to be sent, by the clock of its worker.
type wakeup struct {
	process string
	at      time.Time
}

// reasons are those for which an invocation may send a wake-up now. Each is good for one.
type reasons struct {
	accepted int       // events that were new
	freed    bool      // its commit freed the app and set another time
	met      time.Time // the end of another worker's claim
	overdue  bool      // it is a tick that has not claimed the app
	waits    bool      // it sends a wake-up for the end of another worker's claim
}

// messagesBounded: a wake-up is sent for an event that was new, for a commit that freed
// the app and set another time, by a tick that found it overdue, and by each process for
// the end of another worker's claim: once in a row, and again only by messages that met
// the claim while the first one was being sent. So an app's messages are at most its commits,
// accepted events, ticks and these.
type messagesBounded struct {
	app  *app
	last map[string]time.Time // sent by a process for the end of a claim
}

func (*messagesBounded) Name() string { return "15 (messages are bounded)" }

func (*messagesBounded) accepted(t *task, _ engine.Entry) { t.reasons.accepted++ }

func (p *messagesBounded) loaded(t *task, s *saved) {
	t.reasons.met = time.Time{}
	other := s.lease.Owner != "" && s.lease.Owner != t.owner
	if other && p.app.sim.now.Add(t.worker.skew).Before(s.lease.Until) {
		t.reasons.met = s.lease.Until
	}
}

func (p *messagesBounded) committed(c commit) error {
	if c.err == nil {
		c.task.owner = c.after.lease.Owner
		c.task.reasons.met = time.Time{}
		another := !c.after.wakeAt.IsZero() && !c.after.wakeAt.Equal(c.before.wakeAt)
		c.task.reasons.freed = c.after.lease.Owner == "" && another
		c.task.reasons.overdue = false
	}
	return nil
}

func (p *messagesBounded) waking(t *task, w wakeup) error {
	p.app.messages++
	switch r := &t.reasons; {
	case r.accepted > 0:
		r.accepted--
	case r.freed:
		r.freed = false
	case r.overdue && t.tick:
		r.overdue = false
	case !r.met.IsZero():
		if p.last[w.process].Equal(w.at) {
			return fmt.Errorf("%s sends a second wake-up for the end of a claim, at %s", w.process, w.at.Sub(epoch))
		}
		r.met, r.waits = time.Time{}, true
	default:
		return fmt.Errorf("%s sends a wake-up for %s without a commit, an accepted event or a claim to wait for", w.process, w.at.Sub(epoch))
	}
	return nil
}

func (p *messagesBounded) woken(t *task, w wakeup) {
	if t.reasons.waits {
		p.last[w.process] = w.at
	}
}

// probesBounded: during the bake only a worker whose claim was saved checks the public
// address, only when the record that it knows says that a check is due, by the time of the bake or
// by an alert that waits for a look, and once for each
// such time, or again when it was held up for as long as a claim lasts: the first result is
// then too old. So a check is made once for its time, however many messages there are, unless
// a worker dies or its claim ends before it has saved the result.
type probesBounded struct {
	app *app
	now func(*task) time.Time
}

func newProbesBounded(a *app) *probesBounded {
	return &probesBounded{app: a, now: func(t *task) time.Time { return a.sim.now.Add(t.worker.skew) }}
}

func (*probesBounded) Name() string { return "15 (probes are bounded)" }

func (*probesBounded) loaded(t *task, s *saved) { t.knows = s }

func (*probesBounded) committed(c commit) error {
	if c.err == nil {
		c.task.knows = c.after
	}
	return nil
}

func (p *probesBounded) probing(t *task) error {
	s, bake := t.knows, p.app.policy
	if s.phase != release.Baking {
		return nil
	}
	p.app.probes++
	due := s.probedAt.Add(bake.ProbeEvery)
	if end := s.bakeUntil; s.probedAt.Before(end) && end.Before(due) {
		due = end
	}
	if !s.alertAt.IsZero() { // an alert waits for its first look
		due = s.alertAt
	}
	switch {
	case t.owner == "":
		return fmt.Errorf("release %d is checked by a worker whose claim is not saved", s.id)
	case p.now(t).Before(due) && s.alertAt.IsZero():
		return fmt.Errorf("release %d is checked before %s, when that is due", s.id, due.Sub(epoch))
	case t.probed.Equal(due) && p.now(t).Sub(t.probedLast) < max(10*time.Second, p.app.sim.lookAge()): // one look asks several times
	case t.probed.Equal(due) && p.now(t).Sub(due) < time.Minute:
		return fmt.Errorf("release %d is checked twice by one worker for %s", s.id, due.Sub(epoch))
	}
	t.probed, t.probedLast = due, p.now(t)
	return nil
}
