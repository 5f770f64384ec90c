package appgateway_test

import (
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// mode is one of the ways in which the service was seen to act.
type mode struct {
	shape  string
	set    func(*arm.Behaviour)
	queues bool
	early  bool
	partly bool
}

var modes = map[string]mode{
	"LastWriteWins":       {shape: "basic"},
	"SettingsByColor":     {shape: "settings"},
	"PathMap":             {shape: "paths"},
	"PathMapDefaultAside": {shape: "defaultElsewhere"},
	"RetryLater":          {shape: "basic", set: func(b *arm.Behaviour) { b.Second = arm.RetryLater }, queues: true},
	"Conflicts":           {shape: "paths", set: func(b *arm.Behaviour) { b.Second = arm.Conflicts }, queues: true},
	"IfMatchIgnored":      {shape: "basic", set: func(b *arm.Behaviour) { b.IgnoreIfMatch = true }},
	"SaysSucceededEarly":  {shape: "settings", set: func(b *arm.Behaviour) { b.EarlySucceeded = true }, early: true},
	"OneDomainAtATime":    {shape: "basic", set: func(b *arm.Behaviour) { b.Domains, b.EarlySucceeded = 3, true }, early: true, partly: true},
	"FailureReverts":      {shape: "basic", set: func(b *arm.Behaviour) { b.FailureReverts = true }},
	"Slow":                {shape: "basic", set: func(b *arm.Behaviour) { b.Slow = 10 * time.Millisecond }},
}

func TestTheGatewayKeepsTheContractInEveryMode(t *testing.T) {
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contract.Gateway(t, func(t *testing.T) contract.Traffic { return traffic(t, m) })
		})
	}
}

func traffic(t *testing.T, m mode) contract.Traffic {
	w := newEnv(t, shapes[m.shape])
	if m.set != nil {
		w.azure.Set(m.set)
	}
	return contract.Traffic{
		Gateway:   w.Gateway,
		Again:     func() engine.Gateway { return w.open() },
		Effective: w.ask,
		Hold:      w.azure.HoldOperations,
		Settle:    w.azure.Release,
		Rival:     w.rival,
		Sicken:    func(c release.Color) { w.backends[c].sick.Store(true) },
		Queues:    m.queues,
		Bar:       func(on bool) { w.azure.Set(func(b *arm.Behaviour) { b.SecretDenied = on }) },
		Early:     m.early,
		Partly:    m.partly,
		Trouble: func(trouble contract.Trouble) bool {
			w.azure.Inject(1, arm.Write, map[contract.Trouble]arm.Fault{
				contract.Unsent: arm.ResetBefore, contract.Unheard: arm.ResetAfter, contract.Occupied: arm.Throttled,
				contract.Forbidden: arm.LinkedDenied, contract.FailsLater: arm.OperationFails,
			}[trouble])
			return true
		},
	}
}
