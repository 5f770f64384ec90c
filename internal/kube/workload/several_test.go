package workload_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// reads are the lists and watches of Deployments that were asked for, each with its field selector.
type reads struct {
	mu    sync.Mutex
	asked []string
}

func (r *reads) RoundTripper(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(request *http.Request) (*http.Response, error) {
		if query := request.URL.Query(); request.Method == http.MethodGet && strings.HasSuffix(request.URL.Path, "/deployments") {
			kind := "list "
			if query.Get("watch") != "" {
				kind = "watch "
			}
			r.mu.Lock()
			r.asked = append(r.asked, kind+query.Get("fieldSelector"))
			r.mu.Unlock()
		}
		return next.RoundTrip(request)
	})
}

func (r *reads) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pairs is the app of env with a second Deployment for each color, and with no rights but these.
func (w *env) pairs(rules ...rbacv1.PolicyRule) *reads {
	w.t.Helper()
	user, asked := "user-of-"+w.namespace, &reads{}
	w.cluster.Grant(w.t, w.namespace, user, rules...)
	cluster := access.New("testbed", func(context.Context) (*rest.Config, error) {
		config := w.cluster.AdminConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
		config.Wrap(asked.RoundTripper)
		return config, nil
	})
	at := func(color string) workload.Target {
		w.deploy(color+"-worker", reference(w.images[0]), 0)
		return workload.Target{Cluster: cluster, Namespace: w.namespace, Deployments: []string{color, color + "-worker"}}
	}
	w.Workloads = workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: at("blue"), Green: at("green")})
	var found []engine.Finding
	testbed.Eventually(w.t, 30*time.Second, func() (known bool) {
		var err error
		found, err = w.Preflight(w.t.Context())
		return err == nil && !slices.ContainsFunc(found, func(f engine.Finding) bool { return !f.Warning })
	}, func() string { return "the rights are not known to the API server" })
	asked.take()
	return asked
}

// rightsOfPairs are those that bluegreen config rbac prints for a color of two Deployments, with these
// verbs for the ones that it names and for all.
func rightsOfPairs(named, all []string) []rbacv1.PolicyRule {
	names := []string{"blue", "blue-worker", "green", "green-worker"}
	list := []string{"list"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: names, Verbs: named},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: all},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: list},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: list},
	}
}

func wholeRights() []rbacv1.PolicyRule {
	return rightsOfPairs([]string{"patch"}, []string{"list", "watch"})
}

// slow orders an image for green whose pods do not get ready.
func (w *env) slow() {
	w.t.Helper()
	w.cluster.Behave(w.images[1].Digest, testbed.NeverReady())
	w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{1, 1}, Fence: 1})
	w.until(release.Green, w.images[1], release.Progressing)
}

// sees observes green until what is seen is as wanted.
func (w *env) sees(what string, wanted func(engine.Workload) bool) {
	w.t.Helper()
	var o engine.Workload
	testbed.Eventually(w.t, time.Minute, func() bool {
		var err error
		if o, err = w.Observe(w.t.Context(), release.Green, w.images[1], time.Second); err != nil {
			w.t.Fatal(err)
		}
		return wanted(o)
	}, func() string { return what + " is not seen: " + o.Detail })
}

// begins observes green until something changes.
func (w *env) begins() <-chan engine.Workload {
	found := make(chan engine.Workload, 1)
	go func() {
		o, err := w.Observe(w.t.Context(), release.Green, w.images[1], time.Minute)
		if err != nil {
			w.t.Error(err)
		}
		found <- o
	}()
	return found
}

func TestTheDeploymentsOfOthersEndNoWatch(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	asked := w.pairs(wholeRights()...)
	w.slow()
	if got := asked.take(); !slices.Contains(got, "watch ") {
		t.Fatalf("no watch is open after %q", got)
	}
	found := w.begins()
	w.deploy("other", reference(w.images[2]), 3)
	w.patch("other", `{"spec":{"replicas":5}}`)
	w.remove("other")
	w.patch("green-worker", `{"spec":{"replicas":0}}`)
	if o := <-found; o.Status != release.Progressing || o.Matches || !slices.Equal(o.Replicas, []int32{1, 0}) || o.Running.Digest != w.images[1].Digest {
		t.Errorf("after the change of the color's own Deployment: %+v", o)
	}
	if got := asked.take(); len(got) > 0 {
		t.Errorf("a Deployment of others was made, changed and deleted, and the color was read anew: %q", got)
	}
}

func TestADeploymentOfSeveralThatGoesIsNoticed(t *testing.T) {
	for name, observed := range map[string]bool{"while it is observed": true, "between two looks": false} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, testbed.Shared(t))
			w.pairs(wholeRights()...)
			w.slow()
			var found <-chan engine.Workload
			if observed {
				found = w.begins()
			}
			w.remove("green-worker")
			if !observed {
				found = w.begins()
			}
			if o := <-found; o.Status != release.Broken || !strings.Contains(o.Detail, "there is no Deployment green-worker") {
				t.Errorf("%s: %s", o.Status, o.Detail)
			}
			w.deploy("green-worker", reference(w.images[2]), 1)
			w.sees("the Deployment that was made again", func(o engine.Workload) bool {
				return o.Status == release.Progressing && !o.Matches && strings.Contains(o.Detail, "green-worker runs ")
			})
			w.remove("green-worker")
			w.deploy("green-worker", reference(w.images[1]), 1)
			w.sees("the Deployment that was replaced", func(o engine.Workload) bool { return o.Status == release.Progressing && o.Running == w.images[1] })
		})
	}
}

// TestARoleWithoutTheWatchOfAllStillServes: one that was applied for an earlier version lets each
// Deployment be watched by its name.
func TestARoleWithoutTheWatchOfAllStillServes(t *testing.T) {
	const rule = `{apiGroups: ["apps"], resources: [deployments], verbs: [watch]}; until then each Deployment of the color has a watch of its own`
	for name, test := range map[string]struct {
		rules    []rbacv1.PolicyRule
		warnings int
		named    []string
	}{
		"as before": {rightsOfPairs([]string{"watch", "patch"}, []string{"list"}), 2, []string{"watch metadata.name=green", "watch metadata.name=green-worker"}},
		"whole":     {wholeRights(), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, testbed.Shared(t))
			asked := w.pairs(test.rules...)
			found, err := w.Preflight(t.Context())
			if err != nil || len(found) != test.warnings {
				t.Fatalf("%+v, error %v", found, err)
			}
			for _, f := range found {
				if !f.Warning || !strings.Contains(f.Text, rule) {
					t.Errorf("%+v", f)
				}
			}
			w.slow()
			watches := slices.DeleteFunc(asked.take(), func(read string) bool { return !strings.HasPrefix(read, "watch m") })
			slices.Sort(watches)
			if watches = slices.Compact(watches); !slices.Equal(watches, test.named) {
				t.Errorf("watches by name: %q, expected %q", watches, test.named)
			}
			w.order(engine.Order{Color: release.Green, Image: w.images[2], Size: []int32{1, 1}, Fence: 2})
			w.until(release.Green, w.images[2], release.Complete)
		})
	}
}

// at gives a Deployment of a played API server a name, an image, and the version of its last change.
func at(available int32, name, digest, version string) *appsv1.Deployment {
	d := rolling(available).Items[0]
	d.TypeMeta = metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"}
	d.Name, d.ResourceVersion = name, version
	d.Spec.Template.Spec.Containers[0].Image = "shop.example/web@sha256:" + strings.Repeat(digest, 64)
	return &d
}

func event(kind string, o runtime.Object) metav1.WatchEvent {
	return metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Object: o}}
}

// watchesDeployments reports whether a request is that, and not the watch of pods.
func watchesDeployments(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/deployments") }

// nameOf is the Deployment that a list of a played API server is asked for.
func nameOf(r *http.Request) string {
	_, name, _ := strings.Cut(r.URL.Query().Get("fieldSelector"), "=")
	return name
}

// TestWhatWasBeforeTheOrderIsNotSeenAgain: the watch begins with the Deployment that was ordered
// first, and shows what another writer did to the second before that was ordered too.
func TestWhatWasBeforeTheOrderIsNotSeenAgain(t *testing.T) {
	var since []string
	w := streamed(t, []string{"web", "worker"}, func(r *http.Request) (int, any) {
		switch {
		case r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/web"):
			return http.StatusOK, at(0, "web", "b", "11")
		case r.Method == http.MethodPatch:
			return http.StatusOK, at(0, "worker", "b", "13")
		case strings.HasSuffix(r.URL.Path, "/deployments"):
			list := rolling(3)
			list.ResourceVersion, list.Items[0] = "10", *at(3, nameOf(r), "a", "9")
			return http.StatusOK, list
		}
		return http.StatusOK, nil
	}, func(r *http.Request) []metav1.WatchEvent {
		if !watchesDeployments(r) {
			return []metav1.WatchEvent{}
		}
		since = append(since, r.URL.Query().Get("resourceVersion"))
		return []metav1.WatchEvent{
			event("MODIFIED", at(3, "worker", "a", "12")), event("DELETED", at(3, "worker", "a", "12")), event("MODIFIED", at(3, "web", "b", "14")), event("MODIFIED", at(3, "worker", "b", "15")),
		}
	})
	image := release.Image{Tag: "2.0", Digest: "sha256:" + strings.Repeat("b", 64)}
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Blue, Image: image, Size: []int32{3, 3}, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	o, err := w.Observe(t.Context(), release.Blue, image, time.Minute)
	if err != nil || o.Status != release.Complete || !o.Matches || o.Ready != 6 {
		t.Errorf("%+v, error %v", o, err)
	}
	if !slices.Equal(since, []string{"11"}) {
		t.Errorf("watches began at %q, expected one that misses nothing since the first write, 11", since)
	}
}

// TestAWatchThatIsTooOldIsBegunAnew has lists of two versions, and forgets what was before them.
func TestAWatchThatIsTooOldIsBegunAnew(t *testing.T) {
	var since []string
	lists := map[string]int32{}
	w := streamed(t, []string{"web", "worker"}, func(r *http.Request) (int, any) {
		if !strings.HasSuffix(r.URL.Path, "/deployments") {
			return http.StatusOK, nil
		}
		list, name := rolling(3), nameOf(r)
		list.ResourceVersion, list.Items[0] = map[string]string{"web": "20", "worker": "9"}[name], *at(3*lists[name], name, "a", "5")
		lists[name]++
		return http.StatusOK, list
	}, func(r *http.Request) []metav1.WatchEvent {
		if !watchesDeployments(r) {
			return []metav1.WatchEvent{}
		}
		since = append(since, r.URL.Query().Get("resourceVersion"))
		return []metav1.WatchEvent{event("ERROR", &metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonExpired, Code: http.StatusGone,
		})}
	})
	o, err := w.Observe(t.Context(), release.Blue, release.Image{}, time.Minute)
	if err != nil || o.Status != release.Complete || o.Ready != 6 {
		t.Errorf("%+v, error %v", o, err)
	}
	if !slices.Equal(since, []string{"9"}) {
		t.Errorf("watches began at %q, expected one at the earlier of the lists, 9", since)
	}
}
