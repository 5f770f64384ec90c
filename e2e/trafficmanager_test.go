package e2e

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/dns"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

const (
	ttl         = 2 * time.Second // of the profile; on Azure 10 to 60 s
	propagation = 300 * time.Millisecond
	late        = time.Second // the delay that a busy machine may add
)

// passage is one app on two clusters, each behind an Application Gateway of its own, with
// Traffic Manager in front of the two and 1.0.0 live on blue.
type passage struct {
	*shop
	profile  *arm.Profile
	gateways map[string]*arm.Gateway // by color
	port     string                  // of both gateways
}

func openPassage(t *testing.T, settings string) *passage {
	w := newEnv(t)
	blue, green := clusters(t)
	p := &passage{shop: &shop{env: w, blue: blue, green: green, blueSpace: blue.Namespace(t), greenSpace: green.Namespace(t)}, gateways: map[string]*arm.Gateway{}}
	p.settle()
	p.openGateways()
	w.settings = append(w.settings, "BLUEGREEN_DNS="+w.azure.DNS())
	w.serve(p.configuration(settings), 1)
	return p
}

// openGateways starts a gateway for each color, on one port of two addresses, and the
// profile that leads to blue.
func (p *passage) openGateways() {
	in, err := testbed.Ingresses(p.t.Context(),
		testbed.Backend{Cluster: p.blue, Namespace: p.blueSpace, Service: "podinfo"},
		testbed.Backend{Cluster: p.green, Namespace: p.greenSpace, Service: "podinfo"})
	if err != nil {
		p.t.Fatal(err)
	}
	var endpoints []arm.Endpoint
	port := 0
	for i, color := range []string{"blue", "green"} {
		address, host := fmt.Sprintf("127.31.0.%d", i+1), "agw-"+color+".westeurope.cloudapp.azure.com"
		p.gateways[color], err = p.azure.AddGateway(arm.GatewayJSON(arm.Fixture{
			Name: "agw-" + color, Port: in[i].Port(), Frontend: address, FrontendPort: port,
			Pools: []arm.Pool{{Name: "pool-app", Addresses: []string{in[i].IP()}}},
			Rules: []arm.Rule{{Name: "podinfo-https", Listener: "lst-podinfo", Pool: "pool-app"}},
		}))
		if err != nil {
			p.t.Fatal(err)
		}
		_, p.port, _ = net.SplitHostPort(strings.TrimPrefix(p.gateways[color].ListenerURL("lst-podinfo"), "http://"))
		fmt.Sscan(p.port, &port)
		if err := p.azure.AddName(host, address); err != nil {
			p.t.Fatal(err)
		}
		endpoints = append(endpoints, arm.Endpoint{Name: color, Target: host, Disabled: color == "green"})
	}
	p.profile, err = p.azure.AddProfile(arm.ProfileJSON(arm.ProfileFixture{TTL: int(ttl.Seconds()), ProbePort: port, Endpoints: endpoints}))
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *passage) address() string { return "http://" + p.profile.FQDN() + ":" + p.port }

func (p *passage) configuration(settings string) string {
	color := func(name, namespace string) string {
		return fmt.Sprintf("%s: {cluster: %s/Microsoft.ContainerService/managedClusters/aks-%[1]s, namespace: %[3]s, deployment: podinfo, endpoint: %[1]s, resources: [%[4]s]}",
			name, group, namespace, p.gateways[name].ID())
	}
	return fmt.Sprintf(`apps:
  - name: podinfo
    image: {registry: %q, repository: %s, tags: "semver:>=1"}
    colors:
      %s
      %s
    gateway: {trafficManager: %s}
    verify: {http: [{url: "http://agw-{color}.westeurope.cloudapp.azure.com:%s/healthz", contains: "\"{color}\""}]}
    confirm: {http: [{url: "%s/healthz", contains: "\"{color}\""}]}
    alerts: [{rule: "podinfo-*"}]
    probe: {every: 1s, misses: 100}
%s`, p.registry.Host(), repo, color("blue", p.blueSpace), color("green", p.greenSpace), p.profile.ID(), p.port, p.address(), settings)
}

// users are a crowd behind one resolver. With kept they go on using their connections.
func (p *passage) users(perSecond int, resolver *dns.Resolver, kept bool) *load {
	l := newLoad(p.address()+"/", &http.Transport{DialContext: resolver.DialContext, DisableKeepAlives: !kept, MaxIdleConnsPerHost: 64})
	l.start(p.t.(*testing.T), perSecond)
	return l
}

// honest are crowds behind resolvers that keep to the TTL, each with a phase of its own.
func (p *passage) honest() (crowds []*load) {
	for range 4 {
		crowds = append(crowds, p.users(50, dns.New(p.azure.DNS(), dns.Options{}), false))
		time.Sleep(ttl / 5)
	}
	return crowds
}

// alarm fires an alert about the Application Gateway of a color.
func (p *passage) alarm(color string) actiongroup.Outcome {
	p.t.Helper()
	outcome, err := p.alerts.Send(p.t.Context(), actiongroup.Alert{Rule: "podinfo-5xx", Target: p.gateways[color].ID()}.Metric("pool-app", 57, 20))
	if err != nil || !outcome.Delivered() {
		p.t.Fatalf("the alert was not taken: %+v, %v", outcome, err)
	}
	return outcome
}

// followed waits until the newest answer of every crowd is a color's.
func (p *passage) followed(color string, crowds []*load) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if !slices.ContainsFunc(crowds, func(l *load) bool { return l.last().color != color }) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("users do not come to %s", color)
		}
	}
}

// TestBehindTrafficManagerOnlyCachedDNSLosesRequests plays the main story with Traffic Manager
// in front of two gateways. Only users with an old DNS answer or an open connection to the
// previous color may lose requests.
func TestBehindTrafficManagerOnlyCachedDNSLosesRequests(t *testing.T) {
	p := openPassage(t, `    bake: 3s
    retire: {after: 3s}`)
	honest := p.honest()
	stubborn := p.users(50, dns.New(p.azure.DNS(), dns.Options{Minimum: 20 * time.Second}), false)
	kept := p.users(50, dns.New(p.azure.DNS(), dns.Options{}), true)
	p.followed("blue", append(slices.Clone(honest), stubborn, kept))

	p.release("2.0.0")
	p.reach("podinfo", release.Baking)
	p.followed("green", honest) // the bake begins when the last of them has come
	baked := p.reach("podinfo", release.Completed)
	p.until("podinfo", time.Minute, "scaled down on blue", func(a api.App) bool { return a.Colors.Blue.Retired })
	time.Sleep(2 * time.Second)
	for _, l := range append(slices.Clone(honest), stubborn, kept) {
		l.Stop()
	}
	for i, l := range honest {
		if lost := l.failures(); lost != "" {
			t.Errorf("crowd %d keeps to the TTL and lost\n%s", i, lost)
		}
	}
	switched := p.switches()
	t.Logf("%d requests of users that keep to the TTL, 0 may be lost; the write, %s later the name servers, %s later the bake",
		total(honest), switched.Known.Sub(switched.At).Round(10*time.Millisecond), baked.Release.SwitchedAt.Sub(switched.Known).Round(10*time.Millisecond))
	if wait := baked.Release.SwitchedAt.Sub(switched.Known); wait < ttl {
		t.Errorf("the bake began %s after the name servers knew, resolvers keep answers for %s", wait, ttl)
	}
	for name, l := range map[string]*load{"behind a resolver that keeps answers for 20 s": stubborn, "on connections that stay open": kept} {
		first, n := l.firstFailure()
		t.Logf("%d of %d requests lost by users %s", n, total([]*load{l}), name)
		if n > 0 && first.Before(switched.At.Add(propagation+ttl)) {
			t.Errorf("the first was lost only %s after the switch, when blue still had all its pods", first.Sub(switched.At))
		}
	}
}

// TestARollbackByTrafficManagerTakesAtMostTheTTL breaks the new color in its bake: after the
// alert, requests are lost only within the TTL.
func TestARollbackByTrafficManagerTakesAtMostTheTTL(t *testing.T) {
	p := openPassage(t, `    bake: 10m`)
	honest := p.honest()
	bad := p.release("2.0.0")
	p.reach("podinfo", release.Baking)
	p.followed("green", honest)
	p.alarm("blue") // an alert of the idle color's gateway is not about the release
	if a := p.app("podinfo"); a.Release.Phase != release.Baking {
		t.Fatalf("an alert about the other color ended the bake: %s", a.Status.String())
	}
	broken := time.Now()
	p.green.Behave(bad, testbed.NeverReady())
	for honest[0].failures() == "" {
		time.Sleep(20 * time.Millisecond)
	}
	p.alarm("green")
	back := p.reach("podinfo", release.RolledBack)
	p.followed("blue", honest)
	time.Sleep(ttl)
	written := p.switches()
	lost := 0
	for _, l := range honest {
		l.Stop()
		for _, a := range l.answers() {
			if a.failed == "" {
				continue
			}
			lost++
			if end := written.Known.Add(ttl + late); a.at.Before(broken.Add(-late)) || a.at.After(end) {
				t.Errorf("a request was lost %s after the color broke, %s after the name servers knew of the return: %s", a.at.Sub(broken), a.at.Sub(written.Known), a.failed)
			}
		}
	}
	t.Logf("%d of %d requests lost, all of them from the break until %s after the write of the return; the return was confirmed after %s",
		lost, total(honest), (written.Known.Sub(written.At) + ttl).Round(10*time.Millisecond), back.Release.EndedAt.Sub(written.At).Round(10*time.Millisecond))
}

// switches returns the last write of the profile, and fails the test when one left no
// endpoint enabled.
func (p *passage) switches() arm.ProfileWrite {
	p.t.Helper()
	all := p.profile.Writes()
	for _, w := range all {
		if w.Prefers == "" {
			p.t.Errorf("a write at %s left no endpoint enabled", w.At)
		}
	}
	return all[len(all)-1]
}

func total(crowds []*load) (n int) {
	for _, l := range crowds {
		n += len(l.answers())
	}
	return n
}

func (l *load) firstFailure() (first time.Time, n int) {
	for _, a := range l.answers() {
		if a.failed != "" {
			if n == 0 {
				first = a.at
			}
			n++
		}
	}
	return first, n
}
