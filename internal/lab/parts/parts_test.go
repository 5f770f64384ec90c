package parts_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/lab/parts"
	"bluegreen/internal/release"
)

// borrowed are the parts as another process gets them.
func borrowed(t *testing.T, p parts.Parts) *parts.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "parts-") // t.TempDir() can be longer than a socket's name may be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "parts.sock")
	end, err := parts.Serve(socket, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return parts.Borrow(socket)
}

func TestABorrowedStoreKeepsTheContract(t *testing.T) {
	contract.Store(t, func(t *testing.T) engine.Store { return borrowed(t, parts.Parts{Store: fake.NewStore(nil)}) })
}

func TestBorrowedWorkloadsKeepTheContract(t *testing.T) {
	contract.Workloads(t, func(t *testing.T) contract.Colors {
		cluster := fake.NewCluster(time.Now, sleep, nil)
		return contract.Colors{
			Workloads: borrowed(t, parts.Parts{Workloads: map[string]parts.Workloads{"shop": cluster}}).Workloads("shop"),
			Images:    [4]release.Image{image(0), image(1), image(2), image(3)},
			Seed:      cluster.Seed,
			Away:      cluster.Away,
			Fail: func(i release.Image, how contract.Failure) {
				cluster.Behave(i.Digest, map[contract.Failure]fake.Behaviour{
					contract.NeverReady:  {Never: "its readiness probe does not pass"},
					contract.Unpullable:  {Never: "ImagePullBackOff: manifest unknown", Status: release.PullFailing},
					contract.Unstartable: {Never: "InvalidImageName", Status: release.Broken},
				}[how])
			},
			State: func(c release.Color) string {
				i, _ := cluster.Running(c)
				changes := slices.DeleteFunc(cluster.Changes(), func(change fake.Change) bool { return change.Color != c })
				return fmt.Sprint(i, cluster.Wanted(c), len(changes))
			},
		}
	})
}

func TestBorrowedWakeupsKeepTheContract(t *testing.T) {
	contract.Wakeups(t, func(t *testing.T) (engine.Wakeups, contract.Receive) {
		w := fake.NewWakeups(nil)
		return borrowed(t, parts.Parts{Wakeups: w}), func(t *testing.T) (string, bool) {
			due, ok := w.Due(time.Now())
			return due.App, ok
		}
	})
}

func TestABorrowerNoticesTheEndOfTheLender(t *testing.T) {
	dir, err := os.MkdirTemp("", "parts-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "parts.sock")
	end, err := parts.Serve(socket, parts.Parts{Store: fake.NewStore(nil)})
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan struct{})
	c := parts.Borrow(socket)
	go func() { c.Lost(); close(lost) }()
	if _, err := c.Load(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
		t.Error("the lender counts as ended while it answers")
	default:
	}
	end()
	<-lost
}

func image(n int) release.Image {
	return release.Image{Tag: fmt.Sprintf("6.1.%d", n), Digest: fmt.Sprintf("sha256:%064x", n+1)}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
