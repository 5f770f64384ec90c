package trafficmanager

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/trafficmanager/armtrafficmanager"
)

// Health implements engine.Gateway. Traffic Manager watches only enabled endpoints, and
// takes a while to look at one that was just enabled: any other is asked here, as the
// profile's monitor asks.
func (g *Gateway) Health(ctx context.Context, c release.Color) (engine.Health, error) {
	p, err := g.read(ctx)
	if err != nil {
		return engine.Health{}, err
	}
	e := p.of[c]
	if e == nil {
		return engine.Health{Detail: p.missing[c]}, nil
	}
	if len(p.problems) > 0 {
		return engine.Health{Detail: strings.Join(p.problems, "; ")}, nil
	}
	status := value(e.Properties.EndpointMonitorStatus)
	detail := fmt.Sprintf("Traffic Manager finds endpoint %s %s", value(e.Name), status)
	switch {
	case p.enabled(e) && status == armtrafficmanager.EndpointMonitorStatusOnline:
		return engine.Health{Healthy: true, Detail: detail}, nil
	case p.enabled(e) && status == armtrafficmanager.EndpointMonitorStatusDegraded:
		return engine.Health{Detail: detail + ", by its monitor " + p.monitor(e)}, nil
	}
	if err := g.ask(ctx, p, e); err != nil {
		return engine.Health{Detail: fmt.Sprintf("endpoint %s does not answer its monitor %s: %v", value(e.Name), p.monitor(e), err)}, nil
	}
	return engine.Health{Healthy: true, Detail: fmt.Sprintf("endpoint %s answers its monitor %s", value(e.Name), p.monitor(e))}, nil
}

// monitor is the URL that the profile's monitor probes at an endpoint.
func (p profile) monitor(e *endpoint) string {
	m := p.watch()
	address := net.JoinHostPort(value(e.Properties.Target), strconv.FormatInt(value(m.Port), 10))
	return strings.ToLower(string(value(m.Protocol))) + "://" + address + value(m.Path)
}

func (p profile) watch() armtrafficmanager.MonitorConfig { return value(p.model.MonitorConfig) }

// ask probes an endpoint once, as the profile's monitor does. Source for its criteria of health:
// learn.microsoft.com/azure/traffic-manager/traffic-manager-monitoring
func (g *Gateway) ask(ctx context.Context, p profile, e *endpoint) error {
	m := p.watch()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(time.Duration(value(m.TimeoutInSeconds))*time.Second, 10*time.Second))
	defer cancel()
	if value(m.Protocol) == armtrafficmanager.MonitorProtocolTCP {
		conn, err := g.transport.DialContext(ctx, "tcp", strings.TrimPrefix(p.monitor(e), "tcp://"))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.monitor(e), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "bluegreen")
	for _, h := range m.CustomHeaders {
		p.header(req, value(h).Name, value(h).Value)
	}
	for _, h := range e.Properties.CustomHeaders {
		p.header(req, value(h).Name, value(h).Value)
	}
	transport := g.transport
	if name, _, _ := strings.Cut(req.Host, ":"); name != "" {
		transport = transport.Clone()
		transport.TLSClientConfig.ServerName = name
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if !expected(m, resp.StatusCode) {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return nil
}

func (p profile) header(req *http.Request, name, text *string) {
	if strings.EqualFold(value(name), "host") {
		req.Host = value(text)
		return
	}
	req.Header.Set(value(name), value(text))
}

func expected(m armtrafficmanager.MonitorConfig, status int) bool {
	for _, r := range m.ExpectedStatusCodeRanges {
		if r != nil && status >= int(value(r.Min)) && status <= int(value(r.Max)) {
			return true
		}
	}
	return len(m.ExpectedStatusCodeRanges) == 0 && status == http.StatusOK
}

// probing is a transport that, like the monitor, opens a connection for each question and
// takes any certificate: only whether the endpoint answers is asked.
func probing(given *http.Transport) *http.Transport {
	if given == nil {
		given = http.DefaultTransport.(*http.Transport)
	}
	t := given.Clone()
	t.DisableKeepAlives = true
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	t.TLSClientConfig.InsecureSkipVerify = true
	return t
}
