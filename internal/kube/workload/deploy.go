package workload

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applyapps "k8s.io/client-go/applyconfigurations/apps/v1"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
)

// The annotations hold the last order.
const (
	annotationImage    = "bluegreen.dev/image" // tag@digest
	annotationReplicas = "bluegreen.dev/replicas"
)

// tries bounds how often a write is decided anew because of changes made outside bluegreen meanwhile; a
// Deployment that is rolled out changes several times a second.
const tries = 10

// Deploy implements engine.Workloads.
func (w *Workloads) Deploy(ctx context.Context, o engine.Order) error {
	t, err := w.target(o.Color)
	if err != nil {
		return err
	}
	seen, scalers, err := t.sizes(ctx)
	if err != nil {
		return err
	}
	w.views.take(o.Color).close()
	for n, s := range seen {
		least := w.ownMinimum(scalerOf(scalers, s.deployment.Name))
		size := max(least, 1)
		if n < len(o.Size) {
			size = max(size, o.Size[n])
		}
		seen[n], err = w.write(ctx, t, s, o.Fence, func(s *snapshot) (desired, error) {
			err := w.readTagged(ctx, t, s, o.Image)
			return w.decide(s, o, size, least), err
		})
		if err != nil {
			return err
		}
	}
	if o.Image.Digest != "" { // what runs under a tag is seen by the pods only
		unscaled := !slices.ContainsFunc(t.Deployments, func(name string) bool { return scalerOf(scalers, name) != nil })
		w.views.keep(o.Color, &view{seen: seen, ordered: true, unscaled: unscaled})
	}
	return nil
}

// Scale implements engine.Workloads. At size 0 Kubernetes suspends an autoscaler.
func (w *Workloads) Scale(ctx context.Context, c release.Color, replicas int32, f int64) error {
	t, err := w.target(c)
	if err != nil {
		return err
	}
	seen, err := t.list(ctx)
	if err != nil {
		return err
	}
	for _, s := range seen {
		_, err := w.write(ctx, t, s, f, func(s *snapshot) (desired, error) {
			return desired{image: w.keeps(s), replicas: replicas, asked: replicas}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keeps is the image of a Deployment whose image stays, with the tag that is noted.
func (w *Workloads) keeps(s *snapshot) release.Image {
	i := s.named()
	i.Tag = cmp.Or(i.Tag, s.noted(w.App))
	return i
}

// list reads the color's Deployments without their pods.
func (t Target) list(ctx context.Context) ([]*snapshot, error) {
	seen := make([]*snapshot, len(t.Deployments))
	g, gctx := errgroup.WithContext(ctx)
	for n, name := range t.Deployments {
		g.Go(func() (err error) { seen[n], err = t.deployment(gctx, name); return err })
	}
	return seen, g.Wait()
}

// desired is the state to ask a Deployment for.
type desired struct {
	image     release.Image
	reference string // "" leaves each container the image that it has
	replicas  int32
	asked     int32 // the size as it was ordered; the Deployment may be larger
}

// unchanged reports whether the Deployment is as desired, by this app's own order.
func (w *Workloads) unchanged(s *snapshot, ask desired) bool {
	for _, c := range append(s.moved(containers), s.moved(initContainers)...) {
		if ask.reference != "" && c.Image != ask.reference {
			return false
		}
	}
	return ask.replicas == wanted(s.deployment) && ask.asked == w.asked(s.deployment)
}

// decide compares a Deployment with an order. least is its autoscaler's minimum, 0 without
// one. A size above the one that was last ordered is the autoscaler's own and left alone;
// another image comes at the size that is ordered for it.
func (w *Workloads) decide(s *snapshot, o engine.Order, size, least int32) desired {
	running, _ := s.running()
	have, named := wanted(s.deployment), w.keeps(s)
	if o.Image.Digest != "" && o.Image.Digest != running.Digest {
		return desired{o.Image, w.Repository + "@" + o.Image.Digest, size, size}
	}
	ask := desired{image: named, replicas: size, asked: size}
	if have > size && (!o.Shrink || least > 0 && have > w.asked(s.deployment)) {
		ask.replicas = have
	}
	switch {
	case o.Image.Digest == "":
	case named.Digest == "":
		// What pods run under a tag stays where they pulled it from: the app's repository need
		// not have it.
		ask.image, ask.reference = o.Image, home(s.container.Image)+"@"+o.Image.Digest
	default:
		ask.image, ask.reference = o.Image, s.container.Image
	}
	return ask
}

// readTagged reads the pods where they alone can show what runs.
func (w *Workloads) readTagged(ctx context.Context, t Target, s *snapshot, i release.Image) error {
	if i.Digest == "" || s.named().Digest != "" {
		return nil
	}
	return t.readPods(ctx, s)
}

// asked is the size that this app last asked a Deployment to have; 0 if it never did.
func (w *Workloads) asked(d *appsv1.Deployment) int32 {
	if d.Annotations[fence.App] != w.App {
		return 0
	}
	n, err := strconv.ParseInt(d.Annotations[annotationReplicas], 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}

// write applies the result of decide to a Deployment, from the snapshot, or from a fresh
// read whenever it was changed meanwhile. Where nothing differs, the fence alone
// is written, so that a delayed write of an earlier worker is refused. It returns the Deployment as
// it is then.
func (w *Workloads) write(ctx context.Context, t Target, s *snapshot, f int64, decide func(*snapshot) (desired, error)) (*snapshot, error) {
	for range tries {
		held := fence.Held(s.deployment.Annotations, w.App, time.Now())
		if held > f {
			return s, fmt.Errorf("%s of namespace %s: %w", s.deployment.Name, t.Namespace, engine.Fenced{Held: held})
		}
		ask, err := decide(s)
		if err != nil || held == f && w.unchanged(s, ask) {
			return s, err
		}
		d, err := t.Cluster.Client().AppsV1().Deployments(t.Namespace).Apply(ctx, w.configuration(t, s, ask, f),
			metav1.ApplyOptions{FieldManager: manager, Force: true})
		if err == nil {
			s = &snapshot{version: d.ResourceVersion}
			return s, t.see(s, d)
		}
		if !apierrors.IsConflict(err) {
			return s, t.Cluster.Explain(err)
		}
		if s, err = t.deployment(ctx, s.deployment.Name); err != nil {
			return s, err
		}
	}
	return s, fmt.Errorf("deployment %s of namespace %s in cluster %s is changed outside bluegreen too often: none of %d writes was accepted",
		s.deployment.Name, t.Namespace, t.Cluster.Name(), tries)
}

// configuration is the complete set of fields of this field manager, each time: an apply
// removes the fields that it does not contain. It therefore contains image and size even when
// they stay the same.
func (w *Workloads) configuration(t Target, s *snapshot, ask desired, f int64) *applyapps.DeploymentApplyConfiguration {
	annotations := fence.Annotations(w.App, f)
	annotations[annotationImage] = ask.image.Tag + "@" + ask.image.Digest
	annotations[annotationReplicas] = strconv.Itoa(int(ask.asked))
	spec := applycore.PodSpec()
	for _, c := range s.moved(containers) {
		spec.WithContainers(applycore.Container().WithName(c.Name).WithImage(cmp.Or(ask.reference, c.Image)))
	}
	for _, c := range s.moved(initContainers) {
		spec.WithInitContainers(applycore.Container().WithName(c.Name).WithImage(cmp.Or(ask.reference, c.Image)))
	}
	return applyapps.Deployment(s.deployment.Name, t.Namespace).
		WithResourceVersion(s.deployment.ResourceVersion).
		WithAnnotations(annotations).
		WithSpec(applyapps.DeploymentSpec().
			WithReplicas(ask.replicas).
			WithTemplate(applycore.PodTemplateSpec().WithSpec(spec)))
}
