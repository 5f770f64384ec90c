package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/release"
)

// probe looks at the live color and at the rollback target during the bake.
func (w *worker) probe(ctx context.Context, e release.Probe) stepResult {
	seen := release.Probed{Release: e.Release, LiveOK: true, TargetOK: true}
	var events []release.Event
	if reading, err := w.app.Gateway.Live(ctx); err == nil {
		events = append(events, w.looked(ctx, reading))
	}
	var found []string
	live, err := w.app.Workloads.Observe(ctx, e.Live, e.Image, 0)
	if err == nil {
		seen.Live = observed(live)
		if live.Ready == 0 {
			seen.LiveOK = false
			found = append(found, fmt.Sprintf("no pod of %s is ready: %s", e.Live, live.Detail))
		}
	}
	subject := Subject{Release: e.Release, Color: e.Live, Image: e.Image}
	for _, check := range slices.Compact(slices.Clone(w.app.During)) {
		if r := check.Run(ctx, subject); r.Verdict != release.Passed {
			seen.LiveOK = false
			found = append(found, r.Detail)
		}
	}
	if e.Target != "" {
		target, err := w.app.Workloads.Observe(ctx, e.Target, release.Image{}, 0)
		if err == nil {
			seen.Target = observed(target)
			if target.Ready == 0 || target.Ready < sum(target.Replicas) {
				seen.TargetOK = false
				found = append(found, fmt.Sprintf("%s: %s", e.Target, target.Detail))
			}
		}
	}
	seen.Detail = strings.Join(found, "; ")
	return saw(append(events, seen)...)
}
