// Package probe makes HTTP checks, as a client on the public side would.
package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Prober makes HTTP checks. It opens a new connection for each, because an old one may
// still lead to where traffic went before, and follows no redirects.
type Prober struct{ client *http.Client }

// New makes a prober. With a nil transport it connects as http.DefaultTransport does, with Refuse.
func New(transport *http.Transport) *Prober {
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
		transport.DialContext = (&net.Dialer{Timeout: connectTime, Control: Refuse}).DialContext
	}
	transport.DisableKeepAlives = true
	return &Prober{client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Refuse is the Control of a net.Dialer that connects to no address at which the platform gives out
// credentials, whatever name or writing led there.
func Refuse(_, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || engine.Metadata(to.Addr()) {
		return fmt.Errorf("%s is an address at which the platform gives out credentials", address)
	}
	return nil
}

const (
	connectTime    = 30 * time.Second
	defaultTimeout = 5 * time.Second
	// maxBody is how much of an answer is searched for the expected text, in bytes.
	maxBody = 1 << 20
)

// Request is one HTTP request and the expected answer. In URL, header values and
// Contains, {color}, {digest} and {tag} stand for those of the release.
type Request struct {
	URL      string
	Headers  map[string]string
	Expect   int    // status; 0 means 200
	Contains string // "" accepts any body
	Timeout  time.Duration
}

// Check is one request as an engine.Check.
type Check struct {
	client  *http.Client
	request Request
}

// Check makes a check of a request.
func (p *Prober) Check(r Request) *Check { return &Check{p.client, r} }

// Run implements engine.Check.
func (c *Check) Run(ctx context.Context, s engine.Subject) engine.Result {
	if err := c.request.filled(s).send(ctx, c.client); err != nil {
		return engine.Result{Verdict: release.Undecided, Detail: err.Error()}
	}
	return engine.Result{Verdict: release.Passed}
}

// filled is the request about one subject.
func (r Request) filled(s engine.Subject) Request {
	values := strings.NewReplacer("{color}", string(s.Color), "{digest}", s.Image.Digest, "{tag}", s.Image.Tag)
	r.URL, r.Contains = values.Replace(r.URL), values.Replace(r.Contains)
	headers := make(map[string]string, len(r.Headers))
	for k, v := range r.Headers {
		headers[k] = values.Replace(v)
	}
	r.Headers = headers
	return r
}

// send makes the request once. Its error names the mistake in the answer.
func (r Request) send(ctx context.Context, client *http.Client) error {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return fmt.Errorf("check %s: %w", r.URL, err)
	}
	req.Header.Set("User-Agent", "bluegreen")
	for k, v := range r.Headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "Host") {
			req.Host = v
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("check: read the answer of %s: %w", r.URL, err)
	}
	expect := r.Expect
	if expect == 0 {
		expect = http.StatusOK
	}
	switch {
	case resp.StatusCode != expect:
		return fmt.Errorf("%s answered %d, expected %d", r.URL, resp.StatusCode, expect)
	case !strings.Contains(string(body), r.Contains):
		return fmt.Errorf("%s answered without %q", r.URL, r.Contains)
	}
	return nil
}
