package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// applier is the field manager of a controller that applies its manifest by force.
const applier = "argocd-controller"

// startApplier starts a process that applies an object by force, again and again.
func (w *env) startApplier(c *testbed.Cluster, manifest string) *rivalProcess {
	w.t.Helper()
	file, kubeconfig := filepath.Join(w.dir, "manifest.yaml"), filepath.Join(w.dir, "admin.kubeconfig")
	write(w.t, file, []byte(manifest))
	write(w.t, kubeconfig, c.Kubeconfig(testbed.Admin))
	return w.startRival("-apply", file, "-kubeconfig", kubeconfig, "-manager", applier, "-every", "300ms")
}

// startImageApplier holds green at the image that was there at first.
func (s *shop) startImageApplier() *rivalProcess {
	s.t.Helper()
	return s.startApplier(s.green, fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo, namespace: %s}
spec: {template: {spec: {containers: [{name: app, image: "%s/%s@%s"}]}}}
`, s.greenSpace, s.registry.Host(), repo, s.first))
}

func TestAForcingApplierOfTheIdleColorKeepsItFromTraffic(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 3s
    rolloutTimeout: 10s`)
	a := s.startImageApplier()
	a.says("applied", 20*time.Second)
	// Its pods need far longer to be ready than the applier waits, however busy the machine is.
	s.green.Behave(s.push(repo, "2.0.0"), testbed.Slow(8*time.Second))
	s.deliver()
	ended := s.until("podinfo", 90*time.Second, "at its end", func(a api.App) bool { return a.Release != nil && !a.Release.Phase.Active() })
	t.Logf("%s: %s", ended.Release.Phase, ended.Status.String())
	if ended.Release.Phase != release.Failed || !strings.Contains(ended.Release.Cause, applier) {
		t.Errorf("the release is %s, and its cause does not name %s: %s", ended.Release.Phase, applier, ended.Release.Cause)
	}
	s.answeredBy("blue", s.first)
	if got := s.users.colors(); len(got) != 1 {
		t.Errorf("users met %v, and 2.0.0 was never there to be checked", got)
	}
	s.noneLost()
}

func TestAForcingApplierOfTheLiveColorIsReportedInTheBake(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 8s`)
	second := s.release("2.0.0")
	s.reach("podinfo", release.Baking)
	s.answeredBy("green", second)
	began := time.Now()
	s.startImageApplier().says("applied", 20*time.Second)
	s.until("podinfo", 40*time.Second, "reported as changed by "+applier, func(api.App) bool { return s.reported(applier) != "" })
	t.Logf("reported after %s: %s", time.Since(began).Round(100*time.Millisecond), s.reported(applier))
	ended := s.until("podinfo", 40*time.Second, "at its end", func(a api.App) bool { return !a.Release.Phase.Active() })
	t.Logf("at the end of the bake: %s", ended.Status.String())
	if ended.Release.Phase == release.Completed || len(ended.Good) != 1 || ended.Good[0].Digest != s.first {
		t.Errorf("the release is %s and good are %v, although 2.0.0 was not there in the bake", ended.Release.Phase, ended.Good)
	}
	s.noneLost()
}

func TestAForcingApplierOfAServiceIsReported(t *testing.T) {
	t.Parallel()
	m := newMarket(t, 1, 1, "  bake: 20s\n  probe: {every: 1s}\n  switchTimeout: 20s\n")
	name, space := m.apps[0], m.spaces[m.apps[0]]
	in, err := m.cluster.Ingress(t.Context(), space, "live", testbed.IngressOptions{})
	if err != nil {
		t.Fatal(err)
	}
	served(t, in.URL()+"/") // the endpoints of a new Service are known to its ingress a moment later
	users := startLoad(t, in.URL()+"/", 100)
	m.push("team/"+name, "2.0.0")
	m.deliver()
	m.reach(name, release.Baking)
	began := time.Now()
	m.startApplier(m.cluster, fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: live, namespace: %s}
spec: {selector: {color: blue, shop: %s}}
`, space, name)).says("applied", 20*time.Second)
	seen := m.until(name, 40*time.Second, "reported as changed", func(a api.App) bool { return a.Drift != nil })
	t.Logf("reported after %s: %s", time.Since(began).Round(100*time.Millisecond), seen.Status.String())
	if !strings.Contains(seen.Status.String()+seen.Drift.Detail, applier) {
		t.Errorf("it does not name %s: %+v", applier, seen.Drift)
	}
	time.Sleep(3 * time.Second)
	if now := m.selects(name); now != "blue" {
		t.Errorf("the Service was moved back to %s although it was changed outside bluegreen", now)
	}
	users.Stop()
	t.Logf("%d requests, colors %v, lost %q", len(users.answers()), users.colors(), users.failures())
	if lost := users.failures(); lost != "" {
		t.Errorf("requests were lost:\n%s", lost)
	}
}

func TestARivalsWriteEndsBeforeTrafficMoves(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 2s
    promotion: {mode: manual}`)
	digest := s.release("2.0.0")
	s.reach("podinfo", release.Awaiting)
	s.gateway.Set(func(b *arm.Behaviour) { b.Takes = 6 * time.Second; b.Domains = 2 })
	r := s.startRival("-gateway", s.gateway.ID(), "-rule", "rule-redirect", "-priority", "77")
	r.says("accepted", 20*time.Second)
	accepted := time.Now()
	s.gateway.Set(func(b *arm.Behaviour) { b.Takes = 2 * time.Second })
	moved := s.whenMoved("pool-green", s.green, s.greenSpace)
	s.command(release.Promote, api.Request{})
	how := r.says("ended", 20*time.Second)
	<-moved
	asked := time.Now()
	t.Logf("the rival's write ended as %s; our write came %s after it was accepted", how, asked.Sub(accepted).Round(10*time.Millisecond))
	if how != "Succeeded" || asked.Sub(accepted) < 6*time.Second {
		t.Errorf("the rival's write ended as %s, and ours came %s after it was accepted", how, asked.Sub(accepted))
	}
	s.reach("podinfo", release.Completed)
	s.answeredBy("green", digest)
	if p := ruleOf(s.gateway.Effective(), "rule-redirect")["priority"]; fmt.Sprint(p) != "77" {
		t.Errorf("the rival's change is gone: priority %v", p)
	}
	s.noneLost()
}

// reported is the fact of the history that contains a text; "" when there is none.
func (s *shop) reported(text string) string {
	h, err := s.client(0).History(s.t.Context(), "podinfo", 50, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range h.Facts {
		if strings.Contains(f.Text, text) {
			return string(f.Kind) + ": " + f.Text
		}
	}
	return ""
}

// An old body that is sent again in the bake moves users back. What serves then is watched, and
// a command takes the traffic again as a switch with a bake of its own.
func TestAStaleWriteInTheBakeIsWatchedAndSwitchedBack(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 6s
    standby: {size: ready}`)
	second := s.release("2.0.0")
	s.answeredBy("green", second)
	s.reach("podinfo", release.Baking)
	s.gateway.Set(func(b *arm.Behaviour) { b.Takes = 300 * time.Millisecond })
	s.ticking()
	began := time.Now()
	s.rivalPoints("pool-blue").says("ended Succeeded", 20*time.Second)
	s.answeredBy("blue", s.first)
	watched := s.until("podinfo", 30*time.Second, "watched on blue", func(a api.App) bool {
		return a.Live == release.Blue && a.Release.ID == 2 && a.Release.Phase == release.Baking
	})
	t.Logf("watched %s after the rival's write began: %s", time.Since(began).Round(100*time.Millisecond), watched.Status.String())
	if watched.RollbackTarget == nil || watched.RollbackTarget.Color != release.Green || watched.Drift == nil {
		t.Errorf("the rollback target is %+v, drift %+v", watched.RollbackTarget, watched.Drift)
	}
	s.command(release.Switch, api.Request{To: string(release.Green)})
	s.answeredBy("green", second)
	s.until("podinfo", 30*time.Second, "baking on green", func(a api.App) bool { return a.Release.ID == 3 && a.Release.Phase == release.Baking })
	s.until("podinfo", 60*time.Second, "completed on green", func(a api.App) bool { return a.Release.ID == 3 && a.Release.Phase == release.Completed })
	s.noneLost()
}
