package fake_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// fakeGateway is a gateway in memory.
type fakeGateway interface {
	engine.Gateway
	Effective() release.Color
	Rival(to release.Color)
	SetHealth(c release.Color, h engine.Health)
	SetResult(result func(n int) fake.OperationResult)
}

func TestTheGatewayFakeKeepsTheContract(t *testing.T) {
	keepsTheContract(t, false, func(now func() time.Time, hook fake.Hook) fakeGateway {
		return fake.NewGateway(release.Blue, 20*time.Second, now, hook)
	})
}

func TestTheProfileFakeKeepsTheContract(t *testing.T) {
	keepsTheContract(t, true, func(now func() time.Time, hook fake.Hook) fakeGateway {
		return fake.NewProfile(release.Blue, 5*time.Second, 15*time.Second, now, hook)
	})
}

// keepsTheContract runs the contract with a fake whose time advances only in Settle.
func keepsTheContract(t *testing.T, named bool, open func(now func() time.Time, hook fake.Hook) fakeGateway) {
	contract.Gateway(t, func(t *testing.T) contract.Traffic {
		var passed atomic.Int64
		var reset *contract.Trouble
		gateway := open(func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }, func(call string, after bool) error {
			if call == "switch" && reset != nil && after == (*reset == contract.Unheard) {
				reset = nil
				return errors.New("connection reset")
			}
			return nil
		})
		next := fake.Succeeds
		gateway.SetResult(func(int) fake.OperationResult {
			result := next
			next = fake.Succeeds
			return result
		})
		return contract.Traffic{
			Gateway:   gateway,
			Again:     func() engine.Gateway { return gateway },
			Effective: gateway.Effective,
			Hold:      func() {},
			Named:     named,
			Settle:    func() { passed.Add(int64(20 * time.Second)) },
			Rival:     gateway.Rival,
			Sicken: func(c release.Color) {
				gateway.SetHealth(c, engine.Health{Detail: "10.0.0.4 is Unhealthy"})
			},
			Trouble: func(trouble contract.Trouble) bool {
				switch trouble {
				case contract.Unsent, contract.Unheard:
					reset = &trouble
				case contract.Occupied:
					next = fake.Busy
				case contract.Forbidden:
					next = fake.Denied
				case contract.FailsLater:
					next = fake.Fails
					return !named
				}
				return true
			},
		}
	})
}
