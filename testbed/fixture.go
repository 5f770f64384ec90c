package testbed

import (
	"context"
	"crypto/rand"
	"maps"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// DeploymentSpec describes a Deployment of a test. Name and Namespace are required.
type DeploymentSpec struct {
	Namespace, Name string
	Image           string            // default registry.example/demo:1
	Replicas        int32             // 0 is zero, as for a retired color
	Labels          map[string]string // of the pods, in addition to app=Name; the pods answer with "color"
	Port            int32             // of the container; default 8080
	Progress        time.Duration     // progress deadline; default 600 s as in Kubernetes
}

// Namespace makes one with a fresh name, deleted when the test ends.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	name := "t-" + strings.ToLower(rand.Text()[:10])
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := c.client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatalf("make namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(c.life, 5*time.Second) // t's own has ended
		defer cancel()
		c.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	})
	return name
}

// Deploy makes a Deployment and, unless there is one of that name, a Service
// of the same name on port 80 that selects app=Name. It does not wait.
func (c *Cluster) Deploy(t testing.TB, spec DeploymentSpec) *appsv1.Deployment {
	t.Helper()
	d, err := c.client.AppsV1().Deployments(spec.Namespace).Create(t.Context(), spec.deployment(), metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("make deployment: %v", err)
	}
	c.Service(t, spec.Namespace, spec.Name, map[string]string{"app": spec.Name})
	return d
}

func (s DeploymentSpec) deployment() *appsv1.Deployment {
	if s.Image == "" {
		s.Image = "registry.example/demo:1"
	}
	if s.Port == 0 {
		s.Port = 8080
	}
	selector := map[string]string{"app": s.Name}
	labels := maps.Clone(selector)
	maps.Copy(labels, s.Labels)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: &s.Replicas,
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "app", Image: s.Image,
					Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: s.Port}},
					ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
						HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")},
					}},
				}}},
			},
		},
	}
	if s.Progress != 0 {
		seconds := int32(max(1, s.Progress/time.Second))
		d.Spec.ProgressDeadlineSeconds = &seconds
	}
	return d
}

// Service makes a Service from port 80 to the container port named http; one
// that exists is left as it is.
func (c *Cluster) Service(t testing.TB, namespace, name string, selector map[string]string) {
	t.Helper()
	_, err := c.client.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: selector,
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("make service: %v", err)
	}
}

// HPA makes a HorizontalPodAutoscaler of the Deployment's name. There are no
// metrics, so it only holds the Deployment between minimum and maximum.
func (c *Cluster) HPA(t testing.TB, namespace, deployment string, minimum, maximum int32) {
	t.Helper()
	percent := int32(80)
	_, err := c.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: deployment},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment},
			MinReplicas:    &minimum, MaxReplicas: maximum,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("make autoscaler: %v", err)
	}
}

// Grant gives the user these rights in the namespace, by a Role and a
// RoleBinding of the user's name.
func (c *Cluster) Grant(t testing.TB, namespace, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: user}
	if _, err := c.client.RbacV1().Roles(namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{}); err != nil {
		t.Fatalf("make role: %v", err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}
	if _, err := c.client.RbacV1().RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatalf("make role binding: %v", err)
	}
}

// WaitAvailable returns when the Deployment has exactly so many pods, all of
// the current template and available; it fails the test after 30 s.
func (c *Cluster) WaitAvailable(t testing.TB, namespace, name string, replicas int32) {
	t.Helper()
	var s appsv1.DeploymentStatus
	Eventually(t, 30*time.Second, func() bool {
		d, err := c.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		s = d.Status
		return s.ObservedGeneration >= d.Generation &&
			s.Replicas == replicas && s.UpdatedReplicas == replicas && s.AvailableReplicas == replicas
	}, func() string { return "deployment " + name + " has status " + s.String() })
}

// Eventually polls until the condition holds. After the given time it fails
// the test with the message of says.
func Eventually(t testing.TB, within time.Duration, holds func() bool, says func() string) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, says())
		}
		if !sleep(t.Context(), 20*time.Millisecond) {
			t.Fatalf("test ended: %s", says())
		}
	}
}
