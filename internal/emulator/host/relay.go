package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// relay proxies the caller's own request, streamed both ways. The invocation succeeds with
// every status of the handler.
func (h *Host) relay(w http.ResponseWriter, r *http.Request, f *function) {
	cut := false
	err := h.call(r.Context(), f, func(ctx context.Context, i *Invocation) (failed error) {
		defer func() {
			if recover() != nil { // the proxy's way to end an answer that has begun
				failed, cut = errCut, true
			}
		}()
		proxy := httputil.ReverseProxy{
			Rewrite:       func(p *httputil.ProxyRequest) { h.readdress(p, i.ID) },
			Transport:     patient{h.client.Transport},
			FlushInterval: -1,
			ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
			ModifyResponse: func(resp *http.Response) error {
				i.Status = resp.StatusCode
				return nil
			},
			ErrorLog: log.New(io.Discard, "", 0), // the error is recorded with the invocation
		}
		proxy.ServeHTTP(w, r.WithContext(ctx))
		return failed
	})
	if cut {
		panic(http.ErrAbortHandler)
	}
	h.fail(w, r, err)
}

var errCut = errors.New("the handler's answer or its caller ended in the middle")

// fail answers 500 for an invocation that failed before it answered anything.
func (h *Host) fail(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil && r.Context().Err() == nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// readdress sends the request to the handler with everything as the caller sent it.
func (h *Host) readdress(p *httputil.ProxyRequest, id string) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", strings.TrimPrefix(h.base, "http://")
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	p.Out.Host = p.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := p.In.Header[name]; ok {
			p.Out.Header[name] = v
		}
	}
	mark(p.Out.Header, id)
	p.Out.Header["x-ms-invocation-id"] = []string{id}
}

// patient tries ten times to connect, because the handler may be restarting.
type patient struct{ http.RoundTripper }

func (t patient) RoundTrip(r *http.Request) (*http.Response, error) {
	wait := 50 * time.Millisecond
	for try := 1; ; try++ {
		resp, err := t.RoundTripper.RoundTrip(r)
		var failed *net.OpError
		if err == nil || try == 10 || !errors.As(err, &failed) || failed.Op != "dial" {
			return resp, err
		}
		select {
		case <-r.Context().Done():
			return nil, err
		case <-time.After(wait):
		}
		wait = min(2*wait, 250*time.Millisecond)
	}
}

// Headers of a request that do not survive forwarding: those of its body other than type
// and length, and, as in an answer, those that concern the connection only.
var (
	bodyHeaders = []string{"Allow", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location",
		"Content-Md5", "Content-Range", "Expires", "Last-Modified"}
	connectionHeaders = []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Proxy-Connection"}
)

// forward makes a new request of the caller's, with the losses of the real host, and
// returns the whole response.
func (h *Host) forward(w http.ResponseWriter, r *http.Request, f *function) {
	body, err := declaredBody(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var resp *http.Response
	var answer []byte
	done := h.inBackground(r.Context(), func() {
		err = h.call(h.ctx, f, func(ctx context.Context, i *Invocation) (err error) {
			req, err := h.forwarded(ctx, r, body, i.ID)
			if err != nil {
				return err
			}
			if resp, err = h.client.Do(req); err != nil {
				return fmt.Errorf("forward to the handler: %w", err)
			}
			defer resp.Body.Close()
			i.Status = resp.StatusCode
			answer, err = io.ReadAll(resp.Body)
			return err
		})
	})
	if !done {
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for k, v := range resp.Header {
		if !slices.Contains(connectionHeaders, k) {
			w.Header()[k] = v
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // a caller that went away needs no answer
}

// declaredBody reads a body with a Content-Length: the host does not see a chunked one.
func declaredBody(r *http.Request) ([]byte, error) {
	if r.ContentLength <= 0 {
		return nil, nil
	}
	return io.ReadAll(r.Body)
}

func (h *Host) forwarded(ctx context.Context, r *http.Request, body []byte, id string) (*http.Request, error) {
	// The host puts the decoded path into a new address, so that an encoded ? or # cuts it.
	path, _, _ := strings.Cut(r.URL.Path, "#")
	path, extra, _ := strings.Cut(path, "?")
	target := url.URL{Scheme: "http", Host: strings.TrimPrefix(h.base, "http://"), Path: unescape(path)}
	query := url.Values{}
	for k, v := range r.URL.Query() {
		query.Set(k, strings.Join(v, ","))
	}
	target.RawQuery = strings.Trim(extra+"&"+query.Encode(), "&")
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header = r.Header.Clone()
	for _, name := range slices.Concat(bodyHeaders, connectionHeaders) {
		req.Header.Del(name)
	}
	req.Host = r.Host
	req.Header.Set("User-Agent", strings.TrimSpace(r.UserAgent()+" Azure-Functions-Host/"+version))
	mark(req.Header, id)
	return req, nil
}
