package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// slowStart is how long pods take to become ready where a test must see that they are waited for.
const slowStart = 3 * time.Second

func TestTrafficGoesToTheSizeThatTheLiveColorHasWhenAPersonApproves(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 2s
    promotion: {mode: manual}`)
	digest := s.push(repo, "2.0.0")
	s.green.Behave(digest, testbed.Slow(slowStart))
	s.deliver()
	s.reach("podinfo", release.Awaiting)
	if n := s.size(s.green, s.greenSpace); n != 3 {
		t.Errorf("green has %d replicas while it waits, the live color had 3", n)
	}
	s.scale(s.blue, s.blueSpace, 6)
	s.blue.WaitAvailable(t, s.blueSpace, "podinfo", 6)

	moved := s.whenMoved("pool-green", s.green, s.greenSpace)
	s.command(release.Promote, api.Request{})
	at := <-moved
	s.reach("podinfo", release.Completed)
	s.answeredBy("green", digest)
	t.Logf("%s after the approval the gateway was asked to move traffic, green had %d of %d pods ready", at.after.Round(time.Millisecond), at.ready, at.size)
	if at.ready != 6 || at.size != 6 {
		t.Errorf("traffic was sent to %d of %d ready pods, the live color had 6", at.ready, at.size)
	}
	s.noneLost()
}

func TestARetiredTargetReturnsWithTheSizeThatItHadWhenItLostTheTraffic(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 2s
    retire: {after: 0s}`)
	s.until("podinfo", time.Minute, "taken over", func(a api.App) bool { return a.Live == release.Blue })
	s.scale(s.blue, s.blueSpace, 5) // it was adopted with 3
	s.blue.WaitAvailable(t, s.blueSpace, "podinfo", 5)
	second := s.release("2.0.0")
	s.until("podinfo", time.Minute, "scaled down on blue", func(a api.App) bool { return a.Colors.Blue.Retired })
	s.answeredBy("green", second)
	if n := s.size(s.blue, s.blueSpace); n != 0 {
		t.Errorf("blue was retired and has %d replicas", n)
	}
	s.blue.Behave(s.first, testbed.Slow(slowStart))
	s.scale(s.green, s.greenSpace, 2) // a return does not take the size of the bad color where it is smaller
	s.green.WaitAvailable(t, s.greenSpace, "podinfo", 2)

	moved := s.whenMoved("pool-blue", s.blue, s.blueSpace)
	s.command(release.Rollback, api.Request{})
	at := <-moved
	s.reach("podinfo", release.RolledBack)
	s.answeredBy("blue", s.first)
	t.Logf("%s after the command the gateway was asked to move traffic, blue had %d of %d pods ready", at.after.Round(time.Millisecond), at.ready, at.size)
	if n := s.size(s.blue, s.blueSpace); n != 5 || at.size != 5 {
		t.Errorf("blue has %d replicas, and had %d at the switch; it lost the traffic with 5", n, at.size)
	}
	if at.ready < 4 { // 75 % of what it needs
		t.Errorf("traffic was sent to %d ready pods of blue, which needs 5", at.ready)
	}
	s.noneLost()
}

func TestTheOtherColorIsReleasedAndSwitchedToWhileTheLiveClusterIsAway(t *testing.T) {
	t.Parallel()
	w := newEnv(t)
	o := testbed.Options{Users: map[string]string{testbed.DefaultUser: token}, Drain: time.Second}
	own, err := testbed.StartClusters(t.Context(), o, o) // their API servers go away
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own[0].Close(); own[1].Close() })
	s := openShop(w, own[0], own[1], `    bake: 3s
    standby: {size: ready}`)
	second := s.release("2.0.0")
	s.reach("podinfo", release.Completed)
	s.answeredBy("green", second)

	s.green.StopAPIServer()
	pushed := time.Now()
	moved := s.whenMoved("pool-blue", s.blue, s.blueSpace)
	third := s.release("3.0.0")
	at := <-moved
	s.answeredBy("blue", third)
	t.Logf("the API of green, which was live, is away: users are on the pushed image on blue after %s; %d of %d pods were ready", time.Since(pushed).Round(10*time.Millisecond), at.ready, at.size)
	if at.ready != 3 || at.size != 3 {
		t.Errorf("traffic was sent to %d of %d ready pods, the live color had 3", at.ready, at.size)
	}
	s.until("podinfo", time.Minute, "completed", func(a api.App) bool {
		return a.Release.Image.Digest == third && a.Release.Phase == release.Completed
	})
	if err := s.green.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}

	s.blue.StopAPIServer()
	asked := time.Now()
	s.command(release.Switch, api.Request{To: string(release.Green)})
	s.answeredBy("green", second)
	t.Logf("the API of blue, which was live, is away: a switch brings users to green after %s", time.Since(asked).Round(10*time.Millisecond))
	s.until("podinfo", time.Minute, "completed", func(a api.App) bool {
		return a.Release.To == release.Green && a.Release.Phase == release.Completed
	})
	s.noneLost()
}

// scale sets a color's size as a person with kubectl does.
func (s *shop) scale(c *testbed.Cluster, namespace string, n int) {
	s.t.Helper()
	body := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
	if _, err := c.Client().AppsV1().Deployments(namespace).Patch(s.t.Context(), "podinfo", types.MergePatchType, body, metav1.PatchOptions{FieldManager: "kubectl-scale"}); err != nil {
		s.t.Fatal(err)
	}
}

// command carries out an operator's command, without waiting for its end.
func (s *shop) command(c release.Command, r api.Request) {
	s.t.Helper()
	r.By, r.Why = "on call", "the test asks for it"
	deadline := time.Now().Add(time.Minute)
	for key := api.NewKey(); ; time.Sleep(100 * time.Millisecond) {
		a, err := s.client(0).Command(s.t.Context(), "podinfo", c, r, key)
		switch {
		case err == nil && a.Decision != nil && a.Decision.Kind == release.Refused:
			s.t.Fatalf("%s was refused: %s", c, a.Decision.Text)
		case err == nil && a.Decision != nil:
			return
		case time.Now().After(deadline):
			s.showAll("podinfo")
			s.t.Fatalf("%s was not decided: %v", c, err)
		}
	}
}

// move is what a color was like when the gateway was asked to send traffic there.
type move struct {
	after       time.Duration
	ready, size int32
}

// whenMoved sends what a color is like once the gateway's configuration names its pool,
// before the gateway's operation has ended.
func (s *shop) whenMoved(pool string, c *testbed.Cluster, namespace string) <-chan move {
	found := make(chan move, 1)
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), 90*time.Second)
	go func() {
		defer cancel()
		defer close(found)
		for goOn(ctx, 10*time.Millisecond) {
			if poolOf(s.gateway.Document(), "podinfo-https") != pool {
				continue
			}
			after := time.Since(began)
			d, err := c.Client().AppsV1().Deployments(namespace).Get(ctx, "podinfo", metav1.GetOptions{})
			if err == nil {
				found <- move{after, d.Status.ReadyReplicas, *d.Spec.Replicas}
			}
			return
		}
	}()
	return found
}
