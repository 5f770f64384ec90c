package arm_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"

	"golang.org/x/net/dns/dnsmessage"
)

// query asks one question by hand, to see the whole answer.
func (w *tmEnv) query(name string, kind dnsmessage.Type) dnsmessage.Message {
	w.t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := m.Pack()
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := net.Dial("udp", w.e.DNS())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Write(packed)
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	if err != nil {
		w.t.Fatal(err)
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(buffer[:n]); err != nil || reply.ID != 4711 || !reply.Response {
		w.t.Fatalf("the reply is %+v, error %v", reply.Header, err)
	}
	return reply
}

func TestAProfileIsAnAliasOfItsTargetForItsTTL(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{TTL: 7})
	reply := w.query("TM-shop.trafficmanager.net.", dnsmessage.TypeA)
	if len(reply.Answers) != 2 {
		t.Fatalf("the answers are %v", reply.Answers)
	}
	alias, ok := reply.Answers[0].Body.(*dnsmessage.CNAMEResource)
	if !ok || alias.CNAME.String() != blueName+"." || reply.Answers[0].Header.TTL != 7 {
		t.Errorf("the alias is %v for %d s", alias, reply.Answers[0].Header.TTL)
	}
	address, ok := reply.Answers[1].Body.(*dnsmessage.AResource)
	if !ok || net.IP(address.A[:]).String() != "127.11.0.1" || reply.Answers[1].Header.Name != alias.CNAME || reply.Answers[1].Header.TTL <= 7 {
		t.Errorf("the address is %v", reply.Answers[1])
	}
	if reply = w.query("tm-shop.trafficmanager.net.", dnsmessage.TypeAAAA); reply.RCode != dnsmessage.RCodeSuccess || len(reply.Answers) != 1 {
		t.Errorf("the answer for IPv6 is %v %v", reply.RCode, reply.Answers)
	}
	if n := w.p.Answers()["blue"]; n != 1 {
		t.Errorf("%d answers about addresses are counted, want 1", n)
	}
}

func TestATargetThatIsAnAddressIsAnsweredItself(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{TTL: 7, Endpoints: []arm.Endpoint{{Name: "blue", Target: "127.11.0.1", External: true}}})
	reply := w.query("tm-shop.trafficmanager.net.", dnsmessage.TypeA)
	if len(reply.Answers) != 1 || reply.Answers[0].Header.TTL != 7 || reply.Answers[0].Body.(*dnsmessage.AResource).A != [4]byte{127, 11, 0, 1} {
		t.Errorf("the answers are %v", reply.Answers)
	}
	if reply = w.query("tm-shop.trafficmanager.net.", dnsmessage.TypeAAAA); reply.RCode != dnsmessage.RCodeSuccess || len(reply.Answers) != 0 {
		t.Errorf("the answer for IPv6 is %v %v", reply.RCode, reply.Answers)
	}
}

func TestNamesOutsideTheZoneDoNotExist(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	for _, name := range []string{"example.com", "other.trafficmanager.net", "management.azure.com"} {
		start := time.Now()
		_, err := w.resolver("udp").LookupHost(t.Context(), name)
		var missing *net.DNSError
		if !errors.As(err, &missing) || !missing.IsNotFound || time.Since(start) > 4*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(start))
		}
	}
	if err := w.e.AddName(blueName); err != nil { // the public IP address has gone
		t.Fatal(err)
	}
	w.leads()
	if err := w.e.AddName("bad.example.com", "nowhere"); err == nil || !strings.Contains(err.Error(), "bad.example.com") {
		t.Errorf("a name with an address that is none: %v", err)
	}
}

func TestNamesAreAnsweredOverTCPToo(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	if err := w.e.AddName("two.example.com", "127.11.0.7", "127.11.0.8", "::1"); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		found, err := w.resolver(network).LookupHost(t.Context(), "Two.Example.com")
		slices.Sort(found)
		if err != nil || !slices.Equal(found, []string{"127.11.0.7", "127.11.0.8", "::1"}) {
			t.Errorf("over %s it is %v, error %v", network, found, err)
		}
	}
}

func TestNonsenseDoesNotStopTheNameServer(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	for _, network := range []string{"udp", "tcp"} {
		conn, err := net.Dial(network, w.e.DNS())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "\x00\x03\xff\xff\xff")
		conn.Close()
	}
	w.leads("127.11.0.1")
}

func TestConcurrentQueries(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 5 {
				if found, err := w.resolver("udp").LookupHost(t.Context(), w.p.FQDN()); err != nil || len(found) != 1 {
					t.Errorf("it leads to %v, error %v", found, err)
				}
			}
		})
	}
	for i := range 20 {
		w.rival(enable([]string{"green", "blue"}[i%2]))
	}
	all.Wait()
}

func TestAFailingNameServerIsReported(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.e.DNSFails(true)
	_, err := w.resolver("udp").LookupHost(t.Context(), w.p.FQDN())
	var failed *net.DNSError
	if !errors.As(err, &failed) || failed.IsNotFound {
		t.Errorf("the error is %v", err)
	}
	w.e.DNSFails(false)
	w.leads("127.11.0.1")
}

func TestTwoGatewaysListenOnOnePortOfTwoAddresses(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	port := 0
	for color, frontend := range map[string]string{"blue": "127.11.1.1", "green": "127.11.1.2"} {
		backend := map[string]string{"blue": "127.11.0.1", "green": "127.11.0.2"}[color]
		g, err := w.e.AddGateway(arm.GatewayJSON(arm.Fixture{
			Name: "agw-" + color, Port: w.port, Frontend: frontend, FrontendPort: port,
			Pools: []arm.Pool{{Name: "pool", Addresses: []string{backend}}}, Rules: []arm.Rule{{Name: "app", Pool: "pool"}},
		}))
		if err != nil {
			t.Fatal(err)
		}
		address := strings.TrimPrefix(g.ListenerURL("lst-app"), "http://")
		host, text, _ := net.SplitHostPort(address)
		if at, _ := net.LookupPort("tcp", text); host != frontend || port != 0 && at != port {
			t.Fatalf("agw-%s listens at %s, want %s:%d", color, address, frontend, port)
		} else {
			port = at
		}
		if shown := g.Document(); shown["emulator"] != nil {
			t.Errorf("clients see the listen address: %v", shown["emulator"])
		}
		resp, err := http.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != color {
			t.Errorf("agw-%s is answered by %q", color, b)
		}
		resp.Body.Close()
	}
}
