package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// market is many apps in one cluster, each of two Deployments behind a Service in a
// namespace of its own.
type market struct {
	*env
	cluster *testbed.Cluster
	apps    []string
	spaces  map[string]string
}

func newMarket(t *testing.T, apps, instances int, settings string) *market {
	w := newEnv(t)
	cluster, _ := clusters(t)
	m := &market{env: w, cluster: cluster, spaces: map[string]string{}}
	var text strings.Builder
	text.WriteString("defaults:\n" + settings + "apps:\n")
	for i := range apps {
		name := fmt.Sprintf("shop-%02d", i)
		m.apps = append(m.apps, name)
		m.spaces[name] = m.open(name)
		fmt.Fprintf(&text, `  - name: %[1]s
    image: {registry: %[2]q, repository: team/%[1]s, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:testbed", namespace: %[3]s, deployment: blue,  selector: {color: blue}}
      green: {cluster: "context:testbed", namespace: %[3]s, deployment: green, selector: {color: green}}
    gateway: {service: live}
    alerts: [{rule: "%[1]s-*"}]
`, name, w.registry.Host(), m.spaces[name])
	}
	w.raised = nil
	write(t, w.dir+"/kubeconfig", cluster.Kubeconfig(testbed.DefaultUser))
	w.serve(text.String(), instances)
	return m
}

// open deploys an app with 1.0.0 live on blue.
func (m *market) open(name string) string {
	t := m.t
	space := m.cluster.Namespace(t)
	image := fmt.Sprintf("%s/team/%s@%s", m.registry.Host(), name, m.push("team/"+name, "1.0.0"))
	labels := func(color string) map[string]string { return map[string]string{"color": color, "shop": name} }
	m.cluster.Deploy(t, testbed.DeploymentSpec{Namespace: space, Name: "blue", Image: image, Replicas: 1, Labels: labels("blue")})
	m.cluster.Deploy(t, testbed.DeploymentSpec{Namespace: space, Name: "green", Image: image, Replicas: 0, Labels: labels("green")})
	m.cluster.Service(t, space, "live", map[string]string{"color": "blue", "shop": name})
	grant(t, m.cluster, space, []string{"blue", "green"}, "live")
	return space
}

func (m *market) selects(app string) string {
	m.t.Helper()
	s, err := m.cluster.Client().CoreV1().Services(m.spaces[app]).Get(m.t.Context(), "live", metav1.GetOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	return s.Spec.Selector["color"]
}

func TestAThousandDuplicatesLeadToOneReleaseAndOneReturnOfEachApp(t *testing.T) {
	const apps, copies = 20, 25
	m := newMarket(t, apps, 2, "  bake: 10m\n")
	for _, app := range m.apps {
		m.push("team/"+app, "2.0.0")
	}
	pushes := m.raised
	m.storm(len(pushes)*copies, func(i, instance int) error {
		sender := registry.NewSender(registry.SenderOptions{URL: m.hosts[instance].EventGridURL("image-pushed"), Scale: 20})
		defer sender.Close()
		sender.Send(pushes[i%len(pushes)])
		sender.Wait()
		if d := sender.Delivered(); d != 1 {
			return fmt.Errorf("delivered %d times: %v", d, sender.DeadLetters())
		}
		return nil
	})
	for _, app := range m.apps {
		m.until(app, 3*time.Minute, "baking", func(a api.App) bool { return a.Release != nil && a.Release.Phase == release.Baking })
		if color := m.selects(app); color != "green" {
			t.Errorf("%s: the Service selects %s", app, color)
		}
	}
	alerts := map[string][]byte{}
	for _, app := range m.apps {
		alerts[app] = actiongroup.Alert{Rule: app + "-5xx", ID: actiongroup.NewID(), Custom: map[string]string{"app": app}}.Prometheus(app, map[string]string{"color": "green"})
	}
	m.storm(apps*copies, func(i, instance int) error {
		app := m.apps[i%apps]
		outcome, err := actiongroup.New(actiongroup.Options{URL: m.alertURL(instance), Scale: 20}).Send(t.Context(), alerts[app])
		if err != nil || !outcome.Delivered() {
			return fmt.Errorf("alert for %s: %+v, %v", app, outcome, err)
		}
		return nil
	})
	for _, app := range m.apps {
		a := m.until(app, 3*time.Minute, "rolled back", func(a api.App) bool { return a.Release != nil && a.Release.Phase == release.RolledBack })
		if color := m.selects(app); color != "blue" || a.Release.ID != 1 {
			t.Errorf("%s: the Service selects %s after release %d", app, color, a.Release.ID)
		}
		m.once(app)
	}
}

// storm makes n calls in random order, 20 at a time, half to each instance.
func (m *market) storm(n int, call func(i, instance int) error) {
	m.t.Helper()
	order := rand.Perm(n)
	failed := make(chan error, n)
	slots := make(chan struct{}, 20)
	for k, i := range order {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			failed <- call(i, k%len(m.hosts))
		}()
	}
	for range n {
		if err := <-failed; err != nil {
			m.t.Error(err)
		}
	}
}

// once fails the test if a fact that is unique in a release was published twice.
func (m *market) once(app string) {
	m.t.Helper()
	h, err := m.client(0).History(m.t.Context(), app, 200, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	count := map[release.FactKind]int{}
	for _, f := range h.Facts {
		count[f.Kind]++
	}
	for _, kind := range []release.FactKind{release.ReleaseStarted, release.ReleaseSwitched, release.ReleaseReturned, release.HoldSet} {
		if count[kind] != 1 {
			m.t.Errorf("%s: %s happened %d times", app, kind, count[kind])
		}
	}
}

func TestAFailingAppDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	w := newEnv(t)
	cluster, _ := clusters(t)
	m := &market{env: w, cluster: cluster, spaces: map[string]string{}}
	good := m.open("good")
	denied := cluster.Namespace(t)
	w.raised = nil
	write(t, w.dir+"/kubeconfig", append(cluster.Kubeconfig(testbed.DefaultUser), []byte("\n")...))
	app := func(name, context, space, bake string) string {
		return fmt.Sprintf(`  - name: %[1]s
    image: {registry: %[2]q, repository: team/%[1]s, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:%[3]s", namespace: %[4]s, deployment: blue,  selector: {color: blue}}
      green: {cluster: "context:%[3]s", namespace: %[4]s, deployment: green, selector: {color: green}}
    gateway: {service: live}
    bake: %[5]s
`, name, w.registry.Host(), context, space, bake)
	}
	w.serve("apps:\n"+app("good", "testbed", good, "10m")+app("badly-written", "testbed", "x", "15 minutes")+
		app("elsewhere", "nowhere", "y", "10m")+app("denied", "testbed", denied, "10m"), 1)

	for _, name := range []string{"good", "elsewhere", "denied"} {
		m.push("team/"+name, "2.0.0")
	}
	m.deliver()
	m.reach("good", release.Baking)
	for name, want := range map[string]string{
		"badly-written": "15 minutes", "elsewhere": "nowhere", "denied": "deploy/kubernetes/access/role.yaml",
	} {
		m.until(name, 30*time.Second, "saying what is wrong: "+want, func(a api.App) bool { return strings.Contains(a.Status.String(), want) })
	}
	h, err := m.client(0).Health(t.Context(), true)
	if err != nil || h.Status != "problems" {
		t.Errorf("health: %+v, %v", h, err)
	}
}

func TestTheAPIReportsAnInvalidConfiguration(t *testing.T) {
	t.Parallel()
	w := newEnv(t)
	w.serve("apps: [\n", 1)
	h, err := w.client(0).Health(t.Context(), true)
	if err != nil || h.Status != "problems" || len(h.Problems) != 1 || !strings.Contains(h.Problems[0], "line 1") {
		t.Errorf("%+v, %v", h, err)
	}
	resp, err := http.Post(w.alertURL(0), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 500 {
		t.Errorf("an alert is answered %s", resp.Status)
	}
}
