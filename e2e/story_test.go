package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const group = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-shop-prod/providers"

// shop is one app on two clusters behind an Application Gateway, with 1.0.0 live on blue.
type shop struct {
	*env
	blue, green           *testbed.Cluster
	blueSpace, greenSpace string
	first                 string // digest that is live on blue from the start
	gateway               *arm.Gateway
	users                 *load
}

const repo = "team/podinfo"

func newShop(t *testing.T, settings string) *shop {
	w := newEnv(t)
	blue, green := clusters(t)
	return openShop(w, blue, green, settings)
}

// openShop deploys the app to two clusters and starts to serve it.
func openShop(w *env, blue, green *testbed.Cluster, settings string) *shop {
	t := w.t.(*testing.T)
	s := &shop{env: w, blue: blue, green: green, blueSpace: blue.Namespace(t), greenSpace: green.Namespace(t)}
	s.settle()
	s.openGateway()
	w.serve(s.configuration(settings), 1)
	s.users = startLoad(t, s.gateway.ListenerURL("lst-podinfo")+"/", 200)
	return s
}

// settle deploys the app to both clusters, 1.0.0 live on blue and green empty, and gives
// the app's identity its rights there.
func (s *shop) settle() {
	t, w, blue, green := s.t.(*testing.T), s.env, s.blue, s.green
	s.first = w.push(repo, "1.0.0")
	w.raised = nil // it was pushed long ago
	image := fmt.Sprintf("%s/%s@%s", w.registry.Host(), repo, s.first)
	blue.Deploy(t, testbed.DeploymentSpec{Namespace: s.blueSpace, Name: "podinfo", Image: image, Replicas: 3, Labels: map[string]string{"color": "blue"}})
	green.Deploy(t, testbed.DeploymentSpec{Namespace: s.greenSpace, Name: "podinfo", Image: image, Replicas: 0, Labels: map[string]string{"color": "green"}})
	blue.WaitAvailable(t, s.blueSpace, "podinfo", 3)
	grant(t, blue, s.blueSpace, []string{"podinfo"}, "podinfo")
	grant(t, green, s.greenSpace, []string{"podinfo"}, "podinfo")
	w.azure.AddCluster(arm.Cluster{ID: group + "/Microsoft.ContainerService/managedClusters/aks-blue", Server: blue.Server(), CAData: blue.CAData()})
	w.azure.AddCluster(arm.Cluster{ID: group + "/Microsoft.ContainerService/managedClusters/aks-green", Server: green.Server(), CAData: green.CAData()})
}

// openGateway puts an Application Gateway in front of the ingresses of both clusters.
func (s *shop) openGateway() {
	in, err := testbed.Ingresses(s.t.Context(),
		testbed.Backend{Cluster: s.blue, Namespace: s.blueSpace, Service: "podinfo"},
		testbed.Backend{Cluster: s.green, Namespace: s.greenSpace, Service: "podinfo"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.gateway, err = s.azure.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port:  in[0].Port(),
		Pools: []arm.Pool{{Name: "pool-blue", Addresses: []string{in[0].IP()}}, {Name: "pool-green", Addresses: []string{in[1].IP()}}},
		Rules: []arm.Rule{{Name: "podinfo-https", Listener: "lst-podinfo", Pool: "pool-blue"}},
	}))
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) configuration(settings string) string {
	return fmt.Sprintf(`notify: {topic: %[1]q%[10]s}
apps:
  - name: podinfo
    image: {registry: %[2]q, repository: %[3]s, tags: "semver:>=1"}
    colors:
      blue:  {cluster: %[4]s/Microsoft.ContainerService/managedClusters/AKS-Blue,  namespace: %[5]s, deployment: podinfo, backend: pool-blue}
      green: {cluster: %[4]s/Microsoft.ContainerService/managedClusters/aks-green, namespace: %[6]s, deployment: podinfo, backend: pool-green}
    gateway: {applicationGateway: %[7]s, rules: [podinfo-https]}
    confirm: {http: [{url: "%[8]s/healthz", contains: "\"{color}\""}]}
    alerts: [{rule: "podinfo-*"}]
    probe: {every: 1s}
%[9]s`, s.topic.URL(), s.registry.Host(), repo, group, s.blueSpace, s.greenSpace, s.gateway.ID(), s.gateway.ListenerURL("lst-podinfo"), settings, s.channels)
}

// release pushes an image and delivers its event.
func (s *shop) release(tag string) string {
	s.t.Helper()
	digest := s.push(repo, tag)
	s.deliver()
	return digest
}

// answeredBy waits until users are answered by a color and digest, and by nothing else.
func (s *shop) answeredBy(color, digest string) {
	s.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		a := s.users.last()
		if a.color == color && strings.HasSuffix(digest, a.version) && a.version != "" {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("users are answered by %+v, not by %s %s", a, color, digest)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// noneLost fails the test when a user's request failed.
func (s *shop) noneLost() {
	s.t.Helper()
	s.users.Stop()
	if lost := s.users.failures(); lost != "" {
		s.t.Errorf("requests were lost:\n%s", lost)
	}
	seen := s.users.answers()
	took := seen[len(seen)-1].at.Sub(seen[0].at)
	s.t.Logf("%d requests in %s (%.0f/s), colors %v, none may fail", len(seen), took.Round(time.Second), float64(len(seen))/took.Seconds(), s.users.colors())
}

func (s *shop) size(c *testbed.Cluster, namespace string) int32 {
	s.t.Helper()
	d, err := c.Client().AppsV1().Deployments(namespace).Get(s.t.Context(), "podinfo", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return *d.Spec.Replicas
}

func TestAnImageGoesLiveAndAnAlertTakesTheNextOneBackWithNoRequestLost(t *testing.T) {
	t.Parallel()
	s := newShop(t, `    bake: 4s
    retire: {after: 1s}`)
	good := s.release("2.0.0")
	s.reach("podinfo", release.Baking)
	s.answeredBy("green", good)
	if n := s.size(s.green, s.greenSpace); n != 3 {
		t.Errorf("green has %d replicas, the live color had 3", n)
	}
	if n := s.size(s.blue, s.blueSpace); n != 3 {
		t.Errorf("the rollback target has %d replicas during the bake", n)
	}
	s.reach("podinfo", release.Completed)
	s.until("podinfo", time.Minute, "scaled down on blue", func(a api.App) bool { return a.Colors.Blue.Retired })
	if n := s.size(s.blue, s.blueSpace); n != 0 {
		t.Errorf("blue was retired and has %d replicas", n)
	}

	bad := s.release("2.1.0")
	s.reach("podinfo", release.Baking)
	s.answeredBy("blue", bad)
	s.fire("podinfo-latency", "pool-blue")
	a := s.reach("podinfo", release.RolledBack)
	s.answeredBy("green", good)
	s.noneLost()

	if len(a.Quarantined) != 1 || a.Quarantined[0].Image.Digest != bad || a.Hold == nil {
		t.Errorf("the bad digest is not quarantined, or nothing holds: %s", jsonOf(a))
	}
	if !strings.Contains(a.Status.String(), "57") || !strings.Contains(a.Status.String(), "podinfo-latency") {
		t.Errorf("the status has no reason: %s", a.Status.String())
	}
	s.waitForFacts("release-started", "release-switched", "release-completed", "release-returned", "hold-set")
}

// waitForFacts waits until the topic has events of these kinds, each under one id only.
func (s *shop) waitForFacts(kinds ...string) {
	s.t.Helper()
	testbed.Eventually(s.t, 20*time.Second, func() bool {
		have := map[string]bool{}
		for _, kind := range s.published() {
			have[strings.TrimPrefix(kind, "bluegreen.")] = true
		}
		for _, kind := range kinds {
			if !have[kind] {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("the topic has %v, not all of %v", s.published(), kinds) })
}

func TestARollbackDoesNotDependOnTheBadColor(t *testing.T) {
	t.Parallel()
	for name, ruin := range map[string]func(s *shop, digest string){
		"crash-looping": func(s *shop, digest string) { s.green.Behave(digest, testbed.CrashLoop(0)) },
		"pods gone":     func(s *shop, digest string) { s.green.Behave(digest, testbed.NeverReady()) },
		"cluster gone":  func(s *shop, _ string) { s.green.StopAPIServer() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEnv(t)
			blue, green := clusters(t)
			if name == "cluster gone" {
				var err error
				if green, err = testbed.StartCluster(t.Context(), testbed.Options{Users: map[string]string{testbed.DefaultUser: token}}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(green.Close)
			}
			s := openShop(w, blue, green, `    bake: 10m`)
			bad := s.release("2.0.0")
			s.reach("podinfo", release.Baking)
			s.answeredBy("green", bad)
			ruin(s, bad)
			fired := time.Now()
			s.fire("podinfo-5xx", "pool-green")
			s.reach("podinfo", release.RolledBack)
			s.answeredBy("blue", s.first)
			t.Logf("back after %s, of which the gateway's operation takes 2 s", time.Since(fired).Round(10*time.Millisecond))
		})
	}
}
