package workload

import (
	"context"
	"errors"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	apiwatch "k8s.io/apimachinery/pkg/watch"
)

const (
	// calm is how long a rollout may take before its pods are looked at: most starts that go
	// well are over by then, and need half the requests.
	calm = 250 * time.Millisecond
	// reopen keeps a server that closes watches at once from being asked without end.
	reopen = 100 * time.Millisecond
	// again is how often a rollout in which nothing happens is judged again: a trouble that
	// lasts counts for more.
	again = 10 * time.Second
)

// errEnded means that a watch ended before its time.
var errEnded = errors.New("the watch ended")

// change is an observation of a watch; the waiting goroutine calls apply.
type change struct {
	apply func(ctx context.Context) error
	err   error
}

// watch follows the color from what is seen until its status differs from that of first,
// or until end. It reports over false when a watch ended early.
func (w *Workloads) watch(ctx context.Context, t Target, v *view, i release.Image, first engine.Workload, end time.Time) (o engine.Workload, over bool, err error) {
	wctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	v.follow(ctx, t)
	for {
		var c change
		select {
		case c = <-v.changes:
		case <-time.After(again):
		case <-wctx.Done():
		}
		if c.apply != nil { // also at the end of the time: the next call goes on from here
			c.err = c.apply(ctx)
		}
		if ctx.Err() != nil {
			return o, true, ctx.Err()
		}
		if c.err != nil {
			return o, !errors.Is(c.err, errEnded), c.err
		}
		if wctx.Err() != nil {
			return w.report(v.seen, i), true, nil
		}
		if o = w.report(v.seen, i); settled(first, o) {
			return o, true, nil
		}
	}
}

// follow watches the Deployments, by one watch, and the pods of each, until ctx ends.
func (t Target) follow(ctx context.Context, seen []*snapshot) <-chan change {
	changes := make(chan change)
	own, selector, version := map[string]*snapshot{}, "", seen[0].version
	for _, s := range seen {
		own[s.deployment.Name] = s
		if newer(version, s.version) {
			version = s.version
		}
		labels, podVersion := s.selector(), ""
		if s.pods != nil {
			podVersion = s.pods.version
		}
		go func() { send(ctx, changes, change{err: t.followPods(ctx, s, labels, podVersion, changes)}) }()
	}
	if len(seen) == 1 {
		selector = only(seen[0].deployment.Name).FieldSelector
	}
	go func() { send(ctx, changes, change{err: t.followDeployments(ctx, own, selector, version, changes)}) }()
	return changes
}

// newer reports whether version a is later than b; not where they cannot be compared
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}

func send(ctx context.Context, to chan<- change, c change) bool {
	select {
	case to <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// followDeployments follows the color's own among the Deployments that a field selector takes; ""
// takes all of the namespace. Where the Role allows only what it names, each has a watch.
func (t Target) followDeployments(ctx context.Context, own map[string]*snapshot, selector, version string, changes chan<- change) error {
	options := metav1.ListOptions{FieldSelector: selector, ResourceVersion: version}
	events, err := t.Cluster.Client().AppsV1().Deployments(t.Namespace).Watch(ctx, options)
	if selector == "" && apierrors.IsForbidden(err) {
		g, ctx := errgroup.WithContext(ctx)
		for name := range own {
			g.Go(func() error { return t.followDeployments(ctx, own, only(name).FieldSelector, version, changes) })
		}
		return g.Wait()
	}
	if err != nil {
		return t.Cluster.Explain(err)
	}
	return pass(ctx, events, func(e apiwatch.Event) bool {
		d, ok := e.Object.(*appsv1.Deployment)
		if !ok {
			return false
		}
		s := own[d.Name]
		return s == nil || send(ctx, changes, change{apply: func(ctx context.Context) error { return t.seeChange(ctx, s, d, e.Type) }})
	})
}

// seeChange takes note of a change, unless it is older than the snapshot: a watch begins at the
// earliest of all snapshots, and the color must not be seen as it was before its order.
func (t Target) seeChange(ctx context.Context, s *snapshot, d *appsv1.Deployment, kind apiwatch.EventType) error {
	switch {
	case newer(s.deployment.ResourceVersion, d.ResourceVersion):
		return nil
	case kind == apiwatch.Deleted:
		return errEnded
	}
	return errors.Join(t.see(s, d), t.findOwner(ctx, s))
}

// followPods begins at version, or with a list when there is none yet.
func (t Target) followPods(ctx context.Context, s *snapshot, selector, version string, changes chan<- change) error {
	pods := t.Cluster.Client().CoreV1().Pods(t.Namespace)
	options := metav1.ListOptions{LabelSelector: selector, ResourceVersion: version}
	if version == "" {
		if err := t.restless(ctx, s, changes); err != nil {
			return err
		}
		list, err := pods.List(ctx, options)
		if err != nil {
			return t.Cluster.Explain(err)
		}
		if !send(ctx, changes, change{apply: func(ctx context.Context) error { return t.takePods(ctx, s, list) }}) {
			return ctx.Err()
		}
		options.ResourceVersion = list.ResourceVersion
	}
	events, err := pods.Watch(ctx, options)
	if err != nil {
		return t.Cluster.Explain(err)
	}
	return pass(ctx, events, func(e apiwatch.Event) bool {
		p, ok := e.Object.(*corev1.Pod)
		return ok && send(ctx, changes, change{apply: func(context.Context) error { s.seePod(p, e.Type == apiwatch.Deleted); return nil }})
	})
}

// restless returns when a Deployment is not rolled out although it had the time for it.
func (t Target) restless(ctx context.Context, s *snapshot, changes chan<- change) error {
	for {
		if err := pause(ctx, calm); err != nil {
			return err
		}
		done := make(chan bool, 1)
		if !send(ctx, changes, change{apply: func(context.Context) error { done <- s.rolledOut(); return nil }}) {
			return ctx.Err()
		}
		select {
		case rolledOut := <-done:
			if !rolledOut {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *snapshot) seePod(p *corev1.Pod, gone bool) {
	if gone {
		delete(s.pods.list, p.UID)
		return
	}
	s.pods.list[p.UID] = p
}

// pass hands events on until one is not taken or there are no more.
func pass(ctx context.Context, events apiwatch.Interface, take func(apiwatch.Event) bool) error {
	defer events.Stop()
	for {
		select {
		case e, open := <-events.ResultChan():
			if !open || !take(e) {
				return errEnded
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
