package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

var soakApps = flag.Int("soak-apps", 300, "apps of the soak of many apps")

// requests is a transport that counts what it sends.
type requests struct{ sent atomic.Int64 }

func (r *requests) Do(q *http.Request) (*http.Response, error) {
	r.sent.Add(1)
	return http.DefaultClient.Do(q)
}

// fleet is many apps with tables in Azurite, wake-ups in memory, and a virtual clock. The work on an app
// takes the time of that app alone: its clock runs ahead of the common one.
type fleet struct {
	t       testing.TB
	now     time.Time
	clocks  []*clock
	apps    []engine.App
	numbers map[string]int
	store   *tables.Store
	tables  *requests
	wakeups *fake.Wakeups
	engine  *engine.Engine // which ticks
	pushes  []int
	images  []*fake.Registry
}

type clock struct {
	mu    sync.Mutex
	ahead time.Time
	fleet *fleet
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ahead.After(c.fleet.now) {
		return c.ahead
	}
	return c.fleet.now
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	at := c.now().Add(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = at
	return ctx.Err()
}

// errTick ends the work of a tick that would have to wait: the queue goes on with it.
var errTick = errors.New("a tick does not wait")

func newFleet(t testing.TB, apps int) *fleet {
	f := &fleet{
		t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), numbers: map[string]int{}, tables: &requests{},
		wakeups: fake.NewWakeups(nil), pushes: make([]int, apps),
	}
	service, err := aztables.NewServiceClientFromConnectionString(testbed.SharedAzurite(t).ConnectionString(),
		&aztables.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: f.tables}})
	if err != nil {
		t.Fatal(err)
	}
	f.store = tables.New(service.NewClient("t" + rand.Text()))
	for n := range apps {
		c := &clock{fleet: f}
		cluster := fake.NewCluster(c.now, c.sleep, nil)
		cluster.Behave("", fake.Behaviour{Ready: 5 * time.Second})
		cluster.Seed(release.Blue, f.image(0), 3)
		images := fake.NewRegistry(c.now)
		images.Push(f.image(0))
		app := engine.App{
			Name: fmt.Sprintf("app-%05d", n), Repository: fmt.Sprintf("registry/app-%05d", n), Registry: images, Fingerprint: "c",
			Gateway: fake.NewGateway(release.Blue, 5*time.Second, c.now, nil), Workloads: cluster,
			Policy: release.Policy{
				First: release.Blue, RolloutTimeout: 10 * time.Minute, PullGrace: 5 * time.Minute, VerifyTimeout: 5 * time.Minute, SwitchTimeout: 10 * time.Minute,
				Bake: 2 * time.Minute, ProbeEvery: 30 * time.Second, ProbeMisses: 3, RollbackWindow: 24 * time.Hour, RetireAfter: 10 * time.Minute,
			},
		}
		f.clocks, f.apps, f.images, f.numbers[app.Name] = append(f.clocks, c), append(f.apps, app), append(f.images, images), n
	}
	f.engine = engine.New(engine.Options{
		Store: f.store, Wakeups: f.wakeups, Apps: f.apps, Now: func() time.Time { return f.now },
		Sleep: func(context.Context, time.Duration) error { return errTick },
	})
	return f
}

func (f *fleet) image(n int) release.Image {
	return release.Image{Tag: fmt.Sprintf("1.0.%d", n), Digest: fmt.Sprintf("sha256:%064d", n), PushedAt: f.now}
}

// minute delivers what is due, and ticks. It returns what the tick took, and its requests to the
// tables. One wake-up in ten is lost.
func (f *fleet) minute(dice *mathrand.Rand) (took time.Duration, sent int64) {
	for wake, ok := f.wakeups.Due(f.now); ok; {
		var some sync.WaitGroup // of different apps: an app has one clock
		begun := map[string]bool{}
		for ; ok && len(begun) < 8 && !begun[wake.App]; wake, ok = f.wakeups.Due(f.now) {
			begun[wake.App] = true
			if lost := dice.IntN(10) == 0; !lost {
				n := f.numbers[wake.App]
				some.Go(func() { f.step(n) })
			}
		}
		some.Wait()
	}
	before, began := f.tables.sent.Load(), time.Now()
	if err := f.engine.Tick(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	took, sent = time.Since(began), f.tables.sent.Load()-before
	f.now = f.now.Add(time.Minute)
	return took, sent
}

func (f *fleet) step(n int) {
	c := f.clocks[n]
	e := engine.New(engine.Options{Store: f.store, Wakeups: f.wakeups, Apps: f.apps[n : n+1], Now: c.now, Sleep: c.sleep, Budget: 40 * time.Second})
	if err := e.Step(f.t.Context(), f.apps[n].Name, 0); err != nil {
		f.t.Error(err)
	}
}

// push makes a new image for an app, and alert an alert; both return the identity of the event.
func (f *fleet) push(n int) string {
	f.pushes[n]++
	i := f.image(f.pushes[n])
	f.images[n].Push(i)
	return f.accept(n, engine.PushEntry(engine.PushIdentity(f.apps[n].Repository, i, "event"), i, f.now))
}

func (f *fleet) alert(n, number int) string {
	id := fmt.Sprint("alert-", number)
	return f.accept(n, engine.AlertEntry(id, release.AlertFired{ID: id, Rule: "errors", At: f.now}, f.now))
}

func (f *fleet) accept(n int, e engine.Entry) string {
	f.t.Helper()
	if fresh, err := f.engine.Accept(f.t.Context(), f.apps[n].Name, e); err != nil || !fresh {
		f.t.Fatalf("%s: new %v, %v", e.ID, fresh, err)
	}
	return e.ID
}

// atRest lets time pass until no tick has an app to load, at most for so long.
func (f *fleet) atRest(most int, dice *mathrand.Rand) {
	f.t.Helper()
	for range most {
		took, sent := f.minute(dice)
		pending := f.pending()
		f.t.Logf("until all are at rest: a tick takes %.2f s and %d requests to the tables, %d apps are left", took.Seconds(), sent, pending)
		if pending == 0 {
			return
		}
	}
	f.t.Fatalf("%d apps do not come to rest in %d minutes", f.pending(), most)
}

// pending is how many apps have no due row, or a marked one.
func (f *fleet) pending() int {
	rows, err := f.store.ListDue(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	settled := 0
	for _, d := range rows {
		if !d.Marked {
			settled++
		}
	}
	return len(f.apps) - settled
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// TestAnHourOfManyAppsLosesNothing is an hour with a release for each 20 apps and an alert for
// each five, and with wake-ups that are lost: each event reaches one decision, each app comes to rest,
// and a tick costs at the end what it cost at the beginning.
func TestAnHourOfManyAppsLosesNothing(t *testing.T) {
	realParts(t)
	dice := mathrand.New(mathrand.NewPCG(1, 2))
	apps := *soakApps
	f := newFleet(t, apps)
	f.atRest(20+apps/100, dice)
	const minutes, window = 60, 5
	events := map[string]int{} // apps by the identity of the event
	var calls, took, heaps []float64
	alerts := 0
	for minute := range minutes {
		for range apps/20*(minute+1)/minutes - apps/20*minute/minutes {
			n := dice.IntN(apps)
			events[f.push(n)] = n
		}
		for range apps/5*(minute+1)/minutes - apps/5*minute/minutes {
			n := dice.IntN(apps)
			alerts++
			events[f.alert(n, alerts)] = n
		}
		d, sent := f.minute(dice)
		took, calls = append(took, d.Seconds()), append(calls, float64(sent))
		if (minute+1)%window == 0 {
			heaps = append(heaps, heap())
			t.Logf("minute %2d: a tick takes %.2f s and %.0f requests to the tables, the heap has %.1f MB",
				minute+1, middle(took[len(took)-window:]), middle(calls[len(calls)-window:]), heaps[len(heaps)-1])
		}
	}
	f.atRest(120, dice)
	for id, n := range events {
		if e, err := f.store.Accepted(t.Context(), f.apps[n].Name, id); err != nil || e.Decision.IsZero() {
			t.Errorf("%s of %s has no decision: %v", id, f.apps[n].Name, err)
		}
	}
	for n := range f.apps {
		snap, err := f.store.Load(t.Context(), f.apps[n].Name)
		if err != nil {
			t.Fatal(err)
		}
		if s := snap.Record; len(snap.Inbox) > 0 || s.Lease.Owner != "" || s.State.Release.Phase.Active() {
			t.Errorf("%s is not at rest: %d events, claimed by %q, its release is %s", f.apps[n].Name, len(snap.Inbox), s.Lease.Owner, s.State.Release.Phase)
		}
	}
	first, last := middle(calls[10:20]), middle(calls[50:])
	t.Logf("%d apps, %d events; of the last ticks to those after ten minutes: requests %.2f, time %.2f, heap %.2f",
		apps, len(events), last/first, middle(took[50:])/middle(took[10:20]), heaps[len(heaps)-1]/heaps[1])
	if last > 2*first+10 {
		t.Errorf("the last ticks make %.0f requests, the first ones %.0f", last, first)
	}
	if heaps[len(heaps)-1] > 1.5*heaps[1] {
		t.Errorf("the heap grows from %.1f to %.1f MB", heaps[1], heaps[len(heaps)-1])
	}
}

func middle(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// BenchmarkTick compares a tick at rest, apart from looks, with as many requests that list the rows
// and do no more, in the same run.
func BenchmarkTick(b *testing.B) {
	for _, apps := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%d-apps", apps), func(b *testing.B) {
			f := newFleet(b, apps)
			f.settle()
			var bare, ours []time.Duration
			var requests int64
			for range b.N {
				for range 15 {
					began, before := time.Now(), f.tables.sent.Load()
					if rows, err := f.store.ListDue(b.Context()); err != nil || len(rows) != apps {
						b.Fatal(len(rows), err)
					}
					took, pages := time.Since(began), f.tables.sent.Load()-before
					began, before = time.Now(), f.tables.sent.Load()
					if err := f.engine.Tick(b.Context()); err != nil {
						b.Fatal(err)
					}
					ours, requests = append(ours, time.Since(began)), f.tables.sent.Load()-before
					bare = append(bare, took*time.Duration(requests)/time.Duration(pages))
				}
			}
			b.ReportMetric(float64(median(bare).Milliseconds()), "bare-ms")
			b.ReportMetric(float64(median(ours).Milliseconds()), "ours-ms")
			b.ReportMetric(median(ours).Seconds()/median(bare).Seconds(), "ratio")
			b.ReportMetric(float64(requests), "requests")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// settle gives each app the row of one at rest, which no task is due for.
func (f *fleet) settle() {
	rows := make([]engine.Due, len(f.apps))
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := worker; n < len(f.apps); n += 8 {
				version, err := f.store.Mark(f.t.Context(), f.apps[n].Name)
				if err != nil {
					f.t.Error(err)
				}
				glance := engine.Glance{At: f.now, Saw: "0123456789abcdef01234567", Until: f.now.Add(time.Hour)}
				rows[n] = engine.Due{
					App: f.apps[n].Name, Version: version, At: f.now.Add(time.Hour), Config: "c", Commit: "01234567/1.1",
					Glances: map[string]engine.Glance{"look": glance, "list-registry": glance},
				}
			}
		})
	}
	all.Wait()
	if err := f.store.Settle(f.t.Context(), rows); err != nil {
		f.t.Fatal(err)
	}
}
