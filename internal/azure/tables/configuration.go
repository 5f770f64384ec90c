package tables

import (
	"context"
	"errors"
	"fmt"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// The configuration that is kept has a partition of its own; no app has such a name.
const (
	configPartition = "|configuration"
	configRow       = "kept"
)

// Configuration returns the text that KeepConfiguration was last given; nil when there is none.
func (s *Store) Configuration(ctx context.Context) ([]byte, error) {
	r, err := s.get(ctx, configPartition, configRow)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration that is kept: %w", err)
	}
	return []byte(r.data), nil
}

// KeepConfiguration keeps a text in the place of the last one. One of more than 480 Ki characters
// is refused with engine.ErrDenied.
func (s *Store) KeepConfiguration(ctx context.Context, text []byte) error {
	entity, err := encode(configPartition, configRow, text, nil, nil)
	if err == nil {
		_, err = s.submit(ctx, action(aztables.TransactionTypeInsertReplace, entity, ""))
	}
	if err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	return nil
}
