package tables

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/record"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

func (s *Store) submitAll(ctx context.Context, actions []aztables.TransactionAction) error {
	for some := range slices.Chunk(actions, mostActions) {
		if _, err := s.submit(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

// sweepAtMost bounds one Sweep; the rest is left to the next.
const sweepAtMost = 5000

// Sweep implements engine.Store, for at most 5,000 rows at a time. Rows that
// another worker deletes at the same time are left to it.
func (s *Store) Sweep(ctx context.Context, app string, before time.Time) error {
	old := fmt.Sprintf(" and %s lt '%s'", propAt, sortable(before))
	keys := "PartitionKey,RowKey"
	decided := fmt.Sprintf(" and %s eq true", propDecided)
	var actions []aztables.TransactionAction
	for _, filter := range []string{within(app, eventRows) + decided + old, within(app, historyRows) + old} {
		for r, err := range s.rows(ctx, filter, aztables.ListEntitiesOptions{Select: &keys}) {
			if err != nil {
				return fmt.Errorf("find old rows of %s: %w", app, err)
			}
			if actions = append(actions, remove(app, r.key, "")); len(actions) >= sweepAtMost {
				break
			}
		}
	}
	left, err := s.outbox(ctx, app, before)
	if err != nil {
		return fmt.Errorf("find old rows of %s: %w", app, err)
	}
	err = s.submitAll(ctx, append(actions, left...))
	if refusedWith(err, aztables.ResourceNotFound, aztables.EntityNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete old rows of %s: %w", app, err)
	}
	return nil
}

// outbox deletes what versions before schema 5 have left in their outbox. A handler of such a
// version beside this one takes off what it publishes itself.
func (s *Store) outbox(ctx context.Context, app string, before time.Time) (actions []aztables.TransactionAction, err error) {
	for r, err := range s.rows(ctx, within(app, outboxRows), everything) {
		var facts []release.Fact
		if err == nil {
			facts, err = decoded(r, record.DecodeFacts)
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(facts, func(f release.Fact) bool { return !f.At.Before(before) }) {
			actions = append(actions, remove(app, r.key, ""))
		}
	}
	return actions, nil
}
