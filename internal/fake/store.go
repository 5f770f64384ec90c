// Package fake holds in-memory adapters of the engine's ports. Each passes the contract of
// internal/contract, as the real adapters do.
package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
)

// Hook is called with the call's name before and after each call of a fake. An error before
// the call refuses it; an error after it reports a failure although the call was carried out.
type Hook func(call string, after bool) error

func (h Hook) around(call string, do func() error) error {
	if h != nil {
		if err := h(call, false); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if h != nil {
		return h(call, true)
	}
	return nil
}

// Store is the fake of engine.Store: in memory, serializable, and gone with the process.
type Store struct {
	mu   sync.Mutex
	hook Hook
	apps map[string]*partition
	tick time.Time
	due  map[string]engine.Due
	// dues counts all changes of due rows, for their versions.
	dues int
}

type partition struct {
	version int
	record  engine.Record // as it is read back from its stored form
	events  map[string]engine.Entry
	inbox   []string
	history []release.Fact
	// channels are how far each is; their versions count all changes of any.
	channels map[string]engine.Progress
	advances int
}

// NewStore makes an empty store; hook may be nil.
func NewStore(hook Hook) *Store {
	return &Store{hook: hook, apps: map[string]*partition{}, due: map[string]engine.Due{}}
}

func (s *Store) app(name string) *partition {
	p, ok := s.apps[name]
	if !ok {
		p = &partition{events: map[string]engine.Entry{}, channels: map[string]engine.Progress{}}
		s.apps[name] = p
	}
	return p
}

func (s *Store) locked(call string, do func() error) error {
	return s.hook.around(call, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return do()
	})
}

// Load implements engine.Store.
func (s *Store) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	var snap engine.Snapshot
	err := s.locked("load", func() error {
		snap = s.app(app).snapshot(app)
		return nil
	})
	return snap, err
}

func (p *partition) snapshot(app string) engine.Snapshot {
	snap := engine.Snapshot{App: app}
	for _, name := range slices.Sorted(maps.Keys(p.channels)) {
		snap.Channels = append(snap.Channels, p.channels[name])
	}
	if p.version > 0 {
		snap.Version = strconv.Itoa(p.version)
		snap.Record = p.record
	}
	for _, id := range p.inbox {
		snap.Inbox = append(snap.Inbox, p.events[id])
	}
	return snap
}

// Commit implements engine.Store.
func (s *Store) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	var snap engine.Snapshot
	err := s.locked("commit", func() error {
		p := s.app(from.App)
		if from.Version != p.present() {
			return engine.ErrChanged
		}
		for _, e := range c.Consumed {
			if !slices.Contains(p.inbox, e.ID) {
				return engine.ErrChanged
			}
		}
		for _, b := range c.Begun {
			if _, known := p.channels[b.Name]; known {
				return engine.ErrChanged
			}
		}
		stored, err := stored(c.Record)
		if err != nil {
			return fmt.Errorf("save %s: %w", from.App, err)
		}
		p.record = stored
		p.version++
		p.consume(c)
		snap = from
		snap.Version, snap.Record = p.present(), c.Record
		snap.Channels = append(slices.Clone(from.Channels), c.Begun...)
		snap.Inbox = slices.DeleteFunc(slices.Clone(from.Inbox), func(e engine.Entry) bool {
			return slices.ContainsFunc(c.Consumed, func(d engine.Entry) bool { return d.ID == e.ID })
		})
		return nil
	})
	return snap, err
}

// stored is a record after it was encoded and decoded, so that a field that is not stored
// is lost at once.
func stored(r engine.Record) (engine.Record, error) {
	data, err := record.Encode(r)
	if err != nil {
		return r, err
	}
	return record.Decode(data)
}

func (p *partition) present() string {
	if p.version == 0 {
		return ""
	}
	return strconv.Itoa(p.version)
}

func (p *partition) consume(c engine.Change) {
	for _, e := range c.Consumed {
		kept := p.events[e.ID]
		kept.Decision = e.Decision
		p.events[e.ID] = kept
		p.inbox = slices.DeleteFunc(p.inbox, func(id string) bool { return id == e.ID })
	}
	p.history = append(p.history, c.Facts...)
	for _, b := range c.Begun {
		p.advance(b)
	}
}

func (p *partition) advance(c engine.Progress) engine.Progress {
	p.advances++
	c.Version = strconv.Itoa(p.advances)
	p.channels[c.Name] = c
	return c
}

// Accept implements engine.Store.
func (s *Store) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	fresh := false
	err := s.locked("accept", func() error {
		p := s.app(app)
		if _, known := p.events[e.ID]; known {
			return nil
		}
		fresh = true
		p.events[e.ID] = e
		p.inbox = append(p.inbox, e.ID)
		slices.SortStableFunc(p.inbox, func(a, b string) int { return p.events[a].At.Compare(p.events[b].At) })
		return nil
	})
	return fresh, err
}

// Accepted implements engine.Store.
func (s *Store) Accepted(ctx context.Context, app, id string) (engine.Entry, error) {
	var e engine.Entry
	err := s.locked("accepted", func() error {
		var ok bool
		if e, ok = s.app(app).events[id]; !ok {
			return fmt.Errorf("entry %s: %w", id, engine.ErrNotFound)
		}
		return nil
	})
	return e, err
}

// History implements engine.Store.
func (s *Store) History(ctx context.Context, app string, limit, before int) ([]release.Fact, error) {
	var facts []release.Fact
	err := s.locked("history", func() error {
		for _, f := range slices.Backward(s.app(app).history) {
			if len(facts) < limit && (before == 0 || f.Number < before) {
				facts = append(facts, f)
			}
		}
		return nil
	})
	return facts, err
}

// Advance implements engine.Store.
func (s *Store) Advance(ctx context.Context, app string, c engine.Progress) (engine.Progress, error) {
	err := s.locked("advance", func() error {
		p := s.app(app)
		if is, known := p.channels[c.Name]; !known || is.Version != c.Version {
			return engine.ErrChanged
		}
		c = p.advance(c)
		return nil
	})
	return c, err
}

// ListDue implements engine.Store.
func (s *Store) ListDue(context.Context) (rows []engine.Due, err error) {
	err = s.locked("list due", func() error {
		for _, app := range slices.Sorted(maps.Keys(s.due)) {
			rows = append(rows, s.due[app])
		}
		return nil
	})
	return rows, err
}

// Due implements engine.Store.
func (s *Store) Due(_ context.Context, app string) (d engine.Due, err error) {
	err = s.locked("due", func() error { d = s.due[app]; return nil })
	return d, err
}

// Mark implements engine.Store.
func (s *Store) Mark(_ context.Context, app string) (version string, err error) {
	err = s.locked("mark", func() error {
		d := s.due[app]
		d.App, d.Marked = app, true
		version = s.save(d)
		return nil
	})
	return version, err
}

// Settle implements engine.Store.
func (s *Store) Settle(_ context.Context, rows []engine.Due) error {
	return s.locked("settle", func() error {
		for _, d := range rows {
			if is, ok := s.due[d.App]; ok && d.Version == is.Version {
				d.Marked = false
				s.save(d)
			}
		}
		return nil
	})
}

// Forget implements engine.Store.
func (s *Store) Forget(_ context.Context, rows []engine.Due) error {
	return s.locked("forget", func() error {
		for _, d := range rows {
			if d.Version == s.due[d.App].Version {
				delete(s.due, d.App)
			}
		}
		return nil
	})
}

func (s *Store) save(d engine.Due) (version string) {
	s.dues++
	d.Version = strconv.Itoa(s.dues)
	s.due[d.App] = d
	return d.Version
}

// Ticked implements engine.Store.
func (s *Store) Ticked(_ context.Context, at time.Time) error {
	return s.locked("ticked", func() error { s.tick = at; return nil })
}

// LastTick implements engine.Store.
func (s *Store) LastTick(context.Context) (at time.Time, err error) {
	err = s.locked("last tick", func() error { at = s.tick; return nil })
	return at, err
}

// Sweep implements engine.Store.
func (s *Store) Sweep(ctx context.Context, app string, before time.Time) error {
	return s.locked("sweep", func() error {
		p := s.app(app)
		for id, e := range p.events {
			if e.At.Before(before) && !slices.Contains(p.inbox, id) {
				delete(p.events, id)
			}
		}
		p.history = slices.DeleteFunc(p.history, func(f release.Fact) bool { return f.At.Before(before) })
		return nil
	})
}
