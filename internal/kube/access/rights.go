package access

import (
	"context"
	"fmt"
	"strings"

	"bluegreen/internal/engine"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Missing returns a finding for each rule that the identity does not have whole in a
// namespace, with the line of a Role that fixes it.
func (c *Cluster) Missing(ctx context.Context, namespace string, rules []rbacv1.PolicyRule) ([]engine.Finding, error) {
	sentences := make([]string, len(rules))
	g, gctx := errgroup.WithContext(ctx)
	for n, rule := range rules {
		g.Go(func() (err error) {
			sentences[n], err = c.missing(gctx, namespace, rule)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var found []engine.Finding
	for _, s := range sentences {
		if s != "" {
			found = append(found, engine.Finding{Text: s})
		}
	}
	return found, nil
}

func (c *Cluster) missing(ctx context.Context, namespace string, rule rbacv1.PolicyRule) (string, error) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var verbs []string
	for _, verb := range rule.Verbs {
		may := true
		for _, name := range names {
			allowed, err := c.may(ctx, authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: rule.APIGroups[0], Resource: rule.Resources[0], Name: name,
			})
			if err != nil {
				return "", err
			}
			may = may && allowed
		}
		if !may {
			verbs = append(verbs, verb)
		}
	}
	if len(verbs) == 0 {
		return "", nil
	}
	rule.Verbs = verbs
	return fmt.Sprintf("the identity may not %s %s in namespace %s of cluster %s: add to its Role (%s) the rule %s",
		strings.Join(verbs, ", "), rule.Resources[0], namespace, c.name, RoleFile, line(rule)), nil
}

func (c *Cluster) may(ctx context.Context, what authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
	answer, err := c.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, c.Explain(err)
	}
	return answer.Status.Allowed, nil
}

// line is a rule as it is written in a Role.
func line(r rbacv1.PolicyRule) string {
	text := fmt.Sprintf("{apiGroups: [%q], resources: [%s]", r.APIGroups[0], r.Resources[0])
	if len(r.ResourceNames) > 0 {
		text += ", resourceNames: [" + strings.Join(r.ResourceNames, ", ") + "]"
	}
	return text + ", verbs: [" + strings.Join(r.Verbs, ", ") + "]}"
}
