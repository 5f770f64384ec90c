package testbed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/testbed"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func TestMain(m *testing.M) { testbed.Main(m) }

func TestDeploymentIsReachableThroughItsIngress(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/web:6.1.0", Replicas: 3, Labels: map[string]string{"color": "blue"}})
	c.WaitAvailable(t, ns, "web", 3)
	in := ingress(t, c, ns, "web")

	seen := map[string]bool{}
	testbed.Eventually(t, 10*time.Second, func() bool {
		a := get(in, "/any/path")
		if a.status == 200 {
			seen[a.Pod] = true
			if a.Image != "shop.example/web:6.1.0" || a.color != "blue" || a.version != "6.1.0" {
				t.Fatalf("answer is %+v", a)
			}
		}
		return len(seen) == 3
	}, func() string { return fmt.Sprintf("answered by %v", seen) })
}

func TestScaledToZeroAnswers503(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Replicas: 2})
	c.WaitAvailable(t, ns, "web", 2)
	in := ingress(t, c, ns, "web")
	waitStatus(t, in, 200)

	patch(t, c, ns, "web", `{"spec":{"replicas":0}}`)
	waitStatus(t, in, 503)
	testbed.Eventually(t, 10*time.Second, func() bool { return len(pods(t, c, ns)) == 0 },
		func() string { return "pods are left" })
}

func TestNewImageRollsWithoutAFailedRequest(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/web:1", Replicas: 3})
	c.WaitAvailable(t, ns, "web", 3)
	in := ingress(t, c, ns, "web")
	waitStatus(t, in, 200)

	digest := "sha256:" + strings.Repeat("ab", 32)
	patch(t, c, ns, "web", `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"shop.example/web@`+digest+`"}]}}}}`)
	for end := time.Now().Add(20 * time.Second); ; {
		a := get(in, "/")
		if a.status != 200 {
			t.Fatalf("a request failed while rolling: %+v", a)
		}
		if a.version == digest && len(pods(t, c, ns)) == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("still answered by %+v", a)
		}
	}
	c.WaitAvailable(t, ns, "web", 3)
	for _, p := range pods(t, c, ns) {
		if got := p.Status.ContainerStatuses[0].ImageID; got != "shop.example/web@"+digest {
			t.Errorf("image id is %q", got)
		}
	}
}

func TestFailureIsAPropertyOfTheImage(t *testing.T) {
	c := testbed.Shared(t)
	for _, test := range []struct {
		tag       string
		behaviour testbed.Behaviour
		reason    string // of waiting; empty means running, but not ready
		message   string
	}{
		{"nopull", testbed.PullError(), "ImagePullBackOff", "manifest unknown"},
		{"badname", testbed.InvalidImageName(), "InvalidImageName", "invalid reference format"},
		{"badconfig", testbed.CreateContainerConfigError(), "CreateContainerConfigError", "configmap"},
		{"never", testbed.NeverReady(), "", ""},
		{"crash", testbed.CrashLoop(0), "CrashLoopBackOff", "restarting failed container"},
	} {
		t.Run(test.tag, func(t *testing.T) {
			ns := c.Namespace(t)
			c.Behave(":"+test.tag, test.behaviour)
			c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/web:" + test.tag, Replicas: 1})
			var state corev1.ContainerState
			testbed.Eventually(t, 10*time.Second, func() bool {
				all := pods(t, c, ns)
				if len(all) == 0 || len(all[0].Status.ContainerStatuses) == 0 {
					return false
				}
				first := all[0].Status.ContainerStatuses[0]
				state = first.State
				if test.reason == "" {
					return state.Running != nil && !first.Ready
				}
				return state.Waiting != nil && state.Waiting.Reason == test.reason && strings.Contains(state.Waiting.Message, test.message)
			}, func() string { return "container state is " + state.String() })
		})
	}
}

func TestARunningVersionCanFailLaterAndRecover(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	image := "shop.example/" + ns + ":1"
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: image, Replicas: 2})
	c.WaitAvailable(t, ns, "web", 2)
	in := ingress(t, c, ns, "web")
	waitStatus(t, in, 200)

	c.Behave(ns, testbed.ServerErrors())
	waitStatus(t, in, 500)
	if a := get(in, "/healthz"); a.status != 200 {
		t.Errorf("/healthz answers %d", a.status)
	}

	c.Behave(ns, testbed.CrashLoop(0))
	waitStatus(t, in, 503)
	restarts := int32(0)
	testbed.Eventually(t, 10*time.Second, func() bool {
		restarts = pods(t, c, ns)[0].Status.ContainerStatuses[0].RestartCount
		return restarts >= 2
	}, func() string { return fmt.Sprintf("%d restarts", restarts) })

	c.Behave(ns, testbed.Healthy())
	waitStatus(t, in, 200)
	c.WaitAvailable(t, ns, "web", 2)
}

func TestSlowPodsAreReadyAfterTheirTime(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Behave(ns, testbed.Slow(700*time.Millisecond))
	began := time.Now()
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/" + ns + ":1", Replicas: 1})
	c.WaitAvailable(t, ns, "web", 1)
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("ready after %v", took)
	}
}

func TestJobsEndAsTheirImageSays(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Behave(ns+"-bad", testbed.CrashLoop(0))
	for image, want := range map[string]batchv1.JobConditionType{ns + "-good:1": batchv1.JobComplete, ns + "-bad:1": batchv1.JobFailed} {
		job, err := c.Client().BatchV1().Jobs(ns).Create(t.Context(), &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "check-"},
			Spec: batchv1.JobSpec{BackoffLimit: new(int32), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers:    []corev1.Container{{Name: "check", Image: image}},
			}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		testbed.Eventually(t, 20*time.Second, func() bool {
			if job, err = c.Client().BatchV1().Jobs(ns).Get(t.Context(), job.Name, metav1.GetOptions{}); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
				return c.Type == want && c.Status == corev1.ConditionTrue
			})
		}, func() string { return image + ": " + job.Status.String() })
	}
}

func TestAutoscalerHoldsItsMinimum(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Replicas: 1})
	c.WaitAvailable(t, ns, "web", 1)
	c.HPA(t, ns, "web", 2, 5)
	c.WaitAvailable(t, ns, "web", 2)
}

func TestUsersHaveOnlyTheRightsGrantedToThem(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig(testbed.DefaultUser))
	if err != nil {
		t.Fatal(err)
	}
	user, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.AppsV1().Deployments(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("before the grant: %v", err)
	}
	c.Grant(t, ns, testbed.DefaultUser, rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"list"}})
	testbed.Eventually(t, 5*time.Second, func() bool {
		_, err = user.AppsV1().Deployments(ns).List(t.Context(), metav1.ListOptions{})
		return err == nil
	}, func() string { return fmt.Sprint(err) })
}

func TestTheDataPathOutlivesTheAPIServer(t *testing.T) {
	needsRealParts(t)
	c, err := testbed.StartCluster(t.Context(), testbed.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ns := c.Namespace(t)
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Replicas: 1})
	c.WaitAvailable(t, ns, "web", 1)
	in := ingress(t, c, ns, "web")
	waitStatus(t, in, 200)

	c.StopAPIServer()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Client().CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{}); err == nil {
		t.Fatal("the API server still answers")
	}
	if a := get(in, "/"); a.status != 200 {
		t.Fatalf("without API server: %+v", a)
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	patch(t, c, ns, "web", `{"spec":{"replicas":2}}`)
	c.WaitAvailable(t, ns, "web", 2)
}

func TestTwoClustersShareAPortOnDifferentIPs(t *testing.T) {
	blue, green := testbed.SharedPair(t)
	var backends []testbed.Backend
	for color, c := range map[string]*testbed.Cluster{"blue": blue, "green": green} {
		ns := c.Namespace(t)
		c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Replicas: 1, Labels: map[string]string{"color": color}})
		backends = append(backends, testbed.Backend{Cluster: c, Namespace: ns, Service: "web"})
	}
	both, err := testbed.Ingresses(t.Context(), backends...)
	if err != nil {
		t.Fatal(err)
	}
	colors := map[string]bool{}
	for _, in := range both {
		defer in.Close()
		waitStatus(t, in, 200)
		colors[get(in, "/").color] = true
	}
	if both[0].Port() != both[1].Port() || both[0].IP() == both[1].IP() {
		t.Errorf("ingresses listen on %s and %s", both[0].Addr(), both[1].Addr())
	}
	if len(colors) != 2 {
		t.Errorf("both lead to %v", colors)
	}
}

type answer struct {
	testbed.Answer
	status         int
	color, version string // headers
}

// get reports an exchange that failed as status 0.
func get(in *testbed.Ingress, path string) answer {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(in.URL() + path)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, color: resp.Header.Get("X-Color"), version: resp.Header.Get("X-Version")}
	json.NewDecoder(resp.Body).Decode(&a.Answer)
	return a
}

func waitStatus(t *testing.T, in *testbed.Ingress, status int) {
	t.Helper()
	var a answer
	testbed.Eventually(t, 20*time.Second, func() bool {
		a = get(in, "/")
		return a.status == status
	}, func() string { return fmt.Sprintf("waiting for %d, the answer is %+v", status, a) })
}

func ingress(t *testing.T, c *testbed.Cluster, ns, service string) *testbed.Ingress {
	t.Helper()
	in, err := c.Ingress(t.Context(), ns, service, testbed.IngressOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in
}

func patch(t *testing.T, c *testbed.Cluster, ns, name, body string) {
	t.Helper()
	if _, err := c.Client().AppsV1().Deployments(ns).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func pods(t *testing.T, c *testbed.Cluster, ns string) []corev1.Pod {
	t.Helper()
	list, err := c.Client().CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}
