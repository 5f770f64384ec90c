package workload_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// scaled sets a size as the autoscaler does.
func (w *env) scaled(name string, replicas int32) {
	w.t.Helper()
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	if _, err := w.cluster.Client().AppsV1().Deployments(w.namespace).UpdateScale(w.t.Context(), name, scale, metav1.UpdateOptions{FieldManager: "kube-controller-manager"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) size(name string) int32 { return *w.get(name).Spec.Replicas }

func (w *env) hpa(name string) *autoscalingv2.HorizontalPodAutoscaler {
	w.t.Helper()
	h, err := w.cluster.Client().AutoscalingV2().HorizontalPodAutoscalers(w.namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func TestAnAutoscalersMinimumAndItsLargerSizeAreLeftAloneAndItsSmallerOneIsNot(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.HPA(t, w.namespace, "green", 3, 9)
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Shrink: true, Fence: 1}
	w.order(order)
	w.until(release.Green, w.images[1], release.Complete)
	if n := w.size("green"); n != 3 {
		t.Fatalf("green has %d replicas, the autoscaler's minimum is 3", n)
	}
	order.Size, order.Fence = []int32{5}, 2
	w.order(order)
	w.scaled("green", 4) // for want of load
	o := w.observe(release.Green, w.images[1])
	if o.Matches {
		t.Error("4 of the 5 replicas that were ordered match")
	}
	if want := "4 of the 5 replicas"; !strings.Contains(o.Detail, want) || !strings.Contains(o.Detail, "autoscaler green") {
		t.Errorf("%q and the autoscaler are not in %q", want, o.Detail)
	}
	w.order(order)
	if n := w.size("green"); n != 5 {
		t.Errorf("the same order left %d of 5 replicas", n)
	}
	w.scaled("green", 7)
	w.order(order)
	if n := w.size("green"); n != 7 || !w.observe(release.Green, w.images[1]).Matches {
		t.Errorf("the same order made %d of the autoscaler's 7", n)
	}
	order.Size = []int32{8}
	w.order(order)
	order.Size = []int32{4}
	w.order(order)
	if n := w.size("green"); n != 4 {
		t.Errorf("an order of 8 and then of 4 left %d", n)
	}
}

func TestASmallerOrderIsWhatCounts(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{5}, Fence: 1}
	w.order(order)
	w.patch("green", `{"spec":{"replicas":4}}`)
	order.Size = []int32{3} // the live color has become smaller
	w.order(order)
	if o := w.observe(release.Green, w.images[1]); !o.Matches || o.Replicas[0] != 4 {
		t.Errorf("%v for an order of 3, matches %v", o.Replicas, o.Matches)
	}
}

func TestAnAutoscalerAtZeroIsReported(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.HPA(t, w.namespace, "blue", 2, 9)
	w.cluster.HPA(t, w.namespace, "green", 2, 9)
	w.patchScaler("green", owned)
	for color, want := range map[release.Color]string{
		release.Blue:  "autoscaler blue is suspended by Kubernetes while the Deployment has 0 replicas",
		release.Green: "KEDA (ScaledObject shop) scales the Deployment",
	} {
		if o := w.observe(color, release.Image{}); !strings.Contains(o.Detail, want) {
			t.Errorf("%q is not in %q", want, o.Detail)
		}
	}
	found, err := w.Preflight(t.Context())
	if err != nil || !slices.ContainsFunc(found, func(f engine.Finding) bool {
		return f.Warning && strings.Contains(f.Text, "green: Deployment green") && strings.Contains(f.Text, "KEDA (ScaledObject shop)")
	}) {
		t.Errorf("no warning of KEDA: %v, error %v", found, err)
	}
	w.patch("blue", `{"spec":{"paused":true}}`)
	if o := w.observe(release.Blue, release.Image{}); !strings.Contains(o.Detail, "the Deployment is paused") {
		t.Errorf("not reported as paused: %q", o.Detail)
	}
}

// least is the minimum of an autoscaler, and what is noted of the one before.
func (w *env) least(name string) string {
	h := w.hpa(name)
	return fmt.Sprint(*h.Spec.MinReplicas, " before ", h.Annotations["bluegreen.dev/minimum-before"])
}

func (w *env) hold(c release.Color, fence int64) (bool, string) {
	w.t.Helper()
	held, why, err := w.HoldSize(w.t.Context(), c, fence)
	if err != nil {
		w.t.Fatal(err)
	}
	return held, why
}

func TestTheSizeOfAColorIsHeldAgainstItsAutoscalerAndFreed(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.HPA(t, w.namespace, "green", 2, 6)
	if held, why := w.hold(release.Green, 1); held || why != "" {
		t.Errorf("at 0 replicas: held %v: %s", held, why)
	}
	is := func(when, want string) {
		t.Helper()
		if got := w.least("green"); got != want {
			t.Errorf("%s the minimum is %s, want %s", when, got, want)
		}
	}
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{4}, Fence: 1})
	for range 2 {
		if held, why := w.hold(release.Green, 3); !held {
			t.Errorf("not held: %s", why)
		}
		is("held", "4 before 2")
	}
	w.order(engine.Order{Color: release.Green, Size: []int32{8}, Fence: 3})
	w.hold(release.Green, 3)
	is("held at more than the maximum", "6 before 2")
	if _, _, err := w.HoldSize(t.Context(), release.Green, 2); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("held by an older worker: %v", err)
	}
	if err := w.FreeSize(t.Context(), release.Green, 2); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("freed by an older worker: %v", err)
	}
	for range 2 {
		if err := w.FreeSize(t.Context(), release.Green, 4); err != nil {
			t.Fatal(err)
		}
		is("freed", "2 before ")
	}
}

// TestAHeldMinimumIsNoFloor: the live color has become smaller while the idle one was held.
func TestAHeldMinimumIsNoFloor(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.HPA(t, w.namespace, "green", 2, 9)
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{6}, Shrink: true, Fence: 1}
	w.order(order)
	w.hold(release.Green, 1)
	order.Size = []int32{4}
	w.order(order)
	w.hold(release.Green, 1)
	if got := w.least("green"); got != "4 before 2" || w.size("green") != 4 {
		t.Errorf("held at %s, with %d replicas", got, w.size("green"))
	}
	w.remove(release.Green)
	if err := w.FreeSize(t.Context(), release.Green, 1); err != nil || w.least("green") != "2 before " {
		t.Errorf("freed without a Deployment: %s, error %v", w.least("green"), err)
	}
}

func TestAMinimumThatWasChangedMeanwhileStays(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.HPA(t, w.namespace, "green", 2, 9)
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{4}, Fence: 1})
	w.hold(release.Green, 1)
	w.patchScaler("green", `{"spec":{"minReplicas":3}}`)
	w.hold(release.Green, 1)
	if got := w.least("green"); got != "4 before 3" {
		t.Errorf("held again after the change: %s", got)
	}
	w.patchScaler("green", `{"spec":{"minReplicas":5}}`)
	if err := w.FreeSize(t.Context(), release.Green, 1); err != nil {
		t.Fatal(err)
	}
	if got := w.least("green"); got != "5 before " {
		t.Errorf("freed after the change: %s", got)
	}
}

func TestASizeThatCannotBeHeldIsReportedWithItsReason(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	if held, why := w.hold(release.Green, 1); held || why != "" {
		t.Errorf("without an autoscaler: held %v: %s", held, why)
	}
	w.cluster.HPA(t, w.namespace, "green", 2, 9)
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{4}, Fence: 1})
	work := w.limited(documentedWithout(t, "horizontalpodautoscalers", "patch"))
	held, why, err := work.HoldSize(t.Context(), release.Green, 1)
	if err != nil || held || !strings.Contains(why, "may not patch autoscaler green") || !strings.Contains(why, access.RoleFile) {
		t.Errorf("without the right: held %v: %s, error %v", held, why, err)
	}
	if err := work.FreeSize(t.Context(), release.Green, 1); err != nil {
		t.Errorf("nothing to free without the right: %v", err)
	}
	w.patchScaler("green", owned)
	if held, why := w.hold(release.Green, 1); held || !strings.Contains(why, "ScaledObject shop") || w.least("green") != "2 before " {
		t.Errorf("of KEDA: held %v: %s, %s", held, why, w.least("green"))
	}
}

func (w *env) patchScaler(name, body string) {
	w.t.Helper()
	if _, err := w.cluster.Client().AutoscalingV2().HorizontalPodAutoscalers(w.namespace).Patch(w.t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// owned makes an autoscaler one of KEDA's.
const owned = `{"metadata":{"ownerReferences":[{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","name":"shop","uid":"1"}]}}`
