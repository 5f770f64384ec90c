package workload_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/contract"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

func TestMain(m *testing.M) { testbed.Main(m) }

func TestWorkloadsKeepTheContract(t *testing.T) {
	c := testbed.Shared(t)
	contract.Workloads(t, func(t *testing.T) contract.Colors {
		w := newEnv(t, c)
		return contract.Colors{
			Workloads: w.Workloads, Images: w.images, Seed: w.seed,
			Away:   w.away.Store,
			Remove: w.remove,
			State:  w.state,
			Fail: func(i release.Image, how contract.Failure) {
				c.Behave(i.Digest, map[contract.Failure]testbed.Behaviour{
					contract.NeverReady:  testbed.NeverReady(),
					contract.Unpullable:  testbed.PullError(),
					contract.Unstartable: testbed.InvalidImageName(),
				}[how])
			},
		}
	})
}

const repository = "shopacr.example/team/podinfo"

// env is one app whose colors are two Deployments in a namespace of a real API server.
type env struct {
	*workload.Workloads
	t         *testing.T
	cluster   *testbed.Cluster
	access    *access.Cluster
	namespace string
	images    [4]release.Image
	away      atomic.Bool
}

func newEnv(t *testing.T, c *testbed.Cluster) *env {
	w := &env{t: t, cluster: c, namespace: c.Namespace(t)}
	w.access = access.New("testbed", func(context.Context) (*rest.Config, error) {
		config := c.AdminConfig()
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &switchable{&w.away, next} })
		return config, nil
	})
	for n := range w.images {
		w.images[n] = release.Image{Tag: fmt.Sprintf("6.1.%d", n), Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", w.namespace, n)))}
	}
	w.Workloads = workload.New(workload.Options{
		App: "podinfo", Repository: repository,
		Blue:  w.at("blue"),
		Green: w.at("green"),
	})
	for _, color := range []string{"blue", "green"} {
		w.deploy(color, reference(w.images[0]), 0)
	}
	return w
}

// switchable cuts the connection to an API server.
type switchable struct {
	away *atomic.Bool
	next http.RoundTripper
}

func (s *switchable) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.away.Load() {
		return nil, errors.New("the network is cut")
	}
	return s.next.RoundTrip(r)
}

func (w *env) at(names ...string) workload.Target {
	return workload.Target{Cluster: w.access, Namespace: w.namespace, Deployments: names}
}

func reference(i release.Image) string { return repository + "@" + i.Digest }

func (w *env) deploy(name, image string, replicas int32) {
	w.t.Helper()
	w.cluster.Deploy(w.t, testbed.DeploymentSpec{
		Namespace: w.namespace, Name: name, Image: image, Replicas: replicas, Labels: map[string]string{"color": name},
	})
}

func (w *env) seed(c release.Color, i release.Image, replicas int32) {
	w.t.Helper()
	w.patch(string(c), fmt.Sprintf(`{"spec":{"replicas":%d,"template":{"spec":{"containers":[{"name":"app","image":%q}]}}}}`, replicas, reference(i)))
	w.cluster.WaitAvailable(w.t, w.namespace, string(c), replicas)
}

// patch changes a Deployment from outside bluegreen.
func (w *env) patch(name, body string) *appsv1.Deployment {
	w.t.Helper()
	d, err := w.cluster.Client().AppsV1().Deployments(w.namespace).Patch(w.t.Context(), name,
		types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *env) get(name string) *appsv1.Deployment {
	w.t.Helper()
	d, err := w.cluster.Client().AppsV1().Deployments(w.namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *env) remove(c release.Color) {
	w.t.Helper()
	if err := w.cluster.Client().AppsV1().Deployments(w.namespace).Delete(w.t.Context(), string(c), metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
	testbed.Eventually(w.t, time.Minute, func() bool {
		_, err := w.cluster.Client().AppsV1().Deployments(w.namespace).Get(w.t.Context(), string(c), metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, func() string { return "the Deployment is still there" })
}

func (w *env) state(c release.Color) string {
	d := w.get(string(c))
	return fmt.Sprint(*d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image, d.Annotations["bluegreen.dev/image"], d.Annotations["bluegreen.dev/replicas"])
}

// until observes a color until its status is as wanted, and returns its words.
func (w *env) until(c release.Color, i release.Image, status release.Rollout) string {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		o, err := w.Observe(w.t.Context(), c, i, 2*time.Second)
		if err != nil {
			w.t.Fatal(err)
		}
		if o.Status == status {
			return o.Detail
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s is %s, not %s: %s", c, o.Status, status, o.Detail)
		}
	}
}
