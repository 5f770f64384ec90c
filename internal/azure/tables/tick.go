package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// The time of the last tick has a partition of its own; no app has such a name.
const (
	tickPartition = "|clock"
	tickRow       = "ticked"
)

// Ticked implements engine.Store.
func (s *Store) Ticked(ctx context.Context, at time.Time) error {
	entity, err := encode(tickPartition, tickRow, []byte(at.UTC().Format(time.RFC3339Nano)), nil, nil)
	if err == nil {
		_, err = s.submit(ctx, action(aztables.TransactionTypeInsertReplace, entity, ""))
	}
	if err != nil {
		return fmt.Errorf("keep the time of the tick: %w", err)
	}
	return nil
}

// LastTick implements engine.Store.
func (s *Store) LastTick(ctx context.Context) (time.Time, error) {
	r, err := s.get(ctx, tickPartition, tickRow)
	if errors.Is(err, engine.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time of the last tick: %w", err)
	}
	return time.Parse(time.RFC3339Nano, string(r.data))
}
