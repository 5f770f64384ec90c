package workload

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JobCheck makes a check of a Job that is created from the template of a CronJob, once for
// each release and color.
func (w *Workloads) JobCheck(cronJob string) engine.Check { return jobCheck{w, cronJob} }

type jobCheck struct {
	*Workloads
	cronJob string
}

// Run implements engine.Check: it creates the Job if it is not there yet, and reports how
// it is doing.
func (j jobCheck) Run(ctx context.Context, s engine.Subject) engine.Result {
	verdict, detail, err := j.runJob(ctx, s.Color, j.cronJob, s.Release, s.Image)
	if err != nil {
		return engine.Result{Verdict: release.Unknown, Detail: fmt.Sprintf("run the check %s: %v", j.cronJob, err)}
	}
	return engine.Result{Verdict: verdict, Detail: detail}
}

// runJob creates or reads the Job. It belongs to its CronJob, whose history limits tidy it
// away.
func (w *Workloads) runJob(ctx context.Context, c release.Color, cronJob string, id int, i release.Image) (release.Verdict, string, error) {
	t, err := w.target(c)
	if err != nil {
		return "", "", err
	}
	name := w.jobName(c, cronJob, id, i)
	jobs := t.Cluster.Client().BatchV1().Jobs(t.Namespace)
	job, err := jobs.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if job, err = w.newJob(ctx, t, cronJob, name, variables(c, id, i)); err != nil {
			return "", "", err
		}
		job, err = jobs.Create(ctx, job, metav1.CreateOptions{FieldManager: manager})
		if apierrors.IsAlreadyExists(err) {
			job, err = jobs.Get(ctx, name, metav1.GetOptions{})
		}
	}
	if err != nil {
		return "", "", t.Cluster.Explain(err)
	}
	return t.verdict(ctx, job)
}

// jobName is the same for each try of a release's check. 63 bytes is the limit of a label.
func (w *Workloads) jobName(c release.Color, cronJob string, id int, i release.Image) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{w.App, string(c), i.Digest}, "\n")))
	end := fmt.Sprintf("-%d-%x", id, sum[:4])
	return strings.TrimRight(cronJob[:min(len(cronJob), 63-len(end))], "-.") + end
}

func (w *Workloads) newJob(ctx context.Context, t Target, cronJob, name string, env []corev1.EnvVar) (*batchv1.Job, error) {
	template, err := t.Cluster.Client().BatchV1().CronJobs(t.Namespace).Get(ctx, cronJob, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, t.noCronJob(cronJob)
	}
	if err != nil {
		return nil, t.Cluster.Explain(err)
	}
	isController := true
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: maps.Clone(template.Spec.JobTemplate.Labels), Annotations: maps.Clone(template.Spec.JobTemplate.Annotations),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "batch/v1", Kind: "CronJob", Name: template.Name, UID: template.UID, Controller: &isController,
			}},
		},
		Spec: *template.Spec.JobTemplate.Spec.DeepCopy(),
	}
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, fence.App, w.App)
	for n := range job.Spec.Template.Spec.Containers {
		c := &job.Spec.Template.Spec.Containers[n]
		c.Env = append(c.Env, env...)
	}
	return job, nil
}

func (t Target) noCronJob(name string) error {
	return fmt.Errorf("%w: there is no CronJob %s in namespace %s of cluster %s: create it, suspended, as the template of the check",
		engine.ErrDenied, name, t.Namespace, t.Cluster.Name())
}

// variables describe to the check its subject.
func variables(c release.Color, id int, i release.Image) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "BLUEGREEN_COLOR", Value: string(c)}, {Name: "BLUEGREEN_RELEASE", Value: strconv.Itoa(id)},
		{Name: "BLUEGREEN_DIGEST", Value: i.Digest}, {Name: "BLUEGREEN_TAG", Value: i.Tag},
	}
}

func (t Target) verdict(ctx context.Context, job *batchv1.Job) (release.Verdict, string, error) {
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete, batchv1.JobSuccessCriteriaMet:
			return release.Passed, "Job " + job.Name + " succeeded", nil
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			why, err := t.jobTrouble(ctx, job)
			return release.Refuted, join("Job "+job.Name+" failed: "+c.Message, why), err
		case batchv1.JobSuspended:
			return release.Undecided, "Job " + job.Name + " is suspended: set suspend to false in the CronJob's jobTemplate", nil
		}
	}
	why, err := t.jobTrouble(ctx, job)
	return release.Undecided, join(fmt.Sprintf("Job %s runs, %d of its pods failed so far", job.Name, job.Status.Failed), why), err
}

// jobTrouble is the trouble in the status of the Job's pods.
func (t Target) jobTrouble(ctx context.Context, job *batchv1.Job) (string, error) {
	list, err := t.Cluster.Client().CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job.Name})
	if err != nil {
		return "", t.Cluster.Explain(err)
	}
	var troubles []trouble
	for n := range list.Items {
		if p := &list.Items[n]; p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodPending {
			troubles = append(troubles, diagnosePod(p))
		}
	}
	return strings.Join(words(troubles), "; "), nil
}
