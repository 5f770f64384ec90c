package kube_test

import (
	"errors"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestApplyingTheGrantAgainKeepsIt: who has the Role is written once, by a command, and not
// in a file that is applied again.
func TestApplyingTheGrantAgainKeepsIt(t *testing.T) {
	s, c := openStand(t), newCluster(t)
	granted := render(t, "access")
	for _, o := range granted {
		o.SetNamespace(s.namespace)
	}
	if refused := c.applyAll(granted); len(refused) > 0 {
		t.Fatal(refused)
	}
	c.bind(s.namespace)
	p := newProduct(as(c.Cluster, principal), s.namespace)
	denied := func() bool {
		_, err := p.Observe(t.Context(), release.Green, release.Image{}, 0)
		return errors.Is(err, engine.ErrDenied)
	}
	testbed.Eventually(t, 30*time.Second, func() bool { return !denied() }, func() string { return "the rights are not known to the API server" })

	if refused := c.applyAll(granted); len(refused) > 0 {
		t.Errorf("the second time: %v", refused)
	}
	b, err := c.Client().RbacV1().RoleBindings(s.namespace).Get(t.Context(), "bluegreen-podinfo", metav1.GetOptions{})
	if err != nil || len(b.Subjects) != 1 || b.Subjects[0].Name != principal {
		t.Errorf("after the second time the Role is bound to %+v, error %v", b.Subjects, err)
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if denied() { // the authorizer learns of a change by a watch
			t.Fatal("after the second time the rights are gone")
		}
	}
}

// bind is kubectl create rolebinding as the README has it.
func (c *cluster) bind(namespace string) {
	c.t.Helper()
	b := binding(namespace, "bluegreen-podinfo", principal)
	if _, err := c.Client().RbacV1().RoleBindings(namespace).Create(c.t.Context(), b, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}
