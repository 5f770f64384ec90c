package kube_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/testbed"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// documented reads the Role of the documentation.
func documented(t *testing.T) (role *rbacv1.Role) {
	t.Helper()
	text, err := os.ReadFile("../../" + access.RoleFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &role); err != nil {
		t.Fatal(err)
	}
	return role
}

// binding is what kubectl create rolebinding makes, as the files have it.
func binding(namespace, role, user string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}

// rights are the single things that a rule allows.
func rights(r rbacv1.PolicyRule) (all []string) {
	names := r.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, resource := range r.Resources {
		for _, name := range names {
			for _, verb := range r.Verbs {
				all = append(all, need{resource: resource, name: name, verb: verb}.String())
			}
		}
	}
	return all
}

func (n need) String() string { return strings.TrimSpace(n.verb + " " + n.resource + " " + n.name) }

// cut is a Role without something.
type cut struct {
	what  string
	rules []rbacv1.PolicyRule
	lost  []string // rights
}

// cutDown takes away each rule, each verb of a rule and each of several names.
func cutDown(rules []rbacv1.PolicyRule) (cuts []cut) {
	for i, r := range rules {
		cuts = append(cuts, cut{"the rule for " + r.Resources[0], slices.Delete(slices.Clone(rules), i, i+1), rights(r)})
		for n, verb := range r.Verbs {
			with, without := r, r
			with.Verbs, without.Verbs = []string{verb}, slices.Delete(slices.Clone(r.Verbs), n, n+1)
			cuts = append(cuts, replaced(rules, i, "the verb "+verb+" on "+r.Resources[0], with, without, len(r.Verbs) > 1)...)
		}
		for n, name := range r.ResourceNames {
			with, without := r, r
			with.ResourceNames, without.ResourceNames = []string{name}, slices.Delete(slices.Clone(r.ResourceNames), n, n+1)
			cuts = append(cuts, replaced(rules, i, "the name "+name, with, without, len(r.ResourceNames) > 1)...)
		}
	}
	return cuts
}

// replaced is the Role with a smaller rule; none when nothing of the rule would be left.
func replaced(rules []rbacv1.PolicyRule, i int, what string, lost, left rbacv1.PolicyRule, some bool) []cut {
	if !some {
		return nil
	}
	rules = slices.Clone(rules)
	rules[i] = left
	return []cut{{what, rules, rights(lost)}}
}

// stand is a namespace with the app's objects, in which rollouts do not end.
type stand struct {
	cluster   *testbed.Cluster
	namespace string
	users     int
}

func openStand(t *testing.T) *stand {
	c := testbed.Shared(t)
	s := &stand{cluster: c, namespace: c.Namespace(t)}
	image := digest(s.namespace)
	c.Behave(image, testbed.NeverReady())
	for _, color := range []string{"blue", "green"} {
		c.Deploy(t, testbed.DeploymentSpec{
			Namespace: s.namespace, Name: "podinfo-" + color, Image: repository + "@" + image, Replicas: 2, Labels: map[string]string{"color": color},
		})
		c.HPA(t, s.namespace, "podinfo-"+color, 1, 9)
	}
	c.Service(t, s.namespace, "podinfo", map[string]string{"color": "blue"})
	suspend := true
	_, err := c.Client().BatchV1().CronJobs(s.namespace).Create(t.Context(), &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo-smoke"},
		Spec: batchv1.CronJobSpec{Schedule: "0 0 1 1 *", Suspend: &suspend, JobTemplate: batchv1.JobTemplateSpec{
			Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "check", Image: "shop.example/check:1"}},
			}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// misses has a new user with the smaller Role run the pieces that need the missing right.
func (s *stand) misses(t *testing.T, c cut) {
	s.users++
	user := fmt.Sprintf("user-%d", s.users)
	p := s.bind(t, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: user}, Rules: c.rules}, user)
	ran := 0
	for _, n := range needs {
		if !slices.Contains(c.lost, n.String()) {
			continue
		}
		ran++
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := n.piece(ctx, p)
		cancel()
		if reason := fmt.Sprintf("cannot %s resource %q", n.verb, n.resource); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), reason) && len(c.lost) == 1 {
			t.Errorf("%s: nothing was denied for want of it: %v", n, err)
		}
	}
	if ran != len(c.lost) {
		t.Errorf("%d pieces ran for %v", ran, c.lost)
	}
}

// bind gives a user a Role and returns the app as that user, once the API server knows.
func (s *stand) bind(t *testing.T, role *rbacv1.Role, user string) product {
	t.Helper()
	rbac := s.cluster.Client().RbacV1()
	_, err := rbac.Roles(s.namespace).Create(t.Context(), role, metav1.CreateOptions{})
	if err == nil {
		_, err = rbac.RoleBindings(s.namespace).Create(t.Context(), binding(s.namespace, role.Name, user), metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	known := role.Rules[0]
	attributes := authorizationv1.ResourceAttributes{
		Namespace: s.namespace, Verb: known.Verbs[0], Group: known.APIGroups[0], Resource: known.Resources[0],
	}
	if len(known.ResourceNames) > 0 {
		attributes.Name = known.ResourceNames[0]
	}
	testbed.Eventually(t, 30*time.Second, func() bool {
		review, err := s.cluster.Client().AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &attributes},
		}, metav1.CreateOptions{})
		return err == nil && review.Status.Allowed
	}, func() string { return "the Role of " + user + " is not known to the API server" })
	return newProduct(as(s.cluster, user), s.namespace)
}
