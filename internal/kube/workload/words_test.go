package workload_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheTroubleOfPodsIsReportedInPlainWords(t *testing.T) {
	c := testbed.Shared(t)
	for name, test := range map[string]struct {
		behaviour testbed.Behaviour
		status    release.Rollout
		words     string
	}{
		"pull":   {testbed.PullError(), release.PullFailing, `^0 of 2 pods ready: pod green-\S+ waits: (ErrImagePull|ImagePullBackOff): .*manifest unknown`},
		"name":   {testbed.InvalidImageName(), release.Broken, `^0 of 2 pods ready: pod green-\S+ waits: InvalidImageName: .*invalid reference format`},
		"config": {testbed.CreateContainerConfigError().Aged(2 * time.Minute), release.Broken, `^0 of 2 pods ready: pod green-\S+ waits: CreateContainerConfigError: configmap "settings" not found`},
		"crash":  {testbed.CrashLoop(0), release.Broken, `^0 of 2 pods ready: pod green-\S+ crashes: container app ended with exit code 1, restarted \d times`},
		"never":  {testbed.NeverReady(), release.Progressing, `^0 of 2 pods ready`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEnv(t, c)
			w.seed(release.Green, w.images[0], 2) // ready pods of the version before do not count
			c.Behave(w.images[1].Digest, test.behaviour)
			if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1}); err != nil {
				t.Fatal(err)
			}
			if words := w.until(release.Green, w.images[1], test.status); !regexp.MustCompile(test.words).MatchString(words) {
				t.Errorf("detail is %q", words)
			}
		})
	}
}

func TestAPodThatIsNotReadyIsReportedAsRunning(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave(w.images[1].Digest, testbed.NeverReady())
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 1}); err != nil {
		t.Fatal(err)
	}
	w.eventually(w.images[1], "runs, but its readiness probe does not pass")
}

// eventually looks at green until its words hold the text.
func (w *env) eventually(i release.Image, text string) {
	w.t.Helper()
	var o engine.Workload
	testbed.Eventually(w.t, time.Minute, func() (held bool) {
		var err error
		if o, err = w.Observe(w.t.Context(), release.Green, i, 0); err != nil {
			w.t.Fatal(err)
		}
		return strings.Contains(o.Detail, text)
	}, func() string { return "detail is " + o.Detail })
	if o.Status != release.Progressing {
		w.t.Errorf("the status is %s: %s", o.Status, o.Detail)
	}
}

func TestTheDeploymentsOwnDeadlineIsReportedAndNotFinal(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave(w.images[1].Digest, testbed.NeverReady())
	w.patch("green", `{"spec":{"progressDeadlineSeconds":1}}`)
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 1}); err != nil {
		t.Fatal(err)
	}
	w.eventually(w.images[1], "no progress within the Deployment's own deadline")
}

func TestTheReasonWhyPodsAreNotCreatedIsReported(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Min: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}, Default: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
		DefaultRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
	}}}}
	if _, err := w.cluster.Client().CoreV1().LimitRanges(w.namespace).Create(t.Context(), limits, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.patch("green", `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"100m"}}}]}}}}`)
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 1}); err != nil {
		t.Fatal(err)
	}
	w.eventually(w.images[1], "no pod can be made: ")
	w.eventually(w.images[1], "minimum cpu usage per Container is 1")
}

func TestAWatchReportsASlowStartAtOnce(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	const slow = time.Second
	w.cluster.Behave(w.images[1].Digest, testbed.Slow(slow))
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 1}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	o, err := w.Observe(t.Context(), release.Green, w.images[1], time.Minute)
	if err != nil || o.Status != release.Complete {
		t.Fatalf("%s, error %v", o.Detail, err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAMissingObjectIsReportedWithItsRemedy(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.patch("blue", `{"spec":{"paused":true,"template":{"spec":{"containers":[{"name":"sidecar","image":"proxy:1"}]}}}}`)
	work := workload.New(workload.Options{App: "podinfo", Repository: repository, CronJob: "smoke", Blue: w.at("blue"), Green: w.at("green", "worker")})
	found, err := work.Preflight(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range found {
		lines = append(lines, f.Text)
	}
	for _, want := range []string{
		"blue: .*the containers (app, sidecar|sidecar, app): name the one that is released",
		"green: .*no Deployment worker in namespace " + w.namespace + " of cluster testbed: create it",
		"blue: .*no CronJob smoke .*: create it",
	} {
		if !regexp.MustCompile(want).MatchString(strings.Join(lines, "\n")) {
			t.Errorf("%q is not among\n%s", want, strings.Join(lines, "\n"))
		}
	}
	for _, do := range []func() error{
		func() error {
			return work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Fence: 1})
		},
		func() error { _, err := work.Observe(t.Context(), release.Blue, w.images[1], 0); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "denied: ") {
			t.Errorf("error is %v", err)
		}
	}
}
