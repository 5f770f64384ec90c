package kube_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const manifests = "../../deploy/kubernetes/"

// principal stands for the identity's object id.
const principal = "5b6f0c1e-8d34-4a57-9c55-2a1d7d1c4e90"

// render is kubectl kustomize.
func render(t *testing.T, overlay string) []*unstructured.Unstructured {
	t.Helper()
	found, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), manifests+overlay)
	if err != nil {
		t.Fatalf("render %s: %v", overlay, err)
	}
	var objects []*unstructured.Unstructured
	for _, r := range found.Resources() {
		text, err := r.MarshalJSON()
		o := &unstructured.Unstructured{}
		if err == nil {
			err = o.UnmarshalJSON(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

// the finds the one object of a kind.
func the[T any](t *testing.T, objects []*unstructured.Unstructured, kind string) (into T) {
	t.Helper()
	at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == kind })
	if at < 0 {
		t.Fatalf("there is no %s", kind)
	}
	text, err := objects[at].MarshalJSON()
	if err == nil {
		err = json.Unmarshal(text, &into)
	}
	if err != nil {
		t.Fatal(err)
	}
	return into
}

// colors is the app that the manifests are for.
func colors(blue, green *access.Cluster) *workload.Workloads {
	at := func(c *access.Cluster, namespace string) workload.Target {
		return workload.Target{Cluster: c, Namespace: namespace, Deployments: []string{"podinfo"}}
	}
	return workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: at(blue, "podinfo-blue"), Green: at(green, "podinfo-green")})
}

func TestTheOverlaysGrantTheRightsOfTheCodeAndNothingElse(t *testing.T) {
	for _, color := range []release.Color{release.Blue, release.Green} {
		var have, want []string
		objects := render(t, string(color))
		for _, r := range the[rbacv1.Role](t, objects, "Role").Rules {
			have = append(have, rights(r)...)
		}
		work := colors(nil, nil)
		for _, r := range work.Rights(color) {
			want = append(want, rights(r)...)
		}
		for _, extra := range work.Extras(color, []string{"podinfo"}) {
			want = append(want, rights(extra.Rule)...)
		}
		slices.Sort(have)
		slices.Sort(want)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: the code (-) and the Role (+) differ:\n%s", color, diff)
		}
		if slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "RoleBinding" }) {
			t.Errorf("%s: a RoleBinding in it would take the rights away when it is applied again", color)
		}
	}
}

// TestPodsAnswerUntilTheGatewayHasDrained holds the times in the manifests against each other.
func TestPodsAnswerUntilTheGatewayHasDrained(t *testing.T) {
	const draining, ownEnd = 30, 15 // seconds; of the gateway's backend settings, and of podinfo
	pod := the[appsv1.Deployment](t, render(t, "blue"), "Deployment").Spec.Template.Spec
	stop := pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds
	if stop <= draining || *pod.TerminationGracePeriodSeconds < stop+ownEnd {
		t.Errorf("preStop takes %d s and the pod is killed after %d s", stop, *pod.TerminationGracePeriodSeconds)
	}
}

func TestTheColorsDifferOnlyWhereTheyMust(t *testing.T) {
	blue, err := json.Marshal(render(t, "again/blue"))
	green, err2 := json.Marshal(render(t, "again/green"))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	same := strings.NewReplacer("bluegreen", "bluegreen", "green", "blue", "#2e7d32", "#34577c", "10.0.9.", "10.0.8.").Replace(string(green))
	if diff := cmp.Diff(string(blue), same); diff != "" {
		t.Error(diff)
	}
}

// cluster is the test bed's as kubectl with all rights uses it.
type cluster struct {
	*testbed.Cluster
	t       *testing.T
	dynamic dynamic.Interface
	warned  *warnings
}

// warnings are warnings of the API server about objects that it accepts: that their pods
// break the rules of the namespace, or that they use deprecated fields.
type warnings struct{ texts []string }

func (w *warnings) HandleWarningHeader(_ int, _, text string) { w.texts = append(w.texts, text) }

func newCluster(t *testing.T) *cluster {
	c := &cluster{Cluster: testbed.Shared(t), t: t, warned: &warnings{}}
	config := c.AdminConfig()
	config.WarningHandler = c.warned
	var err error
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return c
}

// resources are the kinds in the manifests.
var resources = map[string]schema.GroupVersionResource{
	"Namespace": corev1.SchemeGroupVersion.WithResource("namespaces"), "Service": corev1.SchemeGroupVersion.WithResource("services"),
	"Deployment":              appsv1.SchemeGroupVersion.WithResource("deployments"),
	"HorizontalPodAutoscaler": autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers"),
	"PodDisruptionBudget":     {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	"Role":                    rbacv1.SchemeGroupVersion.WithResource("roles"),
}

// apply is kubectl apply --server-side. It returns the refusal of each object that was refused.
func (c *cluster) apply(overlay string) []error {
	c.t.Helper()
	return c.applyAll(render(c.t, overlay))
}

func (c *cluster) applyAll(objects []*unstructured.Unstructured) (refused []error) {
	for _, o := range objects {
		client := c.dynamic.Resource(resources[o.GetKind()]).Namespace(o.GetNamespace())
		if _, err := client.Apply(c.t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl"}); err != nil {
			refused = append(refused, err)
		}
	}
	return refused
}

// removeAtEnd deletes the namespaces, which have fixed names.
func (c *cluster) removeAtEnd() {
	c.t.Cleanup(func() {
		for _, n := range []string{"podinfo-blue", "podinfo-green"} {
			_ = c.Client().CoreV1().Namespaces().Delete(context.Background(), n, metav1.DeleteOptions{}) // the cluster goes too
		}
	})
}

func (c *cluster) deployment(color release.Color) *appsv1.Deployment {
	c.t.Helper()
	d, err := c.Client().AppsV1().Deployments("podinfo-"+string(color)).Get(c.t.Context(), "podinfo", metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}
