package trafficmanager_test

import (
	"testing"

	"bluegreen/internal/contract"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

func TestTheProfileKeepsTheContractOfGateways(t *testing.T) {
	contract.Gateway(t, func(t *testing.T) contract.Traffic {
		w := newEnv(t, 0)
		return contract.Traffic{
			Gateway:   w.Gateway,
			Again:     func() engine.Gateway { return w.open() },
			Effective: w.ask,
			Named:     true,
			Hold:      w.azure.Hold,
			Settle:    w.azure.Release,
			Rival: func(to release.Color) {
				if err := w.azure.Rival(func(doc map[string]any) { point(to)(doc["properties"].(map[string]any)) }); err != nil {
					w.t.Fatal(err)
				}
			},
			Sicken: func(c release.Color) { w.backends[c].sick.Store(true) },
			Trouble: func(trouble contract.Trouble) bool {
				fault, known := map[contract.Trouble]arm.Fault{
					contract.Unsent: arm.ResetBefore, contract.Unheard: arm.ResetAfter, contract.Occupied: arm.Throttled, contract.Forbidden: arm.LinkedDenied,
				}[trouble]
				if known {
					w.azure.Inject(1, arm.Write, fault)
				}
				return known
			},
		}
	})
}
