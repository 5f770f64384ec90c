package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	backOffDelay   = 200 * time.Millisecond // from ErrImagePull to ImagePullBackOff
	restartDelay   = time.Second            // between restarts of a container that crashes
	batchRunsFor   = 100 * time.Millisecond // a pod of a Job
	retryAPIEvery  = 100 * time.Millisecond
	shutdownWithin = time.Second // for answers still being written
)

// pod plays one pod. Only its keeper (and the act that the keeper runs)
// touches the fields below the channels.
type pod struct {
	actor *podActor
	spec  *corev1.Pod
	image string
	color string

	changed      chan struct{} // the rules of behaviour may have changed
	deleting     chan struct{} // closed when deletion has begun
	deletingOnce sync.Once
	gone         chan struct{} // closed when the API server has forgotten it

	ip         netip.Addr
	server     *podServer
	ready      bool
	since      metav1.Time // of ready
	restarts   int32
	lastState  corev1.ContainerState
	runningFor metav1.Time
	imageIDs   []string // of the containers, as pulled when the pod started
}

func newPod(a *podActor, spec *corev1.Pod) *pod {
	p := &pod{
		actor: a, spec: spec,
		image: spec.Spec.Containers[0].Image,
		color: spec.Labels["color"],

		changed:  make(chan struct{}, 1),
		deleting: make(chan struct{}),
		gone:     make(chan struct{}),
		since:    metav1.Now(),
	}
	if p.color == "" {
		p.color = spec.Namespace
	}
	return p
}

// keep carries out the image's behaviour, again after each change, until the
// pod is deleted or ctx ends.
func (p *pod) keep(ctx context.Context) {
	defer p.stopServing(0)
	if p.spec.Spec.NodeName == "" {
		p.bind(ctx)
	}
	for _, c := range p.spec.Spec.Containers {
		p.imageIDs = append(p.imageIDs, p.actor.imageID(c.Image))
	}
	for {
		b := p.actor.behaviour(p.image)
		acting, stop := context.WithCancel(ctx)
		var act sync.WaitGroup
		act.Go(func() { p.act(acting, b) })
		again := p.untilOther(ctx, b)
		stop()
		act.Wait()
		if !again {
			break
		}
	}
	p.retire(ctx)
}

// untilOther returns true when the behaviour is no longer b, false when the
// pod's life ends.
func (p *pod) untilOther(ctx context.Context, b Behaviour) bool {
	for {
		select {
		case <-p.changed:
			if p.actor.behaviour(p.image) != b {
				return true
			}
		case <-p.deleting:
			return false
		case <-p.gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// retire keeps serving while proxies learn that the pod goes, as a preStop
// sleep does, and then finishes the deletion.
func (p *pod) retire(ctx context.Context) {
	if p.ready {
		p.report(ctx, corev1.PodRunning, p.running(), false)
		sleep(ctx, p.actor.drain)
	}
	p.stopServing(shutdownWithin)
	now, uid := int64(0), p.spec.UID
	p.insist(ctx, "delete", func() error {
		return p.actor.client.CoreV1().Pods(p.spec.Namespace).Delete(ctx, p.spec.Name,
			metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &uid}})
	})
}

func (p *pod) act(ctx context.Context, b Behaviour) {
	switch b.kind {
	case pullError:
		p.cannotPull(ctx)
	case invalidImageName:
		p.cannotStart(ctx, "InvalidImageName", fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %[1]q: invalid reference format", p.image))
	case configError:
		p.cannotStart(ctx, "CreateContainerConfigError", `configmap "settings" not found`)
	default:
		if p.spec.Spec.RestartPolicy != corev1.RestartPolicyAlways {
			p.runToEnd(ctx, b)
			return
		}
		p.run(ctx, b)
	}
}

func (p *pod) run(ctx context.Context, b Behaviour) {
	if err := p.serve(); err != nil {
		p.actor.logf("pod actor: %s/%s: %v", p.spec.Namespace, p.spec.Name, err)
		p.cannotStart(ctx, "RunContainerError", err.Error())
		return
	}
	switch b.kind {
	case neverReady:
		p.server.answer(503, 503)
		p.report(ctx, corev1.PodRunning, p.running(), false)
	case slow:
		p.server.answer(503, 503)
		p.report(ctx, corev1.PodRunning, p.running(), false)
		if sleep(ctx, b.after) {
			p.server.answer(200, 200)
			p.report(ctx, corev1.PodRunning, p.running(), true)
		}
	case partlyReady:
		p.server.answer(200, 200)
		p.report(ctx, corev1.PodRunning, p.running(), p.actor.isFirst(p))
	case serverErrors:
		p.server.answer(500, 200)
		p.report(ctx, corev1.PodRunning, p.running(), true)
	case crashLoop:
		p.server.answer(200, 200)
		p.report(ctx, corev1.PodRunning, p.running(), true)
		for ok := sleep(ctx, b.after); ok; ok = sleep(ctx, restartDelay) {
			p.crash(ctx)
		}
	default:
		p.server.answer(200, 200)
		p.report(ctx, corev1.PodRunning, p.running(), true)
	}
}

// crash ends the container with its connections and leaves it waiting for the
// next restart; each crash after the first means that it was restarted.
func (p *pod) crash(ctx context.Context) {
	p.stopServing(0)
	crashedBefore := p.lastState.Terminated != nil
	ended := p.terminated(1, "Error")
	if !crashedBefore {
		p.report(ctx, corev1.PodRunning, ended, false)
	} else {
		p.restarts++
	}
	p.lastState = ended
	p.report(ctx, corev1.PodRunning, waiting("CrashLoopBackOff", fmt.Sprintf("back-off 10s restarting failed container=%s pod=%s_%s(%s)",
		p.spec.Spec.Containers[0].Name, p.spec.Name, p.spec.Namespace, p.spec.UID)), false)
}

// runToEnd plays a pod of a Job: no server, an exit code.
func (p *pod) runToEnd(ctx context.Context, b Behaviour) {
	p.runningFor = metav1.Now()
	p.report(ctx, corev1.PodRunning, p.running(), b.kind != neverReady)
	if b.kind == neverReady || !sleep(ctx, max(b.after, batchRunsFor)) {
		return
	}
	if b.kind == crashLoop || b.kind == serverErrors {
		p.report(ctx, corev1.PodFailed, p.terminated(1, "Error"), false)
		return
	}
	p.report(ctx, corev1.PodSucceeded, p.terminated(0, "Completed"), false)
}

func (p *pod) cannotPull(ctx context.Context) {
	cause := fmt.Sprintf("failed to pull image %q: manifest unknown", p.image)
	p.cannotStart(ctx, "ErrImagePull", cause)
	if sleep(ctx, backOffDelay) {
		p.cannotStart(ctx, "ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", p.image, cause))
	}
}

func (p *pod) cannotStart(ctx context.Context, reason, message string) {
	p.stopServing(0)
	p.report(ctx, corev1.PodPending, waiting(reason, message), false)
}

func (p *pod) running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: p.runningFor}}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func (p *pod) terminated(code int32, reason string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, StartedAt: p.runningFor, FinishedAt: metav1.Now()}}
}

// report patches the pod's status; the UID keeps it off a successor of the
// same name.
func (p *pod) report(ctx context.Context, phase corev1.PodPhase, state corev1.ContainerState, ready bool) {
	if ready != p.ready {
		p.ready, p.since = ready, metav1.Now()
	}
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.spec.UID},
		"status":   p.status(phase, state),
	})
	if err != nil {
		p.actor.logf("pod actor: encode status of %s/%s: %v", p.spec.Namespace, p.spec.Name, err)
		return
	}
	p.insist(ctx, "report status of", func() error {
		_, err := p.actor.client.CoreV1().Pods(p.spec.Namespace).Patch(ctx, p.spec.Name, types.MergePatchType, body, metav1.PatchOptions{}, "status")
		return err
	})
}

func (p *pod) status(phase corev1.PodPhase, state corev1.ContainerState) corev1.PodStatus {
	is := func(b bool) corev1.ConditionStatus {
		if b {
			return corev1.ConditionTrue
		}
		return corev1.ConditionFalse
	}
	created, since := p.spec.CreationTimestamp, p.since
	if aged := p.actor.behaviour(p.image).aged; aged > 0 {
		created, since = metav1.NewTime(created.Add(-aged)), metav1.NewTime(since.Add(-aged))
	}
	s := corev1.PodStatus{
		Phase:     phase,
		StartTime: &created,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: created},
			{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: created},
			{Type: corev1.ContainersReady, Status: is(p.ready), LastTransitionTime: since},
			{Type: corev1.PodReady, Status: is(p.ready), LastTransitionTime: since},
		},
	}
	if p.ip.IsValid() {
		s.PodIP = podIP(p.ip).String()
		s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}
	}
	for n, c := range p.spec.Spec.Containers {
		started := state.Running != nil
		status := corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, State: state, LastTerminationState: p.lastState,
			Ready: p.ready, Started: &started, RestartCount: p.restarts,
		}
		if phase != corev1.PodPending {
			status.ImageID = p.imageIDs[n]
		}
		s.ContainerStatuses = append(s.ContainerStatuses, status)
	}
	return s
}

func (p *pod) bind(ctx context.Context) {
	p.insist(ctx, "bind", func() error {
		return p.actor.client.CoreV1().Pods(p.spec.Namespace).Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: p.spec.Name, UID: p.spec.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName},
		}, metav1.CreateOptions{})
	})
}

// insist repeats a call while the API server is away; a pod that is gone or
// was replaced needs it no more.
func (p *pod) insist(ctx context.Context, what string, call func() error) {
	for failures := 0; ; failures++ {
		err := call()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ctx.Err() != nil {
			return
		}
		if failures == 0 {
			p.actor.logf("pod actor: %s %s/%s: %v", what, p.spec.Namespace, p.spec.Name, err)
		}
		if apierrors.IsInvalid(err) || !sleep(ctx, retryAPIEvery) {
			return
		}
	}
}

// version is the digest of an image reference, else its tag.
func version(image string) string {
	if _, digest, ok := strings.Cut(image, "@"); ok {
		return digest
	}
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[i+1:]
	}
	return "latest"
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
