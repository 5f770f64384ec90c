package workload_test

import (
	"regexp"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// verdict runs a check until it is decided.
func (w *env) verdict(on *workload.Workloads, cronJob string) (release.Verdict, string) {
	w.t.Helper()
	var r engine.Result
	testbed.Eventually(w.t, time.Minute, func() bool {
		r = w.runJob(on, cronJob)
		if r.Verdict == release.Unknown {
			w.t.Fatal(r.Detail)
		}
		return r.Verdict != release.Undecided
	}, func() string { return r.Detail })
	return r.Verdict, r.Detail
}

func (w *env) runJob(on *workload.Workloads, cronJob string) engine.Result {
	return on.JobCheck(cronJob).Run(w.t.Context(), engine.Subject{Release: 7, Color: release.Green, Image: w.images[1]})
}

func TestAJobRunsOncePerReleaseAndGetsItsSubject(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	const name = "smoke-test-with-a-very-long-name-that-leaves-no-room"
	w.template(name, "shop.example/check:1")
	for range 3 {
		if v, detail := w.verdict(w.Workloads, name); v != release.Passed {
			t.Fatalf("%s: %s", v, detail)
		}
	}
	jobs, err := w.cluster.Client().BatchV1().Jobs(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "check=" + name})
	if err != nil || len(jobs.Items) != 1 {
		t.Fatalf("%d jobs, error %v", len(jobs.Items), err)
	}
	env := map[string]string{}
	for _, v := range jobs.Items[0].Spec.Template.Spec.Containers[0].Env {
		env[v.Name] = v.Value
	}
	if env["BLUEGREEN_COLOR"] != "green" || env["BLUEGREEN_DIGEST"] != w.images[1].Digest || env["BLUEGREEN_TAG"] != w.images[1].Tag || env["BLUEGREEN_RELEASE"] != "7" {
		t.Errorf("the job's environment is %v", env)
	}
	if owners := jobs.Items[0].OwnerReferences; len(owners) != 1 || owners[0].Kind != "CronJob" || owners[0].Name != name {
		t.Errorf("the job's owners are %v", owners)
	}
}

func TestAFailedJobRefutesWithThePodsOwnReason(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave("check:failing", testbed.CrashLoop(0))
	w.template("smoke", "shop.example/check:failing")
	v, detail := w.verdict(w.Workloads, "smoke")
	if v != release.Refuted || !regexp.MustCompile(`^Job smoke-7-\w+ failed: .*; pod smoke-7-\S+ crashes: container check ended with exit code 1`).MatchString(detail) {
		t.Errorf("%s: %s", v, detail)
	}
}

func TestAJobThatCannotStartIsUndecidedWithItsReason(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave("check:unpullable", testbed.PullError())
	w.template("smoke", "shop.example/check:unpullable")
	var detail string
	testbed.Eventually(t, time.Minute, func() bool {
		r := w.runJob(w.Workloads, "smoke")
		if detail = r.Detail; r.Verdict != release.Undecided {
			t.Fatalf("%s: %s", r.Verdict, detail)
		}
		return regexp.MustCompile(`pod smoke-7-\S+ waits: ImagePullBackOff: .*manifest unknown`).MatchString(detail)
	}, func() string { return detail })
}
