package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// aksServer is the resource that tokens for the API servers of AKS are issued for.
const aksServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// env is a subscription: storage, identity, ARM, a registry, and hosts that run the app.
type env struct {
	t        testing.TB
	dir      string
	azurite  *testbed.Azurite
	azure    *arm.Emulator
	registry *registry.Registry
	topic    *arm.Topic
	hosts    []*host.Host
	alerts   *actiongroup.Group
	events   *registry.Sender
	times    host.Times
	timers   string   // folder with the status of timers; "" for none
	channels string   // receivers of outcomes besides the topic, as YAML; "" for none
	settings []string // app settings as KEY=value, over those that every host gets
	signIn   host.SignIn

	mu     sync.Mutex
	raised [][]byte
	// eventIDs are the ids of the raised events, by the digest that was pushed.
	eventIDs map[string]string
}

func newEnv(t testing.TB) *env {
	realParts(t)
	w := &env{t: t, dir: t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var err error
	if w.azurite, err = testbed.StartAzurite(ctx, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.azurite.Close)
	if w.azure, err = arm.Start(context.WithoutCancel(t.Context()), arm.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.azure.Close)
	w.azure.SetToken(aksServer, token)
	if w.registry, err = registry.Start(registry.Options{Raise: w.raise}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.registry.Close() })
	if w.topic, err = w.azure.AddTopic(); err != nil {
		t.Fatal(err)
	}
	return w
}

// raise keeps the events of the registry until deliver sends them.
func (w *env) raise(event []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raised = append(w.raised, event)
	var pushed struct {
		ID   string
		Data struct{ Target struct{ Digest, Tag string } }
	}
	if err := json.Unmarshal(event, &pushed); err != nil {
		panic(err) // the registry of the test wrote it
	}
	if w.eventIDs == nil {
		w.eventIDs = map[string]string{}
	}
	w.eventIDs[pushed.Data.Target.Digest+pushed.Data.Target.Tag] = pushed.ID
}

// deliver sends the events that the registry has raised.
func (w *env) deliver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, event := range w.raised {
		w.events.Send(event)
	}
	w.raised = nil
}

// push pushes an image and returns its digest; its event is sent by deliver.
func (w *env) push(repo, tag string) string {
	w.t.Helper()
	digest, err := w.registry.Push(w.t.Context(), repo, tag)
	if err != nil {
		w.t.Fatal(err)
	}
	return digest
}

// serve starts hosts that run the app with a configuration.
func (w *env) serve(configuration string, instances int) {
	w.t.Helper()
	file := filepath.Join(w.dir, "bluegreen.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		w.t.Fatal(err)
	}
	for range instances {
		w.hosts = append(w.hosts, w.host(file))
	}
	w.events = registry.NewSender(registry.SenderOptions{URL: w.hosts[0].EventGridURL("image-pushed"), Scale: 20})
	w.t.Cleanup(w.events.Close)
	w.alerts = actiongroup.New(actiongroup.Options{URL: w.alertURL(0), Scale: 20})
	for _, h := range w.hosts {
		if err := h.Ready(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *env) alertURL(n int) string {
	return w.hosts[n].URL() + "/api/alerts?code=" + w.hosts[n].KeyOf("alerts")
}

func (w *env) host(file string) *host.Host {
	w.t.Helper()
	ca := filepath.Join(w.dir, "ca.pem")
	if err := os.WriteFile(ca, w.azure.CAPEM(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	env := []string{
		"AzureWebJobsStorage=" + w.azurite.ConnectionString(), "BLUEGREEN_CONFIG=" + file,
		"BLUEGREEN_KUBECONFIG=" + filepath.Join(w.dir, "kubeconfig"),
		"SSL_CERT_FILE=" + ca, "AZURE_RESOURCE_MANAGER_ENDPOINT=" + w.azure.URL(), "AZURE_RESOURCE_MANAGER_AUDIENCE=https://management.azure.com",
	}
	for key, value := range w.azure.IdentityEnv() {
		env = append(env, key+"="+value)
	}
	h, err := host.Start(context.WithoutCancel(w.t.Context()), host.Options{
		Root: root(w.t), Env: append(env, w.settings...), Keys: host.Keys{Host: "key", Master: "master", EventGrid: "events"},
		Log: slog.New(slog.NewTextHandler(logTo{w.t, w.dir}, nil)), Times: w.times, TimerStatus: w.timers, SignIn: w.signIn,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(h.Close)
	return h
}

// logTo keeps the log of the hosts, and shows its end when the test has failed.
type logTo struct {
	t   testing.TB
	dir string
}

func (l logTo) Write(line []byte) (int, error) {
	f, err := os.OpenFile(filepath.Join(l.dir, "host.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Write(line)
}

// client calls the API of one host.
func (w *env) client(n int) *api.Client {
	return &api.Client{Base: w.hosts[n].URL(), Key: "key", HTTP: &http.Client{}, Pause: 100 * time.Millisecond}
}

func (w *env) app(name string) api.App {
	w.t.Helper()
	a, err := w.client(0).App(w.t.Context(), name)
	if err != nil {
		w.t.Fatalf("look at %s: %v", name, err)
	}
	return a
}

// until waits for the app to be as wanted.
func (w *env) until(name string, within time.Duration, want string, met func(api.App) bool) api.App {
	w.t.Helper()
	deadline := time.Now().Add(within)
	for {
		a := w.app(name)
		if met(a) {
			return a
		}
		if time.Now().After(deadline) {
			w.showAll(name)
			w.t.Fatalf("%s was not %s within %s: %s", name, want, within, a.Status.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *env) reach(name string, p release.Phase) api.App {
	w.t.Helper()
	return w.until(name, time.Minute, string(p), func(a api.App) bool { return a.Release != nil && a.Release.Phase == p })
}

// showAll prints the history of an app.
func (w *env) showAll(name string) {
	h, err := w.client(0).History(w.t.Context(), name, 50, 0)
	if err != nil {
		w.t.Logf("no history: %v", err)
	}
	for _, f := range h.Facts {
		w.t.Logf("%s %s %s", f.At.Format("15:04:05.000"), f.Kind, f.Text)
	}
	lines := strings.Split(string(w.log()), "\n")
	w.t.Logf("the end of the log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
}

// log is the output of hosts and handlers.
func (w *env) log() []byte {
	text, _ := os.ReadFile(filepath.Join(w.dir, "host.log"))
	return text
}

// fire sends an alert about a pool and fails the test when it is not taken.
func (w *env) fire(rule, pool string) {
	w.t.Helper()
	outcome, err := w.alerts.Send(w.t.Context(), actiongroup.Alert{Rule: rule}.Metric(pool, 57, 20))
	if err != nil || !outcome.Delivered() {
		w.t.Fatalf("the alert was not taken: %+v, %v", outcome, err)
	}
}

// grant gives the app's identity the Role of deploy/kubernetes/access/role.yaml in a namespace,
// with the names of its own objects, as the file requires.
func grant(t testing.TB, c *testbed.Cluster, namespace string, deployments []string, service string) {
	t.Helper()
	names := map[string][]string{"deployments": deployments, "services": {service}}
	rules := role(t)
	for i, rule := range rules {
		if own, named := names[rule.Resources[0]]; named && len(rule.ResourceNames) > 0 {
			rules[i].ResourceNames = own
		}
	}
	c.Grant(t, namespace, testbed.DefaultUser, rules...)
}

// role reads the rules of the documented Role.
func role(t testing.TB) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../deploy/kubernetes/access/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n---\n")
	var r rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(first), &r); err != nil || r.Kind != "Role" {
		t.Fatalf("the first document is not a Role: %v", err)
	}
	return r.Rules
}

// published returns the kinds of the events that the topic has, by id.
func (w *env) published() map[string]string {
	kinds := map[string]string{}
	for _, e := range w.topic.Events() {
		kinds[e.ID] = e.Type
	}
	return kinds
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
