package workload_test

import (
	"strings"
	"testing"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/google/go-cmp/cmp"
)

// together is a template in which two more containers have the image of the released one.
func (w *env) together() {
	w.t.Helper()
	w.patch("green", `{"spec":{"template":{"spec":{
		"initContainers":[{"name":"migrate","image":"`+reference(w.images[0])+`"},{"name":"proxy","image":"shopacr.example/team/proxy:7","restartPolicy":"Always"}],
		"containers":[{"name":"worker","image":"`+reference(w.images[0])+`"},{"name":"agent","image":"shopacr.example/team/agent:1"}]}}}}`)
	target := w.at("green")
	target.Container = "app"
	w.Workloads = workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: w.at("blue"), Green: target})
}

// all are the images of green by container.
func (w *env) all() map[string]string {
	images := map[string]string{}
	spec := w.get("green").Spec.Template.Spec
	for _, c := range append(spec.InitContainers, spec.Containers...) {
		images[c.Name] = c.Image
	}
	return images
}

func TestContainersWithTheReleasedImageChangeWithIt(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.together()
	want := func(app, others string) map[string]string {
		return map[string]string{"app": app, "migrate": others, "worker": others, "proxy": "shopacr.example/team/proxy:7", "agent": "shopacr.example/team/agent:1"}
	}
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{1}, Fence: 1})
	if diff := cmp.Diff(want(reference(w.images[1]), reference(w.images[1])), w.all()); diff != "" {
		t.Errorf("ordered:\n%s", diff)
	}
	w.patch("green", `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"`+reference(w.images[2])+`"}]}}}}`)
	if err := w.Scale(t.Context(), release.Green, 2, 2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want(reference(w.images[2]), reference(w.images[1])), w.all()); diff != "" {
		t.Errorf("scaled after one was changed outside bluegreen:\n%s", diff)
	}
	w.order(engine.Order{Color: release.Green, Image: w.images[3], Size: []int32{2}, Fence: 3})
	if diff := cmp.Diff(want(reference(w.images[3]), reference(w.images[3])), w.all()); diff != "" {
		t.Errorf("ordered after one was changed outside bluegreen:\n%s", diff)
	}
	w.patch("green", `{"spec":{"template":{"spec":{"containers":[{"name":"worker","image":"shopacr.example/team/worker:1"}]}}}}`)
	w.order(engine.Order{Color: release.Green, Image: w.images[0], Size: []int32{2}, Fence: 4})
	separate := want(reference(w.images[0]), reference(w.images[0]))
	separate["worker"] = "shopacr.example/team/worker:1"
	if diff := cmp.Diff(separate, w.all()); diff != "" {
		t.Errorf("ordered after one was given an image of its own:\n%s", diff)
	}
}

func TestPreflightNamesTheContainersThatChangeTogether(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.together()
	found, err := w.Preflight(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Warning && strings.Contains(f.Text, "migrate, worker") {
			return
		}
	}
	t.Errorf("migrate and worker are not named: %v", found)
}
