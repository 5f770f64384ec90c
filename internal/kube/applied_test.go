package kube_test

import (
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestTheManifestsAreValidAndServeARelease applies both colors to a real API server, whose
// namespaces admit restricted pods only, and lets the product release with the rights that
// they grant. The autoscalers are real; without metrics they hold the minimum.
func TestTheManifestsAreValidAndServeARelease(t *testing.T) {
	c := newCluster(t)
	c.removeAtEnd()
	for _, overlay := range []string{"blue", "green"} {
		if refused := c.apply(overlay); len(refused) > 0 {
			t.Fatalf("%s: %v", overlay, refused)
		}
		c.bind("podinfo-" + overlay)
	}
	if len(c.warned.texts) > 0 {
		t.Errorf("the API server warns: %s", strings.Join(c.warned.texts, "\n"))
	}
	c.admitsOnlyRestricted("podinfo-blue")
	c.WaitAvailable(t, "podinfo-blue", "podinfo", 2)
	if n := *c.deployment(release.Green).Spec.Replicas; n != 0 {
		t.Errorf("green waits with %d replicas", n)
	}

	product := as(c.Cluster, principal)
	work := colors(product, product)
	testbed.Eventually(t, 30*time.Second, func() bool { return c.prevents(work) == "" }, func() string { return c.prevents(work) })
	for _, color := range []release.Color{release.Green, release.Blue} {
		image := release.Image{Tag: "6.9.2", Digest: digest(string(color))}
		c.released(work, engine.Order{Color: color, Image: image, Size: []int32{2}, Fence: 1})
	}

	if found, err := work.Preflight(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("with an image of its own on each color: %v, error %v", found, err)
	}
	c.leavesWhatIsBluegreens("blue", "green")
	if err := work.Scale(t.Context(), release.Blue, 0, 2); err != nil {
		t.Fatal(err)
	}
	c.rests("podinfo-blue")
	c.leavesWhatIsBluegreens("blue", "green")
	c.released(work, engine.Order{Color: release.Blue, Image: release.Image{Tag: "6.9.3", Digest: digest("next")}, Fence: 3})
	if n := *c.deployment(release.Blue).Spec.Replicas; n < 2 {
		t.Errorf("blue came back with %d replicas, below its autoscaler's minimum", n)
	}
}

// prevents are the findings that keep a release from starting; "" without any.
func (c *cluster) prevents(work engine.Preflight) (why string) {
	found, err := work.Preflight(c.t.Context())
	if err != nil {
		return err.Error()
	}
	for _, f := range found {
		if !f.Warning {
			why += f.Text + "\n"
		}
	}
	return why
}

// admitsOnlyRestricted fails the test when the namespace's rules are not in force.
func (c *cluster) admitsOnlyRestricted(namespace string) {
	c.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "root"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "root", Image: "shop.example/root:1"}}}}
	_, err := c.Client().CoreV1().Pods(namespace).Create(c.t.Context(), pod, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "restricted") {
		c.t.Errorf("a pod that may be root is answered: %v", err)
	}
}

// released deploys and waits until the color is complete.
func (c *cluster) released(work engine.Workloads, o engine.Order) {
	c.t.Helper()
	if err := work.Deploy(c.t.Context(), o); err != nil {
		c.t.Fatal(err)
	}
	var seen engine.Workload
	testbed.Eventually(c.t, time.Minute, func() (done bool) {
		var err error
		seen, err = work.Observe(c.t.Context(), o.Color, o.Image, time.Second)
		return err == nil && seen.Status == release.Complete && seen.Running.Digest == o.Image.Digest
	}, func() string { return string(o.Color) + " is " + string(seen.Status) + ": " + seen.Detail })
}

// leavesWhatIsBluegreens applies the colors as for the first time, which is refused, and as
// the README describes: neither changes image or size.
func (c *cluster) leavesWhatIsBluegreens(overlays ...string) {
	c.t.Helper()
	for _, overlay := range overlays {
		before := c.deployment(release.Color(overlay)).Spec
		refused := c.apply(overlay)
		if len(refused) != 1 || !apierrors.IsConflict(refused[0]) || !strings.Contains(refused[0].Error(), `"bluegreen"`) {
			c.t.Errorf("%s as for the first time: %v", overlay, refused)
		}
		if refused := c.apply("again/" + overlay); len(refused) > 0 {
			c.t.Errorf("again/%s: %v", overlay, refused)
		}
		after := c.deployment(release.Color(overlay)).Spec
		if *before.Replicas != *after.Replicas || before.Template.Spec.Containers[0].Image != after.Template.Spec.Containers[0].Image {
			c.t.Errorf("%s had %d of %s and has %d of %s", overlay, *before.Replicas, before.Template.Spec.Containers[0].Image, *after.Replicas, after.Template.Spec.Containers[0].Image)
		}
	}
}

// rests waits until the autoscaler reports that it leaves a Deployment at 0.
func (c *cluster) rests(namespace string) {
	c.t.Helper()
	var h *autoscalingv2.HorizontalPodAutoscaler
	testbed.Eventually(c.t, time.Minute, func() bool {
		var err error
		if h, err = c.Client().AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(c.t.Context(), "podinfo", metav1.GetOptions{}); err != nil {
			return false
		}
		for _, condition := range h.Status.Conditions {
			if condition.Type == autoscalingv2.ScalingActive && condition.Reason == "ScalingDisabled" {
				return true
			}
		}
		return false
	}, func() string { return "the autoscaler does not rest: " + h.Status.String() })
	c.WaitAvailable(c.t, namespace, "podinfo", 0)
}
