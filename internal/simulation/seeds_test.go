package simulation_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/simulation"
)

var (
	seeds = flag.Int("seeds", 0, "number of runs; 0 for 2,000 in short mode and 4,000 otherwise")
	seed  = flag.Uint64("seed", 0, "first seed")
	every = flag.Int("every", 0, "a fault at every n-th outside call; 0 for 25 in short mode and 8 otherwise")
)

// enough is how many broken runs are found before the search for more ends; of a mutant one.
func enough() int {
	if os.Getenv(chosenBy) != "" {
		return 1
	}
	return 10
}

// Runs allocate much and keep little: with the usual limit half of the time goes to
// collecting it.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	m.Run()
}

// TestNoRunBreaksAPromise draws runs from seeds. Runs that fail are shrunk to the items that
// they need, and logged.
func TestNoRunBreaksAPromise(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 4_000
		if testing.Short() {
			n = 2_000
		}
	}
	began := time.Now()
	var next, calls atomic.Int64
	var mu sync.Mutex
	var broken []uint64
	kinds := map[simulation.Kind]int{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				plan := simulation.Generate(*seed + uint64(i))
				out, err := simulation.Run(plan, nil)
				calls.Add(int64(out.Calls))
				mu.Lock()
				for _, item := range plan.Items {
					kinds[item.Kind]++
				}
				if err != nil {
					broken = append(broken, *seed+uint64(i))
				}
				if len(broken) >= enough() {
					next.Store(int64(n))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	t.Logf("%d runs with %d outside calls in %s: %.0f runs/s", n, calls.Load(), took.Round(time.Millisecond), float64(n)/took.Seconds())
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%9d × %s", kinds[kind], kind)
	}
	slices.Sort(broken)
	for _, seed := range broken {
		explain(t, simulation.Generate(seed))
	}
}

// explain shrinks a plan that breaks a promise, and logs its run; of a mutant the seed is enough.
func explain(t *testing.T, plan simulation.Plan) {
	t.Helper()
	if os.Getenv(chosenBy) != "" {
		_, err := simulation.Run(plan, nil)
		t.Errorf(brokenBy+"%d: %v", plan.Seed, err)
		return
	}
	small := simulation.Shrink(plan)
	_, err := simulation.Run(small, func(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) })
	t.Errorf("%v\n%s\nagain: go test ./internal/simulation -run TestNoRun -seeds 1 -seed %d", err, small, plan.Seed)
}
