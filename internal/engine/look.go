package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/release"
)

// preflight checks once for each configuration that what it names exists and may be used.
func (w *worker) preflight(ctx context.Context) stepResult {
	var missing []string
	warnings := slices.Clone(w.app.Warnings)
	ports := []any{w.app.Gateway, w.app.Workloads, w.app.Registry}
	for _, check := range slices.Compact(slices.Concat(w.app.Before, w.app.During)) {
		ports = append(ports, check)
	}
	for _, port := range ports {
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
	w.record.Preflight, w.dirty = PreflightResult{Config: w.app.Fingerprint, Warnings: withoutSecrets(warnings)}, true
	return stepResult{}
}

// look reads the gateway and what both colors run. For an app not yet taken over both must
// be seen.
func (w *worker) look(ctx context.Context) stepResult {
	reading, err := w.app.Gateway.Live(ctx)
	if err != nil {
		return failed(fmt.Errorf("read the gateway: %w", err))
	}
	state := w.record.State
	looked := w.looked(ctx, reading)
	if !state.Known && reading.Live == "" {
		return failed(fmt.Errorf("the gateway points at neither color alone (%s): point it at one, the app is then taken over", reading.Detail))
	}
	saw := []any{reading}
	for _, color := range []release.Color{release.Blue, release.Green} { // in this order, so that a seed repeats a run
		seen := &looked.Blue
		if color == release.Green {
			seen = &looked.Green
		}
		o, err := w.app.Workloads.Observe(ctx, color, release.Image{}, 0)
		switch {
		case err == nil:
			*seen = observed(o)
			saw = append(saw, observed(o))
			if !state.Known {
				(*seen).Image = w.confirmed(ctx, o)
			}
		case !state.Known && (state.Serving.Color == "" || color == reading.Live):
			return failed(fmt.Errorf("look at %s: %w", color, err))
		default:
			w.Log.Warn("a color could not be looked at", "app", w.app.Name, "color", color, "error", err)
		}
	}
	w.seen, w.saw = &looked, ""
	if delete(w.glances, lookTask.name); len(saw) == 3 {
		w.saw = hashOf(saw...)
	}
	r := stepResult{Seen: []release.Event{looked}}
	if !state.Known && !looked.Reached(state.Serving.Since, w.Now()) {
		r.Failed = errors.New("the gateway still carries out a change")
	}
	return r
}

// glanceAtColors returns the hash of what a look sees of the gateway and of both colors.
func glanceAtColors(ctx context.Context, _ *Engine, app *App) (string, error) {
	reading, err := app.Gateway.Live(ctx)
	if err != nil {
		return "", fmt.Errorf("read the gateway: %w", err)
	}
	saw := []any{reading}
	for _, color := range []release.Color{release.Blue, release.Green} {
		o, err := app.Workloads.Observe(ctx, color, release.Image{}, 0)
		if err != nil {
			return "", fmt.Errorf("look at %s: %w", color, err)
		}
		saw = append(saw, observed(o))
	}
	return hashOf(saw...), nil
}

// confirmed is what a color runs, under the tag that is noted there if the registry has this image
// under it. A false tag would make the image newer or older than it is.
func (w *worker) confirmed(ctx context.Context, o Workload) release.Image {
	if w.app.Registry == nil || o.Noted == "" || o.Running.Digest == "" || o.Running.Tag != "" {
		return o.Running
	}
	i, err := w.app.Registry.Resolve(ctx, o.Noted)
	if err != nil || i.Digest != o.Running.Digest {
		w.Log.Warn("the tag that is noted on a color is not used", "app", w.app.Name, "tag", o.Noted, "digest", o.Running.Digest, "error", err)
		return o.Running
	}
	return i
}

func observed(o Workload) *release.Observed {
	return &release.Observed{Image: o.Running, Replicas: o.Replicas, Ready: o.Ready, ReadyOf: o.ReadyOf, By: o.ChangedBy}
}

// looked is what a reading says of where users are. After a change made outside bluegreen
// the public address must show it as well: a gateway can say that it has ended while its
// instances still follow.
func (w *worker) looked(ctx context.Context, r Reading) release.Looked {
	s := w.record.State
	seen := release.Looked{Live: r.Live, Detail: r.Detail, Underway: r.Underway, Lag: r.Lag, Warnings: r.Warnings}
	changed := r.Live != s.Serving.Color || !s.Drift.IsZero() && !s.Drift.Watched || !s.Known
	if !changed || s.Serving.Color == "" || r.Live == "" || r.Underway {
		return seen
	}
	image := s.Serving.Image
	if r.Live != s.Serving.Color {
		image = s.Color(r.Live).Observed.Image
	}
	seen.Unseen = w.unseen(ctx, r.Live, image)
	return seen
}

// unseen is why the public address does not show that users are on a color; "" when it
// does, or when no check of it is configured.
func (w *worker) unseen(ctx context.Context, c release.Color, i release.Image) string {
	for _, check := range slices.Compact(slices.Clone(w.app.During)) {
		for range asks {
			if found := check.Run(ctx, Subject{Color: c, Image: i}); found.Verdict != release.Passed {
				return fmt.Sprintf("%s is not seen at the public address: %s", c, found.Detail)
			}
		}
	}
	return ""
}

// asks is how often the public address is asked where users are: a gateway changes one part
// of itself at a time, and each request meets any of them.
const asks = 6

// withoutTraffic reads the gateway before something is done to the idle color, and reports
// whether that color has no traffic. It fails where it may still have some.
func (w *worker) withoutTraffic(ctx context.Context) (seen release.Looked, idle bool, err error) {
	reading, err := w.app.Gateway.Live(ctx)
	live := w.record.State.Serving.Color
	switch {
	case err != nil:
		return seen, false, fmt.Errorf("read the gateway: %w", err)
	case reading.Underway:
		return seen, false, errors.New("the gateway still carries out a change, and users may meet what was there before: the color without traffic is left alone until it has ended")
	}
	if reading.Live != w.led.to {
		w.led = led{reading.Live, w.Now()}
	}
	return w.looked(ctx, reading), live == "" || reading.Live == live, nil
}

// led is where this worker has read the gateway to point since a time.
type led struct {
	to    release.Color
	since time.Time
}

// resolversFollow reports whether resolvers may still lead users to where the gateway pointed
// before this worker read it. Another writer may have changed it back just before.
func (w *worker) resolversFollow(l release.Looked) bool {
	return w.Now().Sub(w.led.since) < min(l.Lag, release.UnseenFor)
}
