package workload

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
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

// Deploy implements engine.Workloads. A size that a HorizontalPodAutoscaler chose after an
// order was carried out is left alone.
func (w *Workloads) Deploy(ctx context.Context, o engine.Order) error {
	t, err := w.target(o.Color)
	if err != nil {
		return err
	}
	var seen []*snapshot
	var scalers []autoscalingv2.HorizontalPodAutoscaler
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { seen, err = t.list(gctx); return err })
	g.Go(func() (err error) { scalers, err = t.scalers(gctx); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	for n, s := range seen {
		least := minimum(scalers, t.Deployments[n])
		size := max(least, 1)
		if n < len(o.Size) {
			size = max(size, o.Size[n])
		}
		err := w.write(ctx, t, s, o.Fence, func(s *snapshot) desired {
			return w.decide(s, o, size, least)
		})
		if err != nil {
			return err
		}
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
		err := w.write(ctx, t, s, f, func(s *snapshot) desired {
			if wanted(s.deployment) == replicas {
				return w.kept(s)
			}
			return desired{image: s.running(w.App), reference: s.container.Image, replicas: replicas, asked: replicas}
		})
		if err != nil {
			return err
		}
	}
	return nil
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

func (t Target) scalers(ctx context.Context) ([]autoscalingv2.HorizontalPodAutoscaler, error) {
	list, err := t.Cluster.Client().AutoscalingV2().HorizontalPodAutoscalers(t.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, t.Cluster.Explain(err)
	}
	return list.Items, nil
}

// minimum is the least size that an autoscaler lets a Deployment have; 0 without one.
func minimum(scalers []autoscalingv2.HorizontalPodAutoscaler, deployment string) int32 {
	for _, s := range scalers {
		if ref := s.Spec.ScaleTargetRef; ref.Kind == "Deployment" && ref.Name == deployment {
			if s.Spec.MinReplicas == nil {
				return 1 // as the API server's default
			}
			return max(1, *s.Spec.MinReplicas)
		}
	}
	return 0
}

// desired is the state to ask a Deployment for.
type desired struct {
	image     release.Image
	reference string
	replicas  int32
	asked     int32 // the size as it was ordered, which an autoscaler may have changed since
	unchanged bool
}

// kept is the desired state that leaves image and size as they are.
func (w *Workloads) kept(s *snapshot) desired {
	have := wanted(s.deployment)
	return desired{image: s.running(w.App), reference: s.container.Image, replicas: have, asked: cmp.Or(w.asked(s.deployment), have), unchanged: true}
}

// decide compares a Deployment with an order. least is its autoscaler's minimum, 0 without one.
func (w *Workloads) decide(s *snapshot, o engine.Order, size, least int32) desired {
	i, running, have := o.Image, s.running(w.App), wanted(s.deployment)
	same := i.Digest == "" || i.Digest == running.Digest
	scaled := least > 0 && have >= least && w.asked(s.deployment) >= size
	switch {
	case same && (have == size || have > size && !o.Shrink || scaled):
		return w.kept(s)
	case same:
		return desired{image: running, reference: s.container.Image, replicas: size, asked: size}
	}
	return desired{image: i, reference: w.Repository + "@" + i.Digest, replicas: size, asked: size}
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

// holds reports whether a Deployment has at least the size that was asked for, or one that
// its autoscaler has chosen since.
func (w *Workloads) holds(ctx context.Context, t Target, d *appsv1.Deployment) (bool, error) {
	if wanted(d) >= w.asked(d) {
		return true, nil
	}
	scalers, err := t.scalers(ctx)
	if err != nil {
		return false, err
	}
	least := minimum(scalers, d.Name)
	return least > 0 && wanted(d) >= least, nil
}

// write applies the result of decide to a Deployment, from the snapshot, or from a fresh
// read whenever it was changed meanwhile. Where nothing differs, the fence alone
// is written, so that a delayed write of an earlier worker is refused.
func (w *Workloads) write(ctx context.Context, t Target, s *snapshot, f int64, decide func(*snapshot) desired) error {
	for range tries {
		held := fence.Held(s.deployment.Annotations, w.App)
		if held > f {
			return fmt.Errorf("%s of namespace %s: %w", s.deployment.Name, t.Namespace, engine.ErrFenced)
		}
		ask := decide(s)
		if ask.unchanged && held == f {
			return nil
		}
		_, err := t.Cluster.Client().AppsV1().Deployments(t.Namespace).Apply(ctx, w.configuration(t, s, ask, f),
			metav1.ApplyOptions{FieldManager: manager, Force: true})
		if !apierrors.IsConflict(err) {
			return t.Cluster.Explain(err)
		}
		if s, err = t.deployment(ctx, s.deployment.Name); err != nil {
			return err
		}
	}
	return fmt.Errorf("deployment %s of namespace %s in cluster %s is changed outside bluegreen too often: none of %d writes was accepted",
		s.deployment.Name, t.Namespace, t.Cluster.Name(), tries)
}

// configuration is the complete set of fields of this field manager, each time: an apply
// removes the fields that it does not contain. It therefore contains image and size even when
// they stay the same.
func (w *Workloads) configuration(t Target, s *snapshot, ask desired, f int64) *applyapps.DeploymentApplyConfiguration {
	annotations := fence.Annotations(w.App, f)
	annotations[annotationImage] = ask.image.Tag + "@" + ask.image.Digest
	annotations[annotationReplicas] = strconv.Itoa(int(ask.asked))
	return applyapps.Deployment(s.deployment.Name, t.Namespace).
		WithResourceVersion(s.deployment.ResourceVersion).
		WithAnnotations(annotations).
		WithSpec(applyapps.DeploymentSpec().
			WithReplicas(ask.replicas).
			WithTemplate(applycore.PodTemplateSpec().WithSpec(applycore.PodSpec().
				WithContainers(applycore.Container().WithName(s.container.Name).WithImage(ask.reference)))))
}
