package workload_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// tagged is a reference by a tag of this test alone, because the test bed keeps what a tag means.
func (w *env) tagged(repository string) string { return repository + ":prod-" + w.namespace }

// set changes the image of a Deployment as kubectl set image does, and waits for its pods.
func (w *env) set(name, image string, replicas int32) {
	w.t.Helper()
	w.patch(name, fmt.Sprintf(`{"spec":{"replicas":%d,"template":{"spec":{"containers":[{"name":"app","image":%q}]}}}}`, replicas, image))
	w.cluster.WaitAvailable(w.t, w.namespace, name, replicas)
}

func (w *env) observe(c release.Color, i release.Image) engine.Workload {
	w.t.Helper()
	o, err := w.Observe(w.t.Context(), c, i, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *env) order(o engine.Order) {
	w.t.Helper()
	if err := w.Deploy(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) image(name string) string { return w.get(name).Spec.Template.Spec.Containers[0].Image }

func TestAnImageNamedByTagIsKnownByTheDigestThatItsPodsRun(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.seed(release.Blue, w.images[0], 2)
	w.cluster.Means(w.tagged(repository), w.images[1].Digest)
	w.set("blue", w.tagged(repository), 2)
	o := w.observe(release.Blue, w.images[0])
	if o.Running.Digest != w.images[1].Digest || !strings.HasPrefix(o.Running.Tag, "prod-") || o.Matches {
		t.Errorf("after the change to a tag blue runs %+v, matches what ran before: %v", o.Running, o.Matches)
	}
	if o := w.observe(release.Blue, w.images[1]); !o.Matches {
		t.Errorf("blue does not match the image that its pods run: %+v", o)
	}
	w.set("blue", w.tagged(repository), 0)
	if o := w.observe(release.Blue, w.images[1]); o.Running.Digest != "" || o.Matches {
		t.Errorf("without pods blue runs %+v, matches %v", o.Running, o.Matches)
	}
}

func TestPodsOfAMovedTagThatDifferAreReported(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Means(w.tagged(repository), w.images[0].Digest)
	w.set("blue", w.tagged(repository), 1)
	w.cluster.Means(w.tagged(repository), w.images[1].Digest)
	w.set("blue", w.tagged(repository), 2)
	o := w.observe(release.Blue, w.images[0])
	if o.Running.Digest != "" || o.Matches {
		t.Errorf("blue runs %+v, matches %v", o.Running, o.Matches)
	}
	for _, want := range []string{"run different images", w.images[0].Digest, w.images[1].Digest} {
		if !strings.Contains(o.Detail, want) {
			t.Errorf("%q is not in %q", want, o.Detail)
		}
	}
}

func TestDeploymentsOfAColorThatDifferAreReported(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.deploy("blue-worker", reference(w.images[1]), 1)
	w.seed(release.Blue, w.images[0], 2)
	w.cluster.WaitAvailable(t, w.namespace, "blue-worker", 1)
	w.Workloads = workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: w.at("blue", "blue-worker"), Green: w.at("green")})
	for _, asked := range []release.Image{{}, w.images[0], w.images[1]} {
		o := w.observe(release.Blue, asked)
		if !o.Running.IsZero() || o.Matches {
			t.Errorf("asked for %s: runs %+v, matches %v", asked, o.Running, o.Matches)
		}
		for d, i := range map[string]release.Image{"blue": w.images[0], "blue-worker": w.images[1]} {
			if want := d + " runs " + (release.Image{Digest: i.Digest}).String(); !strings.Contains(o.Detail, want) {
				t.Errorf("%q is not in %q", want, o.Detail)
			}
		}
	}
}

func TestAnOrderPinsATagToTheDigestThatPodsRun(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Means(w.tagged(repository), w.images[1].Digest)
	w.set("green", w.tagged(repository), 2)
	w.order(engine.Order{Color: release.Green, Size: []int32{3}, Fence: 1})
	if got := w.image("green"); got != w.tagged(repository) {
		t.Errorf("an order without an image made it %s", got)
	}
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 2})
	if got := w.image("green"); got != reference(w.images[1]) || w.size("green") != 3 {
		t.Errorf("an order of 2 pinned 3 to %s, with %d", got, w.size("green"))
	}
}

// An adopted app may come from another registry than that of its releases, which need not
// have the digest.
func TestAPinnedImageStaysInTheRepositoryThatPodsPulledItFrom(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	const elsewhere = "old.example/shop/podinfo"
	w.cluster.Means(w.tagged(elsewhere), w.images[1].Digest)
	w.set("green", w.tagged(elsewhere), 1)
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{1}, Fence: 1})
	if got := w.image("green"); got != elsewhere+"@"+w.images[1].Digest {
		t.Errorf("pinned to %s", got)
	}
	w.order(engine.Order{Color: release.Green, Image: w.images[2], Size: []int32{1}, Fence: 2})
	if got := w.image("green"); got != reference(w.images[2]) {
		t.Errorf("another image is %s", got)
	}
}

func TestPreflightWarnsOfAnImageThatCannotBeStartedAgain(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Means(w.tagged(repository), w.images[1].Digest)
	w.set("blue", w.tagged(repository), 1)
	w.set("green", "old.example/shop/podinfo@"+w.images[1].Digest, 0)
	found, err := w.Preflight(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !f.Warning {
			t.Errorf("prevents releases: %s", f.Text)
		}
	}
	for _, want := range []string{
		"blue: Deployment blue .* by the tag prod-.* start whatever the tag means then: .*kubectl set image deployment/blue app=" + reference(w.images[1]) + " -n " + w.namespace,
		"green: Deployment green .* old.example/shop/podinfo.*not .*" + repository,
	} {
		if !regexp.MustCompile(want).MatchString(fmt.Sprint(found)) {
			t.Errorf("%q is not among %v", want, found)
		}
	}
	w.set("blue", reference(w.images[1]), 1)
	w.set("green", reference(w.images[1]), 0)
	if found, err := w.Preflight(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("after the fix: %v, error %v", found, err)
	}
}

func TestPodsBelongToTheirTemplateWhateverAPolicyMakesOfTheirImage(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Mirror(t, w.namespace, "mirror.internal")
	w.seed(release.Green, w.images[0], 3)
	w.cluster.Behave(w.images[1].Digest, testbed.Slow(time.Second))
	w.patch("green", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}}`)
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{3}, Fence: 1})
	most := int32(0)
	testbed.Eventually(t, time.Minute, func() bool {
		o := w.observe(release.Green, w.images[1])
		if o.Status != release.Complete {
			most = max(most, o.Ready)
		}
		return o.Status == release.Complete
	}, func() string { return "green does not come up" })
	if most < 2 {
		t.Errorf("at most %d ready pods were counted before the rollout was complete", most)
	}
}

// A version that crashed for a wrong setting has the same image after the setting was
// corrected; its old pods are still there while the new ones start.
func TestCrashedPodsOfTheTemplateBeforeDoNotCount(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.Behave(w.images[1].Digest, testbed.CrashLoop(0))
	w.patch("green", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":"100%","maxUnavailable":0}}}}`)
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1})
	w.until(release.Green, w.images[1], release.Broken)
	generation := w.patch("green", `{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"LEVEL","value":"debug"}]}]}}}}`).Generation
	testbed.Eventually(t, time.Minute, func() bool { return w.get("green").Status.ObservedGeneration >= generation }, func() string { return "not observed" })
	if o := w.observe(release.Green, w.images[1]); o.Status != release.Progressing {
		t.Errorf("right after the correction green is %s: %s", o.Status, o.Detail)
	}
}
