package workload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rights are the permissions that the code needs in the namespace of a color, each rule with
// one resource. That to list the color's Deployments is in Extras as that to list all; who has that to
// watch all, which is there for a color of several, may watch each of them.
func (w *Workloads) Rights(c release.Color) []rbacv1.PolicyRule {
	t, err := w.target(c)
	if err != nil {
		return nil
	}
	rights := []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: t.Deployments, Verbs: []string{"watch", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"list"}},
	}
	if w.CronJob != "" {
		rights = append(rights,
			rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, ResourceNames: []string{w.CronJob}, Verbs: []string{"get"}},
			rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "create", "delete"}})
	}
	return rights
}

// Extra is a permission that the code can do without, and what is lost then.
type Extra struct {
	Rule rbacv1.PolicyRule
	Loss string
}

// Extras are the permissions that the code uses if it has them in the namespace of a color. scalers
// are the names of its autoscalers.
func (w *Workloads) Extras(c release.Color, scalers []string) []Extra {
	extras := []Extra{{
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"list"}},
		"each look at a Deployment is a request of its own",
	}, {
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"list"}},
		"pods of an earlier template that has the same image, or whose image a policy rewrites, are misjudged",
	}}
	if t, err := w.target(c); err == nil && len(t.Deployments) > 1 {
		extras = append(extras, Extra{
			rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"watch"}},
			"each Deployment of the color has a watch of its own while it rolls out",
		})
	}
	if len(scalers) > 0 {
		extras = append(extras, Extra{
			rbacv1.PolicyRule{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, ResourceNames: scalers, Verbs: []string{"patch"}},
			"the autoscaler may shrink the idle color, which has no load, before it gets the traffic",
		})
	}
	return extras
}

// Preflight implements engine.Preflight.
func (w *Workloads) Preflight(ctx context.Context) ([]engine.Finding, error) {
	var found []engine.Finding
	for _, c := range []release.Color{release.Blue, release.Green} {
		problems, err := w.PreflightOf(ctx, c)
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

// Place implements engine.ByColor.
func (w *Workloads) Place(c release.Color) string {
	t, err := w.target(c)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s in namespace %s of cluster %s", strings.Join(t.Deployments, ", "), t.Namespace, t.Cluster.Name())
}

// Reach implements engine.ByColor.
func (w *Workloads) Reach(ctx context.Context, c release.Color) ([]engine.Finding, error) {
	t, err := w.target(c)
	if err == nil {
		err = t.Cluster.Reach(ctx)
	}
	if errors.Is(err, engine.ErrDenied) {
		return []engine.Finding{engine.Denied(err)}, nil
	}
	return nil, err
}

// PreflightOf implements engine.ByColor.
func (w *Workloads) PreflightOf(ctx context.Context, c release.Color) ([]engine.Finding, error) {
	found, err := w.check(ctx, c)
	if errors.Is(err, engine.ErrDenied) {
		return append(found, engine.Denied(err)), nil
	}
	return found, err
}

func (w *Workloads) check(ctx context.Context, c release.Color) ([]engine.Finding, error) {
	t, err := w.target(c)
	if err != nil {
		return nil, err
	}
	rights := w.Rights(c)
	rights[0].Verbs = append([]string{"list"}, rights[0].Verbs...) // of its own Deployments
	found, err := t.Cluster.Missing(ctx, t.Namespace, rights)
	if err != nil || len(found) > 0 {
		return found, err
	}
	scalers, err := t.scalers(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range t.Deployments {
		more, err := w.checkDeployment(ctx, t, name, scalerOf(scalers, name))
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
		if a := scalerOf(scalers, name); a != nil && keda(a) == "" {
			names = append(names, a.Name)
		}
	}
	lacking, err := w.lacking(ctx, t, w.Extras(c, names))
	if found = append(found, lacking...); err != nil || w.CronJob == "" {
		return found, err
	}
	_, err = t.Cluster.Client().BatchV1().CronJobs(t.Namespace).Get(ctx, w.CronJob, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return append(found, engine.Denied(t.noCronJob(w.CronJob))), nil
	}
	return found, t.Cluster.Explain(err)
}

// lacking warns of the extra rights that the identity does not have.
func (w *Workloads) lacking(ctx context.Context, t Target, extras []Extra) (found []engine.Finding, err error) {
	for _, extra := range extras {
		missing, err := t.Cluster.Missing(ctx, t.Namespace, []rbacv1.PolicyRule{extra.Rule})
		if err != nil {
			return nil, err
		}
		for _, m := range missing {
			found = append(found, warning("%s; until then %s", m.Text, extra.Loss))
		}
	}
	return found, nil
}

func warning(format string, args ...any) engine.Finding {
	return engine.Finding{Text: fmt.Sprintf(format, args...), Warning: true}
}

func (w *Workloads) checkDeployment(ctx context.Context, t Target, name string, a *autoscaler) (found []engine.Finding, err error) {
	s, err := t.deployment(ctx, name)
	if errors.Is(err, engine.ErrDenied) {
		return []engine.Finding{engine.Denied(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	if s.deployment.Spec.Paused {
		found = append(found, engine.Finding{Text: fmt.Sprintf("Deployment %s in namespace %s is paused, so no rollout of it ends: run kubectl rollout resume", name, t.Namespace)})
	}
	if problem := fence.Problem(s.deployment.Annotations, w.App, "deployment "+name+" -n "+t.Namespace, time.Now()); problem != "" {
		found = append(found, warning("Deployment %s is not fenced, because %s", name, problem))
	}
	if a != nil && keda(a) != "" {
		found = append(found, warning("Deployment %s in namespace %s is scaled by KEDA (ScaledObject %s), also to and from 0 replicas: set its minReplicaCount to what a release needs",
			name, t.Namespace, keda(a)))
	}
	found = append(found, s.unready()...)
	found = append(found, t.unselected(s)...)
	found = append(found, s.others()...)
	images, err := w.checkImage(ctx, t, s)
	return append(found, images...), err
}

// unready warns of a released container whose pods are ready before they can answer.
func (s *snapshot) unready() []engine.Finding {
	if s.container.ReadinessProbe != nil {
		return nil
	}
	return []engine.Finding{warning("container %s of Deployment %s has no readiness probe, so that its pods count as ready before they can answer, and users meet them: add readinessProbe: {httpGet: {path: /healthz, port: PORT}} to it, as deploy/kubernetes/base/deployment.yaml has one",
		s.container.Name, s.deployment.Name)}
}

// unselected reports pods that do not have the labels by which users reach the color.
func (t Target) unselected(s *snapshot) []engine.Finding {
	have := s.deployment.Spec.Template.Labels
	for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
		if value := t.Labels[key]; have[key] != value {
			return []engine.Finding{{Text: fmt.Sprintf("the pods of Deployment %s in namespace %s have the label %s=%s, not %s=%s, which the Service selects for this color: correct spec.template.metadata.labels, or the selector in bluegreen.yaml",
				s.deployment.Name, t.Namespace, key, have[key], key, value)}}
		}
	}
	return nil
}

// others names the containers that change together with the released one.
func (s *snapshot) others() []engine.Finding {
	var names []string
	for _, c := range append(s.moved(initContainers), s.moved(containers)...) {
		if c.Name != s.container.Name {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []engine.Finding{warning("in Deployment %s the containers %s have the image of the released container %s and change with it: name another image if one must not",
		s.deployment.Name, strings.Join(names, ", "), s.container.Name)}
}

// checkImage warns of an image that a rollback may not be able to start again.
func (w *Workloads) checkImage(ctx context.Context, t Target, s *snapshot) (found []engine.Finding, err error) {
	d, from := s.deployment, home(s.container.Image)
	if from != w.Repository {
		found = append(found, warning("Deployment %s in namespace %s has an image of %s, not of the configured repository %s: a release or rollback to it by digest needs it there, so import it (az acr import)",
			d.Name, t.Namespace, from, w.Repository))
	}
	if s.named().Digest != "" {
		return found, nil
	}
	if err := t.readPods(ctx, s); err != nil {
		return nil, err
	}
	i, _ := s.running()
	digest := i.Digest
	if digest == "" {
		digest = "DIGEST"
	}
	return append(found, warning("Deployment %s in namespace %s names its image by the tag %s, so that a rollback to it would start whatever the tag means then: name the digest, with kubectl set image deployment/%[1]s %[4]s=%[5]s@%[6]s -n %[2]s, which restarts its pods",
		d.Name, t.Namespace, i.Tag, s.container.Name, from, digest)), nil
}
