// Package workload runs an app's colors as Deployments. Of a Deployment it owns, as field
// manager "bluegreen", the image of one container, the number of replicas and annotations
// of its own; every write carries the version that it was decided on, so that a late one
// loses. Waiting is a watch.
package workload

import (
	"context"
	"fmt"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/release"

	"golang.org/x/sync/errgroup"
)

const manager = "bluegreen"

// Target is where a color runs. Container may be empty when its Deployments have only one.
type Target struct {
	Cluster     *access.Cluster
	Namespace   string
	Deployments []string
	Container   string
}

// Options of an app's workloads. Repository is "registry/repository" of its image; CronJob
// names the template of its check, if it has one.
type Options struct {
	App         string
	Repository  string
	Blue, Green Target
	CronJob     string
}

// Workloads are the colors of one app. It implements engine.Workloads and
// engine.Preflight, and makes a check of a CronJob.
type Workloads struct{ Options }

// New makes an app's workloads. Nothing is asked of the clusters yet.
func New(o Options) *Workloads { return &Workloads{o} }

func (w *Workloads) target(c release.Color) (Target, error) {
	switch c {
	case release.Blue:
		return w.Blue, nil
	case release.Green:
		return w.Green, nil
	}
	return Target{}, fmt.Errorf("there is no color %q", c)
}

// Observe implements engine.Workloads.
func (w *Workloads) Observe(ctx context.Context, c release.Color, i release.Image, wait time.Duration) (engine.Workload, error) {
	t, err := w.target(c)
	if err != nil {
		return engine.Workload{}, err
	}
	end := time.Now().Add(wait)
	var first engine.Workload
	for look := 0; ; look++ {
		v, err := t.look(ctx, time.Until(end) <= 0)
		if err != nil {
			return engine.Workload{}, err
		}
		o, err := w.report(ctx, t, v, i)
		if look == 0 {
			first = o
		}
		if err != nil || settled(first, o) || time.Until(end) <= 0 {
			return o, err
		}
		o, over, err := w.watch(ctx, t, v, i, first, end)
		if over {
			return o, err
		}
		// A watch ended early: the server closes them now and then. A new list shows the missed changes.
		if err := pause(ctx, reopen); err != nil {
			return engine.Workload{}, err
		}
	}
}

// settled reports whether waiting is over: nothing more is to come, or something changed.
func settled(first, o engine.Workload) bool {
	return o.Status == release.Complete || o.Status == release.Broken || o.Status != first.Status || o.Matches != first.Matches
}

// look reads the color's Deployments, and the pods of those that are on their way. Pods of
// a rollout that has not begun yet are left out unless this is the last look.
func (t Target) look(ctx context.Context, last bool) ([]*snapshot, error) {
	seen := make([]*snapshot, len(t.Deployments))
	g, gctx := errgroup.WithContext(ctx)
	for n, name := range t.Deployments {
		g.Go(func() (err error) {
			if seen[n], err = t.deployment(gctx, name); err != nil || seen[n].rolledOut() || !last && !seen[n].begun() {
				return err
			}
			return t.listPods(gctx, seen[n])
		})
	}
	return seen, g.Wait()
}

// report combines the snapshots of all Deployments.
func (w *Workloads) report(ctx context.Context, t Target, seen []*snapshot, i release.Image) (engine.Workload, error) {
	o := engine.Workload{Status: release.Complete, Matches: true}
	var running []release.Image
	for _, s := range seen {
		found := s.judge()
		o.Status = worse(o.Status, found.status)
		o.Ready += found.ready
		o.Replicas = append(o.Replicas, wanted(s.deployment))
		if len(seen) > 1 {
			found.detail = s.deployment.Name + ": " + found.detail
		}
		o.Detail = join(o.Detail, found.detail)
		running = append(running, s.running(w.App))
		held, err := w.holds(ctx, t, s.deployment)
		if err != nil {
			return engine.Workload{}, err
		}
		o.Matches = o.Matches && held && (i.Digest == "" || running[len(running)-1].Digest == i.Digest)
	}
	o.Running = together(running, i)
	return o, nil
}

// together is the one image that all Deployments run; where they differ, one that is not
// the image asked for.
func together(running []release.Image, asked release.Image) release.Image {
	for _, r := range running {
		if asked.Digest != "" && r.Digest != asked.Digest {
			return r
		}
		if r.Digest != running[0].Digest || r.Digest == "" && r.Tag != running[0].Tag {
			return release.Image{}
		}
	}
	return running[0]
}

var order = []release.Rollout{release.Complete, release.Progressing, release.PullFailing, release.Broken}

func worse(a, b release.Rollout) release.Rollout {
	for i := len(order) - 1; i > 0; i-- {
		if a == order[i] || b == order[i] {
			return order[i]
		}
	}
	return release.Complete
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
