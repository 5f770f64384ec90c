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
)

// snapshot is a Deployment, and its pods, as they were last read.
type snapshot struct {
	gone         error // set instead of all others when there is no Deployment
	deployment   *appsv1.Deployment
	version      string // of the list that it came from
	container    *corev1.Container
	pods         *pods       // nil until they are read
	scaler       *autoscaler // read only to explain the size
	scalerUnread error
}

// The lists of containers in a pod template. A sidecar of Kubernetes is in the second.
const (
	containers     = "containers"
	initContainers = "initContainers"
)

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

// missing is the error about a Deployment that does not exist; it is engine.ErrDenied.
type missing struct{ error }

func (m missing) Unwrap() error { return m.error }

func (t Target) missing(name string) error {
	return missing{fmt.Errorf("%w: there is no Deployment %s in namespace %s of cluster %s: create it, with the selector and labels of its color",
		engine.ErrDenied, name, t.Namespace, t.Cluster.Name())}
}

// see takes note of a Deployment's present state.
func (t Target) see(s *snapshot, d *appsv1.Deployment) error {
	s.deployment, s.container = d, nil
	of := d.Spec.Template.Spec.Containers
	var names []string
	for i := range of {
		if of[i].Name == t.Container || t.Container == "" && len(of) == 1 {
			s.container = &of[i]
		}
		names = append(names, of[i].Name)
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

func (s *snapshot) selector() string { return metav1.FormatLabelSelector(s.deployment.Spec.Selector) }

// wanted is the size that the Deployment is asked to have.
func wanted(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1 // as the API server's default
	}
	return *d.Spec.Replicas
}

// named is the image that the pod template names. Beside a digest a tag says nothing: no pod
// is started by it.
func (s *snapshot) named() release.Image {
	i := parse(s.container.Image)
	if i.Digest != "" {
		i.Tag = ""
	}
	return i
}

// noted is the tag that is written beside the digest of the image, in the note of the last order or in
// the reference. Anyone who may change the Deployment can write it.
func (s *snapshot) noted(app string) string {
	i := parse(s.container.Image)
	if i.Digest == "" {
		return ""
	}
	tag, digest, ok := strings.Cut(s.deployment.Annotations[annotationImage], "@")
	if ok && digest == i.Digest && s.deployment.Annotations[fence.App] == app {
		return tag
	}
	return i.Tag
}

// moved are the containers that have the released image: the released one, those that are
// given the same image, and those that were given it before. An apply that left one of the
// latter out would remove its image. kind is containers or initContainers.
func (s *snapshot) moved(kind string) (list []*corev1.Container) {
	of := s.deployment.Spec.Template.Spec.Containers
	if kind == initContainers {
		of = s.deployment.Spec.Template.Spec.InitContainers
	}
	all := owners(s.deployment)
	for i := range of {
		if c := &of[i]; c.Image == s.container.Image || ours(all, imageField(kind, c.Name)) {
			list = append(list, c)
		}
	}
	return list
}

// home is the repository of an image reference.
func home(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
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
