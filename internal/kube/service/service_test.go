package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

func TestMain(m *testing.M) { testbed.Main(m) }

type env struct {
	*service.Gateway
	t         *testing.T
	cluster   *testbed.Cluster
	namespace string
	before    *hook
}

// hook runs once before the next request of a method is sent.
type hook struct {
	method string
	run    atomic.Pointer[func()]
	next   http.RoundTripper
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == h.method {
		if run := h.run.Swap(nil); run != nil {
			(*run)()
		}
	}
	return h.next.RoundTrip(r)
}

func newEnv(t *testing.T, selector map[string]string) *env {
	c := testbed.Shared(t)
	w := &env{t: t, cluster: c, namespace: c.Namespace(t), before: &hook{method: http.MethodPatch}}
	c.Service(t, w.namespace, "podinfo", selector)
	w.Gateway = service.New(w.options())
	return w
}

func (w *env) options() service.Options {
	return service.Options{
		App: "podinfo", Namespace: w.namespace, Service: "podinfo",
		Cluster: access.New("testbed", func(context.Context) (*rest.Config, error) {
			config := w.cluster.AdminConfig()
			config.Wrap(func(next http.RoundTripper) http.RoundTripper { w.before.next = next; return w.before })
			return config, nil
		}),
		Blue:  map[string]string{"color": "blue", "generation": "old"},
		Green: map[string]string{"color": "green"},
	}
}

func (w *env) get() *corev1.Service {
	w.t.Helper()
	s, err := w.cluster.Client().CoreV1().Services(w.namespace).Get(w.t.Context(), "podinfo", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *env) patch(body string) {
	w.t.Helper()
	if _, err := w.cluster.Client().CoreV1().Services(w.namespace).Patch(w.t.Context(), "podinfo", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *env) live(want release.Color) {
	w.t.Helper()
	r, err := w.Live(w.t.Context())
	if err != nil || r.Live != want || r.Detail == "" {
		w.t.Errorf("live is %+v, error %v, want %q", r, err, want)
	}
}

func blue() map[string]string {
	return map[string]string{"app": "podinfo", "color": "blue", "generation": "old"}
}

func TestASwitchChangesOnlyTheLabelsOfTheColors(t *testing.T) {
	w := newEnv(t, blue())
	w.patch(`{"metadata":{"labels":{"team":"shop"},"annotations":{"note":"kept"}},"spec":{"sessionAffinity":"ClientIP"}}`)
	w.live(release.Blue)
	before := w.get()
	op, err := w.Switch(t.Context(), release.Green, 3)
	if err != nil || !op.Done {
		t.Fatalf("%+v, error %v", op, err)
	}
	w.live(release.Green)
	after := w.get()
	before.Spec.Selector = map[string]string{"app": "podinfo", "color": "green"}
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("more changed than the labels of the colors:\n%s", diff)
	}
	if after.Labels["team"] != "shop" || after.Annotations["note"] != "kept" {
		t.Errorf("labels %v, annotations %v", after.Labels, after.Annotations)
	}
	if polled, err := w.Poll(t.Context(), op.Token); err != nil || !polled.Done {
		t.Errorf("polled %+v, error %v", polled, err)
	}
	if _, err := w.Switch(t.Context(), release.Blue, 3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blue(), w.get().Spec.Selector); diff != "" {
		t.Errorf("after the return the selector differs:\n%s", diff)
	}
}

func TestEverySwitchIsAWrite(t *testing.T) {
	w := newEnv(t, blue())
	seen := map[string]bool{}
	for range 3 {
		if _, err := w.Switch(t.Context(), release.Blue, 3); err != nil {
			t.Fatal(err)
		}
		seen[w.get().ResourceVersion] = true
	}
	if len(seen) != 3 {
		t.Errorf("3 switches made %d versions", len(seen))
	}
}

func TestAStaleWorkerCannotSwitch(t *testing.T) {
	w := newEnv(t, blue())
	if _, err := w.Switch(t.Context(), release.Green, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Switch(t.Context(), release.Blue, 4); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("error %v", err)
	}
	w.live(release.Green)
}

func TestALateSwitchOfAStaleWorkerLoses(t *testing.T) {
	w := newEnv(t, blue())
	newer := service.New(w.options())
	overtake := func() {
		if _, err := newer.Switch(t.Context(), release.Blue, 5); err != nil {
			t.Error(err)
		}
	}
	w.before.run.Store(&overtake)
	if _, err := w.Switch(t.Context(), release.Green, 4); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("error %v", err)
	}
	w.live(release.Blue)
}

func TestAnotherChangeMeanwhileIsKept(t *testing.T) {
	w := newEnv(t, blue())
	meanwhile := func() { w.patch(`{"spec":{"selector":{"zone":"a"}}}`) }
	w.before.run.Store(&meanwhile)
	if _, err := w.Switch(t.Context(), release.Green, 4); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"app": "podinfo", "color": "green", "zone": "a"}, w.get().Spec.Selector); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	w := newEnv(t, blue())
	ctx, cancel := context.WithCancel(t.Context())
	meanwhile := func() { w.patch(`{"metadata":{"annotations":{"note":"changed"}}}`); cancel() }
	w.before.run.Store(&meanwhile)
	if _, err := w.Switch(ctx, release.Green, 4); err == nil {
		t.Error("a switch after the deadline succeeded")
	}
	w.live(release.Blue)
}

func TestASelectorOfNeitherColorIsNotOverwritten(t *testing.T) {
	for _, selector := range []map[string]string{{"app": "podinfo"}, {"color": "red"}, {"color": "blue"}} {
		w := newEnv(t, selector)
		w.live("")
		_, err := w.Switch(t.Context(), release.Green, 1)
		if !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "which is neither color") {
			t.Errorf("selector %v: error %v", selector, err)
		}
		if diff := cmp.Diff(selector, w.get().Spec.Selector); diff != "" {
			t.Error(diff)
		}
		if found, err := w.Preflight(t.Context()); err != nil || len(found) != 1 {
			t.Errorf("selector %v: found %+v, error %v", selector, found, err)
		}
	}
}

func TestAMissingServiceIsNamed(t *testing.T) {
	w := newEnv(t, blue())
	o := w.options()
	o.Service = "web"
	found, err := service.New(o).Preflight(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "there is no Service web in namespace "+w.namespace) {
		t.Errorf("found %+v, error %v", found, err)
	}
}

func TestSelectorsThatOnePodCanMatchBothAreRefused(t *testing.T) {
	w := newEnv(t, map[string]string{"app": "podinfo", "blue": "yes"})
	o := w.options()
	o.Blue, o.Green = map[string]string{"blue": "yes"}, map[string]string{"green": "yes"}
	found, err := service.New(o).Preflight(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "do not exclude each other") {
		t.Errorf("found %+v, error %v", found, err)
	}
}

func TestTrafficFollowsTheSelectorAndHealthItsPods(t *testing.T) {
	w := newEnv(t, map[string]string{"color": "blue", "generation": "old"})
	for _, d := range []testbed.DeploymentSpec{
		{Name: "b", Image: "shop.example/web:1", Replicas: 1, Labels: map[string]string{"color": "blue", "generation": "old"}},
		{Name: "g", Image: "shop.example/web:2", Replicas: 1, Labels: map[string]string{"color": "green"}},
	} {
		d.Namespace = w.namespace
		w.cluster.Deploy(t, d)
		w.cluster.WaitAvailable(t, w.namespace, d.Name, 1)
	}
	w.health(release.Green, true)
	w.health(release.Blue, true)
	if _, err := w.Switch(t.Context(), release.Green, 1); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, 30*time.Second, func() bool {
		list, err := w.cluster.Client().DiscoveryV1().EndpointSlices(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=podinfo"})
		return err == nil && len(list.Items) == 1 && len(list.Items[0].Endpoints) == 1 && strings.HasPrefix(list.Items[0].Endpoints[0].TargetRef.Name, "g-")
	}, func() string { return "the endpoints are not green" })
	w.health(release.Blue, true)
	body := `{"spec":{"replicas":0}}`
	if _, err := w.cluster.Client().AppsV1().Deployments(w.namespace).Patch(t.Context(), "b", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, 30*time.Second, func() bool { h, err := w.Health(t.Context(), release.Blue); return err == nil && !h.Healthy },
		func() string { return "blue without pods is healthy" })
}

func (w *env) health(c release.Color, healthy bool) {
	w.t.Helper()
	h, err := w.Health(w.t.Context(), c)
	if err != nil || h.Healthy != healthy || h.Unknown {
		w.t.Errorf("health of %s is %+v, error %v", c, h, err)
	}
}

func TestAFenceThatNoWorkerWroteIsReportedAndHoldsNothingUp(t *testing.T) {
	for written, why := range map[string]string{"seven": "not a number", "9000000000000000000": "more than a day ahead of the clock"} {
		t.Run(written, func(t *testing.T) { spoiled(t, written, why) })
	}
}

func spoiled(t *testing.T, written, why string) {
	w := newEnv(t, blue())
	w.patch(`{"metadata":{"annotations":{"bluegreen.dev/app":"podinfo","bluegreen.dev/fence":"` + written + `"}}}`)
	want := fmt.Sprintf("the annotation bluegreen.dev/fence is %q and %s", written, why)
	if r, err := w.Live(t.Context()); err != nil || r.Live != release.Blue || !strings.Contains(r.Detail, want) || !strings.Contains(r.Detail, "kubectl annotate service podinfo -n "+w.namespace+" bluegreen.dev/fence-") {
		t.Errorf("live is %+v, error %v", r, err)
	}
	if found, err := w.Preflight(t.Context()); err != nil || len(found) != 1 || !found[0].Warning || !strings.Contains(found[0].Text, want) {
		t.Errorf("found %v, error %v", found, err)
	}
	if op, err := w.Switch(t.Context(), release.Green, 3); err != nil || !op.Done {
		t.Fatalf("%+v, error %v", op, err)
	}
	if r, err := w.Live(t.Context()); err != nil || strings.Contains(r.Detail, want) {
		t.Errorf("after a write live is %+v, error %v", r, err)
	}
	if _, err := w.Switch(t.Context(), release.Blue, 2); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("an older worker after that: %v", err)
	}
}
