package engine

import (
	"context"
	"slices"
	"strings"

	"bluegreen/internal/release"
)

// probe looks at the live color and at the rollback target, in the bake or because of an alert.
// What cannot be seen is reported as such.
func (w *worker) probe(ctx context.Context, e release.Probe) stepResult {
	seen := release.Probed{Release: e.Release, Color: e.Live}
	var events []release.Event
	var found []string
	note := func(text string) { found = append(found, text) }
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		note("the gateway cannot be read: " + err.Error())
	} else {
		seen.Warnings = reading.Warnings
		events = append(events, w.looked(ctx, reading))
		if reading.Live != e.Live { // changed outside bluegreen, which ends this bake
			return saw(events...)
		}
	}
	live, err := w.app.Workloads.Observe(ctx, e.Live, e.Image, 0)
	switch {
	case err != nil:
		note(string(e.Live) + " cannot be looked at: " + err.Error())
	default:
		seen.Live = observed(live)
		if live.Ready == 0 || live.Ready < sum(live.Replicas) {
			note(string(e.Live) + ": " + live.Detail)
		}
	}
	var detail string
	if seen.Checks, detail = w.checkPublic(ctx, Subject{Release: e.Release, Color: e.Live, Image: e.Image}); detail != "" {
		note(detail)
	}
	if e.Health {
		found, _ := GatewayHealth{w.app.Gateway}.seen(ctx, e.Live)
		if seen.Health = found.Verdict; found.Verdict != release.Passed {
			note(found.Detail)
		}
	}
	if e.Target != "" {
		target, err := w.app.Workloads.Observe(ctx, e.Target, noImage, 0)
		if err != nil {
			seen.TargetDetail = string(e.Target) + " cannot be looked at: " + err.Error()
		} else {
			seen.Target, seen.TargetDetail = observed(target), string(e.Target)+": "+target.Detail
		}
	}
	seen.Detail = strings.Join(found, "; ")
	return saw(append(events, seen)...)
}

// checkPublic makes the checks of the public address once. The verdict is "" where none is
// configured, and Unknown only where none failed and one could not be made.
func (w *worker) checkPublic(ctx context.Context, s Subject) (v release.Verdict, detail string) {
	var found []string
	for _, check := range slices.Compact(slices.Clone(w.app.During)) {
		r := check.Run(ctx, s)
		switch {
		case r.Verdict == release.Passed && v == "":
			v = release.Passed
		case r.Verdict == release.Passed:
		case r.Verdict == release.Unknown && v != release.Refuted:
			v = release.Unknown
		case r.Verdict != release.Unknown:
			v = release.Refuted
		}
		if r.Verdict != release.Passed {
			found = append(found, r.Detail)
		}
	}
	return v, strings.Join(found, "; ")
}
