package fake_test

import (
	"testing"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
)

func TestStoreKeepsItsContract(t *testing.T) {
	contract.Store(t, func(t *testing.T) engine.Store { return fake.NewStore(nil) })
}
