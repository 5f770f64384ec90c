// Package notify delivers outcomes to receivers that people chose: webhooks, chats and GitHub.
// The addresses of chats and all keys are secrets: no error, log line or answer has them.
package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
)

// mostAnswer is how much of an answer is read, in bytes.
const mostAnswer = 64 << 10

// receiver is an HTTP server that gets messages.
type receiver struct {
	client *http.Client
	now    func() time.Time
	hidden []string // texts that no error may have
}

// newReceiver makes requests over a transport, and follows no redirect.
func newReceiver(over http.RoundTripper, hidden ...string) receiver {
	client := outbound.Client(over)
	client.Timeout = outbound.Channel.Try
	return receiver{client: client, now: time.Now, hidden: hidden}
}

type answer struct {
	status int
	body   []byte
}

// send makes one request. An answer outside 2xx is an error: engine.ErrRefused where the receiver
// has read the message and does not take it, an engine.Later where it names a time.
func (r receiver) send(ctx context.Context, method, to string, header http.Header, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("its address cannot be used")
	}
	req.Header = header
	req.Header.Set("User-Agent", "bluegreen")
	resp, err := r.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its text has the address
			err = u.Err
		}
		return answer{}, fmt.Errorf("no answer: %s", r.hide(err.Error()))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("the answer breaks off: %s", r.hide(err.Error()))
	}
	return answer{resp.StatusCode, text}, r.judge(resp, text)
}

func (r receiver) judge(resp *http.Response, body []byte) error {
	status := resp.StatusCode
	err := fmt.Errorf("answered %d%s", status, r.quoted(body))
	after := r.retryAfter(resp.Header)
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return fmt.Errorf("answered %d: it sends the message to another address, which is not followed", status)
	case after > 0:
		return engine.Later{Err: err, After: after}
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", err, engine.ErrRefused)
	}
	return err
}

// retryAfter is for how long the receiver wants nothing; 0 where it does not say.
func (r receiver) retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), 86_400)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(r.now()))
	}
	return limited(h, r.now())
}

// quoted is the beginning of an answer, to follow its status.
func (r receiver) quoted(body []byte) string {
	text := r.hide(strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "")), " "))
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", cut(text, 150))
}

// hide is a text without what is secret of the receiver, which an answer may repeat.
func (r receiver) hide(text string) string {
	for _, secret := range r.hidden {
		if len(secret) >= 4 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// parts are an address and all of it that is secret when the address is.
func parts(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	list := []string{address, u.RequestURI(), u.EscapedPath(), u.RawQuery}
	for _, values := range u.Query() {
		list = append(list, values...)
	}
	for _, part := range strings.Split(u.Path, "/") {
		if len(part) >= 8 {
			list = append(list, part)
		}
	}
	return list
}

// Problem is why messages cannot be sent to an address; "" when they can. It does not repeat the
// address.
func Problem(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "is not an address such as https://HOST/PATH"
	case u.User != nil:
		return "holds a user or a password: a webhook is signed instead"
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return "must begin with https://"
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && engine.Metadata(ip) {
		return "is an address at which the platform gives out credentials"
	}
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cut is the beginning of a text, at most so many characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
