package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bluegreen/internal/engine"
	"bluegreen/internal/record"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Due rows have a partition of their own, which no app has the name of: a listing answers with
// a thousand of them, and a transaction saves a hundred.
const duePartition = "|due"

// The properties of due rows beside their JSON.
const (
	propApp    = "App"
	propMarked = "Marked" // set by a mark, and gone when the row is settled
)

// ListDue implements engine.Store.
func (s *Store) ListDue(ctx context.Context) ([]engine.Due, error) {
	var all []engine.Due
	filter := fmt.Sprintf("PartitionKey eq '%s'", key(duePartition))
	for r, err := range s.rows(ctx, filter, everything) {
		if err != nil {
			return nil, fmt.Errorf("list what is due: %w", err)
		}
		all = append(all, r.due())
	}
	return all, nil
}

// Due implements engine.Store.
func (s *Store) Due(ctx context.Context, app string) (engine.Due, error) {
	r, err := s.get(ctx, duePartition, key(app))
	if errors.Is(err, engine.ErrNotFound) {
		return engine.Due{}, nil
	}
	if err != nil {
		return engine.Due{}, fmt.Errorf("read when %s is due: %w", app, err)
	}
	return r.due(), nil
}

// due is the value of a due row. One that cannot be read is as after a mark: the app is loaded,
// and its row is written anew.
func (r row) due() engine.Due {
	d, err := decoded(r, record.DecodeDue)
	d.App, d.Version, d.Marked = r.app, string(r.etag), r.marked || err != nil
	return d
}

// Mark implements engine.Store.
func (s *Store) Mark(ctx context.Context, app string) (version string, err error) {
	row, err := json.Marshal(properties{"PartitionKey": key(duePartition), "RowKey": key(app), propApp: app, propMarked: true})
	var etag azcore.ETag
	if err == nil {
		etag, err = s.submit(ctx, action(aztables.TransactionTypeInsertMerge, row, ""))
	}
	if err == nil && etag == "" {
		err = errors.New("the table service answered without an ETag")
	}
	if err != nil {
		return "", fmt.Errorf("mark %s as due: %w", app, err)
	}
	return string(etag), nil
}

// Settle implements engine.Store.
func (s *Store) Settle(ctx context.Context, rows []engine.Due) error {
	return s.each(ctx, rows, "settle", func(d engine.Due) (aztables.TransactionAction, error) {
		data, err := record.EncodeDue(d)
		row, err := encode(duePartition, key(d.App), data, err, properties{propApp: d.App})
		return action(aztables.TransactionTypeUpdateReplace, row, azcore.ETag(d.Version)), err
	})
}

// Forget implements engine.Store.
func (s *Store) Forget(ctx context.Context, rows []engine.Due) error {
	return s.each(ctx, rows, "forget", func(d engine.Due) (aztables.TransactionAction, error) {
		return remove(duePartition, key(d.App), azcore.ETag(d.Version)), nil
	})
}

// each changes due rows that are at their versions, as many in a transaction as it takes.
func (s *Store) each(ctx context.Context, rows []engine.Due, what string, do func(engine.Due) (aztables.TransactionAction, error)) error {
	var actions []aztables.TransactionAction
	for _, d := range rows {
		if d.Version == "" { // which to the service is any
			continue
		}
		a, err := do(d)
		if err != nil {
			return fmt.Errorf("%s the due row of %s: %w", what, d.App, err)
		}
		actions = append(actions, a)
	}
	var failed error
	for some := range slices.Chunk(actions, mostActions) {
		failed = errors.Join(failed, s.unchanged(ctx, some))
	}
	if failed != nil {
		return fmt.Errorf("%s due rows: %w", what, failed)
	}
	return nil
}

// unchanged makes actions in one transaction, or where a row of them has changed, each half in
// one; the action on that row is left out in the end.
func (s *Store) unchanged(ctx context.Context, actions []aztables.TransactionAction) error {
	_, err := s.submit(ctx, actions...)
	switch half := len(actions) / 2; {
	case !refusedWith(err, aztables.UpdateConditionNotSatisfied, aztables.ResourceNotFound, aztables.EntityNotFound):
		return err
	case half == 0:
		return nil
	default:
		return errors.Join(s.unchanged(ctx, actions[:half]), s.unchanged(ctx, actions[half:]))
	}
}
