package workload

import (
	"context"
	"errors"
	"fmt"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rights are the permissions that the code needs in the namespace of a color, each rule with
// one resource.
func (w *Workloads) Rights(c release.Color) []rbacv1.PolicyRule {
	t, err := w.target(c)
	if err != nil {
		return nil
	}
	rights := []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: t.Deployments, Verbs: []string{"list", "watch", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"list"}},
	}
	if w.CronJob != "" {
		rights = append(rights,
			rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, ResourceNames: []string{w.CronJob}, Verbs: []string{"get"}},
			rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "create"}})
	}
	return rights
}

// Preflight implements engine.Preflight.
func (w *Workloads) Preflight(ctx context.Context) ([]engine.Finding, error) {
	var found []engine.Finding
	for _, c := range []release.Color{release.Blue, release.Green} {
		problems, err := w.check(ctx, c)
		if errors.Is(err, engine.ErrDenied) {
			problems, err = append(problems, engine.Finding{Text: err.Error()}), nil
		}
		if err != nil {
			return nil, fmt.Errorf("check the workloads of %s: %w", c, err)
		}
		for _, p := range problems {
			p.Text = string(c) + ": " + p.Text
			found = append(found, p)
		}
	}
	return found, nil
}

func (w *Workloads) check(ctx context.Context, c release.Color) ([]engine.Finding, error) {
	t, err := w.target(c)
	if err != nil {
		return nil, err
	}
	found, err := t.Cluster.Missing(ctx, t.Namespace, w.Rights(c))
	if err != nil || len(found) > 0 {
		return found, err
	}
	for _, name := range t.Deployments {
		s, err := t.deployment(ctx, name)
		switch {
		case errors.Is(err, engine.ErrDenied):
			found = append(found, engine.Finding{Text: err.Error()})
		case err != nil:
			return nil, err
		case s.deployment.Spec.Paused:
			found = append(found, engine.Finding{Text: fmt.Sprintf("Deployment %s in namespace %s is paused, so no rollout of it ends: run kubectl rollout resume", name, t.Namespace)})
		}
	}
	if w.CronJob == "" {
		return found, nil
	}
	_, err = t.Cluster.Client().BatchV1().CronJobs(t.Namespace).Get(ctx, w.CronJob, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return append(found, engine.Finding{Text: t.noCronJob(w.CronJob).Error()}), nil
	}
	return found, t.Cluster.Explain(err)
}
