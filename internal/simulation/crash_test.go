package simulation_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
	"bluegreen/internal/simulation"
)

// scenario is a run written by hand, and how it ends whatever goes wrong on the way.
type scenario struct {
	name     string
	users    string
	releases int
	phase    release.Phase
	plan     simulation.Plan
}

func bad(b fake.Behaviour) map[int]fake.Behaviour { return map[int]fake.Behaviour{1: b} }

var (
	second = time.Second
	push   = simulation.Item{Kind: simulation.Push, Image: 1, ID: 1, At: 70 * second}
	newer  = simulation.Item{Kind: simulation.Push, Image: 2, ID: 2}
)

func items(list ...simulation.Item) simulation.Plan { return simulation.Plan{Items: list} }

func when(p release.Phase, after time.Duration, i simulation.Item) simulation.Item {
	i.When, i.At = p, after
	return i
}

func command(c release.Command) simulation.Item {
	return simulation.Item{Kind: simulation.Order, Command: c, ID: 1}
}

func scenarios() []scenario {
	alert := simulation.Item{Kind: simulation.Alert, ID: 1}
	forced := command(release.Switch)
	forced.Force = true
	deploy := command(release.DeployImage)
	deploy.Image = 2
	third := push
	third.Image = 2
	again := push
	again.ID = 3
	manual := func(p simulation.Plan, deadline time.Duration) simulation.Plan {
		p.Policy.Manual, p.Policy.Deadline, p.Policy.Default = true, deadline, "promote"
		return p
	}
	with := func(p simulation.Plan, start string, behave map[int]fake.Behaviour) simulation.Plan {
		p.Start, p.Behave = start, behave
		return p
	}
	gate := func(f fake.OperationResult, d time.Duration) simulation.Item {
		return when(release.Deploying, 0, simulation.Item{Kind: simulation.Gate, Result: f, For: d})
	}
	list := []scenario{
		{"good release", "2.0", 1, release.Completed, items(push)},
		{"pods never ready", "1.0", 1, release.Failed, with(items(push), "", bad(fake.Behaviour{Never: "not ready"}))},
		{"broken image", "1.0", 1, release.Failed, with(items(push), "", bad(fake.Behaviour{Never: "bad name", Status: release.Broken}))},
		{"image that cannot be pulled", "1.0", 1, release.Failed, with(items(push), "", bad(fake.Behaviour{Never: "unknown", Status: release.PullFailing}))},
		{"image that answers errors", "1.0", 1, release.Failed, with(items(push), "", bad(fake.Behaviour{Errors: true}))},
		{"crash in the bake", "1.0", 1, release.RolledBack, with(items(push), "", bad(fake.Behaviour{Ready: 5 * second, CrashAfter: 60 * second}))},
		{"alert in the switch", "1.0", 1, release.RolledBack, items(push, when(simulation.Writes, 5*second, alert))},
		{"alert in the bake", "1.0", 1, release.RolledBack, items(push, when(release.Baking, 20*second, alert))},
		{"alert at the end of the bake", "1.0", 1, release.RolledBack, items(push, when(release.Baking, 60*second, alert))},
		{"alert in the window", "1.0", 1, release.RolledBack, items(push, when(release.Completed, 150*second, alert))},
		{"rollback by an operator", "1.0", 1, release.RolledBack, items(push, when(release.Baking, 10*second, command(release.Rollback)))},
		{"rolled back and pushed again", "1.0", 1, release.RolledBack, items(push, when(release.Baking, 10*second, alert), when(release.RolledBack, 30*second, again))},
		{"newer image after a rollback", "3.0", 2, release.Completed, items(push, when(release.Baking, 10*second, alert), when(release.RolledBack, 30*second, newer))},
		{"superseded", "3.0", 2, release.Completed, items(push, when(release.Deploying, 2*second, newer))},
		{"newer image in the bake", "3.0", 2, release.Completed, items(push, when(release.Baking, 10*second, newer))},
		{"switch by an operator", "2.0", 1, release.Completed, with(items(simulation.Item{Kind: simulation.Order, Command: release.Switch, At: 70 * second}), "both", nil)},
		{"forced switch", "2.0", 1, release.Completed, with(items(simulation.Item{Kind: simulation.Order, Command: release.Switch, Force: true, At: 70 * second}), "both", nil)},
		{"deployed by an operator", "3.0", 1, release.Completed, items(simulation.Item{Kind: simulation.Order, Command: release.DeployImage, Image: 2, At: 70 * second})},
		{"rolled back to a version", "2.0", 4, release.Completed, items(push, simulation.Item{Kind: simulation.Push, Image: 2, ID: 2, At: 6 * time.Minute}, simulation.Item{Kind: simulation.Push, Image: 3, ID: 3, At: 11 * time.Minute},
			simulation.Item{Kind: simulation.Order, Command: release.Rollback, Force: true, ID: 4, At: 16 * time.Minute})},
		{"promoted by an operator", "2.0", 1, release.Completed, manual(items(push, when(release.Awaiting, 20*second, command(release.Promote))), 0)},
		{"promoted by the deadline", "2.0", 1, release.Completed, manual(items(push), time.Minute)},
		{"canceled by an operator", "1.0", 1, release.Canceled, manual(items(push, when(release.Awaiting, 20*second, command(release.Cancel))), 0)},
		{"paused and resumed", "2.0", 1, release.Completed, items(push, when(release.Deploying, 0, command(release.PauseReleases)), when(release.Awaiting, time.Minute, command(release.ResumeReleases)))},
		{"first release", "2.0", 1, release.Completed, with(items(push), "nothing", nil)},
		{"changed outside bluegreen and back", "2.0", 3, release.Completed, with(items(push, when(release.Completed, 10*second, simulation.Item{Kind: simulation.Rival, Color: release.Blue}),
			when(release.Completed, 7*time.Minute, simulation.Item{Kind: simulation.Rival, Color: release.Green})), "", nil)},
		{"switch that does nothing", "1.0", 1, release.Failed, items(push, gate(fake.NoEffect, 9*time.Minute))},
		{"switch that fails twice", "2.0", 1, release.Completed, items(push, gate(fake.Fails, 50*second))},
		{"switch that is denied", "1.0", 1, release.Failed, items(push, gate(fake.Denied, 9*time.Minute))},
		{"gateway busy for a while", "2.0", 1, release.Completed, items(push, gate(fake.Busy, 40*second))},
		{"rollback target that dies while the rollback fails", "1.0", 1, release.RolledBack, items(push, when(release.Baking, 20*second, alert),
			when(release.Baking, 19*second, simulation.Item{Kind: simulation.Gate, Result: fake.Fails, For: 90 * second}),
			when(release.Returning, 10*second, simulation.Item{Kind: simulation.NodeLoss, Color: release.Blue, For: 70 * second}))},
		{"rollback target that dies after it was looked at", "1.0", 1, release.RolledBack, items(push, when(release.Baking, 20*second, alert),
			when(release.Returning, 30*second, simulation.Item{Kind: simulation.NodeLoss, Color: release.Blue, For: 150 * second}))},
		{"forced to a color whose cluster is away", "2.0", 2, release.Completed, with(items(
			third, when(release.Deploying, 0, simulation.Item{Kind: simulation.Away, For: 20 * time.Minute}), when(release.Failed, time.Minute, forced)), "both", nil)},
		{"release beside autoscalers", "2.0", 1, release.Completed, items(push, simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 1, At: 20 * second},
			when(release.Baking, 5*second, simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 1}))},
		{"messages repeated in the bake", "2.0", 1, release.Completed, items(push, when(release.Baking, 0, simulation.Item{Kind: simulation.Repeat, N: 20, For: 80 * second}))},
		{"unrelated write in the switch", "2.0", 1, release.Completed, items(push, when(release.Switching, 5*second, simulation.Item{Kind: simulation.UnrelatedWrite}))},
	}
	for _, s := range list {
		if byDNS[s.name] {
			s.name, s.plan.DNS = s.name+", by DNS", true
			list = append(list, s)
		}
	}
	return list
}

// byDNS are the scenarios that are run with a gateway behind DNS as well.
var byDNS = map[string]bool{
	"good release": true, "crash in the bake": true, "alert in the switch": true, "alert in the bake": true, "newer image in the bake": true,
	"newer image after a rollback": true, "switch that does nothing": true, "switch that is denied": true, "rollback target that dies after it was looked at": true,
}

// failures are the ways in which the n-th outside call may go wrong. Frozen workers go on
// after their claim has ended.
var failures = []simulation.Item{
	{How: simulation.Refused}, {How: simulation.ReportedFailed}, {How: simulation.KilledBefore}, {How: simulation.KilledAfter},
	{How: simulation.Frozen, For: 100 * time.Second}, {How: simulation.FrozenAfter, For: 100 * time.Second},
}

// TestACrashAnywhereChangesNoOutcome runs each scenario once without a fault, and then once for
// its outside calls (all of them with -every 1) and each way in which that may go wrong.
func TestACrashAnywhereChangesNoOutcome(t *testing.T) {
	stride := *every
	switch {
	case stride > 0:
	case testing.Short():
		stride = 25
	default:
		stride = 8
	}
	var tried atomic.Int64
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			plan := s.prepared()
			undisturbed, err := simulation.Run(plan, nil)
			s.check(t, plan, undisturbed, err)
			var workers sync.WaitGroup
			for first := range runtime.GOMAXPROCS(0) {
				workers.Go(func() {
					for n := 1 + first; n <= undisturbed.Calls; n += runtime.GOMAXPROCS(0) * stride {
						for _, failure := range failures {
							if t.Failed() {
								return
							}
							wrong := plan
							failure.Kind, failure.N, failure.At = simulation.Call, n, time.Hour
							wrong.Items = append(append([]simulation.Item(nil), plan.Items...), failure)
							out, err := simulation.Run(wrong, nil)
							s.check(t, wrong, out, err)
							tried.Add(1)
						}
					}
				})
			}
			workers.Wait()
		})
	}
	t.Logf("%d faults tried in %d scenarios", tried.Load(), len(scenarios()))
}

func (s scenario) prepared() simulation.Plan {
	p := s.plan
	manual := p.Policy
	p.Policy = simulation.Policy()
	p.Policy.Manual, p.Policy.Deadline, p.Policy.Default = manual.Manual, manual.Deadline, manual.Default
	p.Apps, p.Workers, p.Faults, p.Seed = 1, 2, 20*time.Minute, 1
	if p.Start == "" {
		p.Start = "live"
	}
	if p.Behave == nil {
		p.Behave = map[int]fake.Behaviour{}
	}
	return p
}

func (s scenario) check(t *testing.T, plan simulation.Plan, out simulation.Outcome, err error) {
	if out.Phase == release.Failed && s.phase == release.RolledBack && len(s.plan.Items) == 1 {
		out.Phase = s.phase // pods that crash may do so before the switch when a worker is late
	}
	if err == nil && out.Users == s.users && out.Releases == s.releases && out.Phase == s.phase {
		return
	}
	if !t.Failed() {
		t.Errorf("users are answered by %s after %d releases, the last %s; wanted %s, %d, %s; %v\n%s",
			out.Users, out.Releases, out.Phase, s.users, s.releases, s.phase, err, plan)
		simulation.Run(plan, t.Logf)
	}
}
