package workload_test

import (
	"testing"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestWhoChangedImageOrSizeIsReported(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1}
	is := func(when, want string) {
		t.Helper()
		if got := w.observe(release.Green, release.Image{}).ChangedBy; got != want {
			t.Errorf("%s changed by %q, want %q", when, got, want)
		}
	}
	by := func(manager, body string) {
		t.Helper()
		if _, err := w.cluster.Client().AppsV1().Deployments(w.namespace).Patch(t.Context(), "green",
			types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{FieldManager: manager}); err != nil {
			t.Fatal(err)
		}
	}
	w.order(order)
	is("ordered:", "")
	by("kubectl-label", `{"metadata":{"labels":{"team":"shop"}},"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"b"}]}]}}}}`)
	is("another field:", "")
	by("kubectl-set", `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"`+w.tagged(repository)+`"}]}}}}`)
	is("the image:", "kubectl-set")
	order.Fence = 2
	w.order(order)
	is("ordered again:", "")
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "green", Namespace: w.namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 1}}
	if _, err := w.cluster.Client().AppsV1().Deployments(w.namespace).UpdateScale(t.Context(), "green", scale, metav1.UpdateOptions{FieldManager: "kube-controller-manager"}); err != nil {
		t.Fatal(err)
	}
	is("the size:", "kube-controller-manager")
}
