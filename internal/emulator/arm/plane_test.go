package arm_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"
)

func TestNoRequestIsLostWhenTheRuleMoves(t *testing.T) {
	w := newEnv(t, arm.Options{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var sent, failed atomic.Int64
	var order sync.Map
	stop := make(chan struct{})
	var workers sync.WaitGroup
	start := time.Now()
	for worker := range 8 {
		workers.Go(func() {
			var seen []string
			for {
				select {
				case <-stop:
					order.Store(worker, seen)
					return
				default:
				}
				body, err := post(client, w.g.ListenerURL("lst-https"))
				sent.Add(1)
				if err != nil {
					failed.Add(1)
					t.Errorf("request failed: %v", err)
				}
				if len(seen) == 0 || seen[len(seen)-1] != body {
					seen = append(seen, body)
				}
			}
		})
	}
	for _, pool := range []string{"pool-green", "pool-blue", "pool-green"} {
		if _, err := wait(t, w.poller(w.send(w.repoint(pool, "")))); err != nil {
			t.Fatal(err)
		}
		n := sent.Load()
		eventually(t, "more requests", func() bool { return sent.Load() > n+200 })
	}
	close(stop)
	workers.Wait()
	t.Logf("%.0f requests per second", float64(sent.Load())/time.Since(start).Seconds())
	order.Range(func(_, seen any) bool {
		if changes := len(seen.([]string)) - 1; changes > 3 {
			t.Errorf("a client saw the color change %d times in 3 switches: %v", changes, seen)
		}
		return true
	})
	if _, body := w.ask("lst-https", "/"); body != "green" {
		t.Errorf("at the end requests meet %s", body)
	}
	sent.Add(1)
	total := 0
	for a, n := range w.g.Served() {
		if a.Status != http.StatusOK || a.ByGateway {
			t.Errorf("the gateway counts %d answers %+v", n, a)
		}
		total += n
	}
	if int64(total) != sent.Load() {
		t.Errorf("%d requests were sent, %d were counted", sent.Load(), total)
	}
}

func post(c *http.Client, url string) (string, error) {
	resp, err := c.Post(url, "text/plain", strings.NewReader("order"))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return string(b), err
}

func TestARequestUnderWayFinishesOnTheOldPool(t *testing.T) {
	w := newEnv(t, arm.Options{})
	arrived, finish := make(chan struct{}), make(chan struct{})
	w.blue.set(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-finish
		}
		io.WriteString(rw, "blue")
	})
	got := make(chan string)
	go func() {
		resp, err := http.Get(w.g.ListenerURL("lst-https") + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-arrived
	if _, err := wait(t, w.poller(w.send(w.repoint("pool-green", "")))); err != nil {
		t.Fatal(err)
	}
	if _, body := w.ask("lst-https", "/"); body != "green" {
		t.Errorf("a new request meets %s", body)
	}
	close(finish)
	if body := <-got; body != "blue" {
		t.Errorf("the request under way got %q, want the old pool's answer", body)
	}
}

func TestAnUpgradedConnectionIsCutByAnUpdate(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.blue.set(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		rw.Header().Set("Connection", "Upgrade")
		rw.Header().Set("Upgrade", "echo")
		rw.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		if err == nil {
			go func() { defer conn.Close(); io.Copy(conn, buffered) }()
		}
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.g.ListenerURL("lst-https"), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", resp, err)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := r.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("echo: %q %v", line, err)
	}
	w.send(w.repoint("pool-green", ""))
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the upgraded connection lived on")
	} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("the upgraded connection was not cut within 10 s")
	}
}

func TestPathsHostsAndRedirectsAreFollowed(t *testing.T) {
	e, err := arm.Start(t.Context(), arm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, _, port := backends(t)
	g, err := e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port:  port,
		Pools: []arm.Pool{{Name: "pool-blue", Addresses: []string{"127.11.0.1"}}, {Name: "pool-green", Addresses: []string{"127.11.0.2"}}},
		Rules: []arm.Rule{
			{Name: "paths", Hosts: []string{"shop.example.com"}, Pool: "pool-blue", Paths: []arm.Path{{Name: "api", Paths: []string{"/api/*"}, Pool: "pool-green"}}},
			{Name: "preview", Hosts: []string{"*.preview.example.com"}, Pool: "pool-green"},
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct{ listener, host, path, want string }{
		{"lst-paths", "shop.example.com", "/", "200 blue"},
		{"lst-paths", "shop.example.com", "/api/orders", "200 green"},
		{"lst-paths", "SHOP.example.com:443", "/apis", "200 blue"},
		{"lst-preview", "x.preview.example.com", "/", "200 green"},
		{"lst-preview", "other.example.com", "/", "404"},
		{"lst-redirect", "shop.example.com", "/a?b=c", "301 https://shop.example.com/a?b=c"},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, g.ListenerURL(c.listener)+c.path, nil)
		req.Host = c.host
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Location"))
		if resp.StatusCode == http.StatusOK {
			got = "200 " + string(body)
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s%s at %s: %s, want %s", c.host, c.path, c.listener, got, c.want)
		}
	}
	if pools := g.RulePools("paths"); !slices.Equal(pools, []string{"pool-blue", "pool-green"}) {
		t.Errorf("the rule's pools are %v", pools)
	}
}

func TestEveryMemberGetsItsTurnAndADeadOneGetsNone(t *testing.T) {
	e, err := arm.Start(t.Context(), arm.Options{ProbeSecond: time.Hour}) // no probe runs during the test
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, b, port := backends(t)
	g, err := e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: port, Pools: []arm.Pool{{Name: "pool-both", Addresses: []string{"127.11.0.1", "127.11.0.2"}}},
		Rules: []arm.Rule{{Name: "both", Pool: "pool-both"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for range 20 {
		body, err := post(http.DefaultClient, g.ListenerURL("lst-both"))
		if err != nil {
			t.Fatal(err)
		}
		got[body]++
	}
	if got["blue"] != 10 || got["green"] != 10 {
		t.Errorf("20 requests went to %v", got)
	}
	a.server.Close()
	for range 20 {
		if body, err := post(http.DefaultClient, g.ListenerURL("lst-both")); err == nil && body != "green" {
			t.Errorf("a dead member answered %q", body)
		}
	}
	// An open connection may break once; a connection that cannot be opened never shows.
	if n := g.Served()[arm.Answer{Pool: "pool-both", Status: http.StatusBadGateway, ByGateway: true}]; n > 1 {
		t.Errorf("%d requests failed although one member was alive", n)
	}
	b.server.Close()
	eventually(t, "502 without a listening server", func() bool {
		resp, err := http.Get(g.ListenerURL("lst-both"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusBadGateway
	})
}

func TestAPoolCanHaveSettingsOfItsOwn(t *testing.T) {
	e, err := arm.Start(t.Context(), arm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, _, port := backends(t)
	g, err := e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: 1, Tags: map[string]string{"managed-by-k8s-ingress": "1.5"},
		Pools: []arm.Pool{{Name: "pool-blue", Addresses: []string{"127.11.0.1"}, Port: port}},
		Rules: []arm.Rule{{Name: "own", Pool: "pool-blue"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := post(http.DefaultClient, g.ListenerURL("lst-own")); err != nil || body != "blue" {
		t.Errorf("answer %q, error %v", body, err)
	}
	if got := g.Document()["tags"].(map[string]any)["managed-by-k8s-ingress"]; got != "1.5" {
		t.Errorf("the tag is %v", got)
	}
}

func TestASlowBackendIsA504(t *testing.T) {
	e, err := arm.Start(t.Context(), arm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	blue, _, port := backends(t)
	g, err := e.AddGateway(arm.GatewayJSON(arm.Fixture{
		Port: port, RequestTimeout: 1, Pools: []arm.Pool{{Name: "pool-blue", Addresses: []string{"127.11.0.1"}}},
		Rules: []arm.Rule{{Name: "slow", Pool: "pool-blue"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	blue.set(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	resp, err := http.Get(g.ListenerURL("lst-slow"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("status %d, want 504", resp.StatusCode)
	}
	if n := g.Served()[arm.Answer{Pool: "pool-blue", Status: 504, ByGateway: true}]; n != 1 {
		t.Errorf("counted %v", g.Served())
	}
}

func TestAnUnhealthyMemberGetsNoRequests(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.blue.set(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	})
	eventually(t, "502 for the unhealthy pool", func() bool {
		status, _ := w.ask("lst-https", "/")
		return status == http.StatusBadGateway
	})
	w.blue.set(func(rw http.ResponseWriter, r *http.Request) {})
	eventually(t, "200 after one good probe", func() bool {
		status, _ := w.ask("lst-https", "/")
		return status == http.StatusOK
	})
}

func TestAListenerThatAWriteAddsOpensAndClosesWithIt(t *testing.T) {
	w := newEnv(t, arm.Options{OperationTime: time.Millisecond})
	before := w.g.Document()
	err := w.g.Rival(func(doc map[string]any) {
		p := doc["properties"].(map[string]any)
		add := func(section, name string, properties map[string]any) {
			p[section] = append(p[section].([]any), map[string]any{"name": name, "properties": properties})
		}
		ref := func(section, name string) map[string]any {
			return map[string]any{"id": w.g.ID() + "/" + section + "/" + name}
		}
		add("frontendPorts", "port_9", map[string]any{"port": 9})
		add("httpListeners", "lst-preview", map[string]any{"frontendPort": ref("frontendPorts", "port_9"), "protocol": "Http"})
		add("requestRoutingRules", "preview", map[string]any{
			"ruleType": "Basic", "priority": 77, "httpListener": ref("httpListeners", "lst-preview"),
			"backendAddressPool": ref("backendAddressPools", "pool-green"), "backendHttpSettings": ref("backendHttpSettingsCollection", "set-app"),
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new listener", func() bool { return w.g.ListenerURL("lst-preview") != "" })
	url := w.g.ListenerURL("lst-preview")
	if _, body := w.ask("lst-preview", "/"); body != "green" {
		t.Errorf("the new listener leads to %s", body)
	}
	if err := w.g.RivalPut(before); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the listener's port closed", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}
