package workload_test

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	batchclient "k8s.io/client-go/kubernetes/typed/batch/v1"
)

// template makes a suspended CronJob whose Job runs an image once.
func (w *env) template(name, image string) {
	w.t.Helper()
	suspend, once := true, int32(0)
	_, err := w.cluster.Client().BatchV1().CronJobs(w.namespace).Create(w.t.Context(), &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.CronJobSpec{Schedule: "0 0 1 1 *", Suspend: &suspend, JobTemplate: batchv1.JobTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"check": name}},
			Spec: batchv1.JobSpec{BackoffLimit: &once, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "check", Image: image}},
			}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

// run is one run of a check, as the record keeps it.
type run struct {
	*env
	check   engine.Check
	subject engine.Subject
}

func (w *env) run(cronJob string) *run {
	return &run{w, w.JobCheck(cronJob, 90*time.Second), engine.Subject{
		Release: 7, Color: release.Green, Image: w.images[1], Run: strings.ToLower(rand.Text()),
	}}
}

// look makes the check once, and records what it made.
func (r *run) look() engine.Result {
	r.t.Helper()
	found := r.check.Run(r.t.Context(), r.subject)
	if found.Verdict == release.Unknown {
		r.t.Fatal(found.Detail)
	}
	if found.Made != "" {
		if found.Verdict != release.Undecided {
			r.t.Fatalf("%+v is believed before it is recorded", found)
		}
		r.subject.Made = found.Made
	}
	return found
}

// end makes the check until it is decided.
func (r *run) end() engine.Result {
	r.t.Helper()
	var found engine.Result
	testbed.Eventually(r.t, time.Minute, func() bool {
		found = r.look()
		return found.Verdict != release.Undecided
	}, func() string { return found.Detail })
	return found
}

func (r *run) jobs() batchclient.JobInterface {
	return r.cluster.Client().BatchV1().Jobs(r.namespace)
}

// only is the one Job in the namespace.
func (r *run) only() *batchv1.Job {
	r.t.Helper()
	list, err := r.jobs().List(r.t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		r.t.Fatalf("%d jobs, error %v", len(list.Items), err)
	}
	return &list.Items[0]
}

func TestAJobRunsOncePerRunAndGetsItsSubject(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	const name = "smoke-test-with-a-very-long-name-that-leaves-no-room"
	w.template(name, "shop.example/check:1")
	r := w.run(name)
	for range 3 {
		if found := r.end(); found.Verdict != release.Passed {
			t.Fatalf("%+v", found)
		}
	}
	job := r.only()
	env := map[string]string{}
	for _, v := range job.Spec.Template.Spec.Containers[0].Env {
		env[v.Name] = v.Value
	}
	if env["BLUEGREEN_COLOR"] != "green" || env["BLUEGREEN_DIGEST"] != w.images[1].Digest || env["BLUEGREEN_TAG"] != w.images[1].Tag || env["BLUEGREEN_RELEASE"] != "7" {
		t.Errorf("the job's environment is %v", env)
	}
	if owners := job.OwnerReferences; len(owners) != 1 || owners[0].Kind != "CronJob" || owners[0].Name != name {
		t.Errorf("the job's owners are %v", owners)
	}
	if a := job.Annotations; a["bluegreen.dev/app"] != "podinfo" || a["bluegreen.dev/release"] != "7" || !strings.HasSuffix(job.Name, "-7-"+r.subject.Run) || len(job.Name) > 63 {
		t.Errorf("the job %s has the annotations %v", job.Name, a)
	}
	if d, ttl := job.Spec.ActiveDeadlineSeconds, job.Spec.TTLSecondsAfterFinished; d == nil || *d != 90 || ttl == nil || *ttl != 3690 {
		t.Errorf("its deadline is %v, and it stays for %v", d, ttl)
	}
}

func TestTheJobOfARunIsDeletedWithIt(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.template("smoke", "shop.example/check:1")
	r := w.run("smoke")
	r.end()
	other := r.subject
	other.Made = "another-uid hash"
	for _, s := range []engine.Subject{other, r.subject, r.subject} {
		if err := r.check.(engine.Maker).End(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if s == other {
			r.only() // another Job of this name is not deleted
		}
	}
	testbed.Eventually(t, time.Minute, func() bool {
		jobs, err := r.jobs().List(t.Context(), metav1.ListOptions{})
		pods, more := w.cluster.Client().CoreV1().Pods(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel})
		return err == nil && more == nil && len(jobs.Items)+len(pods.Items) == 0
	}, func() string { return "the Job or its pod is still there" })
	if found := r.look(); found.Verdict != release.Undecided || !found.Again {
		t.Errorf("a Job that is gone: %+v", found)
	}
}

// planted is a Job that has succeeded, as anyone can make one who may create Jobs and write
// their status.
func (r *run) planted(from *batchv1.Job) {
	r.t.Helper()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: from.Name, Labels: from.Labels, Annotations: from.Annotations, OwnerReferences: from.OwnerReferences,
	}}
	job.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "check", Image: "shop.example/check:true"}}}
	if _, err := r.jobs().Create(r.t.Context(), job, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	testbed.Eventually(r.t, time.Minute, func() bool {
		job, err := r.jobs().Get(r.t.Context(), from.Name, metav1.GetOptions{})
		return err == nil && job.Status.Succeeded > 0 && job.Status.CompletionTime != nil
	}, func() string { return "the planted Job does not succeed" })
}

func TestAPlantedJobIsNotBelieved(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.template("smoke", "shop.example/check:1")
	r := w.run("smoke")
	r.planted(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "smoke-7-" + r.subject.Run}})
	if found := r.look(); found.Verdict != release.Undecided || !found.Again || found.Made != "" {
		t.Errorf("a Job that was there before: %+v", found)
	}
	testbed.Eventually(t, time.Minute, func() bool {
		jobs, err := r.jobs().List(t.Context(), metav1.ListOptions{})
		return err == nil && len(jobs.Items) == 0
	}, func() string { return "the planted Job is still there" })
}

func TestAJobThatWasExchangedOrChangedIsNotBelieved(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.template("smoke", "shop.example/check:1")
	change := func(patch string) func(*run) {
		return func(r *run) {
			if _, err := r.jobs().Patch(t.Context(), "smoke-7-"+r.subject.Run, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		do   func(*run)
		want string // "" passes
	}{
		"nothing": {func(*run) {}, ""},
		"another of its name": {func(r *run) {
			job, err := r.jobs().Get(t.Context(), "smoke-7-"+r.subject.Run, metav1.GetOptions{})
			if err == nil {
				err = r.check.(engine.Maker).End(t.Context(), r.subject)
			}
			if err != nil {
				t.Fatal(err)
			}
			testbed.Eventually(t, time.Minute, func() bool {
				_, err := r.jobs().Get(t.Context(), job.Name, metav1.GetOptions{})
				return apierrors.IsNotFound(err)
			}, func() string { return "the Job is still there" })
			r.planted(job)
		}, "another object of the same name"},
		"its app":        {change(`{"metadata":{"annotations":{"bluegreen.dev/app":"other"}}}`), `bluegreen.dev/app is "other"`},
		"its release":    {change(`{"metadata":{"annotations":{"bluegreen.dev/release":"6"}}}`), `bluegreen.dev/release is "6"`},
		"its owner":      {change(`{"metadata":{"ownerReferences":null}}`), "its owner or its template differs"},
		"its deadline":   {change(`{"spec":{"activeDeadlineSeconds":9000}}`), "its owner or its template differs"},
		"its labels":     {change(`{"metadata":{"labels":{"team":"shop"},"annotations":{"kueue.x-k8s.io/x":"y"}}}`), ""},
		"a queue's pace": {change(`{"spec":{"parallelism":2}}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.run("smoke")
			r.look()
			c.do(r)
			found := r.end()
			if (found.Verdict == release.Passed) != (c.want == "") || !strings.Contains(found.Detail, c.want) || c.want != "" && found.Verdict != release.Refuted {
				t.Errorf("%+v, want %q", found, c.want)
			}
		})
	}
}

func TestAFailedJobRefutesWithThePodsOwnReason(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave("check:failing", testbed.CrashLoop(0))
	w.template("smoke", "shop.example/check:failing")
	found := w.run("smoke").end()
	v, detail := found.Verdict, found.Detail
	if v != release.Refuted || !regexp.MustCompile(`^Job smoke-7-\w+ failed: .*; pod smoke-7-\S+ crashes: container check ended with exit code 1`).MatchString(detail) {
		t.Errorf("%s: %s", v, detail)
	}
}

func TestAJobThatCannotStartIsUndecidedWithItsReason(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave("check:unpullable", testbed.PullError())
	w.template("smoke", "shop.example/check:unpullable")
	r, detail := w.run("smoke"), ""
	testbed.Eventually(t, time.Minute, func() bool {
		found := r.look()
		if detail = found.Detail; found.Verdict != release.Undecided {
			t.Fatalf("%+v", found)
		}
		return regexp.MustCompile(`pod smoke-7-\S+ waits: ImagePullBackOff: .*manifest unknown`).MatchString(detail)
	}, func() string { return detail })
}
