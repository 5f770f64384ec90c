package workload

import (
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/release"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// finding is the rollout status of one Deployment.
type finding struct {
	status  release.Rollout
	ready   int32 // pods of the present template
	reasons []string
}

// rolledOut reports whether all wanted pods are of the present template and available, and
// no others are left.
func (s *snapshot) rolledOut() bool {
	d, n := s.deployment, wanted(s.deployment)
	return s.begun() && d.Status.Replicas == n && d.Status.UpdatedReplicas == n &&
		d.Status.AvailableReplicas == n
}

// begun reports whether the cluster acts by the present specification.
func (s *snapshot) begun() bool {
	return s.deployment.Status.ObservedGeneration >= s.deployment.Generation
}

func (s *snapshot) judge(now time.Time) finding {
	if s.rolledOut() {
		return finding{release.Complete, s.deployment.Status.ReadyReplicas, s.hindrances(s.deployment.Status.ReadyReplicas)}
	}
	present := s.present()
	f := finding{status: release.Progressing, ready: s.ready(present)}
	troubles := s.troubles(present)
	if f.ready == 0 && s.begun() {
		f.status = rolloutStatus(present, troubles, now)
	}
	f.reasons = append(words(troubles), s.hindrances(f.ready)...)
	return f
}

// ready counts ready pods of the present template. The Deployment's own number counts older
// pods too: it is an upper bound, until the pods are read.
func (s *snapshot) ready(present []*corev1.Pod) (n int32) {
	status := s.deployment.Status
	if s.pods == nil {
		if !s.begun() {
			return 0
		}
		return min(status.ReadyReplicas, status.UpdatedReplicas)
	}
	for _, p := range present {
		if isTrue(p, corev1.PodReady) {
			n++
		}
	}
	return n
}

func isTrue(p *corev1.Pod, condition corev1.PodConditionType) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == condition && c.Status == corev1.ConditionTrue
	})
}

// grace is how long a node may refuse a container before that counts: what it needs, as a
// Secret, may come later than the pod. The kubelet tries again after 10 to 15 s
// (backOffPeriod in https://pkg.go.dev/k8s.io/kubernetes/pkg/kubelet), so these are four tries.
const grace = 60 * time.Second

// rolloutStatus is the status of a rollout that has no ready pod. One pod that cannot start,
// while another does, may be its node's fault; so may a trouble that not every pod has.
func rolloutStatus(present []*corev1.Pod, troubles []trouble, now time.Time) release.Rollout {
	status, lasting := release.Progressing, 0
	started := slices.ContainsFunc(present, func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.State.Running != nil })
	})
	for _, t := range troubles {
		switch {
		case t.kind == hopeless:
			return release.Broken
		case t.kind == refused && now.Sub(t.since) >= grace:
			lasting++
		case t.kind == unpullable && !started:
			status = release.PullFailing
		}
	}
	if lasting > 0 && lasting == len(present) {
		return release.Broken
	}
	return status
}

// hindrances are the problems that the Deployment itself reports.
func (s *snapshot) hindrances(ready int32) (list []string) {
	d := s.deployment
	switch {
	case d.Spec.Paused:
		list = append(list, "the Deployment is paused, so no rollout of it ends: resume it with kubectl rollout resume")
	case !s.begun():
		list = append(list, "the cluster has not begun")
	case ready >= wanted(d) && d.Status.Replicas > d.Status.UpdatedReplicas:
		list = append(list, fmt.Sprintf("%d of the version before are still to go", d.Status.Replicas-d.Status.UpdatedReplicas))
	}
	if s.pods != nil && s.pods.byImage {
		list = append(list, "pods are distinguished by the text of their image, because the identity may not list replicasets")
	}
	for _, c := range d.Status.Conditions {
		switch {
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			list = append(list, "no pod can be made: "+short(c.Message))
		case c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded":
			list = append(list, "no progress within the Deployment's own deadline")
		}
	}
	return list
}
