package workload

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bluegreen/internal/release"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pods are the pods that a Deployment selects, and the owner of those of its present
// template. Their image does not distinguish them from older ones: an admission policy may
// have rewritten it, and two templates may have the same.
type pods struct {
	list    map[types.UID]*corev1.Pod
	version string
	of      *corev1.PodTemplateSpec // the template that owner was looked up for
	owner   *appsv1.ReplicaSet      // nil until the cluster has made it
	byImage bool                    // ReplicaSets may not be read: the image has to do
}

// readPods lists the pods of a Deployment.
func (t Target) readPods(ctx context.Context, s *snapshot) error {
	list, err := t.listPods(ctx, s.selector())
	if err != nil {
		return t.Cluster.Explain(err)
	}
	return t.takePods(ctx, s, list)
}

func (t Target) takePods(ctx context.Context, s *snapshot, list *corev1.PodList) error {
	s.pods = &pods{list: map[types.UID]*corev1.Pod{}, version: list.ResourceVersion}
	for i := range list.Items {
		s.pods.list[list.Items[i].UID] = &list.Items[i]
	}
	return t.findOwner(ctx, s)
}

// findOwner finds the ReplicaSet of the present template as the Deployment's own controller
// does: by comparing templates. The revision annotations lag behind for a moment.
func (t Target) findOwner(ctx context.Context, s *snapshot) error {
	p, template := s.pods, &s.deployment.Spec.Template
	if p == nil || p.byImage || p.owner != nil && equality.Semantic.DeepEqual(p.of, template) {
		return nil
	}
	list, err := t.listReplicaSets(ctx, s.selector())
	if apierrors.IsForbidden(err) {
		p.byImage = true // an older Role must not keep a rollback from being judged
		return nil
	}
	if err != nil {
		return t.Cluster.Explain(err)
	}
	p.of, p.owner = template, nil
	for i := range list.Items {
		r := &list.Items[i]
		if metav1.IsControlledBy(r, s.deployment) && sameTemplate(r.Spec.Template, template) && (p.owner == nil || revision(r) > revision(p.owner)) {
			p.owner = r
		}
	}
	return nil
}

// sameTemplate compares without the label that the controller adds.
func sameTemplate(replicaSet corev1.PodTemplateSpec, deployment *corev1.PodTemplateSpec) bool {
	copied := *replicaSet.DeepCopy()
	delete(copied.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(&copied, deployment)
}

func revision(r *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(r.Annotations["deployment.kubernetes.io/revision"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// present are the pods of the present template that have not ended and are not being
// deleted, by name.
func (s *snapshot) present() (list []*corev1.Pod) {
	if s.pods == nil {
		return nil
	}
	for _, p := range s.pods.list {
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded && s.owns(p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *snapshot) owns(p *corev1.Pod) bool {
	if s.pods.byImage {
		return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool {
			return c.Name == s.container.Name && c.Image == s.container.Image
		})
	}
	return s.pods.owner != nil && metav1.IsControlledBy(p, s.pods.owner)
}

// running is the image that the Deployment runs: the one that its template names, or where
// that has no digest, the one of its ready pods. Where they differ it has none either, and
// differ lists them.
func (s *snapshot) running() (i release.Image, differ string) {
	if i = s.named(); i.Digest != "" {
		return i, ""
	}
	var digests, each []string
	for _, p := range s.present() {
		if digest := s.pulled(p); isTrue(p, corev1.PodReady) && !slices.Contains(digests, digest) {
			digests, each = append(digests, digest), append(each, "pod "+p.Name+" runs "+cmp.Or(digest, "an image whose digest its node does not report"))
		}
	}
	switch len(digests) {
	case 0:
	case 1:
		i.Digest = digests[0]
	default:
		differ = fmt.Sprintf("its pods run different images under the tag %s: %s", i.Tag, strings.Join(each, ", "))
	}
	return i, differ
}

// pulled is the digest of the image that a pod's container runs; "" when the container
// runtime does not report it. It reports REPOSITORY@DIGEST, or for an image without a digest
// in a registry its own id (https://github.com/containerd/containerd/issues/8408). A node
// that has the same image from two repositories may report either
// (https://github.com/kubernetes/kubernetes/issues/40062).
func (s *snapshot) pulled(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == s.container.Name {
			_, digest, _ := strings.Cut(c.ImageID, "@")
			return digest
		}
	}
	return ""
}
