package workload

import (
	"context"
	"fmt"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// snapshot is a Deployment, and its pods, as they were last read.
type snapshot struct {
	deployment *appsv1.Deployment
	version    string // of the list that it came from
	container  *corev1.Container
	pods       map[types.UID]*corev1.Pod // nil until they are read
	podVersion string
}

// only selects one object by name, so that a Role may name it.
func only(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()}
}

// deployment reads one by a list, because only a list has the version at which a watch begins.
func (t Target) deployment(ctx context.Context, name string) (*snapshot, error) {
	list, err := t.Cluster.Client().AppsV1().Deployments(t.Namespace).List(ctx, only(name))
	if err != nil {
		return nil, t.Cluster.Explain(err)
	}
	if len(list.Items) == 0 {
		return nil, t.missing(name)
	}
	s := &snapshot{version: list.ResourceVersion}
	return s, t.see(s, &list.Items[0])
}

func (t Target) missing(name string) error {
	return fmt.Errorf("%w: there is no Deployment %s in namespace %s of cluster %s: create it, with the selector and labels of its color",
		engine.ErrDenied, name, t.Namespace, t.Cluster.Name())
}

// see takes note of a Deployment's present state.
func (t Target) see(s *snapshot, d *appsv1.Deployment) error {
	s.deployment, s.container = d, nil
	containers := d.Spec.Template.Spec.Containers
	var names []string
	for i := range containers {
		if containers[i].Name == t.Container || t.Container == "" && len(containers) == 1 {
			s.container = &containers[i]
		}
		names = append(names, containers[i].Name)
	}
	switch {
	case s.container != nil:
		return nil
	case t.Container == "":
		return fmt.Errorf("%w: Deployment %s in namespace %s has the containers %s: name the one that is released in the configuration (container)",
			engine.ErrDenied, d.Name, t.Namespace, strings.Join(names, ", "))
	}
	return fmt.Errorf("%w: Deployment %s in namespace %s has no container %s, but %s: correct the configuration (container)",
		engine.ErrDenied, d.Name, t.Namespace, t.Container, strings.Join(names, ", "))
}

func (t Target) listPods(ctx context.Context, s *snapshot) error {
	list, err := t.Cluster.Client().CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: s.selector()})
	if err != nil {
		return t.Cluster.Explain(err)
	}
	s.setPods(list)
	return nil
}

func (s *snapshot) selector() string { return metav1.FormatLabelSelector(s.deployment.Spec.Selector) }

func (s *snapshot) setPods(list *corev1.PodList) {
	s.podVersion, s.pods = list.ResourceVersion, map[types.UID]*corev1.Pod{}
	for i := range list.Items {
		s.pods[list.Items[i].UID] = &list.Items[i]
	}
}

// wanted is the size that the Deployment is asked to have.
func wanted(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1 // as the API server's default
	}
	return *d.Spec.Replicas
}

// running is the image of the pod template. The tag of an image that is named by digest is
// known if this app deployed it.
func (s *snapshot) running(app string) release.Image {
	i := parse(s.container.Image)
	if note := s.deployment.Annotations[annotationImage]; i.Digest != "" && s.deployment.Annotations[fence.App] == app {
		if tag, digest, ok := strings.Cut(note, "@"); ok && digest == i.Digest {
			i.Tag = tag
		}
	}
	return i
}

// parse reads an image reference: a tag follows the last colon behind the last slash.
func parse(reference string) (i release.Image) {
	name, digest, _ := strings.Cut(reference, "@")
	i.Digest = digest
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		i.Tag = name[colon+1:]
	} else if digest == "" {
		i.Tag = "latest"
	}
	return i
}
