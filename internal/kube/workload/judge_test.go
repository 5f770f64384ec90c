package workload

import (
	"testing"
	"time"

	"bluegreen/internal/release"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// waitsFor is a pod whose container has waited with the reason since it was started.
func waitsFor(reason string, started time.Duration) *corev1.Pod {
	p := startedAgo(started)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
	return p
}

func runs() *corev1.Pod {
	p := startedAgo(time.Hour)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

func crashed(restarts int32) *corev1.Pod {
	p := startedAgo(10 * time.Second)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", RestartCount: restarts, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}}
	return p
}

func ready() *corev1.Pod {
	p := runs()
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

func terminating() *corev1.Pod {
	p := ready()
	p.DeletionTimestamp = &metav1.Time{Time: noon}
	return p
}

func startedAgo(ago time.Duration) *corev1.Pod {
	start := metav1.NewTime(noon.Add(-ago))
	return &corev1.Pod{Status: corev1.PodStatus{StartTime: &start}}
}

// prepared is a pod whose init containers have ended just now.
func prepared(p *corev1.Pod) *corev1.Pod {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-time.Second))})
	return p
}

func TestATroubleThatMayPassIsWaitedFor(t *testing.T) {
	const config = "CreateContainerConfigError"
	for name, c := range map[string]struct {
		pods   []*corev1.Pod
		lags   bool
		status release.Rollout
		ready  int32
	}{
		"a Secret that is late":                       {pods: []*corev1.Pod{waitsFor(config, 20*time.Second), waitsFor(config, 20*time.Second)}, status: release.Progressing},
		"a Secret that does not come":                 {pods: []*corev1.Pod{waitsFor(config, 61*time.Second), waitsFor(config, 61*time.Second)}, status: release.Broken},
		"one pod without it for long":                 {pods: []*corev1.Pod{waitsFor(config, 61*time.Second), waitsFor(config, 20*time.Second)}, status: release.Progressing},
		"its init containers took long":               {pods: []*corev1.Pod{prepared(waitsFor(config, time.Hour))}, status: release.Progressing},
		"one container cannot be made, another runs":  {pods: []*corev1.Pod{waitsFor("CreateContainerError", time.Hour), runs()}, status: release.Progressing},
		"one container cannot be made, another ready": {pods: []*corev1.Pod{waitsFor("CreateContainerError", time.Hour), ready()}, status: release.Progressing, ready: 1},
		"a name that is no image":                     {pods: []*corev1.Pod{waitsFor("InvalidImageName", time.Second), runs()}, status: release.Broken},
		"an image that cannot be pulled":              {pods: []*corev1.Pod{waitsFor("ImagePullBackOff", time.Hour), waitsFor(config, time.Hour)}, status: release.PullFailing},
		"some restarts":                               {pods: []*corev1.Pod{crashed(crashes - 1)}, status: release.Progressing},
		"a crash loop":                                {pods: []*corev1.Pod{crashed(crashes), runs()}, status: release.Broken},
		"ready pods that are being deleted":           {pods: []*corev1.Pod{terminating(), ready()}, status: release.Progressing, ready: 1},
		"a specification that is not acted on yet":    {pods: []*corev1.Pod{crashed(crashes)}, lags: true, status: release.Progressing},
	} {
		t.Run(name, func(t *testing.T) {
			if f := of(c.pods, c.lags).judge(noon); f.status != c.status || f.ready != c.ready {
				t.Errorf("%s with %d ready: %v", f.status, f.ready, f.reasons)
			}
		})
	}
}

// of is a Deployment of 3 with these pods of its present template.
func of(list []*corev1.Pod, lags bool) *snapshot {
	size, is := int32(3), true
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 7}, Spec: appsv1.DeploymentSpec{Replicas: &size}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app"}}
	d.Status.ObservedGeneration = 7
	if lags {
		d.Status.ObservedGeneration = 6
	}
	owner := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{UID: "present"}}
	s := &snapshot{deployment: d, container: &d.Spec.Template.Spec.Containers[0], pods: &pods{list: map[types.UID]*corev1.Pod{}, owner: owner}}
	for i, p := range list {
		p.UID = types.UID(rune('a' + i))
		p.OwnerReferences = []metav1.OwnerReference{{UID: owner.UID, Controller: &is}}
		s.pods.list[p.UID] = p
	}
	return s
}

func TestARolloutIsCompleteOnlyWithAllPodsOfThePresentTemplate(t *testing.T) {
	for name, c := range map[string]struct {
		status   appsv1.DeploymentStatus
		complete bool
	}{
		"all pods":                         {appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3, AvailableReplicas: 3}, true},
		"one pod is available":             {appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3, AvailableReplicas: 1}, false},
		"one pod is made":                  {appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}, false},
		"two are of the template before":   {appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 3, UpdatedReplicas: 1, ReadyReplicas: 3, AvailableReplicas: 3}, false},
		"one of the template before stays": {appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 4, UpdatedReplicas: 3, ReadyReplicas: 3, AvailableReplicas: 3}, false},
		"an observation of before":         {appsv1.DeploymentStatus{ObservedGeneration: 6, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3, AvailableReplicas: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := of(nil, false)
			s.deployment.Status = c.status
			if f := s.judge(noon); (f.status == release.Complete) != c.complete {
				t.Errorf("%s with %d ready: %v", f.status, f.ready, f.reasons)
			}
		})
	}
}

func TestTheDigestBehindATagIsThatOfAllReadyPods(t *testing.T) {
	const a, b = "shop.example/web@sha256:a", "docker-pullable://mirror.internal/shop.example/web@sha256:b"
	pulled := func(p *corev1.Pod, id string) *corev1.Pod {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "sidecar", ImageID: b}, {Name: "app", ImageID: id}}
		return p
	}
	for name, c := range map[string]struct {
		pods   []*corev1.Pod
		want   string
		differ bool
	}{
		"all the same":                    {pods: []*corev1.Pod{pulled(ready(), a), pulled(ready(), a)}, want: "sha256:a"},
		"through a mirror":                {pods: []*corev1.Pod{pulled(ready(), b)}, want: "sha256:b"},
		"one is not ready":                {pods: []*corev1.Pod{pulled(ready(), a), pulled(runs(), b)}, want: "sha256:a"},
		"one is being deleted":            {pods: []*corev1.Pod{pulled(ready(), a), pulled(terminating(), b)}, want: "sha256:a"},
		"two differ":                      {pods: []*corev1.Pod{pulled(ready(), a), pulled(ready(), b)}, differ: true},
		"one node does not report it":     {pods: []*corev1.Pod{pulled(ready(), a), pulled(ready(), "sha256:de60")}, differ: true},
		"no node reports it":              {pods: []*corev1.Pod{pulled(ready(), "sha256:de60")}},
		"none is ready":                   {pods: []*corev1.Pod{pulled(runs(), a)}},
		"there are none":                  {},
		"the cluster has not made it yet": {pods: []*corev1.Pod{pulled(ready(), a)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := of(c.pods, false)
			s.container.Image = "shop.example/web:prod"
			if name == "the cluster has not made it yet" {
				s.pods.owner = nil
			}
			i, differ := s.running()
			if i.Tag != "prod" || i.Digest != c.want || (differ != "") != c.differ {
				t.Errorf("runs %+v: %s", i, differ)
			}
		})
	}
}
