package testbed_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"bluegreen/testbed"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

func TestAPolicyRewritesTheImagesOfItsNamespaceAlone(t *testing.T) {
	c := testbed.Shared(t)
	mirrored, plain := c.Namespace(t), c.Namespace(t)
	c.Mirror(t, mirrored, "mirror.internal")
	for _, ns := range []string{mirrored, plain} {
		c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/web:1", Replicas: 1})
		c.WaitAvailable(t, ns, "web", 1)
	}
	if got := status(t, c, mirrored).Image; got != "mirror.internal/shop.example/web:1" {
		t.Errorf("with the policy the pod has %s", got)
	}
	if got := status(t, c, plain).Image; got != "shop.example/web:1" {
		t.Errorf("without the policy the pod has %s", got)
	}
}

func TestATagMeansWhatItMeantWhenThePodStarted(t *testing.T) {
	c := testbed.Shared(t)
	for _, digest := range []string{"sha256:a", "sha256:b"} {
		ns := c.Namespace(t)
		c.Means("shop.example/moved:1", digest)
		c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/moved:1", Replicas: 1})
		c.WaitAvailable(t, ns, "web", 1)
		c.Means("shop.example/moved:1", "sha256:later")
		if got := status(t, c, ns).ImageID; got != "shop.example/moved@"+digest {
			t.Errorf("the image ID is %s, not of %s", got, digest)
		}
	}
}

func TestAPodReportsToBeAsOldAsItsBehaviourSays(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Behave("shop.example/aged:1", testbed.CreateContainerConfigError().Aged(time.Hour))
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/aged:1", Replicas: 1})
	var started time.Time
	testbed.Eventually(t, 30*time.Second, func() bool {
		list := pods(t, c, ns)
		if len(list) == 1 && list[0].Status.StartTime != nil {
			started = list[0].Status.StartTime.Time
		}
		return !started.IsZero()
	}, func() string { return "no pod was started" })
	if age := time.Since(started); age < time.Hour || age > time.Hour+time.Minute {
		t.Errorf("the pod started %v ago", age)
	}
}

func TestAReadOnlyClusterRefusesOneUsersWrites(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Replicas: 1})
	c.Grant(t, ns, testbed.DefaultUser, rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}})
	user, err := kubernetes.NewForConfig(c.UserConfig(testbed.DefaultUser))
	if err != nil {
		t.Fatal(err)
	}
	label := func(k kubernetes.Interface) error {
		_, err := k.AppsV1().Deployments(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"`+strings.ToLower(rand.Text())+`"}}}`), metav1.PatchOptions{})
		return err
	}
	allowed := func() bool { return label(user) == nil }
	testbed.Eventually(t, 30*time.Second, allowed, func() string { return "the user has no rights" })
	thaw, err := c.ReadOnly(t.Context(), testbed.DefaultUser, ns, "web")
	if err != nil {
		t.Fatal(err)
	}
	if err := label(user); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "changes are frozen") {
		t.Errorf("a write is answered with %v", err)
	}
	if err := label(c.Client()); err != nil {
		t.Errorf("another user's write: %v", err)
	}
	thaw()
	testbed.Eventually(t, 30*time.Second, allowed, func() string { return "writes are refused after the end" })
}

func TestOnePodOfAPartlyReadyImageIsReady(t *testing.T) {
	c := testbed.Shared(t)
	ns := c.Namespace(t)
	c.Behave("shop.example/partly:1", testbed.PartlyReady())
	c.Deploy(t, testbed.DeploymentSpec{Namespace: ns, Name: "web", Image: "shop.example/partly:1", Replicas: 3})
	ready := func() (n int) {
		for _, p := range pods(t, c, ns) {
			for _, s := range p.Status.ContainerStatuses {
				if s.Ready {
					n++
				}
			}
		}
		return n
	}
	testbed.Eventually(t, 30*time.Second, func() bool { return ready() == 1 }, func() string { return "no pod is ready" })
	time.Sleep(500 * time.Millisecond)
	if n := ready(); n != 1 {
		t.Errorf("%d pods are ready", n)
	}
	c.Behave("shop.example/partly:1", testbed.Healthy())
	c.WaitAvailable(t, ns, "web", 3)
}

// status is that of the container of the one pod of a namespace.
func status(t *testing.T, c *testbed.Cluster, namespace string) corev1.ContainerStatus {
	t.Helper()
	list := pods(t, c, namespace)
	if len(list) != 1 || len(list[0].Status.ContainerStatuses) != 1 {
		t.Fatalf("the pods are %+v", list)
	}
	return list[0].Status.ContainerStatuses[0]
}
