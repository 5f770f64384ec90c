package simulation_test

import (
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
	"bluegreen/internal/simulation"
)

func TestAStreamOfPushesStillPromotesSomething(t *testing.T) {
	plan := scenario{}.prepared()
	for n := range 100 {
		plan.Items = append(plan.Items, simulation.Item{Kind: simulation.Push, Image: 1 + n, ID: 3*n + 1, At: time.Minute + time.Duration(n)*3*time.Second})
	}
	plan.Faults = 6 * time.Minute // just after the stream has ended
	during := 0
	plan.Watch = func(at time.Duration, users string) {
		if users != "1.0" && at < plan.Faults {
			during++
		}
	}
	out, err := simulation.Run(plan, nil)
	if err != nil {
		simulation.Run(plan, t.Logf)
		t.Fatal(err)
	}
	if during == 0 {
		t.Error("nothing went live while images were pushed every 3 s for 5 minutes")
	}
	if out.Users != "101.0" || out.Phase != release.Completed {
		t.Errorf("in the end users are answered by %s (%s), not by the newest image", out.Users, out.Phase)
	}
}

func TestAThousandAlertsCauseOneReturn(t *testing.T) {
	plan := scenario{}.prepared()
	plan.Behave = map[int]fake.Behaviour{}
	plan.Items = []simulation.Item{push}
	for n := range 1000 {
		plan.Items = append(plan.Items, when(release.Baking, 20*time.Second+time.Duration(n)*7*time.Millisecond, simulation.Item{Kind: simulation.Alert, ID: n}))
	}
	moves := 0
	plan.Watch = func(time.Duration, string) { moves++ }
	out, err := simulation.Run(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Users != "1.0" || out.Phase != release.RolledBack || moves != 2 {
		t.Errorf("users are answered by %s after %d moves (%s); wanted one switch and one return", out.Users, moves, out.Phase)
	}
	if out.Messages > 1100 {
		t.Errorf("1000 alerts cause %d wake-ups; wanted one for each and few more", out.Messages)
	}
	t.Logf("%d outside calls, %d wake-ups, %d probes", out.Calls, out.Messages, out.Probes)
}

func TestAThousandMessagesCauseOneProbePerPeriod(t *testing.T) {
	plan := scenario{}.prepared()
	plan.Items = []simulation.Item{push}
	alone, err := simulation.Run(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan.Items = append(plan.Items, when(release.Baking, 0, simulation.Item{Kind: simulation.Repeat, N: 1000, For: 10 * time.Minute}))
	many, err := simulation.Run(plan, nil)
	if err != nil {
		simulation.Run(plan, t.Logf)
		t.Fatal(err)
	}
	if many.Probes != alone.Probes || many.Messages > 3*alone.Messages { // each claim may cause one of each process
		t.Errorf("1000 more messages cause %d probes and %d wake-ups; without them there are %d and %d", many.Probes, many.Messages, alone.Probes, alone.Messages)
	}
	t.Logf("%d probes and %d wake-ups; without the messages %d and %d", many.Probes, many.Messages, alone.Probes, alone.Messages)
}
