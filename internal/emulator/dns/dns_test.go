package dns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/dns"
)

// env is a profile that leads to blue and the resolvers of its users, on one clock.
type env struct {
	t  *testing.T
	e  *arm.Emulator
	p  *arm.Profile
	mu sync.Mutex
	at time.Time
}

func newEnv(t *testing.T, ttl int) *env {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{ProbeSecond: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	w := &env{t: t, e: e, at: time.Unix(1_800_000_000, 0)}
	w.p, err = e.AddProfile(arm.ProfileJSON(arm.ProfileFixture{TTL: ttl, ProbePort: 1, Tolerated: 9, Endpoints: []arm.Endpoint{
		{Name: "blue", Target: "agw-blue.example.com"}, {Name: "green", Target: "agw-green.example.com", Disabled: true},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{"agw-blue.example.com": "127.13.1.1", "agw-green.example.com": "127.13.1.2"} {
		if err := e.AddName(name, address); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *env) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *env) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *env) resolver(o dns.Options) *dns.Resolver {
	o.Now = w.now
	return dns.New(w.e.DNS(), o)
}

// point lets DNS answer one endpoint, at once.
func (w *env) point(to string) {
	w.t.Helper()
	err := w.p.Rival(func(doc map[string]any) {
		for _, e := range doc["properties"].(map[string]any)["endpoints"].([]any) {
			status := "Disabled"
			if e.(map[string]any)["name"] == to {
				status = "Enabled"
			}
			e.(map[string]any)["properties"].(map[string]any)["endpointStatus"] = status
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.p.Release()
}

const blue, green = "127.13.1.1", "127.13.1.2"

func (w *env) leads(r *dns.Resolver, want string) {
	w.t.Helper()
	got, err := r.Lookup(w.t.Context(), w.p.FQDN())
	if err != nil || len(got) != 1 || got[0].String() != want {
		w.t.Fatalf("the resolver leads to %v, error %v, want %s", got, err, want)
	}
}

func TestAnAnswerIsKeptUntilItsTTLHasRunOut(t *testing.T) {
	w := newEnv(t, 30)
	r := w.resolver(dns.Options{})
	w.leads(r, blue)
	w.point("green")
	w.pass(30*time.Second - 1)
	w.leads(r, blue)
	w.pass(1)
	w.leads(r, green)
	if r.Asked() != 2 {
		t.Errorf("the name server was asked %d times, want 2", r.Asked())
	}
}

func TestEachResolverHasAPhaseOfItsOwn(t *testing.T) {
	w := newEnv(t, 30)
	early, late := w.resolver(dns.Options{}), w.resolver(dns.Options{})
	w.leads(early, blue)
	w.pass(20 * time.Second)
	w.leads(late, blue)
	w.point("green")
	w.pass(10 * time.Second)
	w.leads(early, green)
	w.leads(late, blue)
	w.pass(20 * time.Second)
	w.leads(late, green)
}

func TestAnAnswerThatMayNotBeKeptIsNotKept(t *testing.T) {
	w := newEnv(t, 0)
	r := w.resolver(dns.Options{})
	w.leads(r, blue)
	w.point("green")
	w.leads(r, green)
}

func TestAResolverCanDisregardTheTTL(t *testing.T) {
	w := newEnv(t, 10)
	r := w.resolver(dns.Options{Minimum: time.Minute})
	w.leads(r, blue)
	w.point("green")
	w.pass(time.Minute - 1)
	w.leads(r, blue)
	w.pass(1)
	w.leads(r, green)
}

func TestConcurrentUsersCauseOneQuery(t *testing.T) {
	w := newEnv(t, 30)
	r := w.resolver(dns.Options{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := r.Lookup(t.Context(), w.p.FQDN()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r.Asked() != 1 {
		t.Errorf("the name server was asked %d times, want once", r.Asked())
	}
}

func TestNXDOMAINIsNotCached(t *testing.T) {
	w := newEnv(t, 30)
	r := w.resolver(dns.Options{})
	w.point("neither")
	var missing *net.DNSError
	if _, err := r.Lookup(t.Context(), w.p.FQDN()); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Fatalf("a name that leads nowhere: %v", err)
	}
	w.point("green")
	w.leads(r, green)

	fresh := w.resolver(dns.Options{})
	w.e.DNSFails(true)
	if _, err := fresh.Lookup(t.Context(), w.p.FQDN()); !errors.As(err, &missing) || missing.IsNotFound || !missing.IsTemporary {
		t.Fatalf("a name server that fails: %v", err)
	}
	w.leads(r, green) // a cached answer needs no server
	w.e.DNSFails(false)
	w.leads(fresh, green)
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := dns.New(silent.LocalAddr().String(), dns.Options{}).Lookup(ctx, "example.com"); err == nil {
		t.Fatal("there is an answer from a silent server")
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it ended after %s", took)
	}
}

func TestUsersConnectToWhereTheirResolverLeads(t *testing.T) {
	w := newEnv(t, 30)
	l, err := net.Listen("tcp", blue+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, r.Host) })}
	go server.Serve(l)
	defer server.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	client := http.Client{Transport: &http.Transport{DialContext: w.resolver(dns.Options{}).DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + w.p.FQDN() + ":" + port)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != w.p.FQDN()+":"+port {
		t.Errorf("the server was asked for %q", body)
	}
	if err := w.e.AddName("both.example.com", "127.13.1.9", blue); err != nil { // no server listens at the first
		t.Fatal(err)
	}
	for range 2 {
		resp, err := client.Get("http://both.example.com:" + port)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
}
