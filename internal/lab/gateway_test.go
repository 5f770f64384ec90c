package lab_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/lab"
	"bluegreen/internal/release"
)

func TestTheGatewayTwinKeepsTheContract(t *testing.T) {
	contract.Gateway(t, func(t *testing.T) contract.Traffic {
		const takes = 20 * time.Second
		var passed atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
		var reset *contract.Trouble
		gateway := lab.NewGateway(release.Blue, takes, now, func(call string, after bool) error {
			if call == "switch" && reset != nil && after == (*reset == contract.Unheard) {
				reset = nil
				return errors.New("connection reset")
			}
			return nil
		})
		next := lab.Succeeds
		gateway.Fate(func(int) lab.Fate {
			fate := next
			next = lab.Succeeds
			return fate
		})
		return contract.Traffic{
			Gateway:   gateway,
			Again:     func() engine.Gateway { return gateway },
			Effective: gateway.Effective,
			Hold:      func() {}, // its time stands still
			Settle:    func() { passed.Add(int64(takes)) },
			Rival:     gateway.Rival,
			Sicken: func(c release.Color) {
				gateway.SetHealth(c, engine.Health{Detail: "10.0.0.4 is Unhealthy"})
			},
			Trouble: func(trouble contract.Trouble) bool {
				switch trouble {
				case contract.Unsent, contract.Unheard:
					reset = &trouble
				case contract.Occupied:
					next = lab.Busy
				case contract.Forbidden:
					next = lab.Denied
				case contract.FailsLater:
					next = lab.Fails
				}
				return true
			},
		}
	})
}
