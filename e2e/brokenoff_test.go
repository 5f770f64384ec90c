package e2e

import (
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"bluegreen/internal/api"
	"bluegreen/internal/azure/tables"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// ends are the ways in which a worker is broken off, each with the time that it adds: a host
// that is stopped waits for the worker, which cannot end in time.
var ends = map[string]struct {
	end  func(*worked)
	adds time.Duration
}{
	"handler killed": {(*worked).killHandler, 0},
	"host killed":    {(*worked).killHost, 0},
	"host stopped":   {(*worked).stopHost, 10 * time.Second},
}

// phases of a release in which a worker is busy for long, and how soon another one acts: after
// the claim, and the time in which a host starts and polls its queue.
var phases = map[release.Phase]struct {
	reach func(*worked)
	soon  time.Duration
}{
	release.Deploying: {(*worked).deploying, 75 * time.Second},
	release.Switching: {(*worked).switching, 30 * time.Second},
	release.Returning: {(*worked).returning, 30 * time.Second},
}

// everyPhase adds the cases that take minutes on two cores: run them with -parallel 9.
var everyPhase = flag.Bool("every-phase", false, "break work off in each phase, not only while traffic returns")

// worked is an app with a worker, and its record.
type worked struct {
	*shop
	file  string
	store engine.Store
}

// TestWorkThatIsBrokenOffIsTakenUpSoon breaks a worker off right after its claim was renewed, and
// measures until another one has claimed the app.
func TestWorkThatIsBrokenOffIsTakenUpSoon(t *testing.T) {
	realParts(t)
	t.Parallel()
	var mu sync.Mutex
	took := map[string]time.Duration{}
	t.Run("all", func(t *testing.T) {
		for phase, p := range phases {
			if phase != release.Returning && !*everyPhase {
				continue
			}
			for name, e := range ends {
				t.Run(fmt.Sprintf("%s/%s", phase, name), func(t *testing.T) {
					t.Parallel()
					w := newWorked(t)
					p.reach(w)
					was := w.renewed()
					began := time.Now()
					next := make(chan time.Time, 1)
					go func() { next <- w.claimedAfter(was) }()
					e.end(w)
					until := (<-next).Sub(began)
					mu.Lock()
					took[name+", "+string(phase)] = until
					mu.Unlock()
					if until > p.soon+e.adds {
						t.Errorf("%s in %s: %.0f s until the next act, expected at most %.0f s", name, phase, until.Seconds(), (p.soon + e.adds).Seconds())
					}
				})
			}
		}
	})
	var lines []string
	for _, which := range slices.Sorted(maps.Keys(took)) {
		lines = append(lines, fmt.Sprintf("%-26s %4.0f s", which, took[which].Seconds()))
	}
	t.Logf("until the next act:\n%s", strings.Join(lines, "\n"))
}

func newWorked(t *testing.T) *worked {
	w := newEnv(t)
	w.timers = t.TempDir()
	blue, green := clusters(t)
	s := &shop{env: w, blue: blue, green: green, blueSpace: blue.Namespace(t), greenSpace: green.Namespace(t)}
	s.settle()
	s.openGateway()
	s.gateway.Set(func(b *arm.Behaviour) { b.Takes = time.Second })
	w.serve(s.configuration("    bake: 30m"), 1)
	service, err := aztables.NewServiceClientFromConnectionString(w.azurite.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &worked{s, filepath.Join(w.dir, "bluegreen.yaml"), tables.New(service.NewClient("bluegreen"))}
}

// betweenTicks waits until the clock tick is over, so that the next one comes when the worker is
// broken off already: a tick that meets a claim sends a wake-up for its end.
func betweenTicks() {
	if s := time.Now().Second(); s < 2 || s > 15 {
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + 2*time.Second)))
	}
}

func (w *worked) deploying() {
	betweenTicks()
	w.green.Behave(w.push(repo, "2.0.0"), testbed.NeverReady())
	w.deliver()
	w.reach("podinfo", release.Deploying)
}

func (w *worked) switching() {
	w.gateway.Set(func(b *arm.Behaviour) { b.Takes = 10 * time.Minute })
	betweenTicks()
	w.release("2.0.0")
	w.moving(release.Switching)
}

func (w *worked) returning() {
	w.release("2.0.0")
	w.reach("podinfo", release.Baking)
	w.gateway.Set(func(b *arm.Behaviour) { b.Takes = 10 * time.Minute })
	betweenTicks()
	if _, err := w.client(0).Command(w.t.Context(), "podinfo", release.Rollback, api.Request{By: "on call"}, api.NewKey()); err != nil {
		w.t.Fatal(err)
	}
	w.moving(release.Returning)
}

// moving waits until a write of the gateway is followed.
func (w *worked) moving(p release.Phase) {
	w.until("podinfo", time.Minute, string(p)+" with a write under way", func(a api.App) bool {
		return a.Release != nil && a.Release.Phase == p && w.record().State.Release.Progress.Operation != ""
	})
}

func (w *worked) record() engine.Record {
	snap, err := w.store.Load(w.t.Context(), "podinfo")
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Record
}

// renewed waits until the worker has renewed its claim, which is then as long as it can be.
func (w *worked) renewed() engine.Lease {
	last := w.record().Lease
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		l := w.record().Lease
		if l.Owner != "" && l.Owner == last.Owner && l.Until.After(last.Until) {
			return l
		}
		last = l
	}
	w.showAll("podinfo")
	w.t.Fatalf("the claim is not renewed: %+v", last)
	return last
}

// claimedAfter returns when another worker has claimed the app.
func (w *worked) claimedAfter(was engine.Lease) time.Time {
	for deadline := time.Now().Add(4 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if snap, err := w.store.Load(w.t.Context(), "podinfo"); err == nil && snap.Record.Lease.Fence > was.Fence {
			return time.Now()
		}
	}
	w.t.Error("no worker has claimed the app for 4 minutes")
	return time.Now()
}

func (w *worked) killHandler() {
	if err := w.hosts[0].Kill(); err != nil {
		w.t.Error(err)
	}
}

func (w *worked) killHost() {
	w.hosts[0].Close()
	w.host(w.file)
}

func (w *worked) stopHost() {
	w.hosts[0].Stop()
	w.host(w.file)
}
