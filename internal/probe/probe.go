// Package probe makes HTTP checks, as a client on the public side would.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Prober makes HTTP checks. It opens a new connection for each, because an old one may
// still lead to where traffic went before, and follows no redirects.
type Prober struct {
	client   *http.Client
	settings Settings
}

// New makes a prober. With a nil transport it connects as http.DefaultTransport does, with Refuse.
func New(transport *http.Transport, settings Settings) *Prober {
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
		transport.DialContext = (&net.Dialer{Timeout: connectTime, Control: Refuse}).DialContext
	}
	transport.DisableKeepAlives = true
	return &Prober{settings: settings, client: &http.Client{
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
// Contains, {color}, {digest} and {tag} stand for those of the release; in the query and in
// header values {setting:NAME} stands for an app setting.
type Request struct {
	URL      string
	Headers  map[string]string
	Expect   int    // status; 0 means 200
	Contains string // "" accepts any body
	Timeout  time.Duration
}

// Check is one request as an engine.Check.
type Check struct {
	*Prober
	request Request
}

// Check makes a check of a request.
func (p *Prober) Check(r Request) *Check { return &Check{p, r} }

// String is the address that the check asks.
func (c *Check) String() string { return release.WithoutSecrets(c.request.URL) }

// Certificate implements engine.Certified.
func (c *Check) Certificate(ctx context.Context, s engine.Subject) (until time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.request.Timeout, defaultTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.request.filled(s, c.settings).URL, nil)
	if err != nil {
		return until, cause(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return until, cause(err)
	}
	resp.Body.Close()
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return until, nil
	}
	return resp.TLS.PeerCertificates[0].NotAfter, nil
}

// Preflight implements engine.Preflight: the settings that the check uses have to be there.
func (c *Check) Preflight(context.Context) ([]engine.Finding, error) {
	var found []engine.Finding
	for _, problem := range c.Problems() {
		found = append(found, engine.Finding{Text: problem})
	}
	return found, nil
}

// Problems are why the check cannot be made, a sentence each.
func (c *Check) Problems() (list []string) {
	for _, name := range c.request.settings() {
		if problem := c.settings.problem(name); problem != "" {
			list = append(list, fmt.Sprintf("%s (of the check %s)", problem, release.WithoutSecrets(c.request.URL)))
		}
	}
	return list
}

// Run implements engine.Check.
func (c *Check) Run(ctx context.Context, s engine.Subject) engine.Result {
	if problems := c.Problems(); len(problems) > 0 {
		return engine.Result{Verdict: release.Unknown, Detail: strings.Join(problems, "; ")}
	}
	r := c.request.filled(s, c.settings)
	if err := r.send(ctx, c.client); err != nil {
		return engine.Result{Verdict: release.Undecided, Detail: c.hide(err.Error())}
	}
	return engine.Result{Verdict: release.Passed, Detail: c.hide(fmt.Sprintf("%s answered %d", release.WithoutSecrets(r.URL), cmp.Or(r.Expect, http.StatusOK)))}
}

// hide is a text without the secrets of the request, which a server may repeat in a broken answer.
func (c *Check) hide(text string) string {
	for _, name := range c.request.settings() {
		value := c.settings(name)
		text = strings.NewReplacer(value, "…", url.QueryEscape(value), "…").Replace(text)
	}
	return text
}

// send makes the request once. Its error names the mistake in the answer.
func (r Request) send(ctx context.Context, client *http.Client) error {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	place := release.WithoutSecrets(r.URL)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return fmt.Errorf("check %s: %w", place, cause(err))
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
		return fmt.Errorf("check %s: %w", place, cause(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("check: read the answer of %s: %w", place, err)
	}
	expect := r.Expect
	if expect == 0 {
		expect = http.StatusOK
	}
	switch {
	case resp.StatusCode != expect:
		return fmt.Errorf("%s answered %d, expected %d", place, resp.StatusCode, expect)
	case !strings.Contains(string(body), r.Contains):
		return fmt.Errorf("%s answered without %q", place, r.Contains)
	}
	return nil
}

// cause is an error of a client without the URL, which it has whole.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
