package testbed

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"
)

const startWithin = 3 * time.Minute // a busy machine with two cores

// shared is the fixture of all tests of a process: starting a cluster for each
// test would take most of the time. It is global because the tests share only
// the process.
var shared struct {
	sync.Mutex
	blue, green *Cluster
	azurite     *Azurite
}

// Main runs the tests of a package and then stops the shared fixture: call it
// from TestMain. It does not return.
func Main(m *testing.M) {
	code := m.Run()
	closeShared()
	os.Exit(code)
}

func closeShared() {
	shared.Lock()
	defer shared.Unlock()
	for _, c := range []*Cluster{shared.blue, shared.green} {
		if c != nil {
			c.Close()
		}
	}
	if shared.azurite != nil {
		shared.azurite.Close()
	}
}

// Shared is the cluster that all tests of this process use, started by the
// first one. It skips the test with -short, and fails it when the parts are
// not built. A test that stops the API server starts a cluster of its own.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	needsRealParts(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.blue == nil {
		shared.blue = startClusters(t, 1)[0]
	}
	return shared.blue
}

// SharedPair is Shared's cluster and a second one, started at the same time.
func SharedPair(t testing.TB) (blue, green *Cluster) {
	t.Helper()
	needsRealParts(t)
	shared.Lock()
	defer shared.Unlock()
	switch {
	case shared.blue == nil:
		both := startClusters(t, 2)
		shared.blue, shared.green = both[0], both[1]
	case shared.green == nil:
		shared.green = startClusters(t, 1)[0]
	}
	return shared.blue, shared.green
}

// SharedAzurite is the Azurite that all tests of this process use; see Shared.
func SharedAzurite(t testing.TB) *Azurite {
	t.Helper()
	needsRealParts(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.azurite == nil {
		ctx, cancel := context.WithTimeout(t.Context(), startWithin)
		defer cancel()
		a, err := StartAzurite(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		shared.azurite = a
	}
	return shared.azurite
}

func startClusters(t testing.TB, n int) []*Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	clusters, err := StartClusters(ctx, make([]Options, n)...)
	if err != nil {
		t.Fatal(err)
	}
	return clusters
}

func needsRealParts(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the test bed; runs without -short")
	}
}
