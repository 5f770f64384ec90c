package testbed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Mirror makes the API server put mirror before the image of each container of new pods of
// the namespace, by an admission policy, as companies do that allow only their own registry.
// It returns when the policy is in force.
func (c *Cluster) Mirror(t testing.TB, namespace, mirror string) {
	t.Helper()
	policies, name := c.client.AdmissionregistrationV1(), "mirror-"+namespace
	always := admissionv1.Fail
	_, err := policies.MutatingAdmissionPolicies().Create(t.Context(), &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			FailurePolicy:      &always,
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				}}},
			},
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeJSONPatch,
				JSONPatch: &admissionv1.JSONPatch{Expression: fmt.Sprintf(
					`object.spec.containers.transformList(i, c, JSONPatch{op: "replace", path: "/spec/containers/" + string(i) + "/image", value: "%s/" + c.image})`, mirror)},
			}},
		},
	}, metav1.CreateOptions{})
	if err == nil {
		_, err = policies.MutatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.MutatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatalf("make admission policy: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(c.life, 5*time.Second) // t's own has ended
		defer cancel()
		policies.MutatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{})
		policies.MutatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{})
	})
	c.untilMirrored(t, namespace, mirror)
}

func (c *Cluster) untilMirrored(t testing.TB, namespace, mirror string) {
	t.Helper()
	var image string
	Eventually(t, 30*time.Second, func() bool {
		p, err := c.client.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "trial"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "shop.example/trial:1"}}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			image = err.Error()
			return false
		}
		image = p.Spec.Containers[0].Image
		return strings.HasPrefix(image, mirror)
	}, func() string { return "the admission policy does not act: " + image })
}

// ReadOnly makes the API server refuse every write of a user to Deployments and Services with
// 403, by an admission policy, as in a change freeze, until thaw is called. It returns when
// the policy is in force for the Deployment named.
func (c *Cluster) ReadOnly(ctx context.Context, user, namespace, deployment string) (thaw func(), err error) {
	policies, name := c.client.AdmissionregistrationV1(), "read-only"
	always, forbidden := admissionv1.Fail, metav1.StatusReasonForbidden
	change := []admissionv1.OperationType{admissionv1.Create, admissionv1.Update, admissionv1.Delete}
	_, err = policies.ValidatingAdmissionPolicies().Create(ctx, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &always,
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{
				{RuleWithOperations: admissionv1.RuleWithOperations{Operations: change,
					Rule: admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments", "deployments/scale"}}}},
				{RuleWithOperations: admissionv1.RuleWithOperations{Operations: change,
					Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}}}},
			}},
			Validations: []admissionv1.Validation{{
				Expression: fmt.Sprintf("request.userInfo.username != %q", user), Message: "changes are frozen", Reason: &forbidden,
			}},
		},
	}, metav1.CreateOptions{})
	if err == nil {
		_, err = policies.ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("make admission policy: %w", err)
	}
	thaw = func() {
		ctx, cancel := context.WithTimeout(c.life, 5*time.Second)
		defer cancel()
		policies.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{})
		policies.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{})
	}
	config := c.AdminConfig()
	config.BearerToken = c.Token(user)
	as, err := kubernetes.NewForConfig(config)
	if err != nil {
		thaw()
		return nil, fmt.Errorf("make client: %w", err)
	}
	for range 300 {
		_, err = as.AppsV1().Deployments(namespace).Patch(ctx, deployment, types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"trial":"1"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return thaw, nil
		}
		if !sleep(ctx, 100*time.Millisecond) {
			break
		}
	}
	thaw()
	return nil, fmt.Errorf("the admission policy does not act: %w", err)
}
