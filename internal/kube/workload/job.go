package workload

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kept is for how long after the checks a Job that was not deleted stays.
const kept = time.Hour

// annotationRelease is the annotation with the number of the release that a Job was made for.
const annotationRelease = "bluegreen.dev/release"

// JobCheck makes a check of a Job that is created from the template of a CronJob, once for
// each run of the checks, and may take as long as given.
func (w *Workloads) JobCheck(cronJob string, within time.Duration) engine.Check {
	return jobCheck{w, cronJob, within}
}

type jobCheck struct {
	*Workloads
	cronJob string
	within  time.Duration
}

// Run implements engine.Check: it creates the Job of a run, and once it is recorded as made
// reports how it is doing.
func (j jobCheck) Run(ctx context.Context, s engine.Subject) engine.Result {
	t, err := j.target(s.Color)
	var r engine.Result
	switch {
	case err != nil:
	case s.Made == "":
		r, err = j.create(ctx, t, s)
	default:
		r, err = j.read(ctx, t, s)
	}
	if err != nil {
		return engine.Result{Verdict: release.Unknown, Detail: fmt.Sprintf("run the check %s: %v", j.cronJob, err)}
	}
	return r
}

// create makes the Job of a run. One that has its name already is not believed, though it is
// probably the run's own, whose creation was not recorded: the check runs again.
func (j jobCheck) create(ctx context.Context, t Target, s engine.Subject) (engine.Result, error) {
	job, err := j.order(ctx, t, s)
	if err != nil {
		return engine.Result{}, err
	}
	made, err := t.Cluster.Client().BatchV1().Jobs(t.Namespace).Create(ctx, job, metav1.CreateOptions{FieldManager: manager})
	if apierrors.IsAlreadyExists(err) {
		detail := "there is a Job " + job.Name + ", and nothing says that this release made it: it is deleted, and the check runs again"
		if err := j.End(ctx, s); err != nil {
			detail += fmt.Sprintf(" (it could not be deleted: %v)", err)
		}
		return engine.Result{Verdict: release.Undecided, Detail: detail, Again: true}, nil
	}
	if err != nil {
		return engine.Result{}, t.Cluster.Explain(err)
	}
	return engine.Result{Verdict: release.Undecided, Detail: "Job " + made.Name + " was created", Made: seal(made)}, nil
}

func (j jobCheck) read(ctx context.Context, t Target, s engine.Subject) (engine.Result, error) {
	name := j.name(s)
	job, err := t.Cluster.Client().BatchV1().Jobs(t.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return engine.Result{Verdict: release.Undecided, Detail: "Job " + name + " is gone before its outcome was read: the check runs again", Again: true}, nil
	}
	if err != nil {
		return engine.Result{}, t.Cluster.Explain(err)
	}
	if wrong := differs(job, j.App, s); wrong != "" {
		return engine.Result{Verdict: release.Refuted, Detail: "Job " + name + " is not the one that was ordered, it was changed outside bluegreen: " + wrong}, nil
	}
	verdict, detail, err := t.verdict(ctx, job)
	return engine.Result{Verdict: verdict, Detail: detail}, err
}

// End implements engine.Maker.
func (j jobCheck) End(ctx context.Context, s engine.Subject) error {
	t, err := j.target(s.Color)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if uid, _, found := strings.Cut(s.Made, " "); found {
		options.Preconditions = metav1.NewUIDPreconditions(uid)
	}
	err = t.Cluster.Client().BatchV1().Jobs(t.Namespace).Delete(ctx, j.name(s), options)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // a conflict: it is another one
		return nil
	}
	return t.Cluster.Explain(err)
}

// name is the name of a run's Job. 63 bytes is the limit of a label.
func (j jobCheck) name(s engine.Subject) string {
	end := fmt.Sprintf("-%d-%s", s.Release, s.Run)
	return strings.TrimRight(j.cronJob[:min(len(j.cronJob), max(0, 63-len(end)))], "-.") + end
}

// order is the Job to create. It is deleted with its CronJob, which does not control it: the
// history limits of the CronJob could delete it before it is read.
func (j jobCheck) order(ctx context.Context, t Target, s engine.Subject) (*batchv1.Job, error) {
	template, err := t.Cluster.Client().BatchV1().CronJobs(t.Namespace).Get(ctx, j.cronJob, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, t.noCronJob(j.cronJob)
	}
	if err != nil {
		return nil, t.Cluster.Explain(err)
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: j.name(s), Labels: maps.Clone(template.Spec.JobTemplate.Labels), Annotations: maps.Clone(template.Spec.JobTemplate.Annotations),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: template.Name, UID: template.UID}},
		},
		Spec: *template.Spec.JobTemplate.Spec.DeepCopy(),
	}
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, fence.App, j.App)
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, annotationRelease, strconv.Itoa(s.Release))
	deadline, stays := int64(math.Ceil(j.within.Seconds())), int32((j.within + kept).Seconds())
	if own := job.Spec.ActiveDeadlineSeconds; own == nil || *own > deadline {
		job.Spec.ActiveDeadlineSeconds = &deadline
	}
	job.Spec.TTLSecondsAfterFinished = &stays
	for n := range job.Spec.Template.Spec.Containers {
		c := &job.Spec.Template.Spec.Containers[n]
		c.Env = append(c.Env, variables(s)...)
	}
	return job, nil
}

// seal identifies a Job as the API server returned it when it was created, with its defaults and
// what admission added: its UID, and a hash of its owner and of all that decides what it runs.
func seal(job *batchv1.Job) string {
	body, err := json.Marshal(struct {
		Owners []metav1.OwnerReference
		Spec   batchv1.JobSpec
	}{job.OwnerReferences, decisive(job)})
	if err != nil {
		panic(err) // an object of the API
	}
	return fmt.Sprintf("%s %x", job.UID, sha256.Sum256(body))
}

// decisive is the part of a Job that says what it runs, and when that has succeeded. Where and
// when it runs may change: a queue such as Kueue suspends a Job, and gives it its nodes.
func decisive(job *batchv1.Job) batchv1.JobSpec {
	spec := *job.Spec.DeepCopy()
	spec.Suspend, spec.Parallelism = nil, nil
	spec.Template.ObjectMeta = metav1.ObjectMeta{}
	pod := &spec.Template.Spec
	pod.NodeSelector, pod.Affinity, pod.Tolerations, pod.SchedulingGates = nil, nil, nil, nil
	return spec
}

// differs says in what a Job is not the one that was made for a run; "" when it is.
func differs(job *batchv1.Job, app string, s engine.Subject) string {
	uid, _, _ := strings.Cut(s.Made, " ")
	switch {
	case string(job.UID) != uid:
		return "it is another object of the same name"
	case job.Annotations[fence.App] != app:
		return fmt.Sprintf("its annotation %s is %q", fence.App, job.Annotations[fence.App])
	case job.Annotations[annotationRelease] != strconv.Itoa(s.Release):
		return fmt.Sprintf("its annotation %s is %q", annotationRelease, job.Annotations[annotationRelease])
	case seal(job) != s.Made:
		return "its owner or its template differs"
	}
	return ""
}

func (t Target) noCronJob(name string) error {
	return fmt.Errorf("%w: there is no CronJob %s in namespace %s of cluster %s: create it, suspended, as the template of the check",
		engine.ErrDenied, name, t.Namespace, t.Cluster.Name())
}

// variables describe to the check its subject.
func variables(s engine.Subject) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "BLUEGREEN_COLOR", Value: string(s.Color)}, {Name: "BLUEGREEN_RELEASE", Value: strconv.Itoa(s.Release)},
		{Name: "BLUEGREEN_DIGEST", Value: s.Image.Digest}, {Name: "BLUEGREEN_TAG", Value: s.Image.Tag},
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
		if p := &list.Items[n]; metav1.IsControlledBy(p, job) && (p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodPending) {
			troubles = append(troubles, diagnosePod(p))
		}
	}
	return strings.Join(words(troubles), "; "), nil
}
