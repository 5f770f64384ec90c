package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bluegreen/internal/release"
)

// preflight checks once for each configuration that what it names exists and may be used.
func (w *worker) preflight(ctx context.Context) stepResult {
	var missing, warnings []string
	for _, port := range []any{w.app.Gateway, w.app.Workloads, w.app.Registry} {
		adapter, ok := port.(Preflight)
		if !ok {
			continue
		}
		found, err := adapter.Preflight(ctx)
		if err != nil {
			return failed(err)
		}
		for _, f := range found {
			if f.Warning {
				warnings = append(warnings, f.Text)
			} else {
				missing = append(missing, f.Text)
			}
		}
	}
	if len(missing) > 0 {
		return failed(errors.New(strings.Join(missing, "; ")))
	}
	w.record.Preflight, w.dirty = PreflightResult{Config: w.app.Fingerprint, Warnings: warnings}, true
	return stepResult{}
}

// look reads the gateway and what the live color runs; for an app not yet taken over, what
// both run.
func (w *worker) look(ctx context.Context) stepResult {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return failed(fmt.Errorf("read the gateway: %w", err))
	}
	looked := release.Looked{Live: reading.Live, Detail: reading.Detail}
	state := w.record.State
	if !state.Known && reading.Live == "" {
		return failed(fmt.Errorf("the gateway points at neither color alone (%s): point it at one, the app is then taken over", reading.Detail))
	}
	for _, color := range []release.Color{release.Blue, release.Green} { // in this order, so that a seed repeats a run
		if state.Known && color != state.Serving.Color {
			continue
		}
		seen := &looked.Blue
		if color == release.Green {
			seen = &looked.Green
		}
		o, err := w.app.Workloads.Observe(ctx, color, release.Image{}, 0)
		switch {
		case err == nil:
			*seen = observed(o)
		case !state.Known:
			return failed(fmt.Errorf("look at %s: %w", color, err))
		default:
			w.Log.Warn("the live color could not be looked at", "app", w.app.Name, "error", err)
		}
	}
	return saw(looked)
}

func observed(o Workload) *release.Observed {
	return &release.Observed{Image: o.Running, Replicas: o.Replicas, Ready: o.Ready}
}

// withoutTraffic reads the gateway before something is done to the idle color, and reports
// whether that color really has no traffic.
func (w *worker) withoutTraffic(ctx context.Context) (release.Looked, bool, error) {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return release.Looked{}, false, fmt.Errorf("read the gateway: %w", err)
	}
	live := w.record.State.Serving.Color
	return release.Looked{Live: reading.Live, Detail: reading.Detail}, live == "" || reading.Live == live, nil
}
