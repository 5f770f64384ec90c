package fake_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

func TestTheClusterFakeKeepsTheContract(t *testing.T) {
	contract.Workloads(t, func(t *testing.T) contract.Colors {
		cluster := fake.NewCluster(time.Now, sleep, nil)
		return contract.Colors{
			Workloads: cluster,
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
