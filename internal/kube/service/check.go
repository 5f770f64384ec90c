package service

import (
	"context"
	"errors"
	"fmt"

	"bluegreen/internal/engine"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// Rights are the permissions that the code needs in the Service's namespace, each rule with
// one resource.
func (g *Gateway) Rights() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services"}, ResourceNames: []string{g.Service}, Verbs: []string{"get", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
	}
}

// String names the Service.
func (g *Gateway) String() string {
	return fmt.Sprintf("Service %s in namespace %s of cluster %s", g.Service, g.Namespace, g.Cluster.Name())
}

// Preflight implements engine.Preflight.
func (g *Gateway) Preflight(ctx context.Context) ([]engine.Finding, error) {
	found, err := g.check(ctx)
	if errors.Is(err, engine.ErrDenied) {
		return append(found, engine.Denied(err)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("check the gateway: %w", err)
	}
	return found, nil
}

func (g *Gateway) check(ctx context.Context) ([]engine.Finding, error) {
	found, err := g.Cluster.Missing(ctx, g.Namespace, g.Rights())
	if err != nil || len(found) > 0 {
		return found, err
	}
	s, err := g.get(ctx)
	if err != nil {
		return found, err
	}
	if !g.distinct() {
		found = append(found, engine.Finding{Text: fmt.Sprintf("the selectors of blue (%s) and green (%s) do not exclude each other: give both the same label with different values",
			text(g.Blue), text(g.Green))})
	}
	if problem := g.problem(s); problem != "" {
		found = append(found, engine.Finding{Text: fmt.Sprintf("Service %s is not fenced, because %s", g.Service, problem), Warning: true})
	}
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		found = append(found, engine.Finding{Text: fmt.Sprintf("Service %s has the type ExternalName, which selects no pods: use one that does", g.Service)})
	case g.read(s).Live == "":
		found = append(found, engine.Finding{Text: fmt.Sprintf("%s, which is neither color: point it at %s or %s", g.read(s).Detail, text(g.Blue), text(g.Green))})
	}
	return found, nil
}

// distinct reports whether no pod can have the labels of both colors.
func (g *Gateway) distinct() bool {
	for k, v := range g.Blue {
		if other, ok := g.Green[k]; ok && other != v {
			return true
		}
	}
	return false
}
