package fake_test

import (
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
)

func TestWakeupsKeepTheirContract(t *testing.T) {
	contract.Wakeups(t, func(t *testing.T) (engine.Wakeups, contract.Receive) {
		w := fake.NewWakeups(nil)
		return w, func(t *testing.T) (string, bool) {
			due, ok := w.Due(time.Now())
			return due.App, ok
		}
	})
}
