package host

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// errIdle is the cause when the front end gives up on an answer.
var errIdle = errors.New("the front end saw no byte for too long")

const homepage = "<!DOCTYPE html><title>Your Functions app is up and running</title><h1>Your Functions app is up and running</h1>\n"

// serve handles every request to the host.
func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(strings.TrimSuffix(r.URL.Path, "/"))
	switch {
	case path == "/runtime/webhooks/eventgrid":
		h.serveEventGrid(w, r)
	case path == "/admin" || strings.HasPrefix(path, "/admin/"):
		h.serveAdmin(w, r)
	case path == "/runtime" || strings.HasPrefix(path, "/runtime/"):
		w.WriteHeader(http.StatusNotFound)
	default:
		h.serveFunction(w, r, path == "")
	}
}

func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request, root bool) {
	f, params := h.lookup(r)
	switch {
	case f == nil && root && r.Method == http.MethodGet:
		h.serveHomepage(w)
	case f == nil:
		w.WriteHeader(http.StatusNotFound)
	case !h.allowed(r, f):
		w.WriteHeader(http.StatusUnauthorized)
	case f.disabled:
		w.WriteHeader(http.StatusNotFound)
	case f.relayed && h.settings.proxy:
		h.relay(w, r, f)
	case f.relayed && h.settings.forward:
		h.forward(w, r, f)
	default:
		h.serveDefault(w, r, f, params)
	}
}

// lookup finds the function; the functions are sorted, the most specific route first.
func (h *Host) lookup(r *http.Request) (*function, map[string]string) {
	for _, f := range h.functions {
		if params, ok := f.route.match(r.URL.EscapedPath()); ok && f.accepts(r.Method) {
			return f, params
		}
	}
	return nil, nil
}

func (h *Host) serveHomepage(w http.ResponseWriter) {
	if strings.EqualFold(h.env["AzureWebJobsDisableHomepage"], "true") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, homepage) // a caller that went away needs no answer
}

// key is the one that the caller shows: the header wins over the query.
func key(r *http.Request) string {
	if k := r.Header.Get("x-functions-key"); k != "" {
		return k
	}
	return r.URL.Query().Get("code")
}

// allowed checks the key against the function's level. A key of another function opens
// nothing here.
// Source: learn.microsoft.com/azure/azure-functions/function-keys-how-to
func (h *Host) allowed(r *http.Request, f *function) bool {
	switch f.trigger.AuthLevel {
	case "anonymous":
		return true
	case "function":
		return slices.Contains([]string{h.o.Keys.Functions[f.name], h.o.Keys.Host, h.o.Keys.Master}, key(r))
	}
	return key(r) == h.o.Keys.Master
}

// frontEnd cuts off a response without a byte for a while, as the platform's load balancer
// does independently of functionTimeout. The function continues.
func (h *Host) frontEnd(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		limit := h.o.Times.FrontEnd
		timer := time.AfterFunc(limit, func() { cancel(errIdle) })
		defer timer.Stop()
		seen := func() { timer.Reset(limit) }
		out := &watched{ResponseWriter: w, seen: seen}
		r = r.WithContext(ctx)
		r.Body = watchedBody{r.Body, seen}
		next.ServeHTTP(out, r)
		if !errors.Is(context.Cause(ctx), errIdle) {
			return
		}
		if out.begun {
			panic(http.ErrAbortHandler)
		}
		http.Error(w, errIdle.Error(), http.StatusGatewayTimeout)
	})
}

// watched sees an answer go by.
type watched struct {
	http.ResponseWriter
	seen  func()
	begun bool
}

func (w *watched) WriteHeader(status int) {
	w.begun = w.begun || status >= 200
	w.seen()
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(data []byte) (int, error) {
	w.begun = true
	w.seen()
	return w.ResponseWriter.Write(data)
}

// Unwrap returns the wrapped writer for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type watchedBody struct {
	io.ReadCloser
	seen func()
}

func (b watchedBody) Read(data []byte) (int, error) {
	b.seen()
	return b.ReadCloser.Read(data)
}

// inBackground runs do, which belongs to the host, and waits for it as long as the caller
// does. It reports whether do is done and the answer still wanted.
func (h *Host) inBackground(ctx context.Context, do func()) bool {
	if !h.enter() {
		return false
	}
	done := make(chan struct{})
	go func() {
		defer h.group.Done()
		defer close(done)
		do()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
