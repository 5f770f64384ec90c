package workload_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

func TestOnlyTheFieldsOfAReleaseChange(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	// A GitOps tool owns the whole Deployment, image and size included.
	const applied = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"green","labels":{"team":"shop"}},"spec":{"replicas":2,
		"selector":{"matchLabels":{"app":"green"}},"strategy":{"rollingUpdate":{"maxSurge":2}},"template":{"metadata":{"labels":{"app":"green"},"annotations":{"note":"kept"}},
		"spec":{"containers":[{"name":"app","image":"shopacr.example/team/podinfo:old","env":[{"name":"LEVEL","value":"debug"}],"ports":[{"containerPort":8080,"name":"http"}]},
		{"name":"sidecar","image":"shopacr.example/team/proxy:7"}]}}}}`
	force := true
	before, err := w.cluster.Client().AppsV1().Deployments(w.namespace).Patch(t.Context(), "green", types.ApplyPatchType, []byte(applied),
		metav1.PatchOptions{FieldManager: "gitops", Force: &force})
	if err != nil {
		t.Fatal(err)
	}
	target := w.at("green")
	target.Container = "app"
	work := workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: w.at("blue"), Green: target})
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{3}, Fence: 4}
	if err := work.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	after := w.get("green")
	*before.Spec.Replicas = 3
	before.Spec.Template.Spec.Containers[0].Image = reference(w.images[1])
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("more than image and size changed:\n%s", diff)
	}
	if diff := cmp.Diff(before.Labels, after.Labels); diff != "" {
		t.Errorf("labels changed:\n%s", diff)
	}
	for k := range after.Annotations {
		if !strings.HasPrefix(k, "bluegreen.dev/") && !strings.HasPrefix(k, "deployment.kubernetes.io/") {
			t.Errorf("annotation %s appeared", k)
		}
	}
	if err := work.Scale(t.Context(), release.Green, 0, 5); err != nil {
		t.Fatal(err)
	}
	if d := w.get("green"); d.Spec.Template.Spec.Containers[0].Image != reference(w.images[1]) || len(d.Spec.Template.Spec.Containers[0].Env) != 1 {
		t.Errorf("after scaling the containers are %+v", d.Spec.Template.Spec.Containers)
	}
	var managers []string
	for _, m := range w.get("green").ManagedFields {
		managers = append(managers, m.Manager)
	}
	if !slices.Contains(managers, "gitops") || !slices.Contains(managers, "bluegreen") {
		t.Errorf("the field managers are %v", managers)
	}
}

func TestAColorScaledDownOutsideBluegreenDoesNotMatch(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{3}, Fence: 1}
	if err := w.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	w.until(release.Green, w.images[1], release.Complete)
	w.patch("green", `{"spec":{"replicas":1}}`)
	w.cluster.WaitAvailable(t, w.namespace, "green", 1)
	if o, err := w.Observe(t.Context(), release.Green, w.images[1], 0); err != nil || o.Matches {
		t.Errorf("1 of the 3 replicas that were asked for: matches %v, error %v", o.Matches, err)
	}
	if err := w.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	if o, err := w.Observe(t.Context(), release.Green, w.images[1], 0); err != nil || !o.Matches || o.Replicas[0] != 3 {
		t.Errorf("ordered again: %v, matches %v, error %v", o.Replicas, o.Matches, err)
	}
}

func TestSeveralDeploymentsAreOneColor(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.seed(release.Blue, w.images[0], 2)
	w.deploy("blue-worker", reference(w.images[0]), 1)
	w.deploy("green-worker", reference(w.images[0]), 0)
	w.cluster.WaitAvailable(t, w.namespace, "blue-worker", 1)
	work := workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: w.at("blue", "blue-worker"), Green: w.at("green", "green-worker")})
	if err := work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2, 3}, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	w.Workloads = work
	w.until(release.Green, w.images[1], release.Complete)
	o, err := work.Observe(t.Context(), release.Green, w.images[1], 0)
	if err != nil || !slices.Equal(o.Replicas, []int32{2, 3}) || o.Ready != 5 || !o.Matches {
		t.Errorf("green has %d ready of %v, matches %v, error %v", o.Ready, o.Replicas, o.Matches, err)
	}

	if err := work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{3}, Shrink: true, Fence: 2}); err != nil {
		t.Fatal(err)
	}
	if o, err := work.Observe(t.Context(), release.Green, w.images[1], 0); err != nil || !slices.Equal(o.Replicas, []int32{3, 1}) || !o.Matches {
		t.Errorf("an order of one size made %v, matches %v, error %v", o.Replicas, o.Matches, err)
	}
	if err := work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2, 3}, Shrink: true, Fence: 3}); err != nil {
		t.Fatal(err)
	}

	w.patch("green-worker", `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"`+reference(w.images[2])+`"}]}}}}`)
	o, err = work.Observe(t.Context(), release.Green, w.images[1], 0)
	if err != nil || o.Matches || !o.Running.IsZero() {
		t.Errorf("one Deployment was changed: runs %s, matches %v, error %v", o.Running, o.Matches, err)
	}
	w.cluster.Behave(w.images[3].Digest, testbed.InvalidImageName())
	w.patch("green", `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"`+reference(w.images[3])+`"}]}}}}`)
	if words := w.until(release.Green, w.images[3], release.Broken); !strings.Contains(words, "green: 0 of 2 pods ready") || !strings.Contains(words, "; green-worker: ") {
		t.Errorf("detail is %q", words)
	}
}

func TestOneOfSeveralDeploymentsThatIsGoneBreaksTheColor(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.seed(release.Green, w.images[1], 2)
	work := workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: w.at("blue"), Green: w.at("green", "gone")})
	o, err := work.Observe(t.Context(), release.Green, w.images[1], time.Minute)
	if err != nil || o.Status != release.Broken || o.Matches || !slices.Equal(o.Replicas, []int32{2, 0}) || o.Ready != 2 || o.Running.Digest != w.images[1].Digest {
		t.Errorf("%+v, error %v", o, err)
	}
	if want := "there is no Deployment gone in namespace " + w.namespace; !strings.Contains(o.Detail, want) {
		t.Errorf("%q is not in %q", want, o.Detail)
	}
}

// gate holds the requests of one kind back until it is opened.
type gate struct {
	method        string
	closed        atomic.Bool
	reached, open chan struct{}
	next          http.RoundTripper
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == g.method && g.closed.CompareAndSwap(true, false) {
		close(g.reached)
		<-g.open
	}
	return g.next.RoundTrip(r)
}

// late returns workloads whose next write is held back.
func (w *env) late() (*workload.Workloads, *gate) {
	g := &gate{method: http.MethodPatch, reached: make(chan struct{}), open: make(chan struct{})}
	g.closed.Store(true)
	cluster := access.New("testbed", func(context.Context) (*rest.Config, error) {
		config := w.cluster.AdminConfig()
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { g.next = next; return g })
		return config, nil
	})
	at := func(name string) workload.Target {
		return workload.Target{Cluster: cluster, Namespace: w.namespace, Deployments: []string{name}}
	}
	return workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: at("blue"), Green: at("green")}), g
}

func TestALateWriteOfAStaleWorkerLoses(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	stale, g := w.late()
	result := make(chan error, 1)
	go func() {
		result <- stale.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 4})
	}()
	<-g.reached
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[2], Fence: 5}); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	if err := <-result; !errors.Is(err, engine.ErrFenced) {
		t.Errorf("the stale worker's error is %v", err)
	}
	if o, err := w.Observe(t.Context(), release.Green, w.images[2], 0); err != nil || !o.Matches {
		t.Errorf("green runs %s, error %v", o.Running, err)
	}
}

// TestTheSameWorkerWritesTheSameOnce counts by the generation, which grows with each
// change of the spec or of an annotation.
func TestTheSameWorkerWritesTheSameOnce(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 3}
	generation := func() int64 {
		t.Helper()
		if err := w.Deploy(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		return w.get("green").Generation
	}
	generation()
	w.until(release.Green, w.images[1], release.Complete) // Kubernetes numbers the rollout meanwhile
	first := generation()
	if again := generation(); again != first {
		t.Errorf("the same order was written %d times more", again-first)
	}
	order.Fence = 4
	if next := generation(); next != first+1 {
		t.Errorf("the next worker's same order was written %d times, want once for its fence", next-first)
	}
}

func TestAWriteThatMeetsAnotherChangeIsDecidedAnew(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	work, g := w.late()
	result := make(chan error, 1)
	go func() {
		result <- work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 4})
	}()
	<-g.reached
	w.patch("green", `{"spec":{"replicas":2},"metadata":{"annotations":{"owner":"somebody"}}}`)
	close(g.open)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if d := w.get("green"); d.Annotations["owner"] != "somebody" || d.Spec.Template.Spec.Containers[0].Image != reference(w.images[1]) {
		t.Errorf("green has annotations %v and image %s", d.Annotations, d.Spec.Template.Spec.Containers[0].Image)
	}
}

func TestALateScaleDownLosesToAWorkerThatFoundAllAsItWanted(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 3}
	if err := w.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	stale, g := w.late()
	result := make(chan error, 1)
	go func() { result <- stale.Scale(t.Context(), release.Green, 0, 4) }()
	<-g.reached
	order.Fence = 5
	if err := w.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	if err := <-result; !errors.Is(err, engine.ErrFenced) || *w.get("green").Spec.Replicas != 2 {
		t.Errorf("the stale worker's error is %v, green has %d replicas", err, *w.get("green").Spec.Replicas)
	}
}

func TestTheFenceOfAnotherNameIsNotCompared(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	former := workload.New(workload.Options{App: "former-name", Repository: repository, Blue: w.at("blue"), Green: w.at("green")})
	if err := former.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 900}); err != nil {
		t.Fatal(err)
	}
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[2], Fence: 1}); err != nil {
		t.Errorf("after the app was renamed: %v", err)
	}
}

func TestAnAPIServerThatGoesAndComesBackIsFoundAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the test bed; runs without -short")
	}
	c, err := testbed.StartCluster(t.Context(), testbed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := newEnv(t, c)
	c.Behave(w.images[1].Digest, testbed.NeverReady())
	order := engine.Order{Color: release.Green, Image: w.images[1], Fence: 1}
	if err := w.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	watched := make(chan error, 1)
	go func() {
		for {
			if _, err := w.Observe(t.Context(), release.Green, w.images[1], time.Minute); err != nil {
				watched <- err
				return
			}
		}
	}()
	c.StopAPIServer()
	select {
	case err := <-watched:
		if !strings.Contains(err.Error(), "the API server of cluster testbed does not answer") {
			t.Errorf("error is %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the watch did not notice that the API server is gone")
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, time.Minute, func() bool { err = w.Deploy(t.Context(), order); return err == nil },
		func() string { return err.Error() })
}

func TestAFenceThatNoWorkerWroteIsReportedAndHoldsNothingUp(t *testing.T) {
	for written, why := range map[string]string{"seven": "not a number", "9000000000000000000": "more than a day ahead of the clock"} {
		t.Run(written, func(t *testing.T) { spoiled(t, written, why) })
	}
}

func spoiled(t *testing.T, written, why string) {
	w := newEnv(t, testbed.Shared(t))
	w.patch("green", `{"metadata":{"annotations":{"bluegreen.dev/app":"podinfo","bluegreen.dev/fence":"`+written+`"}}}`)
	want := fmt.Sprintf("the annotation bluegreen.dev/fence is %q and %s", written, why)
	if o := w.observe(release.Green, release.Image{}); !strings.Contains(o.Detail, want) {
		t.Errorf("%q is not in %q", want, o.Detail)
	}
	if found, err := w.Preflight(t.Context()); err != nil || len(found) != 1 || !found[0].Warning || !strings.Contains(found[0].Text, want) {
		t.Errorf("found %v, error %v", found, err)
	}
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{1}, Fence: 3})
	if o := w.observe(release.Green, release.Image{}); strings.Contains(o.Detail, want) {
		t.Errorf("after a write: %q", o.Detail)
	}
	if err := w.Scale(t.Context(), release.Green, 0, 2); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("an older worker after that: %v", err)
	}
}

func TestADeploymentThatIsNotActedOnYetIsNotJudged(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the test bed; runs without -short")
	}
	c, err := testbed.StartCluster(t.Context(), testbed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := newEnv(t, c)
	c.Behave(w.images[1].Digest, testbed.InvalidImageName())
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1})
	w.until(release.Green, w.images[1], release.Broken)
	c.StopControllers()
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{3}, Fence: 2})
	if o := w.observe(release.Green, w.images[1]); o.Status != release.Progressing || !strings.Contains(o.Detail, "the cluster has not begun") {
		t.Errorf("green is %s: %s", o.Status, o.Detail)
	}
}
