package testbed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
