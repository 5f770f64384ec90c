package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

const (
	chaosHosts    = 3
	chaosWebs     = 4  // apps behind one Application Gateway, on two clusters, with users; two more have none or one release
	chaosShops    = 16 // apps behind Services
	chaosReleases = 200
	chaosLeast    = 150 * time.Second // two frozen handlers must outlive their leases in it
	chaosMost     = 5 * time.Minute
)

// chaos is a subscription in which every component fails frequently, except those that serve users.
type chaos struct {
	*market
	t       *testing.T
	seed    uint64
	blue    *testbed.Cluster
	green   *testbed.Cluster
	webs    map[string]*web
	busy    []string // apps that get releases all the time
	gateway *arm.Gateway
	before  map[string]any // the gateway at the start
	senders []*registry.Sender
	watched *sizes

	state    sync.Mutex
	frozen   map[int]bool
	views    map[string]api.App
	pushes   []pushed
	alerts   []fired
	outages  []outage
	refusals []span // clusters that refused every write
	weak     int    // rollback targets of which only one pod was ready for a while
	rivals   rival
	kills    int
	freezes  int
}

// web is an app behind the gateway.
type web struct {
	name    string
	spaces  map[release.Color]string
	first   string // digest
	users   *load
	foreign []span    // while the rival had changed its rule
	from    time.Time // users before it are not counted: nothing good was ever there
}

type span struct {
	what     string
	from, to time.Time
}

// outage is a time without the API server of the cluster of a color.
type outage struct {
	span
	color release.Color
}

func (s span) has(t time.Time) bool { return !t.Before(s.from) && (s.to.IsZero() || t.Before(s.to)) }

func (s span) String() string {
	return fmt.Sprintf("%s for %s", s.what, s.to.Sub(s.from).Round(time.Second))
}

type pushed struct {
	app   string
	image release.Image
	bad   bool
}

type fired struct{ app, id string }

func TestChaosLosesNoRequestAndKeepsEveryPromise(t *testing.T) {
	realParts(t)
	c := newChaos(t)
	began := time.Now()
	ctx, stop := context.WithCancel(t.Context())
	var actors sync.WaitGroup
	for n, act := range []func(context.Context, *rand.Rand){c.observe, c.alarm, c.kill, c.freeze, c.outage, c.rivalry, c.weaken, c.firstRelease} {
		actors.Go(func() { act(ctx, c.rand(n)) })
	}
	ticking, stopTicks := context.WithCancel(t.Context())
	var clock sync.WaitGroup
	clock.Go(func() { c.tick(ticking, c.rand(100)) })
	c.pushAll(c.rand(101), func() bool {
		took := time.Since(began)
		return took >= chaosLeast && c.started() >= chaosReleases && c.enough() || took >= chaosMost
	})
	stop()
	actors.Wait()
	chaotic := time.Since(began)
	c.settle(3 * time.Minute)
	stopTicks()
	clock.Wait()
	for _, w := range c.webs {
		w.users.Stop()
	}
	c.keepsPromises()
	c.report(chaotic, time.Since(began))
}

func (c *chaos) rand(actor int) *rand.Rand { return rand.New(rand.NewPCG(c.seed, uint64(actor))) }

func newChaos(t *testing.T) *chaos {
	w := newEnv(t)
	w.times = host.Times{Lease: 10 * time.Second, Strikes: time.Nanosecond} // a killed handler starts again, and its messages come back
	o := testbed.Options{Users: map[string]string{testbed.DefaultUser: token}, Drain: time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	own, err := testbed.StartClusters(ctx, o, o) // their API servers go away
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own[0].Close(); own[1].Close() })
	c := &chaos{
		market: &market{env: w, cluster: own[0], spaces: map[string]string{}}, t: t, seed: rand.Uint64(),
		blue: own[0], green: own[1], webs: map[string]*web{}, frozen: map[int]bool{}, views: map[string]api.App{},
	}
	t.Logf("seed %d", c.seed)
	for i := range chaosShops {
		name := fmt.Sprintf("shop-%02d", i)
		c.apps, c.spaces[name] = append(c.apps, name), c.open(name)
	}
	for i := range chaosWebs {
		c.openWeb(fmt.Sprintf("web-%d", i), 2)
		c.busy = append(c.busy, fmt.Sprintf("web-%d", i))
	}
	c.busy = append(c.busy, c.apps[:chaosShops]...)
	c.openWeb(stillApp, 2)
	c.openWeb(freshApp, 0)
	c.openChaosGateway()
	w.raised = nil // all of it was pushed long ago
	write(t, w.dir+"/kubeconfig", c.blue.Kubeconfig(testbed.DefaultUser))
	w.serve(c.configuration(), chaosHosts)
	for _, h := range w.hosts {
		s := registry.NewSender(registry.SenderOptions{URL: h.EventGridURL("image-pushed"), Scale: 20, AnswerTimeout: 10 * time.Second})
		t.Cleanup(s.Close)
		c.senders = append(c.senders, s)
	}
	c.watched = watchSizes(t, c.blue, c.green)
	for _, app := range c.webs {
		app.users = startLoad(t, c.gateway.ListenerURL("lst-"+app.name)+"/", 200/chaosWebs)
	}
	return c
}

// openWeb deploys an app to two clusters with 1.0.0 live on blue, unless its size is 0.
func (c *chaos) openWeb(name string, size int32) {
	app := &web{name: name, first: c.push("team/"+name, "1.0.0"), spaces: map[release.Color]string{}}
	image := fmt.Sprintf("%s/team/%s@%s", c.registry.Host(), name, app.first)
	for color, replicas := range map[release.Color]int32{release.Blue: size, release.Green: 0} {
		cluster := c.clusterOf(color)
		app.spaces[color] = cluster.Namespace(c.t)
		cluster.Deploy(c.t, testbed.DeploymentSpec{Namespace: app.spaces[color], Name: name, Image: image, Replicas: replicas, Labels: map[string]string{"color": string(color)}})
		grant(c.t, cluster, app.spaces[color], []string{name}, name)
	}
	c.blue.WaitAvailable(c.t, app.spaces[release.Blue], name, size)
	c.webs[name] = app
	c.apps = append(c.apps, name)
}

func (c *chaos) clusterOf(color release.Color) *testbed.Cluster {
	if color == release.Green {
		return c.green
	}
	return c.blue
}

// openChaosGateway puts one Application Gateway in front of all webs, with a rule and two
// pools for each, and a pool that belongs to no color.
func (c *chaos) openChaosGateway() {
	var backends []testbed.Backend
	for _, name := range c.webNames() {
		for _, color := range []release.Color{release.Blue, release.Green} {
			backends = append(backends, testbed.Backend{Cluster: c.clusterOf(color), Namespace: c.webs[name].spaces[color], Service: name})
		}
	}
	in, err := testbed.Ingresses(c.t.Context(), backends...)
	if err != nil {
		c.t.Fatal(err)
	}
	f := arm.Fixture{Port: in[0].Port(), Pools: []arm.Pool{c.maintenance()}}
	for i, name := range c.webNames() {
		f.Pools = append(f.Pools,
			arm.Pool{Name: name + "-blue", Addresses: []string{in[2*i].IP()}},
			arm.Pool{Name: name + "-green", Addresses: []string{in[2*i+1].IP()}})
		f.Rules = append(f.Rules, arm.Rule{Name: name, Listener: "lst-" + name, Port: 8443 + i, Pool: name + "-blue"})
	}
	c.azure.AddCluster(arm.Cluster{ID: group + "/Microsoft.ContainerService/managedClusters/aks-blue", Server: c.blue.Server(), CAData: c.blue.CAData()})
	c.azure.AddCluster(arm.Cluster{ID: group + "/Microsoft.ContainerService/managedClusters/aks-green", Server: c.green.Server(), CAData: c.green.CAData()})
	if c.gateway, err = c.azure.AddGateway(arm.GatewayJSON(f)); err != nil {
		c.t.Fatal(err)
	}
	c.gateway.Set(func(b *arm.Behaviour) { b.Takes = 300 * time.Millisecond }) // about 20 s on Azure, which would allow few releases
	c.before = c.gateway.Document()
}

// webNames are all apps behind the gateway, in the order of their rules.
func (c *chaos) webNames() []string {
	var names []string
	for name := range c.webs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (c *chaos) configuration() string {
	var text strings.Builder
	fmt.Fprintf(&text, `notify: {topic: %q}
defaults:
  bake: 2s
  retire: {after: 2s}
  rolloutTimeout: 8s
  pullGrace: 3s
  switchTimeout: 2m
  probe: {every: 1s, misses: 5}
  verify: {timeout: 30s}
apps:
`, c.topic.URL())
	for _, name := range c.apps {
		fmt.Fprintf(&text, "  - name: %[1]s\n    image: {registry: %[2]q, repository: team/%[1]s, tags: \"semver:>=1\"}\n    alerts: [{rule: \"%[1]s-*\"}]\n", name, c.registry.Host())
		w := c.webs[name]
		if w == nil {
			fmt.Fprintf(&text, `    colors:
      blue:  {cluster: "context:testbed", namespace: %[1]s, deployment: blue,  selector: {color: blue}}
      green: {cluster: "context:testbed", namespace: %[1]s, deployment: green, selector: {color: green}}
    gateway: {service: live}
`, c.spaces[name])
			continue
		}
		fmt.Fprintf(&text, `    colors:
      blue:  {cluster: %[2]s/Microsoft.ContainerService/managedClusters/aks-blue,  namespace: %[3]s, deployment: %[1]s, backend: %[1]s-blue}
      green: {cluster: %[2]s/Microsoft.ContainerService/managedClusters/aks-green, namespace: %[4]s, deployment: %[1]s, backend: %[1]s-green}
    gateway: {applicationGateway: %[5]s, rules: [%[1]s]}
    confirm: {http: [{url: "%[6]s%[7]s", contains: "\"{color}\""}]}
%[8]s`, name, group, w.spaces[release.Blue], w.spaces[release.Green], c.gateway.ID(), c.gateway.ListenerURL("lst-"+name), confirmed(name), patience(name))
	}
	return text.String()
}

// confirmed is the path whose answers confirm a switch. The bad first release answers well
// only at the path that the gateway asks.
func confirmed(app string) string {
	if app == freshApp {
		return "/"
	}
	return "/healthz"
}

// patience is the setting of the app whose live version fails at the public address: an image
// that follows is deployed when that version has not been seen there for two minutes.
func patience(app string) string {
	if app == freshApp {
		return "    rolloutTimeout: 4m\n"
	}
	return ""
}

// started is the number of releases published to the topic.
func (c *chaos) started() int {
	n := 0
	for _, kind := range c.published() {
		if kind == "bluegreen."+string(release.ReleaseStarted) {
			n++
		}
	}
	return n
}

// settle lets everything come to rest, with nothing broken any more.
func (c *chaos) settle(within time.Duration) {
	c.t.Helper()
	for _, s := range c.senders {
		s.Wait()
	}
	deadline := time.Now().Add(within)
	for {
		var busy []string
		for _, name := range c.apps {
			a := c.app(name)
			if a.Release != nil && a.Release.Phase == release.Returning && a.Trouble != nil {
				c.insist(name) // what an operator had to fix is fixed
			}
			if !atRest(a) {
				busy = append(busy, fmt.Sprintf("%s (pending %d, busy %v): %s", name, a.Pending, a.Busy, a.Status.String()))
			}
		}
		if len(busy) == 0 {
			return
		}
		if time.Now().After(deadline) {
			c.showAll(strings.Fields(busy[0])[0])
			c.t.Fatalf("not at rest within %s:\n%s", within, strings.Join(busy, "\n"))
		}
		time.Sleep(time.Second)
	}
}

// insist is an operator's command that ends the rest after a refusal.
func (c *chaos) insist(app string) {
	r := api.Request{By: "on call", Why: "writes are allowed again"}
	if _, err := c.client(0).Command(c.t.Context(), app, release.Rollback, r, api.NewKey()); err != nil {
		c.t.Logf("%s: rollback: %v", app, err) // its handler was just killed, or it has returned
	}
}

// atRest reports whether an app has no release in progress; its idle color is then scaled
// down. An image that was pushed before the last rollback waits for an operator.
func atRest(a api.App) bool {
	over := a.Release == nil || !a.Release.Phase.Active()
	idle := a.Colors.Blue
	if a.Live == release.Blue {
		idle = a.Colors.Green
	}
	return over && a.Pending == 0 && (a.Waiting == nil || a.Hold != nil) && !a.Busy && a.Drift == nil && (a.Release == nil || idle.Retired)
}
