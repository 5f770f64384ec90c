package kube_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/golden"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/internal/round"
	"bluegreen/testbed"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// tally counts requests to an API server by verb and resource.
type tally struct {
	mu   sync.Mutex
	made []string
}

type counting struct {
	*tally
	next http.RoundTripper
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.made = append(c.made, call(r))
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

// call is a request as a Role would allow it.
func call(r *http.Request) string {
	_, path, _ := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/") // NAMESPACE, resource, name
	if len(parts) < 2 {
		return r.Method + " " + r.URL.Path
	}
	verb := strings.ToLower(r.Method)
	if verb == "get" && parts[1] == "pods" && r.URL.Query().Get("watch") == "" && strings.Contains(r.URL.Query().Get("labelSelector"), "app=") {
		return "list pods of a Deployment"
	}
	switch {
	case verb == "get" && r.URL.Query().Get("watch") != "":
		verb = "watch"
	case verb == "get" && len(parts) == 2:
		verb = "list"
	case verb == "post":
		verb = "create"
	}
	return verb + " " + parts[1]
}

// of is a cluster whose requests are counted.
func (t *tally) of(c *testbed.Cluster) *access.Cluster {
	return access.New("testbed", func(context.Context) (*rest.Config, error) {
		config := c.AdminConfig()
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counting{t, next} })
		return config, nil
	})
}

func (t *tally) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	made := t.made
	t.made = nil
	return made
}

// summed is each kind of call with its number.
func summed(made []string) string {
	counts := map[string]int{}
	for _, c := range made {
		counts[c]++
	}
	var lines []string
	for _, c := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%d %s", counts[c], c))
	}
	return strings.Join(lines, ", ")
}

// counted is an app on a real API server, behind a Service, with its calls counted. Its clock moves
// only when the engine waits for something else than the cluster.
type counted struct {
	t       testing.TB
	engine  *engine.Engine
	wakeups *fake.Wakeups
	store   *fake.Store
	calls   *tally

	space  string
	ticked time.Time

	mu    sync.Mutex
	clock time.Time
	goes  bool // the clock goes on by itself
	read  time.Time
}

const countedFile = `apps:
  - name: shop
    image: {registry: registry.example, repository: demo, tags: "glob:*"}
    gateway: {service: live}
    colors:
      blue: {cluster: "context:testbed", namespace: %[1]s, %[2]s, selector: {color: blue}}
      green: {cluster: "context:testbed", namespace: %[1]s, %[3]s, selector: {color: green}}
`

// newCounted has colors of so many Deployments. Blue is live with three pods each, green has none.
func newCounted(t testing.TB, deployments int) *counted {
	t.Helper()
	cluster := testbed.Shared(t)
	space := cluster.Namespace(t)
	w := &counted{t: t, wakeups: fake.NewWakeups(nil), store: fake.NewStore(nil), calls: &tally{}, space: space, clock: time.Now()}
	names := map[string][]string{}
	for color, replicas := range map[string]int32{"blue": 3, "green": 0} {
		for n := range deployments {
			name := fmt.Sprintf("%s-%d", color, n)
			names[color] = append(names[color], name)
			cluster.Deploy(t, testbed.DeploymentSpec{Namespace: space, Name: name, Replicas: replicas, Image: "registry.example/demo@" + digest("1.0"), Labels: map[string]string{"color": color}})
			cluster.WaitAvailable(t, space, name, replicas)
		}
	}
	cluster.Service(t, space, "live", map[string]string{"color": "blue"})
	shared := w.calls.of(cluster)
	of := func(color string) string { return "deployments: [" + strings.Join(names[color], ", ") + "]" }
	loaded, err := config.Load(fmt.Appendf(nil, countedFile, space, of("blue"), of("green")))
	if err != nil {
		t.Fatal(err)
	}
	a := loaded.Apps[0]
	built := app.Assemble(a, func(config.App) (app.Adapters, error) {
		target := func(c config.Color) workload.Target {
			return workload.Target{Cluster: shared, Namespace: c.Namespace, Deployments: c.Names(), Container: c.Container}
		}
		return app.Adapters{
			Gateway: service.New(service.Options{
				App: a.Name, Cluster: shared, Namespace: space, Service: a.Gateway.Service, Blue: a.Colors.Blue.Selector, Green: a.Colors.Green.Selector, Now: w.now,
			}),
			Workloads: workload.New(workload.Options{App: a.Name, Repository: a.Repository(), Blue: target(a.Colors.Blue), Green: target(a.Colors.Green)}),
		}, nil
	})
	if len(built.Problems) > 0 {
		t.Fatal(built.Problems)
	}
	w.engine = engine.New(engine.Options{Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{built}, Now: w.now, Sleep: w.sleep})
	if err := w.engine.Step(t.Context(), "shop", 0); err != nil {
		t.Fatal(err)
	}
	w.calls.take()
	return w
}

func (w *counted) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if real := time.Now(); w.goes {
		if !w.read.IsZero() {
			w.clock = w.clock.Add(real.Sub(w.read))
		}
		w.read = real
	}
	return w.clock
}

func (w *counted) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
	return ctx.Err()
}

func (w *counted) state() release.State {
	w.t.Helper()
	snap, err := w.store.Load(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Record.State
}

// during counts the calls until done, or until the time is over, with the queue at work.
func (w *counted) during(most time.Duration, done func() bool) []string {
	w.t.Helper()
	for end := w.now().Add(most); w.now().Before(end) && !done(); {
		if wake, ok := w.wakeups.Due(w.now()); ok {
			if err := w.engine.Step(w.t.Context(), wake.App, 0); err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		if !w.now().Before(w.ticked.Add(time.Minute)) {
			w.ticked = w.now()
			if err := w.engine.Tick(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		next := w.ticked.Add(time.Minute)
		if at, ok := w.wakeups.Next(); ok && at.Before(next) {
			next = at
		}
		_ = w.sleep(w.t.Context(), next.Sub(w.now()))
	}
	return w.calls.take()
}

func (w *counted) until(p release.Phase) []string {
	w.t.Helper()
	made := w.during(24*time.Hour, func() bool { return w.state().Release.Phase == p })
	if now := w.state().Release.Phase; now != p {
		w.t.Fatalf("the release is %s, not %s, after %s", now, p, summed(made))
	}
	return made
}

func (w *counted) push(tag string) {
	w.t.Helper()
	i := release.Image{Tag: tag, Digest: digest(tag), PushedAt: w.now()}
	if _, err := w.engine.Push(tag, i).Accept(w.t.Context(), "shop"); err != nil {
		w.t.Fatal(err)
	}
}

// diagnosis are the requests that show why pods are not ready yet. How many there are depends on how
// fast they get ready.
func diagnosis(call string) bool {
	return slices.Contains([]string{"watch pods", "list replicasets", "list pods of a Deployment"}, call)
}

func without(made []string, those func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(made), those)
}

// TestOutsideCallsOfAnAppOnAService takes an app through what happens to it, and compares its calls
// with the budget of each.
func TestOutsideCallsOfAnAppOnAService(t *testing.T) {
	w := newCounted(t, 1)
	var table strings.Builder
	count := func(operation string, made []string) {
		budgeted := without(made, diagnosis)
		fmt.Fprintf(&table, "%s\tkubernetes\t%d\t%s\n", operation, len(budgeted), summed(budgeted))
		if n := len(made) - len(budgeted); n > 6 {
			t.Errorf("%s: %d requests about pods that are not ready: %s", operation, n, summed(made))
		}
	}
	w.push("2.0")
	count("release", w.until(release.Baking))
	count("a minute of the bake", w.during(time.Minute, never))
	w.until(release.Completed)
	w.command(release.Switch)
	count("switch", w.until(release.Baking))
	w.alert()
	count("alert to rollback", w.until(release.RolledBack))
	w.during(48*time.Hour, never)
	count("an hour at rest", w.during(time.Hour, never))
	t.Log("\n" + table.String())
	golden.Check(t, "testdata/calls.txt", table.String())
}

// TestAReleaseThatTakesLongAsksNoMore has pods that need some seconds, by a clock that goes on.
func TestAReleaseThatTakesLongAsksNoMore(t *testing.T) {
	w := newCounted(t, 1)
	w.goes = true
	testbed.Shared(t).Behave(digest(w.space), testbed.Slow(6*time.Second))
	w.push(w.space)
	if made := w.until(release.Baking); len(made) > 20 {
		t.Errorf("%d calls while pods take 6 s: %s", len(made), summed(made))
	} else {
		t.Log(len(made), summed(made))
	}
}

// TestOneWatchServesAllDeploymentsOfAColor has a release by which several Deployments change.
func TestOneWatchServesAllDeploymentsOfAColor(t *testing.T) {
	for _, deployments := range []int{1, 3} {
		w := newCounted(t, deployments)
		w.push("2.0")
		made := w.until(release.Baking)
		t.Log(deployments, summed(made))
		if watches := without(made, func(call string) bool { return call != "watch deployments" }); len(watches) != 1 {
			t.Errorf("a release of a color with %d Deployments opened %d watches of Deployments, expected 1: %s", deployments, len(watches), summed(made))
		}
	}
}

func never() bool { return false }

func (w *counted) command(c release.Command) {
	w.t.Helper()
	if _, err := w.engine.Command(w.t.Context(), "shop", release.Commanded{Command: c, By: release.Actor{Name: "ana"}, Why: "a test"}, string(c)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *counted) alert() {
	w.t.Helper()
	if _, err := w.engine.Accept(w.t.Context(), "shop", engine.AlertEntry("a1", release.AlertFired{ID: "a1", Rule: "errors", At: w.now()}, w.now())); err != nil {
		w.t.Fatal(err)
	}
}

// crowd are apps of one namespace, each with a Deployment for each color. Those of the last app
// do not get ready.
func crowd(t *testing.T, apps int) (space string, cluster *testbed.Cluster) {
	t.Helper()
	cluster = testbed.Shared(t)
	space = cluster.Namespace(t)
	cluster.Behave(digest(space), testbed.NeverReady())
	for n := range apps {
		for _, color := range []string{"blue", "green"} {
			image, name := digest("1.0"), fmt.Sprintf("%s-%d", color, n)
			if n == apps-1 {
				image = digest(space)
			}
			cluster.Deploy(t, testbed.DeploymentSpec{Namespace: space, Name: name, Replicas: 1, Image: "registry.example/demo@" + image})
			if n < apps-1 {
				cluster.WaitAvailable(t, space, name, 1)
			}
		}
	}
	return space, cluster
}

// looksAtAll has all apps look at both colors at once.
func looksAtAll(t *testing.T, ctx context.Context, shared *access.Cluster, space string, apps int) {
	t.Helper()
	var all sync.WaitGroup
	for n := range apps {
		at := func(color string) workload.Target {
			return workload.Target{Cluster: shared, Namespace: space, Deployments: []string{fmt.Sprintf("%s-%d", color, n)}}
		}
		w := workload.New(workload.Options{App: fmt.Sprint("app-", n), Repository: repository, Blue: at("blue"), Green: at("green")})
		for _, c := range []release.Color{release.Blue, release.Green} {
			all.Go(func() {
				o, err := w.Observe(ctx, c, release.Image{}, 0)
				ready := int32(1)
				if n == apps-1 {
					ready = 0
				}
				if err != nil || o.Ready != ready {
					t.Errorf("app %d, %s: %d ready, %v: %s", n, c, o.Ready, err, o.Detail)
				}
			})
		}
	}
	all.Wait()
}

func TestTheAppsOfANamespaceListItOnceInARound(t *testing.T) {
	const apps = 6
	space, cluster := crowd(t, apps)
	calls := &tally{}
	shared := calls.of(cluster)
	looksAtAll(t, round.With(t.Context()), shared, space, apps)
	if got, want := summed(calls.take()), "1 list deployments, 1 list pods, 1 list replicasets"; got != want {
		t.Errorf("%d apps: %s, expected %s", apps, got, want)
	}
	looksAtAll(t, t.Context(), shared, space, apps)
	if got, want := summed(calls.take()), "12 list deployments, 2 list pods of a Deployment, 2 list replicasets"; got != want {
		t.Errorf("without a round: %s, expected %s", got, want)
	}
}

// TestARoleThatNamesTheDeploymentsStillServes has a Role of before the right to list all of them.
func TestARoleThatNamesTheDeploymentsStillServes(t *testing.T) {
	const apps, user = 2, "named-only"
	space, cluster := crowd(t, apps)
	list := []string{"list"}
	s := &stand{cluster: cluster, namespace: space}
	s.bind(t, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: user}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"blue-0", "green-0", "blue-1", "green-1"}, Verbs: []string{"list", "watch", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: list},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: list},
	}}, user)
	looksAtAll(t, round.With(t.Context()), as(cluster, user), space, apps)
	at := func(name string) workload.Target {
		return workload.Target{Cluster: as(cluster, user), Namespace: space, Deployments: []string{name}}
	}
	w := workload.New(workload.Options{App: "app-0", Repository: "registry.example/demo", Blue: at("blue-0"), Green: at("green-0")})
	found, err := w.Preflight(t.Context())
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, f := range found {
		if !f.Warning || !strings.Contains(f.Text, `may not list deployments`) || !strings.Contains(f.Text, "each look at a Deployment is a request of its own") {
			t.Errorf("%+v", f)
		}
	}
}
