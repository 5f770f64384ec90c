package arm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memberKey is one server as one pool and one setting see it.
type memberKey struct {
	pool, settings, address string
	port                    int
}

// member is a server of a pool, with its health by the probes.
type member struct {
	key   memberKey
	check check
	stop  context.CancelFunc

	mu       sync.Mutex
	health   string // "" before the first probe
	log      string
	errName  string
	failures int
}

// check is how a member is probed.
type check struct {
	url, host string
	headers   string // lines of "name: value", without host
	interval  int    // seconds
	timeout   time.Duration
	threshold int
	codes     string // "200-399,404"
	body      string
}

func (c check) same(other check) bool { return c == other }

// newCheck reads a probe; without one, the service probes / every 30 s, three times.
func newCheck(probe, settings map[string]any, address string) check {
	c := check{interval: 30, timeout: 30 * time.Second, threshold: 3, codes: "200-399", host: "127.0.0.1"}
	scheme, path, port := strings.ToLower(fmt.Sprint(settings["protocol"])), "/", number(settings, "port")
	if probe != nil {
		c.interval, c.threshold = number(probe, "interval"), number(probe, "unhealthyThreshold")
		c.timeout = time.Duration(number(probe, "timeout")) * time.Second
		c.host, _ = probe["host"].(string)
		if pick, _ := probe["pickHostNameFromBackendHttpSettings"].(bool); pick {
			c.host, _ = settings["hostName"].(string)
		}
		if p, _ := probe["protocol"].(string); p != "" {
			scheme = strings.ToLower(p)
		}
		path, _ = probe["path"].(string)
		if p := number(probe, "port"); p != 0 {
			port = p
		}
		c.match(probe)
	}
	c.url = scheme + "://" + net.JoinHostPort(address, strconv.Itoa(port)) + path
	return c
}

func (c *check) match(probe map[string]any) {
	m, _ := probe["match"].(map[string]any)
	codes, _ := m["statusCodes"].([]any)
	var list []string
	for _, code := range codes {
		list = append(list, fmt.Sprint(code))
	}
	if len(list) > 0 {
		c.codes = strings.Join(list, ",")
	}
	c.body, _ = m["body"].(string)
}

func (c check) accepts(status int) bool {
	for _, r := range strings.Split(c.codes, ",") {
		low, high, ranged := strings.Cut(r, "-")
		if !ranged {
			high = low
		}
		from, _ := strconv.Atoi(low)
		to, _ := strconv.Atoi(high)
		if from <= status && status <= to {
			return true
		}
	}
	return false
}

// outcome is the result of one probe, with the messages of the service; see
// https://learn.microsoft.com/azure/application-gateway/application-gateway-backend-health-troubleshooting
type outcome struct {
	healthy      bool
	log, errName string
}

// run probes once over a new connection.
func (c check) run(ctx context.Context, transport *http.Transport) outcome {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if address, only := strings.CutPrefix(c.url, "tcp://"); only {
		conn, err := transport.DialContext(ctx, "tcp", address)
		if err != nil {
			return outcome{log: "Cannot connect: " + err.Error()}
		}
		conn.Close()
		return outcome{healthy: true, log: "Success. Connected"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return outcome{log: "The probe's URL is not valid: " + err.Error()}
	}
	req.Close = true
	for line := range strings.Lines(c.headers) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		req.Header.Set(name, value)
	}
	if c.host != "" {
		req.Host = c.host
	}
	resp, err := transport.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return outcome{log: "Time taken by the backend to respond to application gateway's health probe is more than the timeout threshold in the probe setting."}
	}
	if err != nil {
		return outcome{log: "Cannot connect to backend server. Check whether any NSG/UDR/Firewall is blocking access to server. Check if application is running on correct port."}
	}
	defer resp.Body.Close()
	if !c.accepts(resp.StatusCode) {
		return outcome{log: fmt.Sprintf("Received invalid status code: %d in the backend server's HTTP response.", resp.StatusCode), errName: "HttpStatusCodeMismatchWithStatusCode"}
	}
	if body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)); !strings.Contains(string(body), c.body) {
		return outcome{log: "Body of the backend's HTTP response did not match the probe setting."}
	}
	return outcome{healthy: true, log: fmt.Sprintf("Success. Received %d status code", resp.StatusCode), errName: "SuccessWithStatusCode"}
}

var probeTransport = &http.Transport{DisableKeepAlives: true}

// watch probes a member until ctx ends.
func (m *member) watch(ctx context.Context, second time.Duration, transport *http.Transport) {
	for {
		found := m.check.run(ctx, transport)
		if ctx.Err() != nil {
			return
		}
		m.learn(found)
		select {
		case <-time.After(time.Duration(max(1, m.check.interval)) * second):
		case <-ctx.Done():
			return
		}
	}
}

// learn records a probe: one success makes the member healthy, a number of failures in a row unhealthy.
func (m *member) learn(found outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures++
	if found.healthy {
		m.failures = 0
		m.health = "Healthy"
	} else if m.failures >= m.check.threshold {
		m.health = "Unhealthy"
	}
	m.log, m.errName = found.log, found.errName
}

// takes reports whether requests may go to the member. One that is not yet probed may
// have them.
func (m *member) takes() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.health != "Unhealthy"
}

func (m *member) report() map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	health := m.health
	if health == "" {
		health = "Unknown"
	}
	return server(m.key.address, health, m.log, m.errName)
}

func server(address, health, log, errName string) map[string]any {
	return map[string]any{
		"address": address, "health": health, "healthProbeLog": log, "healthProbeErrorName": errName,
		"backendCertificateChainMetadata": map[string]any{"certificateChainMetadata": []any{}},
	}
}

// backendHealth reports on the pools that rules refer to, and on no others.
func (g *Gateway) backendHealth() answer {
	if g.plane.stopped.Load() {
		return stoppedHealth()
	}
	return answer{status: http.StatusAccepted}.with("Location", g.emulator.result(g.location, func() any {
		byPool := map[string]map[string][]any{}
		for key, m := range g.plane.complete().members {
			if byPool[key.pool] == nil {
				byPool[key.pool] = map[string][]any{}
			}
			byPool[key.pool][key.settings] = append(byPool[key.pool][key.settings], m.report())
		}
		pools := []any{}
		for _, pool := range sortedKeys(byPool) {
			settings := []any{}
			for _, s := range sortedKeys(byPool[pool]) {
				settings = append(settings, map[string]any{"backendHttpSettings": g.ref("backendHttpSettingsCollection", s), "servers": byPool[pool][s]})
			}
			pools = append(pools, map[string]any{"backendAddressPool": g.ref("backendAddressPools", pool), "backendHttpSettingsCollection": settings})
		}
		return map[string]any{"backendAddressPools": pools}
	}))
}

// The code that Azure gives is not known for certain.
func stoppedHealth() answer {
	return failure(http.StatusBadRequest, "ApplicationGatewayBackendHealthCannotBeRetrieved", "Backend health cannot be retrieved because the application gateway is in Stopped state.")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (g *Gateway) ref(section, name string) map[string]any {
	return map[string]any{"id": g.id + "/" + section + "/" + name}
}

// healthOnDemand probes any pool at once, whether or not a rule refers to it.
func (g *Gateway) healthOnDemand(c call) answer {
	if g.plane.stopped.Load() {
		return stoppedHealth()
	}
	probe, err := decode(c.body)
	if err != nil {
		return badContent(err)
	}
	var pool, settings *sub
	document(g.Document()).each(func(s sub) {
		switch strings.ToLower(s.id()) {
		case strings.ToLower(refID(probe, "backendAddressPool")):
			pool = &s
		case strings.ToLower(refID(probe, "backendHttpSettings")):
			settings = &s
		}
	})
	if pool == nil || settings == nil {
		return failure(http.StatusBadRequest, "InvalidResourceReference", fmt.Sprintf("Resource %s%s referenced by resource %s was not found.", refID(probe, "backendAddressPool"), refID(probe, "backendHttpSettings"), g.id))
	}
	if number(probe, "timeout") == 0 {
		probe["timeout"] = 30
	}
	return answer{status: http.StatusAccepted}.with("Location", g.emulator.result(g.location, func() any {
		servers := []any{}
		for _, address := range addresses(pool.properties()) {
			found := newCheck(probe, settings.properties(), address).run(g.emulator.ctx, probeTransport)
			health := "Unhealthy"
			if found.healthy {
				health = "Healthy"
			}
			servers = append(servers, server(address, health, found.log, found.errName))
		}
		return map[string]any{
			"backendAddressPool":        map[string]any{"id": pool.id()},
			"backendHealthHttpSettings": map[string]any{"backendHttpSettings": map[string]any{"id": settings.id()}, "servers": servers},
		}
	}))
}
