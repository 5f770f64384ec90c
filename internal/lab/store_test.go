package lab_test

import (
	"testing"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/lab"
)

func TestStoreKeepsItsContract(t *testing.T) {
	contract.Store(t, func(t *testing.T) engine.Store { return lab.NewStore(nil) })
}
