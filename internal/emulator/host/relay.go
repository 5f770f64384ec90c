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
	"regexp"
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
			Transport:     patient{h.client.Transport, r.ContentLength == 0},
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

// readdress sends the caller's request to the handler. Its Host becomes the handler's address,
// an encoded slash of its path is encoded once more, and what a caller says of itself in
// X-Forwarded headers is replaced.
func (h *Host) readdress(p *httputil.ProxyRequest, id string) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", strings.TrimPrefix(h.base, "http://")
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	p.Out.Host = ""
	encodeSlashesAgain(p.Out.URL)
	p.SetXForwarded()
	mark(p.Out.Header, id)
	p.Out.Header.Set("X-Ms-Invocation-Id", id)
}

// encodeSlashesAgain turns %2F into %252F and leaves other escapes alone.
func encodeSlashesAgain(u *url.URL) {
	escaped := encodedSlash.ReplaceAllString(u.EscapedPath(), "%25$1")
	if plain, err := url.PathUnescape(escaped); err == nil {
		u.Path, u.RawPath = plain, escaped
	}
}

var encodedSlash = regexp.MustCompile(`%(2[Ff])`)

// patient tries ten times to reach the handler, which may be restarting. A request without a
// body is sent again as well when the connection ends without an answer: by the host's client
// three times at once, and that in each of the ten tries.
type patient struct {
	http.RoundTripper
	repeatable bool
}

func (t patient) RoundTrip(r *http.Request) (*http.Response, error) {
	wait := 50 * time.Millisecond
	for try := 1; ; try++ {
		resp, err := t.send(r)
		if err == nil || try == 10 || r.Context().Err() != nil || !t.repeatable && !unreached(err) {
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

func (t patient) send(r *http.Request) (resp *http.Response, err error) {
	for range 4 {
		if resp, err = t.RoundTripper.RoundTrip(r); err == nil || unreached(err) || !t.repeatable {
			break
		}
	}
	return resp, err
}

// unreached reports whether nothing of a request has arrived.
func unreached(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
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
	if r.ContentLength < 0 { // the host cannot send a body whose length it does not know
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
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
	// The host puts the decoded path into a new address, so that an encoded ? or # cuts it. It
	// does not decode slashes.
	path, _, _ := strings.Cut(unescape(encodedSlash.ReplaceAllString(r.URL.EscapedPath(), "%25$1")), "#")
	path, extra, _ := strings.Cut(path, "?")
	target := h.base + escape(path, pathCharacters)
	if query := strings.Trim(extra+"&"+mergedQuery(r.URL.RawQuery), "&"); query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header = r.Header.Clone()
	for _, name := range slices.Concat(bodyHeaders, connectionHeaders) {
		req.Header.Del(name)
	}
	req.Host = r.Host
	req.Header.Set("User-Agent", strings.TrimSpace(r.UserAgent()+" Azure-Functions-Host/"+version))
	if own := r.Header.Get(invocationHeader); own != "" {
		id = own + ", " + id
	}
	mark(req.Header, id)
	return req, nil
}

// The characters that .NET does not encode in a path (Uri) and in a query (UrlEncoder), beside
// letters and digits. A percent sign is encoded unless it begins an escape.
const (
	pathCharacters  = "-._~!$&'()*+,;=:@/"
	queryCharacters = "-._~!$()*,;@"
)

func escape(s, characters string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if letter || strings.IndexByte(characters, c) >= 0 || c == '%' && characters == pathCharacters && isEscape.MatchString(s[i:]) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var isEscape = regexp.MustCompile(`^%[0-9A-Fa-f]{2}`)

// mergedQuery is a query in the host's writing: parameters of one name are one, with their
// values joined by commas.
func mergedQuery(raw string) string {
	var names []string
	values := map[string][]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if pair == "" || err1 != nil || err2 != nil {
			continue
		}
		if _, ok := values[name]; !ok {
			names = append(names, name)
		}
		values[name] = append(values[name], value)
	}
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, escape(name, queryCharacters)+"="+escape(strings.Join(values[name], ","), queryCharacters))
	}
	return strings.Join(pairs, "&")
}
