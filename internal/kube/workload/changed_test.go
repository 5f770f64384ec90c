package workload_test

import (
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"

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
	w.scaled("green", 1)
	is("the size:", "kube-controller-manager")
	order.Fence = 3
	w.order(order)
	is("ordered a third time:", "")
	w.cluster.HPA(t, w.namespace, "green", 4, 9)
	testbed.Eventually(t, time.Minute, func() bool { return w.size("green") == 4 }, func() string { return "the autoscaler does nothing" })
	is("the size, by a real autoscaler:", "kube-controller-manager")
}
