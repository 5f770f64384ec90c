package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/tables"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const benchReplicas = 3

// BenchmarkSwitch compares the time from an accepted event to the switched Service
// selector with a bare loop that patches the idle Deployment, watches it and patches the
// selector, on the same API server in the same run. With the tables in memory it shows what of the
// difference is the emulated storage, which needs a core of the same machine.
func BenchmarkSwitch(b *testing.B) {
	for _, c := range []struct {
		apps   int
		memory bool
	}{{1, false}, {1, true}, {100, false}, {100, true}, {1000, false}} {
		apps, name := c.apps, fmt.Sprintf("%d-apps", c.apps)
		if c.memory {
			name += "-tables-in-memory"
		}
		b.Run(name, func(b *testing.B) {
			rounds := 1
			if apps == 1 {
				rounds = 15
			}
			var bare, ours []time.Duration
			for range b.N {
				x := newRace(b, apps, c.memory)
				for round := range rounds {
					bare = append(bare, x.all(func(i int) time.Duration { return x.bare(i, round) })...)
					ours = append(ours, x.all(func(i int) time.Duration { return x.ours(i, round) })...)
					if round < rounds-1 {
						x.all(func(i int) time.Duration { x.rest(i, round); return 0 })
					}
				}
			}
			b.ReportMetric(float64(median(bare).Milliseconds()), "bare-ms")
			b.ReportMetric(float64(median(ours).Milliseconds()), "ours-ms")
			b.ReportMetric(median(ours).Seconds()/median(bare).Seconds(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// race is many apps in one cluster, each twice: one that a bare loop moves and one that
// the engine moves.
type race struct {
	b       *testing.B
	cluster *testbed.Cluster
	client  kubernetes.Interface
	engine  *engine.Engine
	spaces  []string // of the bare loop
	names   []string // of the engine's apps
	own     []string // their namespaces

	gateways []*stopwatch
}

func newRace(b *testing.B, apps int, memory bool) *race {
	w := newEnv(b)
	// It ends with the race: what a thousand apps leave is no load beside the next benchmark.
	cluster, err := testbed.StartCluster(b.Context(), testbed.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	x := &race{b: b, cluster: cluster, client: cluster.Client()}
	shared := access.New("testbed", access.Kubeconfig(w.dir+"/kubeconfig", "testbed"))
	write(b, w.dir+"/kubeconfig", cluster.Kubeconfig(testbed.Admin))
	var all []engine.App
	for i := range apps {
		name := fmt.Sprintf("app-%04d", i)
		x.names = append(x.names, name)
		x.spaces = append(x.spaces, x.open())
		x.own = append(x.own, x.open())
		x.gateways = append(x.gateways, &stopwatch{Gateway: service.New(service.Options{
			App: name, Cluster: shared, Namespace: x.own[i], Service: "live",
			Blue: map[string]string{"color": "blue"}, Green: map[string]string{"color": "green"},
		})})
		all = append(all, engine.App{
			Name: name, Repository: "registry.example/demo", Policy: benchPolicy, Gateway: x.gateways[i],
			Workloads: workload.New(workload.Options{
				App: name, Repository: "registry.example/demo",
				Blue:  workload.Target{Cluster: shared, Namespace: x.own[i], Deployments: []string{"blue"}},
				Green: workload.Target{Cluster: shared, Namespace: x.own[i], Deployments: []string{"green"}},
			}),
		})
	}
	store := engine.Store(w.store())
	if memory {
		store = fake.NewStore(nil)
	}
	x.engine = engine.New(engine.Options{Store: store, Wakeups: fake.NewWakeups(nil), Apps: all})
	for i, name := range x.names { // taken over before the clock starts, as apps in use are
		cluster.WaitAvailable(b, x.spaces[i], "blue", benchReplicas)
		cluster.WaitAvailable(b, x.own[i], "blue", benchReplicas)
		if err := x.engine.Step(b.Context(), name, 0); err != nil {
			b.Fatal(err)
		}
	}
	return x
}

var benchPolicy = release.Policy{
	First: release.Blue, RolloutTimeout: 10 * time.Minute, PullGrace: 5 * time.Minute, VerifyTimeout: 5 * time.Minute,
	SwitchTimeout: 10 * time.Minute, Bake: time.Hour, ProbeEvery: time.Hour, ProbeMisses: 3, RollbackWindow: 24 * time.Hour, Standby: release.StandbyPolicy{Size: release.StandbyReady},
}

// store is the app's table in Azurite.
func (w *env) store() *tables.Store {
	w.t.Helper()
	service, err := aztables.NewServiceClientFromConnectionString(w.azurite.ConnectionString(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return tables.New(service.NewClient("bluegreen"))
}

func (x *race) open() string {
	space := x.cluster.Namespace(x.b)
	for color, replicas := range map[string]int32{"blue": benchReplicas, "green": 0} {
		x.cluster.Deploy(x.b, testbed.DeploymentSpec{Namespace: space, Name: color, Replicas: replicas, Labels: map[string]string{"color": color}})
	}
	x.cluster.Service(x.b, space, "live", map[string]string{"color": "blue"})
	return space
}

// all runs do for every app at once and returns the durations that it measured.
func (x *race) all(do func(i int) time.Duration) []time.Duration {
	took := make([]time.Duration, len(x.names))
	var group sync.WaitGroup
	for i := range x.names {
		group.Go(func() { took[i] = do(i) })
	}
	group.Wait()
	return took
}

// target is the color without traffic in a round. Both sides start each round from a
// retired color, as the lab's floors were measured.
func target(round int) string {
	if round%2 == 0 {
		return "green"
	}
	return "blue"
}

func (x *race) bare(i, round int) time.Duration {
	began := time.Now()
	ctx, color := x.b.Context(), target(round)
	deployments := x.client.AppsV1().Deployments(x.spaces[i])
	patch := fmt.Sprintf(`{"spec":{"replicas":%d,"template":{"spec":{"containers":[{"name":"app","image":"registry.example/demo:%d"}]}}}}`, benchReplicas, round+2)
	d, err := deployments.Patch(ctx, color, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		x.b.Error(err)
		return 0
	}
	watch, err := deployments.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + color, ResourceVersion: d.ResourceVersion})
	if err != nil {
		x.b.Error(err)
		return 0
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		now, ok := event.Object.(*appsv1.Deployment)
		if ok && now.Status.ObservedGeneration >= now.Generation && now.Status.AvailableReplicas == benchReplicas && now.Status.UpdatedReplicas == benchReplicas {
			break
		}
	}
	selector := fmt.Sprintf(`{"spec":{"selector":{"color":%q}}}`, color)
	if _, err := x.client.CoreV1().Services(x.spaces[i]).Patch(ctx, "live", types.StrategicMergePatchType, []byte(selector), metav1.PatchOptions{}); err != nil {
		x.b.Error(err)
	}
	return time.Since(began)
}

// ours is timed from the accepted event until the write of the selector has returned.
func (x *race) ours(i, round int) time.Duration {
	ctx := x.b.Context()
	image := release.Image{Tag: fmt.Sprint(round + 2), Digest: fmt.Sprintf("sha256:%064x", round+2), PushedAt: time.Now()}
	if _, err := x.engine.Push(image.Tag, image).Accept(ctx, x.names[i]); err != nil {
		x.b.Error(err)
		return 0
	}
	began := time.Now()
	if err := x.engine.Step(ctx, x.names[i], 0); err != nil { // as the queue's message makes the handler do
		x.b.Error(err)
		return 0
	}
	s, err := x.client.CoreV1().Services(x.own[i]).Get(ctx, "live", metav1.GetOptions{})
	if err != nil || s.Spec.Selector["color"] != target(round) {
		x.b.Errorf("%s: the Service selects %v, %v", x.names[i], s.Spec.Selector, err)
	}
	return x.gateways[i].at.Sub(began)
}

// stopwatch remembers when its last switch returned.
type stopwatch struct {
	*service.Gateway
	at time.Time
}

func (s *stopwatch) Switch(ctx context.Context, to release.Color, fence int64) (engine.Operation, error) {
	op, err := s.Gateway.Switch(ctx, to, fence)
	s.at = time.Now()
	return op, err
}

// rest ends the bake and retires the other color, off the clock, so that the next round
// starts like the first.
func (x *race) rest(i, round int) {
	ctx, other := x.b.Context(), target(round+1)
	if _, err := x.engine.Command(ctx, x.names[i], release.Commanded{Command: release.Promote, By: release.Actor{Name: "bench"}}, fmt.Sprintf("promote-%d", round)); err != nil {
		x.b.Error(err)
	}
	for _, space := range []string{x.spaces[i], x.own[i]} {
		if _, err := x.client.AppsV1().Deployments(space).Patch(ctx, other, types.MergePatchType, []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{}); err != nil {
			x.b.Error(err)
		}
		testbed.Eventually(x.b, time.Minute, func() bool {
			d, err := x.client.AppsV1().Deployments(space).Get(ctx, other, metav1.GetOptions{})
			return err == nil && d.Status.ObservedGeneration >= d.Generation && d.Status.Replicas == 0
		}, func() string { return other + " still has pods" })
	}
}

// BenchmarkAlert measures the time from an accepted alert to the gateway's write, without the
// time of the storage.
func BenchmarkAlert(b *testing.B) {
	const rounds = 20
	var beyond, storage []time.Duration
	for range b.N {
		w := newEnv(b)
		for round := range rounds {
			total, store := w.alertToWrite(b, round)
			beyond, storage = append(beyond, total-store), append(storage, store)
		}
	}
	b.ReportMetric(median(beyond).Seconds()*1000, "beyond-storage-ms")
	b.ReportMetric(median(storage).Seconds()*1000, "storage-ms")
	b.ReportMetric(0, "ns/op")
}

// alertToWrite brings an app to its bake and fires an alert.
func (w *env) alertToWrite(b *testing.B, round int) (total, store time.Duration) {
	ctx, name := b.Context(), fmt.Sprintf("app-%d", round)
	gateway, err := w.azure.AddGateway(arm.GatewayJSON(arm.Fixture{
		Name: "agw-" + name, Port: 9, Pools: []arm.Pool{{Name: "pool-blue"}, {Name: "pool-green"}}, Rules: []arm.Rule{{Name: "rule", Pool: "pool-blue"}},
	}))
	if err != nil {
		b.Fatal(err)
	}
	adapter, err := appgateway.New(appgateway.Options{
		ID: gateway.ID(), Rules: []string{"rule"}, Manager: resource.NewManager(w.azure.Credential(""), w.azure.ClientOptions()),
		Blue: appgateway.Backend{Pool: "pool-blue"}, Green: appgateway.Backend{Pool: "pool-green"},
	})
	if err != nil {
		b.Fatal(err)
	}
	cluster := fake.NewCluster(time.Now, pause, nil)
	cluster.Seed(release.Blue, release.Image{Tag: "1", Digest: "sha256:1"}, benchReplicas)
	timed := &timedStore{Store: w.store()}
	e := engine.New(engine.Options{Store: timed, Wakeups: fake.NewWakeups(nil), Poll: 20 * time.Millisecond, Apps: []engine.App{{
		Name: name, Policy: benchPolicy, Gateway: healthy{adapter}, Workloads: cluster,
	}}})
	if _, err := e.Push("event-2", release.Image{Tag: "2", Digest: "sha256:2", PushedAt: time.Now()}).Accept(ctx, name); err != nil {
		b.Fatal(err)
	}
	if err := e.Step(ctx, name, 0); err != nil {
		b.Fatal(err)
	}
	alert := engine.AlertEntry(name, release.AlertFired{ID: name, Rule: "errors", At: time.Now()}, time.Now())
	before := timed.spent()
	began := time.Now()
	if _, err := e.Accept(ctx, name, alert); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Step(ctx, name, 4*time.Second) }()
	at, store := w.firstWrite(gateway.ID(), began, timed)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return at.Sub(began), store - before
}

// firstWrite waits for a PUT of the gateway after a time.
func (w *env) firstWrite(id string, after time.Time, store *timedStore) (time.Time, time.Duration) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, r := range slices.Backward(w.azure.Requests()) {
			if r.Method == http.MethodPut && strings.EqualFold(r.Path, id) && r.At.After(after) {
				return r.At, store.spent()
			}
		}
	}
	w.t.Fatal("no write was sent")
	return time.Time{}, 0
}

// healthy skips the probes of the gateway: nothing listens behind it here.
type healthy struct{ *appgateway.Gateway }

func (healthy) Health(context.Context, release.Color) (engine.Health, error) {
	return engine.Health{Healthy: true}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// timedStore sums up the time that is spent in the calls on the way of an event.
type timedStore struct {
	engine.Store
	mu  sync.Mutex
	sum time.Duration
}

func (s *timedStore) spent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum
}

func (s *timedStore) add(began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum += time.Since(began)
}

func (s *timedStore) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	defer s.add(time.Now())
	return s.Store.Load(ctx, app)
}

func (s *timedStore) Commit(ctx context.Context, from engine.Snapshot, c engine.Change) (engine.Snapshot, error) {
	defer s.add(time.Now())
	return s.Store.Commit(ctx, from, c)
}

func (s *timedStore) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	defer s.add(time.Now())
	return s.Store.Accept(ctx, app, e)
}

// BenchmarkHandler measures the handler as a process: its size, its start, and its memory
// after a thousand events.
func BenchmarkHandler(b *testing.B) {
	const events = 1000
	for range b.N {
		info, err := os.Stat(filepath.Join(root(b), "handler"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "binary-MB")
		b.ReportMetric(startToAnswer(b).Seconds()*1000, "start-ms")
		w := newEnv(b)
		var text strings.Builder
		text.WriteString("apps:\n")
		for i := range 20 {
			fmt.Fprintf(&text, `  - name: app-%02[1]d
    image: {registry: %[2]q, repository: team/app-%02[1]d, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:nowhere", namespace: ns-%[1]d, deployment: blue,  selector: {color: blue}}
      green: {cluster: "context:nowhere", namespace: ns-%[1]d, deployment: green, selector: {color: green}}
    gateway: {service: live}
`, i, w.registry.Host())
		}
		w.serve(text.String(), 1)
		for n := range events {
			w.push(fmt.Sprintf("team/app-%02d", n%20), fmt.Sprintf("1.0.%d", n))
		}
		for n, raised := range w.raised {
			event := "[" + string(raised) + "]"
			path := strings.TrimPrefix(w.hosts[0].EventGridURL("image-pushed"), w.hosts[0].URL())
			if status, answer := w.post(path, event, "aeg-event-type", "Notification"); status != http.StatusAccepted {
				b.Fatalf("event %d: %d %s", n, status, answer)
			}
		}
		b.ReportMetric(resident(b, w.hosts[0].PID()), "resident-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// resident is the memory of a process in MB.
func resident(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		b.Fatal(err)
	}
	return kilobytes / 1000
}

// startToAnswer is the median of ten starts.
func startToAnswer(b *testing.B) time.Duration {
	var took []time.Duration
	for range 10 {
		port := freePort(b)
		cmd := exec.Command(filepath.Join(root(b), "handler"))
		cmd.Env = append(os.Environ(), "FUNCTIONS_CUSTOMHANDLER_PORT="+port, "AzureWebJobsStorage=UseDevelopmentStorage=true")
		began := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for {
			resp, err := http.Get("http://127.0.0.1:" + port + "/")
			if err == nil {
				resp.Body.Close()
				break
			}
			if time.Since(began) > 10*time.Second {
				b.Fatal("the handler does not answer")
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(began))
		cmd.Process.Kill()
		cmd.Wait()
	}
	return median(took)
}

func freePort(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
