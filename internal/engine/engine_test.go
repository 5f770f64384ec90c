package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

func TestAPushedImageGoesLiveBakesAndTheOldColorIsScaledDown(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.push("2.0")
	w.reach(release.Baking)
	w.users("2.0")
	if n := w.cluster.Wanted(release.Green); n != 3 {
		t.Errorf("green has %d replicas, the live color had 3", n)
	}
	if n := w.cluster.Wanted(release.Blue); n != 3 {
		t.Errorf("the rollback target was scaled to %d during the bake", n)
	}
	w.reach(release.Completed)
	w.run(31 * time.Minute)
	if n := w.cluster.Wanted(release.Blue); n != 0 {
		t.Errorf("blue still has %d replicas half an hour after the release ended: %s", n, w.sentence())
	}
	w.users("2.0")
}

func TestAnAlertReturnsTrafficAtOnceAndTheDigestStaysOut(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(time.Minute)
	w.alert("a1")
	fired := w.clock
	w.reach(release.RolledBack)
	w.users("1.0")
	if took := w.clock.Sub(fired); took > 25*time.Second {
		t.Errorf("the return took %s; the gateway needs 20s", took)
	}
	w.push("2.0")
	w.run(time.Hour)
	w.users("1.0")
	w.push("2.1")
	w.reach(release.Baking)
	w.users("2.1")
}

func TestTheReturnNeedsNothingOfTheBadColor(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.cluster.Behave("2.0", fake.Behaviour{Never: "crash-looping", Status: release.Broken})
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
}

func TestABakeWithoutAnyReadyPodReturnsByItself(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.cluster.Behave("2.0", fake.Behaviour{Never: "crash-looping", Status: release.Broken})
	w.reach(release.RolledBack)
	w.users("1.0")
}

func TestAnAlertInterruptsASwitch(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.sleepHook(t, func() {
		if w.state().Release.Phase == release.Switching {
			w.alert("a1")
		}
	})
	w.reach(release.RolledBack)
	w.users("1.0")
	for _, m := range w.gateway.Moves() {
		if m.To == release.Green {
			t.Error("traffic reached green although the alert came while the gateway was still working")
		}
	}
}

// sleepHook calls back at each wait of a worker.
func (w *env) sleepHook(t *testing.T, each func()) {
	t.Helper()
	w.engine.Sleep = func(ctx context.Context, d time.Duration) error {
		each()
		return w.sleep(ctx, d)
	}
}

func TestAReturnInTheRollbackWindowScalesTheOldColorUpFirst(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(time.Hour)
	if n := w.cluster.Wanted(release.Blue); n != 0 {
		t.Fatalf("blue was not retired, it has %d", n)
	}
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
	if n := w.cluster.Wanted(release.Blue); n != 3 {
		t.Errorf("blue took traffic with %d replicas", n)
	}
}

func TestAnUnhealthyRollbackTargetIsWaitedForLoudly(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.cluster.Behave("1.0", fake.Behaviour{Never: "node lost"})
	w.alert("a1")
	w.run(2 * time.Minute)
	w.users("2.0")
	if s := w.sentence(); !strings.Contains(s, "cannot take the traffic back yet") || !strings.Contains(s, "node lost") {
		t.Errorf("the sentence does not say what is wrong: %s", s)
	}
	w.cluster.Behave("1.0", fake.Behaviour{})
	w.reach(release.RolledBack)
	w.users("1.0")
}

func TestABadImageNeverGetsTraffic(t *testing.T) {
	for name, b := range map[string]fake.Behaviour{
		"never ready":   {Never: "readiness probe failed"},
		"pull error":    {Never: "manifest unknown", Status: release.PullFailing},
		"invalid image": {Never: "invalid image name", Status: release.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			w.cluster.Behave("2.0", b)
			w.push("2.0")
			w.reach(release.Failed)
			w.users("1.0")
			if s := w.sentence(); !strings.Contains(s, b.Never) {
				t.Errorf("the sentence does not say why: %s", s)
			}
			w.push("2.1")
			w.reach(release.Baking)
			w.users("2.1")
		})
	}
}

func TestASwitchThatIsNotSeenOnTheDataPathIsPutBack(t *testing.T) {
	w := newEnv(t, nil)
	w.sees = func() release.Color {
		if w.gateway.Effective() == release.Green {
			return "neither"
		}
		return release.Blue
	}
	w.push("2.0")
	w.reach(release.RolledBack)
	w.users("1.0")
	moves := w.gateway.Moves()
	if took := moves[1].At.Sub(moves[0].At); took > 50*time.Second { // the gateway needs 20 s of it
		t.Errorf("users had the bad version for %s", took)
	}
	if s := w.sentence(); !strings.Contains(s, "answered by the other color") || len(w.state().Quarantined) != 1 {
		t.Errorf("the sentence does not say why: %s", s)
	}
}

func TestAVersionIsNotBlamedForACheckThatFailedBefore(t *testing.T) {
	w := newEnv(t, nil)
	w.live = "https://shop.example.com answered 502, expected 200"
	w.push("2.0")
	w.reach(release.Baking)
	w.run(time.Hour)
	w.users("2.0")
	if s := w.sentence(); w.state().Release.Phase != release.Baking || !strings.Contains(s, "failed before traffic moved too") {
		t.Errorf("a check that never passed: %s", s)
	}
	w.live = ""
	w.reach(release.Completed)
}

func TestTheGatewaysOwnTroublesAreOvercome(t *testing.T) {
	for name, result := range map[string]fake.OperationResult{"failed": fake.Fails, "busy": fake.Busy} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			w.gateway.SetResult(func(n int) fake.OperationResult {
				if n <= 2 {
					return result
				}
				return fake.Succeeds
			})
			w.push("2.0")
			w.reach(release.Baking)
			w.users("2.0")
		})
	}
}

func TestADeniedSwitchFailsTheReleaseAndSaysWhy(t *testing.T) {
	w := newEnv(t, nil)
	w.gateway.SetResult(func(int) fake.OperationResult { return fake.Denied })
	w.push("2.0")
	w.reach(release.Failed)
	w.users("1.0")
	if s := w.sentence(); !strings.Contains(s, "applicationGateways/write is missing") {
		t.Errorf("the sentence does not say why: %s", s)
	}
}

func TestARivalsWriteDuringTheSwitchIsOvercome(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	rivals := 0
	w.sleepHook(t, func() {
		if w.state().Release.Progress.Operation != "" && rivals < 3 {
			rivals++
			w.gateway.Rival(release.Blue)
		}
	})
	w.reach(release.Baking)
	w.users("2.0")
}

func TestAGatewayChangedByHandIsReportedAndLeftAlone(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.gateway.Rival(release.Blue)
	w.run(10 * time.Minute)
	if d := w.state().Drift; d.Live != release.Blue {
		t.Fatalf("no drift recorded: %s", w.sentence())
	}
	w.push("2.1")
	w.run(2 * time.Hour)
	w.users("1.0")
	w.command(release.ResumeReleases)
	w.reach(release.Baking)
	w.users("2.1")
}

func TestThePublishedFactsKeepTheirNumbersAndATopicThatIsDownDelaysNothing(t *testing.T) {
	w := newEnv(t, nil)
	w.topic.down = true
	w.push("2.0")
	w.reach(release.Baking)
	w.topic.down = false
	w.reach(release.Completed)
	w.run(2 * time.Minute)
	kinds := map[release.FactKind]int{}
	for _, f := range w.topic.sent {
		kinds[f.Kind]++
	}
	for _, k := range []release.FactKind{release.ReleaseStarted, release.ReleaseSwitched, release.ReleaseCompleted} {
		if kinds[k] != 1 {
			t.Errorf("%s was reported %d times: %v", k, kinds[k], kinds)
		}
	}
	if w.topic.all != len(w.topic.sent) {
		t.Errorf("%d facts were sent %d times although nothing failed", len(w.topic.sent), w.topic.all)
	}
}

func TestDuplicatesAreDecidedOnce(t *testing.T) {
	w := newEnv(t, nil)
	at := w.clock
	for range 50 {
		if _, err := w.engine.Push("event-1", img("2.0", at)).Accept(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	w.reach(release.Completed)
	if id := w.state().Release.ID; id != 1 {
		t.Errorf("there were %d releases", id)
	}
}

func TestAnAppWithProblemsIsNotTouchedAndSaysWhy(t *testing.T) {
	w := newEnv(t, nil)
	w.app.Problems = []string{"line 3: bake: 15x is not a duration"}
	w.restart()
	w.push("2.0")
	w.run(10 * time.Minute)
	if len(w.cluster.Changes()) != 0 {
		t.Error("an app with problems was acted for")
	}
	v, err := w.engine.View(t.Context(), "shop")
	if err != nil || !strings.Contains(v.Status.String(), "15x is not a duration") {
		t.Errorf("%q, %v", v.Status.String(), err)
	}
	w.app.Problems = nil
	w.restart()
	w.reach(release.Baking) // the event was kept
}

func TestACommandIsAnsweredWithWhatBecameOfIt(t *testing.T) {
	w := newEnv(t, nil)
	w.run(time.Minute)
	e, err := w.engine.Command(t.Context(), "shop", release.Commanded{Command: release.Rollback, By: release.Actor{Name: "ana"}}, "k1")
	if err != nil || e.Decision.Kind != release.Refused || e.Decision.Reason != reason.NoTarget {
		t.Errorf("%+v, %v", e.Decision, err)
	}
	if _, err := w.engine.Command(t.Context(), "nobody", release.Commanded{}, "k1"); err == nil {
		t.Error("a command for an app that does not exist was accepted")
	}
}

// TestAnAlertOfAnySizeIsKeptAndActedOn: names and identities are an outsider's.
func TestAnAlertOfAnySizeIsKeptAndActedOn(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	long := strings.Repeat("\x1b<", 80<<10)
	for _, id := range []string{long + "1", long + "2"} {
		entry := engine.AlertEntry(id, release.AlertFired{ID: id, Rule: long, Severity: long, Summary: long, At: w.clock}, w.clock)
		if data, err := record.EncodeEntry(entry); err != nil || len(data) > 64<<10 || len(entry.ID) > 400 {
			t.Errorf("the entry has %d KiB and an identity of %d bytes: %v", len(data)>>10, len(entry.ID), err)
		}
		if fresh, err := w.engine.Accept(t.Context(), "shop", entry); err != nil || !fresh {
			t.Errorf("accepted %v, %v", fresh, err)
		}
	}
	w.reach(release.RolledBack)
	w.users("1.0")
}

var _ engine.Notifier = (*topic)(nil)
