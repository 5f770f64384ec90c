package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// calls counts the calls of the fakes and makes some of them fail.
type calls struct {
	mu   sync.Mutex // facts are published beside the work
	made map[string]int
	fail map[string]int // how many more calls of a name fail
}

func (c *calls) hook(call string, after bool) error {
	if after {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[call]++
	if c.fail[call] > 0 {
		c.fail[call]--
		return errors.New("no answer")
	}
	return nil
}

func newCalls() *calls { return &calls{made: map[string]int{}, fail: map[string]int{}} }

func TestAGatewayThatCannotBeReadOnceCancelsNothing(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.run(2 * time.Minute)
	w.push("2.0")
	c.fail["live"] = 1
	w.reach(release.Baking)
	if s := w.state(); s.Release.ID != 1 || !s.Drift.IsZero() {
		t.Errorf("one failed read of the gateway was taken for drift: %s", w.sentence())
	}
}

func TestChecksThatTakeLongerThanAClaimEndAllTheSame(t *testing.T) {
	w := newEnv(t, nil)
	w.app.Before = slices.Repeat([]engine.Check{w}, 100)
	w.restart()
	w.push("2.0")
	w.reach(release.Baking)
	s := w.state()
	if took := s.Serving.Since.Sub(s.Release.Began); s.Release.ID != 1 || took > 4*time.Minute || took < 90*time.Second {
		t.Errorf("100 checks a second apart took %s", took)
	}
}

func TestAWakeUpThatComesALittleEarlyIsNotSpentForNothing(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	probed := w.state().Release.Progress.ProbedAt
	w.clock = probed.Add(w.app.Policy.ProbeEvery - 3*time.Second)
	if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
		t.Fatal(err)
	}
	if !w.state().Release.Progress.ProbedAt.After(probed) {
		t.Error("a wake-up 3 s early led to nothing; the next one would have been the clock tick's")
	}
}

func TestAReturnTakesTheRollbackTargetFromAWorkerThatStillScalesItDown(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	stale := w.fence()
	w.alert("a1")
	w.reach(release.RolledBack)
	if err := w.cluster.Scale(t.Context(), release.Blue, 0, stale); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("a worker that had the app before the alert could scale the live color down: %v", err)
	}
}

func TestAnAppWhoseStoreWasLostIsTakenOverAndReleased(t *testing.T) {
	w := newEnv(t, nil)
	for color, size := range map[release.Color]int32{release.Blue: 3, release.Green: 0} { // what clusters remember of years
		if err := w.cluster.Scale(t.Context(), color, size, 100_000); err != nil {
			t.Fatal(err)
		}
	}
	w.push("2.0")
	w.reach(release.Completed)
}

func TestAColorThatIsChangedByHandAfterItsChecksGetsNoTraffic(t *testing.T) {
	var w *env
	w = newEnv(t, func(call string, after bool) error {
		if call == "switch" && after {
			w.cluster.Edit(release.Green, img("9.9", w.clock))
		}
		return nil
	})
	w.gateway.SetResult(func(int) fake.OperationResult { return fake.Fails }) // so that it is begun again
	w.push("2.0")
	w.reach(release.Failed)
	if r := w.state().Release; !strings.Contains(r.Cause, "not what was checked: it was changed outside bluegreen") || strings.Contains(r.Cause, "denied") {
		t.Errorf("the release failed because: %s", r.Cause)
	}
	if w.gateway.Effective() != release.Blue || len(w.gateway.Moves()) > 0 {
		t.Errorf("traffic went to %s: %v", w.gateway.Effective(), w.gateway.Moves())
	}
}

func TestARecordOfANewerVersionIsLeftAloneAndReported(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	next := snap.Record
	next.Schema = 7 // two after the present one
	if snap, err = w.store.Commit(t.Context(), snap, engine.Change{Record: next}); err != nil {
		t.Fatal(err)
	}
	w.push("3.0")
	if err := w.engine.Step(t.Context(), "shop", 0); err == nil || !strings.Contains(err.Error(), "schema 7") {
		t.Errorf("a step: %v", err)
	}
	v, err := w.engine.View(t.Context(), "shop")
	if err != nil || !strings.Contains(v.Status.String(), "deploy the newer version again") {
		t.Errorf("it says %q, error %v", v.Status, err)
	}
	now, err := w.store.Load(t.Context(), "shop")
	if err != nil || now.Record.Schema != 7 || len(now.Inbox) != len(snap.Inbox)+1 {
		t.Errorf("the record is of schema %d with %d events, error %v", now.Record.Schema, len(now.Inbox), err)
	}
}

func (w *env) fence() int64 {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Record.Lease.Fence
}

func TestAReturnThatIsDeniedIsTriedWithRests(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	w.push("2.0")
	w.reach(release.Baking)
	w.gateway.SetResult(func(int) fake.OperationResult { return fake.Denied })
	before := c.made["switch"]
	w.alert("a1")
	w.run(10 * time.Minute)
	if n := c.made["switch"] - before; n < 1 || n > 3 {
		t.Errorf("the gateway was asked %d times in 10 minutes", n)
	}
	if s := w.sentence(); !strings.Contains(s, "applicationGateways/write is missing") {
		t.Errorf("the sentence does not say why: %s", s)
	}
	w.gateway.SetResult(nil)
	w.reach(release.RolledBack)
	w.users("1.0")
}

func TestTheIdleColorIsKeptWhileTheLiveOneIsDown(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.cluster.Behave("2.0", fake.Behaviour{Never: "out of memory"})
	w.run(2 * time.Hour)
	if n := w.cluster.Wanted(release.Blue); n != 3 {
		t.Errorf("blue was scaled to %d while green, which is live, had no ready pod", n)
	}
	if s := w.sentence(); !strings.Contains(s, "too few of the 3 pods") {
		t.Errorf("the sentence does not say why: %s", s)
	}
	w.cluster.Behave("2.0", fake.Behaviour{})
	w.run(10 * time.Minute)
	if n := w.cluster.Wanted(release.Blue); n != 0 {
		t.Errorf("blue was not scaled down afterwards, it has %d", n)
	}
}

func TestStepsThatFailNowAndThenDoNotEndTheWork(t *testing.T) {
	looks := 0
	w := newEnv(t, func(call string, after bool) error {
		if call == "observe" && !after {
			if looks++; looks%5 == 0 {
				return errors.New("no answer")
			}
		}
		return nil
	})
	w.cluster.Behave("2.0", fake.Behaviour{Ready: time.Minute})
	w.run(2 * time.Minute)
	w.push("2.0")
	if err := w.engine.Step(t.Context(), "shop", 4*time.Minute); err != nil {
		t.Fatal(err)
	}
	if s := w.state(); s.Release.Phase != release.Baking {
		t.Errorf("the app was left after %d looks: %s", looks, w.sentence())
	}
}

func TestAGatewayThatLeavesBothColorsDuringTheBakeIsReported(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.gateway.Rival("")
	w.run(2 * time.Minute)
	if w.state().Drift.IsZero() {
		t.Errorf("a rule that points at neither color was not noticed in the bake: %s", w.sentence())
	}
}

func TestAColorThatSomebodyKeepsChangingIsNotFoughtInARage(t *testing.T) {
	c := newCalls()
	var w *env
	w = newEnv(t, func(call string, after bool) error {
		if call == "observe" && !after && w.state().Release.Phase == release.Deploying {
			w.cluster.Edit(release.Green, img("0.9", time.Time{}))
		}
		return c.hook(call, after)
	})
	w.push("2.0")
	w.reach(release.Failed)
	if n := c.made["deploy"]; n > 1000 {
		t.Errorf("green was deployed %d times", n)
	}
	w.users("1.0")
}

func TestAnImagePushedBeforeTheGatewayCouldBeReadIsReleased(t *testing.T) {
	c := newCalls()
	w := newEnv(t, c.hook)
	c.fail["live"] = 30
	w.push("2.0")
	w.run(3 * time.Minute)
	if s := w.sentence(); !strings.Contains(s, "no answer") {
		t.Errorf("the sentence does not say why nothing happens: %s", s)
	}
	w.reach(release.Baking)
	w.users("2.0")
}

func TestAClaimThatEndsDuringALongGatewayCallCostsNoRelease(t *testing.T) {
	w := newEnv(t, nil)
	slow := &slowGateway{Gateway: w.gateway, env: w}
	w.app.Gateway = slow
	w.restart()
	w.push("2.0")
	w.reach(release.Baking)
	w.users("2.0")
	if id := w.state().Release.ID; id != 1 {
		t.Errorf("it took %d releases", id)
	}
}

// slowGateway answers its first write after the claim of the worker has ended.
type slowGateway struct {
	engine.Gateway
	env  *env
	once bool
}

func (g *slowGateway) Switch(ctx context.Context, to release.Color, fence int64) (engine.Operation, error) {
	op, err := g.Gateway.Switch(ctx, to, fence)
	if !g.once {
		g.once = true
		g.env.clock = g.env.clock.Add(90 * time.Second)
	}
	return op, err
}

func TestALiveColorChangedOutsideBluegreenIsReportedAndRecorded(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.cluster.Edit(release.Blue, img("1.1", time.Time{}))
	w.run(10 * time.Minute)
	if s := w.state(); s.Serving.Image.Tag != "1.1" || s.Blue.Passed() {
		t.Errorf("blue runs 1.1, recorded is %v", s.Blue)
	}
	facts, err := w.engine.History(t.Context(), "shop", 1, 0)
	if err != nil || len(facts) != 1 || facts[0].Kind != release.NeedsHelp {
		t.Errorf("nothing is reported: %v, %v", facts, err)
	}
	w.push("2.0")
	w.reach(release.Baking)
	w.users("2.0")
}

func TestTheBakeIsThatOfTheImageThatTheLiveColorRuns(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	w.run(2 * time.Minute)
	w.cluster.Seed(release.Green, img("9.9", time.Time{}), 3)
	w.run(14 * time.Minute)
	if s := w.state(); len(s.Good) != 0 || s.Release.Phase != release.Baking || s.Serving.Image.Tag != "9.9" {
		t.Errorf("good are %v, %v is live: %s", s.Good, s.Serving.Image, w.sentence())
	}
	w.reach(release.Canceled)
	if s := w.state(); len(s.Good) != 1 || s.Good[0].Tag != "9.9" {
		t.Errorf("good are %v: %s", s.Good, w.sentence())
	}
}

// slowCluster fails each look after longer than a claim lasts.
type slowCluster struct {
	engine.Workloads
	w *env
}

func (c slowCluster) Observe(context.Context, release.Color, release.Image, time.Duration) (engine.Workload, error) {
	c.w.clock = c.w.clock.Add(70 * time.Second)
	return engine.Workload{}, errors.New("the API server does not answer")
}

func TestAStepThatFailsSlowlyIsTrouble(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	w.app.Workloads = slowCluster{w.cluster, w}
	w.restart()
	w.push("2.0")
	w.run(6 * time.Minute)
	if s := w.state(); !strings.Contains(s.Trouble.Why, "does not answer") {
		t.Errorf("trouble is %+v: %s", s.Trouble, w.sentence())
	}
}

func TestAStepThatIsBrokenOffGivesTheClaimBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	deployed := false
	w := newEnv(t, func(call string, after bool) error {
		deployed = deployed || call == "deploy"
		if deployed && call == "observe" && after {
			cancel() // the host ends the function
		}
		return nil
	})
	w.push("2.0")
	if err := w.engine.Step(ctx, "shop", 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("the step ended with %v", err)
	}
	snap, err := w.store.Load(t.Context(), "shop")
	if err != nil || snap.Record.Lease.Owner != "" {
		t.Errorf("the app is claimed by %q until %s, error %v", snap.Record.Lease.Owner, snap.Record.Lease.Until, err)
	}
	if at, ok := w.wakeups.Next(); !ok || at.After(w.clock.Add(time.Second)) {
		t.Errorf("nobody is woken: %s, %v", at, ok)
	}
}
