package workload

import (
	"context"

	"bluegreen/internal/kube/access"
	"bluegreen/internal/round"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
)

// perPage is how many objects of a namespace one request returns.
const perPage = 500

// space is what makes two lists one in a round.
type space struct {
	cluster   *access.Cluster
	namespace string
	kind      string
}

// shared lists all objects of a kind in the namespace, once for all looks of the context's round.
// What it returns must not be changed.
func shared[L runtime.Object](ctx context.Context, t Target, kind string, list func(context.Context, metav1.ListOptions) (L, error)) ([]runtime.Object, error) {
	return round.Read(ctx, space{t.Cluster, t.Namespace, kind}, func(ctx context.Context) (all []runtime.Object, err error) {
		p := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return list(ctx, o) })
		p.PageSize = perPage
		err = p.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error { all = append(all, o); return nil })
		return all, err
	})
}

// lookAt reads a Deployment for those who only look. In a round it comes from the list of its
// namespace, unless the Role allows only what it names.
func (t Target) lookAt(ctx context.Context, name string) (*snapshot, error) {
	if round.Of(ctx) == nil {
		return t.deployment(ctx, name)
	}
	all, err := shared(ctx, t, "deployments", t.Cluster.Client().AppsV1().Deployments(t.Namespace).List)
	if apierrors.IsForbidden(err) {
		return t.deployment(ctx, name)
	}
	if err != nil {
		return nil, t.Cluster.Explain(err)
	}
	for _, o := range all {
		if d := o.(*appsv1.Deployment); d.Name == name {
			s := &snapshot{}
			return s, t.see(s, d)
		}
	}
	return nil, t.missing(name)
}

// listPods lists the pods that a selector takes.
func (t Target) listPods(ctx context.Context, selector string) (*corev1.PodList, error) {
	list := t.Cluster.Client().CoreV1().Pods(t.Namespace).List
	if round.Of(ctx) == nil {
		return list(ctx, metav1.ListOptions{LabelSelector: selector})
	}
	all, err := shared(ctx, t, "pods", list)
	found := &corev1.PodList{}
	for _, o := range selected(all, selector) {
		found.Items = append(found.Items, *o.(*corev1.Pod))
	}
	return found, err
}

// listReplicaSets lists the ReplicaSets that a selector takes.
func (t Target) listReplicaSets(ctx context.Context, selector string) (*appsv1.ReplicaSetList, error) {
	list := t.Cluster.Client().AppsV1().ReplicaSets(t.Namespace).List
	if round.Of(ctx) == nil {
		return list(ctx, metav1.ListOptions{LabelSelector: selector})
	}
	all, err := shared(ctx, t, "replicasets", list)
	found := &appsv1.ReplicaSetList{}
	for _, o := range selected(all, selector) {
		found.Items = append(found.Items, *o.(*appsv1.ReplicaSet))
	}
	return found, err
}

// selected are the objects that a selector takes; none where it cannot be read.
func selected(all []runtime.Object, selector string) (found []runtime.Object) {
	s, err := labels.Parse(selector)
	if err != nil {
		return nil
	}
	for _, o := range all {
		if s.Matches(labels.Set(o.(metav1.Object).GetLabels())) {
			found = append(found, o)
		}
	}
	return found
}

// scalers lists the autoscalers of the namespace.
func (t Target) scalers(ctx context.Context) ([]autoscaler, error) {
	all, err := shared(ctx, t, "horizontalpodautoscalers", t.Cluster.Client().AutoscalingV2().HorizontalPodAutoscalers(t.Namespace).List)
	if err != nil {
		return nil, t.Cluster.Explain(err)
	}
	found := make([]autoscaler, len(all))
	for n, o := range all {
		found[n] = *o.(*autoscaler)
	}
	return found, nil
}
