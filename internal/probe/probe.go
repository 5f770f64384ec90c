// Package probe makes HTTP checks, as a client on the public side would.
package probe

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"bluegreen/internal/engine"
)

// Prober makes HTTP checks. It opens a new connection for each, because an old one may
// still lead to where traffic went before, and follows no redirects.
type Prober struct{ client *http.Client }

// New makes a prober. transport is http.DefaultTransport's like when nil.
func New(transport *http.Transport) *Prober {
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	transport.DisableKeepAlives = true
	return &Prober{client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

const (
	defaultTimeout = 5 * time.Second
	// maxBody is how much of an answer is searched for what it must contain.
	maxBody = 1 << 20
)

// Probe makes the request of a check once.
func (p *Prober) Probe(ctx context.Context, c engine.Check) error {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.URL, err)
	}
	req.Header.Set("User-Agent", "bluegreen")
	for k, v := range c.Headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "Host") {
			req.Host = v
		}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("check: read the answer of %s: %w", c.URL, err)
	}
	expect := c.Expect
	if expect == 0 {
		expect = http.StatusOK
	}
	switch {
	case resp.StatusCode != expect:
		return fmt.Errorf("%s answered %d, expected %d", c.URL, resp.StatusCode, expect)
	case !strings.Contains(string(body), c.Contains):
		return fmt.Errorf("%s answered without %q", c.URL, c.Contains)
	}
	return nil
}
