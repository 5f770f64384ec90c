// Package workload runs an app's colors as Deployments. Of a Deployment it owns, as field
// manager "bluegreen", the image of one container, the number of replicas and annotations
// of its own; every write carries the version that it was decided on, so that a late one
// loses. Waiting is a watch.
package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/fence"
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
	Labels      map[string]string // by which users reach the pods; nil where another gateway leads to them
}

// Options of an app's workloads. Repository is "registry/repository" of its image; CronJob
// names the template of its check, if it has one.
type Options struct {
	App         string
	Repository  string
	Blue, Green Target
	CronJob     string
}

// Workloads are the colors of one app. It implements engine.Workloads,
// engine.Autoscaled, engine.Preflight and engine.ByColor, and makes a check of a CronJob.
type Workloads struct {
	Options
	views views
}

// New makes an app's workloads. Nothing is asked of the clusters yet.
func New(o Options) *Workloads { return &Workloads{Options: o} }

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
	if wait > 0 {
		return w.wait(ctx, t, c, i, time.Now().Add(wait))
	}
	seen, err := w.look(ctx, t, true)
	if err != nil {
		return engine.Workload{}, err
	}
	return w.report(seen, i), nil
}

// wait observes a color by the watch that an earlier call has kept open, or by a new one.
func (w *Workloads) wait(ctx context.Context, t Target, c release.Color, i release.Image, end time.Time) (engine.Workload, error) {
	var first engine.Workload
	v := w.views.take(c)
	for look := 0; ; look++ {
		if v == nil {
			seen, err := w.look(ctx, t, time.Until(end) <= 0)
			if err != nil {
				return engine.Workload{}, err
			}
			v = &view{seen: seen}
		}
		o := w.report(v.seen, i)
		if look == 0 {
			first = o
		}
		if settled(first, o) || time.Until(end) <= 0 {
			if v.ordered {
				v.follow(ctx, t) // what was written says nothing of what becomes of it
			}
			w.views.keep(c, v)
			return o, nil
		}
		o, over, err := w.watch(ctx, t, v, i, first, end)
		if over && err == nil {
			w.views.keep(c, v)
			return o, nil
		}
		v.close()
		if over {
			return o, err
		}
		// A watch ended early: the server closes them now and then. A new list shows the missed changes.
		v = nil
		if err := pause(ctx, reopen); err != nil {
			return engine.Workload{}, err
		}
	}
}

// settled reports whether waiting is over: nothing more is to come, or something changed.
func settled(first, o engine.Workload) bool {
	return o.Status == release.Complete || o.Status == release.Broken || o.Status != first.Status || o.Matches != first.Matches
}

// look reads the color's Deployments, and the pods of those that are on their way or name
// their image by a tag. Pods of a rollout that has not begun yet are left out unless this is
// the last look.
func (w *Workloads) look(ctx context.Context, t Target, last bool) ([]*snapshot, error) {
	seen := make([]*snapshot, len(t.Deployments))
	g, gctx := errgroup.WithContext(ctx)
	for n, name := range t.Deployments {
		g.Go(func() (err error) {
			seen[n], err = t.lookAt(gctx, name)
			switch s := seen[n]; {
			case errors.As(err, &missing{}):
				seen[n] = &snapshot{gone: err}
				return nil
			case err != nil || s.rolledOut() && s.named().Digest != "" || !last && !s.begun():
				return err
			}
			return t.readPods(gctx, seen[n])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	w.lookAtScalers(ctx, t, seen)
	return seen, nil
}

// lookAtScalers reads the autoscalers if one may explain a size. That it cannot is no reason
// not to report the rest.
func (w *Workloads) lookAtScalers(ctx context.Context, t Target, seen []*snapshot) {
	if !slices.ContainsFunc(seen, func(s *snapshot) bool {
		return s.gone == nil && (wanted(s.deployment) == 0 || wanted(s.deployment) < w.asked(s.deployment))
	}) {
		return
	}
	scalers, err := t.scalers(ctx)
	for _, s := range seen {
		if s.gone == nil {
			s.scaler, s.scalerUnread = scalerOf(scalers, s.deployment.Name), err
		}
	}
}

// report combines the snapshots of all Deployments.
func (w *Workloads) report(seen []*snapshot, i release.Image) engine.Workload {
	o := engine.Workload{Status: release.Complete, Matches: true}
	var changed time.Time
	var all []run
	for n, s := range seen {
		if s.gone != nil {
			o.Status, o.Matches, o.Replicas = release.Broken, false, append(o.Replicas, 0)
			o.Detail = join(o.Detail, strings.TrimPrefix(s.gone.Error(), engine.ErrDenied.Error()+": "))
			continue
		}
		running, detail := w.reportOne(s, &o)
		if tag := s.noted(w.App); n == 0 {
			o.Noted = tag
		} else if tag != o.Noted {
			o.Noted = ""
		}
		if len(seen) > 1 {
			detail = s.deployment.Name + ": " + detail
		}
		o.Detail = join(o.Detail, detail)
		all = append(all, run{s.deployment.Name, running})
		o.Matches = o.Matches && wanted(s.deployment) >= w.asked(s.deployment) && (i.Digest == "" || running.Digest == i.Digest)
		if name, at := s.changedBy(); name != "" && (o.ChangedBy == "" || at.After(changed)) {
			o.ChangedBy, changed = name, at
		}
	}
	var differ string
	if o.Running, differ = together(all); differ != "" {
		o.Matches, o.Detail = false, join(o.Detail, differ)
	}
	if o.Running.Digest != "" && o.Running.Digest == i.Digest {
		o.Running.Tag = cmp.Or(i.Tag, o.Running.Tag)
	}
	return o
}

// reportOne adds the rollout of one Deployment, and returns its image and its words.
func (w *Workloads) reportOne(s *snapshot, o *engine.Workload) (release.Image, string) {
	found := s.judge(time.Now())
	o.Status = worse(o.Status, found.status)
	o.Ready += found.ready
	o.ReadyOf = append(o.ReadyOf, found.ready)
	o.Replicas = append(o.Replicas, wanted(s.deployment))
	running, differ := s.running()
	reasons := append(found.reasons, s.sizeNote(w.asked(s.deployment)), differ,
		fence.Problem(s.deployment.Annotations, w.App, "deployment "+s.deployment.Name+" -n "+s.deployment.Namespace, time.Now()))
	reasons = slices.DeleteFunc(reasons, func(r string) bool { return r == "" })
	detail := fmt.Sprintf("%d of %d pods ready", found.ready, wanted(s.deployment))
	if len(reasons) > 0 {
		detail += ": " + strings.Join(reasons, "; ")
	}
	return running, detail
}

// run is what one Deployment runs.
type run struct {
	deployment string
	image      release.Image
}

// together is the one image that all Deployments run; where they differ it is unknown, and
// differ lists them.
func together(all []run) (i release.Image, differ string) {
	var each []string
	for _, r := range all {
		text := r.image.String()
		if r.image.Digest == "" {
			text += " (digest not known)"
		}
		each = append(each, r.deployment+" runs "+text)
		if !r.image.Same(all[0].image) {
			differ = "the Deployments differ: "
		}
	}
	if differ != "" {
		return i, differ + strings.Join(each, ", ")
	}
	if len(all) > 0 {
		i = all[0].image
	}
	return i, ""
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
