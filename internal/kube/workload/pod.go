package workload

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

type kind int

const (
	waiting    kind = iota // may be well soon
	unpullable             // may pass by itself: replication between registries lags
	refused                // may pass by itself for a while: something that it needs comes later
	hopeless               // waiting cannot fix it
)

// trouble is why a pod is not ready.
type trouble struct {
	pod    string
	kind   kind
	since  time.Time // the pod's latest change before it
	reason string    // in plain words
}

// kinds are the reasons that the kubelet gives for a waiting container
// (https://pkg.go.dev/k8s.io/kubernetes/pkg/kubelet/images and …/kuberuntime).
var kinds = map[string]kind{
	"ErrImagePull":               unpullable,
	"ImagePullBackOff":           unpullable,
	"RegistryUnavailable":        unpullable,
	"SignatureValidationFailed":  refused,
	"InvalidImageName":           hopeless,
	"ErrImageNeverPull":          refused,
	"ImageInspectError":          refused,
	"CreateContainerConfigError": refused,
	"CreateContainerError":       refused,
	"RunContainerError":          refused,
	"PreStartHookError":          refused,
	"PostStartHookError":         refused,
}

// crashes is how often a container may be restarted before its pod counts as one that
// crashes for ever; the kubelet waits 10, 20 and 40 s before these restarts.
const crashes = 3

func (s *snapshot) troubles(pods []*corev1.Pod) (list []trouble) {
	for _, p := range pods {
		if !isTrue(p, corev1.PodReady) {
			list = append(list, diagnosePod(p))
		}
	}
	return list
}

// diagnosePod finds the worst problem of a pod that is not ready.
func diagnosePod(p *corev1.Pod) trouble {
	worst := trouble{pod: p.Name, since: since(p), reason: "is not ready yet"}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "":
			worst.reason = "finds no node: " + short(c.Message)
		case c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionFalse && isTrue(p, corev1.PodScheduled):
			worst.reason = "is being prepared by its node"
		}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if k, reason := diagnose(c); reason != "" && (k > worst.kind || worst.kind == waiting) {
			worst.kind, worst.reason = k, reason
		}
	}
	return worst
}

// since is when a pod that is not ready last changed: a waiting container has no time of its
// own, but what comes before it has.
func since(p *corev1.Pod) time.Time {
	latest := p.CreationTimestamp.Time
	if p.Status.StartTime != nil {
		latest = p.Status.StartTime.Time
	}
	for _, c := range p.Status.Conditions {
		if c.LastTransitionTime.After(latest) {
			latest = c.LastTransitionTime.Time
		}
	}
	return latest
}

// diagnose returns why a container is not ready; "" when it is.
func diagnose(c corev1.ContainerStatus) (kind, string) {
	last := c.State.Terminated
	if last == nil {
		last = c.LastTerminationState.Terminated
	}
	if last != nil && last.ExitCode != 0 && !c.Ready {
		reason := fmt.Sprintf("crashes: container %s ended with exit code %d", c.Name, last.ExitCode)
		if last.Reason != "" && last.Reason != "Error" {
			reason += " (" + last.Reason + ")"
		}
		if last.Message != "" {
			reason += ": " + short(last.Message)
		}
		if c.RestartCount > 0 {
			reason += fmt.Sprintf(", restarted %d times", c.RestartCount)
		}
		if c.RestartCount >= crashes {
			return hopeless, reason
		}
		return waiting, reason
	}
	if w := c.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
		reason := "waits: " + w.Reason
		if w.Message != "" {
			reason += ": " + short(w.Message)
		}
		return kinds[w.Reason], reason
	}
	if c.State.Running != nil && !c.Ready && c.RestartCount == 0 && c.Started != nil && *c.Started {
		return waiting, "runs, but its readiness probe does not pass"
	}
	return waiting, ""
}

// words lists each reason once, with the first pod that has it.
func words(troubles []trouble) (list []string) {
	slices.SortStableFunc(troubles, func(a, b trouble) int { return int(b.kind - a.kind) })
	counts := map[string]int{}
	for _, t := range troubles {
		counts[general(t)]++
	}
	for _, t := range troubles {
		key := general(t)
		if n := counts[key]; n > 0 {
			text := "pod " + t.pod + " " + t.reason
			if n > 1 {
				text += fmt.Sprintf(" (and %d more)", n-1)
			}
			list, counts[key] = append(list, text), 0
		}
	}
	return list
}

// general is a reason without the name of the pod.
func general(t trouble) string { return strings.ReplaceAll(t.reason, t.pod, "") }

const longest = 300

// short keeps a message readable in one line.
func short(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > longest {
		message = strings.ToValidUTF8(message[:longest], "") + "…"
	}
	return message
}
