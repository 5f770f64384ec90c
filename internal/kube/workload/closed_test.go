package workload_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// played is an API server that answers as the test says. It closes each watch at once, as
// real ones do now and then, and has an empty list for what is not named.
func played(t *testing.T, answer func(r *http.Request) (status int, body any)) *workload.Workloads {
	t.Helper()
	return streamed(t, []string{"web"}, answer, func(*http.Request) []metav1.WatchEvent { return nil })
}

// streamed is a played API server for several Deployments that keeps a watch open after its events;
// one for which they are nil is closed.
func streamed(t *testing.T, deployments []string, answer func(r *http.Request) (status int, body any), events func(r *http.Request) []metav1.WatchEvent) *workload.Workloads {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") != "" {
			all := events(r)
			for _, e := range all {
				_ = json.NewEncoder(w).Encode(e)
			}
			if all != nil {
				w.(http.Flusher).Flush()
				mu.Unlock()
				<-r.Context().Done()
				mu.Lock()
			}
			return
		}
		status, body := answer(r)
		if body == nil {
			body = metav1.List{TypeMeta: metav1.TypeMeta{Kind: "List", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections() // a watch stays open for the next look
		server.Close()
	})
	cluster := access.New("weu", func(context.Context) (*rest.Config, error) { return &rest.Config{Host: server.URL}, nil })
	return workload.New(workload.Options{
		App: "shop", Repository: "shop.example/web", Blue: workload.Target{Cluster: cluster, Namespace: "shop", Deployments: deployments},
	})
}

// rolling is a list of one Deployment of 3 pods, of which some are available.
func rolling(available int32) appsv1.DeploymentList {
	size := int32(3)
	d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}, Spec: appsv1.DeploymentSpec{Replicas: &size, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "shop.example/web@sha256:" + strings.Repeat("a", 64)}}
	d.Status = appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: available, AvailableReplicas: available}
	return appsv1.DeploymentList{TypeMeta: metav1.TypeMeta{Kind: "DeploymentList", APIVersion: "apps/v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: []appsv1.Deployment{d}}
}

func TestAWatchThatTheServerClosesEndsNoWait(t *testing.T) {
	looks := int32(0)
	w := played(t, func(r *http.Request) (int, any) {
		if strings.HasSuffix(r.URL.Path, "/deployments") {
			looks++
			return http.StatusOK, rolling(min(looks, 3))
		}
		return http.StatusOK, nil
	})
	o, err := w.Observe(t.Context(), release.Blue, release.Image{}, time.Minute)
	if err != nil || o.Status != release.Complete || o.Ready != 3 {
		t.Errorf("after %d looks: %+v, error %v", looks, o, err)
	}
}

func TestAJobIsMadeAndPassesOnlyOnceItSucceeded(t *testing.T) {
	var job *batchv1.Job
	w := played(t, func(r *http.Request) (int, any) {
		switch {
		case strings.Contains(r.URL.Path, "/cronjobs/"):
			return http.StatusOK, batchv1.CronJob{TypeMeta: metav1.TypeMeta{Kind: "CronJob", APIVersion: "batch/v1"}, ObjectMeta: metav1.ObjectMeta{Name: "smoke"}}
		case r.Method == http.MethodPost:
			job = &batchv1.Job{TypeMeta: metav1.TypeMeta{Kind: "Job", APIVersion: "batch/v1"}, ObjectMeta: metav1.ObjectMeta{
				Name: "smoke-7-r", UID: "1", Annotations: map[string]string{"bluegreen.dev/app": "shop", "bluegreen.dev/release": "7"},
			}}
			return http.StatusCreated, job
		case strings.Contains(r.URL.Path, "/jobs/") && job == nil:
			return http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound}
		case strings.Contains(r.URL.Path, "/jobs/"):
			return http.StatusOK, job
		}
		return http.StatusOK, nil
	})
	check, subject := w.JobCheck("smoke", time.Minute), engine.Subject{Release: 7, Color: release.Blue, Run: "r"}
	r := check.Run(t.Context(), subject)
	if job == nil || r.Verdict != release.Undecided || r.Made == "" {
		t.Fatalf("the Job is %v: %+v", job, r)
	}
	subject.Made = r.Made
	job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	if r := check.Run(t.Context(), subject); r.Verdict != release.Passed {
		t.Errorf("%+v", r)
	}
}
