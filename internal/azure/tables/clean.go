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

// Sent implements engine.Store. A row of the outbox holds facts of one commit; sent
// facts are taken out of the row.
func (s *Store) Sent(ctx context.Context, app string, facts []release.Fact) error {
	var err error
	for range 5 { // another worker may be taking off the same facts
		var actions []aztables.TransactionAction
		if actions, err = s.sent(ctx, app, facts); err != nil {
			break
		}
		if err = s.submitAll(ctx, actions); !refusedWith(err, aztables.UpdateConditionNotSatisfied, aztables.ResourceNotFound, aztables.EntityNotFound) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("take facts off the outbox of %s: %w", app, err)
	}
	return nil
}

func (s *Store) sent(ctx context.Context, app string, facts []release.Fact) ([]aztables.TransactionAction, error) {
	var actions []aztables.TransactionAction
	for r, err := range s.rows(ctx, within(app, outboxRows), everything) {
		var held []release.Fact
		if err == nil {
			held, err = decoded(r, record.DecodeFacts)
		}
		if err != nil {
			return nil, err
		}
		left := slices.DeleteFunc(slices.Clone(held), func(h release.Fact) bool {
			return slices.ContainsFunc(facts, func(f release.Fact) bool { return f.Number == h.Number })
		})
		switch len(left) {
		case len(held):
		case 0:
			actions = append(actions, remove(app, r.key, r.etag))
		default:
			data, err := record.EncodeFacts(left)
			entity, err := encode(app, r.key, data, err, nil)
			if err != nil {
				return nil, err
			}
			actions = append(actions, action(aztables.TransactionTypeUpdateReplace, entity, r.etag))
		}
	}
	return actions, nil
}

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
	err := s.submitAll(ctx, actions)
	if refusedWith(err, aztables.ResourceNotFound, aztables.EntityNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete old rows of %s: %w", app, err)
	}
	return nil
}
