// Package tables keeps records, inboxes and history in Azure Table storage: one table,
// one partition per app. Rows that must change together are one entity-group transaction, and
// the ETag of the record's row decides between two writers. See docs/decisions/0002.
package tables

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http/httptrace"
	"slices"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/record"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

const (
	// A commit writes two rows for an entry, one for a fact, the record and the channels: 91.
	mostEntries  = 30
	mostFacts    = 20
	mostChannels = 10
)

// Store is an engine.Store.
type Store struct{ table *aztables.Client }

// New makes a store on a table. A table that does not exist is made by the first write.
func New(client *aztables.Client) *Store { return &Store{table: client} }

// Load implements engine.Store: one query over neighbouring rows. A long inbox takes several
// pages, and the record comes last: an entry that another commit consumed meanwhile is then
// in this inbox, but consuming it again fails, because its row is gone.
func (s *Store) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	snap := engine.Snapshot{App: app}
	for r, err := range s.rows(ctx, between(app, inboxRows, stateRow+"|"), everything) {
		if err == nil {
			err = r.into(&snap)
		}
		if err != nil {
			return engine.Snapshot{}, fmt.Errorf("load %s: %w", app, err)
		}
	}
	return snap, nil
}

func (r row) into(snap *engine.Snapshot) (err error) {
	switch {
	case r.key == stateRow:
		snap.Version = string(r.etag)
		snap.Record, err = decoded(r, record.Decode)
	case strings.HasPrefix(r.key, inboxRows):
		var e engine.Entry
		e, err = decoded(r, record.DecodeEntry)
		snap.Inbox = append(snap.Inbox, e)
	case strings.HasPrefix(r.key, outboxRows):
		var facts []release.Fact
		if facts, err = decoded(r, record.DecodeFacts); len(facts) > 0 && snap.Outbox == 0 {
			snap.Outbox = facts[0].Number
		}
	case strings.HasPrefix(r.key, channelRows):
		var p engine.Progress
		p, err = decoded(r, record.DecodeProgress)
		p.Version = string(r.etag)
		snap.Channels = append(snap.Channels, p)
	}
	return err
}

// Commit implements engine.Store. The SDK sends a transaction again when its answer was
// lost, and the second one then meets the row that the first one wrote: a stamp in the row
// distinguishes that from another worker's commit. The one case left is a commit of ours that
// was done, whose answer was lost, and that another worker's overtook before it was sent again:
// it is reported as ErrChanged, and the lease keeps others from committing meanwhile.
func (s *Store) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	if len(c.Consumed) > mostEntries || len(c.Facts) > mostFacts || len(c.Begun) > mostChannels {
		return engine.Snapshot{}, fmt.Errorf("save %s: %d entries, %d facts and %d channels in one commit, at most %d, %d and %d are possible",
			from.App, len(c.Consumed), len(c.Facts), len(c.Begun), mostEntries, mostFacts, mostChannels)
	}
	stamp := rand.Text()
	actions, err := changes(from, c, stamp)
	if err != nil {
		return engine.Snapshot{}, fmt.Errorf("save %s: %w", from.App, err)
	}
	etag, err := s.submit(ctx, actions...)
	if refusedWith(err, aztables.UpdateConditionNotSatisfied, aztables.EntityAlreadyExists, aztables.ResourceNotFound, aztables.EntityNotFound) {
		etag, err = s.settle(ctx, from.App, stamp)
	}
	if err == nil && etag == "" {
		err = errors.New("the table service answered without an ETag: saved or not, load again")
	}
	if err != nil {
		return engine.Snapshot{}, fmt.Errorf("save %s: %w", from.App, err)
	}
	next := engine.Snapshot{App: from.App, Version: string(etag), Record: c.Record}
	next.Inbox = slices.DeleteFunc(slices.Clone(from.Inbox), func(e engine.Entry) bool {
		return slices.ContainsFunc(c.Consumed, func(d engine.Entry) bool { return d.ID == e.ID })
	})
	next.Channels, next.Outbox = append(slices.Clone(from.Channels), c.Begun...), from.Outbox
	return next, nil
}

// settle finds out whose the record is after a refused commit.
func (s *Store) settle(ctx context.Context, app, stamp string) (azcore.ETag, error) {
	r, err := s.get(ctx, app, stateRow)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return "", fmt.Errorf("see whether it was done: %w", err)
	}
	if r.stamp != stamp {
		return "", engine.ErrChanged
	}
	return r.etag, nil
}

// changes are the actions of a commit, the record's first.
func changes(from engine.Snapshot, c engine.Change, stamp string) ([]aztables.TransactionAction, error) {
	var actions []aztables.TransactionAction
	var failed error
	write := func(kind aztables.TransactionType, rowKey string, data []byte, err error, more properties, etag string) {
		entity, err := encode(from.App, rowKey, data, err, more)
		failed = errors.Join(failed, err)
		actions = append(actions, action(kind, entity, azcore.ETag(etag)))
	}
	kind := aztables.TransactionTypeUpdateReplace
	if from.Version == "" {
		kind = aztables.TransactionTypeAdd
	}
	data, err := record.Encode(c.Record)
	write(kind, stateRow, data, err, properties{propStamp: stamp}, from.Version)
	for _, e := range c.Consumed {
		actions = append(actions, remove(from.App, inboxKey(e), ""))
		// Merged, so that the stamp stays; a decision only makes the JSON longer.
		data, err := record.EncodeEntry(e)
		write(aztables.TransactionTypeInsertMerge, eventKey(e.ID), data, err, properties{propAt: sortable(e.At), propDecided: true}, "")
	}
	for _, f := range c.Facts {
		data, err := record.EncodeFact(f)
		write(aztables.TransactionTypeInsertReplace, historyKey(f.Number), data, err, properties{propAt: sortable(f.At)}, "")
	}
	for _, p := range c.Begun {
		data, err := record.EncodeProgress(p)
		write(aztables.TransactionTypeAdd, channelKey(p.Name), data, err, nil, "")
	}
	return actions, failed
}

// Advance implements engine.Store. The SDK sends a transaction again when its answer was lost;
// the second one is then refused, and reported as ErrChanged: the caller loads again.
func (s *Store) Advance(ctx context.Context, app string, p engine.Progress) (engine.Progress, error) {
	if p.Version == "" { // which to the service is any
		return p, fmt.Errorf("save the channel %s of %s: %w", p.Name, app, engine.ErrChanged)
	}
	data, err := record.EncodeProgress(p)
	row, err := encode(app, channelKey(p.Name), data, err, nil)
	if err != nil {
		return p, fmt.Errorf("save the channel %s of %s: %w", p.Name, app, err)
	}
	etag, err := s.submit(ctx, action(aztables.TransactionTypeUpdateReplace, row, azcore.ETag(p.Version)))
	if refusedWith(err, aztables.UpdateConditionNotSatisfied, aztables.ResourceNotFound, aztables.EntityNotFound) {
		err = engine.ErrChanged
	}
	if err != nil {
		return p, fmt.Errorf("save the channel %s of %s: %w", p.Name, app, err)
	}
	p.Version = string(etag)
	return p, nil
}

// Accept implements engine.Store. When the SDK had to send the rows twice, their stamp
// shows that they are ours: only then it is read, so that a storm of duplicates costs
// one request each. A caller that comes again after an error finds a duplicate.
func (s *Store) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	stamp := rand.Text()
	data, err := record.EncodeEntry(e)
	remembered, err := encode(app, eventKey(e.ID), data, err, properties{propStamp: stamp, propAt: sortable(e.At), propDecided: false})
	if err != nil {
		return false, fmt.Errorf("accept %s: %w", e.ID, err)
	}
	waiting, err := encode(app, inboxKey(e), data, nil, nil)
	if err != nil {
		return false, fmt.Errorf("accept %s: %w", e.ID, err)
	}
	sent := 0
	_, err = s.submit(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) { sent++ }}),
		action(aztables.TransactionTypeAdd, remembered, ""),
		action(aztables.TransactionTypeInsertReplace, waiting, ""))
	if refusedWith(err, aztables.EntityAlreadyExists) {
		if sent == 1 {
			return false, nil
		}
		var r row
		if r, err = s.get(ctx, app, eventKey(e.ID)); err == nil {
			return r.stamp == stamp, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("accept %s: %w", e.ID, err)
	}
	return true, nil
}

// Accepted implements engine.Store.
func (s *Store) Accepted(ctx context.Context, app, id string) (engine.Entry, error) {
	var e engine.Entry
	r, err := s.get(ctx, app, eventKey(id))
	if err == nil {
		e, err = decoded(r, record.DecodeEntry)
	}
	if err != nil {
		return engine.Entry{}, fmt.Errorf("entry %s: %w", id, err)
	}
	return e, nil
}

// History implements engine.Store.
func (s *Store) History(ctx context.Context, app string, limit, before int) ([]release.Fact, error) {
	if limit <= 0 {
		return nil, nil
	}
	filter := within(app, historyRows)
	if before > 0 {
		filter += fmt.Sprintf(" and RowKey gt '%s'", historyKey(before))
	}
	page := int32(min(limit, 1000)) // which is the most that the service takes
	var facts []release.Fact
	for r, err := range s.rows(ctx, filter, aztables.ListEntitiesOptions{Top: &page}) {
		var f release.Fact
		if err == nil {
			f, err = decoded(r, record.DecodeFact)
		}
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", app, err)
		}
		if facts = append(facts, f); len(facts) == limit {
			break
		}
	}
	return facts, nil
}
