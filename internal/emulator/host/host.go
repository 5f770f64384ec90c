// Package host emulates the Azure Functions host on one machine: it reads host.json and the
// function.json files, runs the custom handler and calls it for HTTP requests, Event Grid
// deliveries, queue messages and timers, with the encodings and limits of the real host. It
// returns an error where the real host would hang or silently lose data.
package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// version is a number of the real host; handlers must treat it as opaque.
const version = "4.1037.0.0"

// errClosed is the cause of an end by Close.
var errClosed = errors.New("the host was closed")

// Options configures a host. Only Root is required.
type Options struct {
	// Root is the folder with host.json and one folder for each function.
	Root string
	// Env holds the app settings as KEY=value, on top of this process's own environment.
	Env []string
	// Handler runs in this process in place of the executable of host.json: nothing can
	// kill, freeze or restart it.
	Handler http.Handler
	// Queues serves the queue triggers. When nil, each trigger uses the storage account of its
	// connection setting.
	Queues Queues
	// TimerStatus is a folder with the last runs of timers, in which a later host finds missed
	// occurrences, and with the locks by which each timer runs in one host. When empty, every
	// timer is new.
	TimerStatus string
	// Addr is where to listen; a free loopback port by default.
	Addr string
	// Keys that are empty are made at random.
	Keys Keys
	// SignIn is App Service authentication; nil when it is off.
	SignIn SignIn
	// Log receives the log of host and handler; discarded by default.
	Log *slog.Logger
	// Times are for tests that cannot wait.
	Times Times
}

// Keys are the host's access keys.
type Keys struct {
	Host      string            // the default host key, good for every function
	Functions map[string]string // by function, the default key that is good for it alone
	Master    string            // good for everything
	EventGrid string            // the system key eventgrid_extension
}

// Times are the real host's own where they are zero. Other times are settings: for
// instance AzureFunctionsJobHost__functionTimeout in Env overrides host.json.
type Times struct {
	Lease    time.Duration // of a queue message, renewed while it is worked on; 10 min
	FrontEnd time.Duration // without a byte of an HTTP answer; 230 s
	// Strikes is how long a crash of the handler counts: 30 min. The third one that
	// counts stops the host; a nanosecond makes every crash the first.
	Strikes time.Duration
	// TimerLock is how long a timer's lock lasts unless renewed, and how often a host that
	// does not get it tries again: 60 s. A host that was killed leaves the lock behind.
	TimerLock time.Duration
	// Stop is how long a host that is stopped waits for work in flight: 10 s.
	Stop time.Duration
}

// Host is a running emulator.
type Host struct {
	journal
	id        string
	o         Options
	env       environment
	settings  settings
	functions []*function
	timers    []*timer
	log       *slog.Logger
	worker    worker
	base      string // where the handler listens
	client    *http.Client
	url       string
	server    *http.Server
	started   time.Time

	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  chan struct{}

	listening  context.Context // ends before ctx when the host is stopped
	stopListen context.CancelFunc
	triggers   sync.WaitGroup // listeners, with what they work on

	group   sync.WaitGroup // all that must be over before the host has ended
	gate    sync.Mutex
	leaving bool // the group only shrinks
}

// worker is the handler, as a process or in this one.
type worker interface {
	// await returns when the handler can be called; an error when it never will.
	await(ctx context.Context) error
	// recycle kills and restarts the handler, which does not count as a crash.
	recycle()
	// run keeps the handler running until ctx ends, and then cleans up.
	run(ctx context.Context)
}

// Start reads the folder and begins to serve. It does not wait for the handler (Ready
// does). The host ends with ctx, Close, or the handler's third crash.
func Start(ctx context.Context, o Options) (*Host, error) {
	if o.SignIn != nil {
		o.Env = append(slices.Clip(o.Env), "WEBSITE_AUTH_ENABLED=True")
	}
	h := &Host{id: guid(), o: o, env: newEnvironment(o.Env), log: o.Log, started: time.Now(), ended: make(chan struct{})}
	if err := h.open(ctx); err != nil {
		return nil, fmt.Errorf("start the Functions host on %s: %w", o.Root, err)
	}
	return h, nil
}

// Check reports everything in the folder that the host would refuse.
func Check(root string, env []string) error {
	_, _, err := load(root, newEnvironment(env))
	return err
}

func (h *Host) open(ctx context.Context) error {
	h.defaults()
	var err error
	if h.o.Root, err = filepath.Abs(h.o.Root); err != nil { // the handler runs in another folder
		return err
	}
	if h.settings, h.functions, err = load(h.o.Root, h.env); err != nil {
		return err
	}
	for _, f := range h.functions {
		if f.trigger.Type == httpTrigger && h.o.Keys.Functions[f.name] == "" {
			h.o.Keys.Functions[f.name] = random(20)
		}
	}
	listeners, err := h.listeners()
	if err != nil {
		return err
	}
	front, err := net.Listen("tcp", h.o.Addr)
	if err != nil {
		return fmt.Errorf("listen for requests: %w", err)
	}
	if err := h.startWorker(); err != nil {
		front.Close()
		return err
	}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	h.listening, h.stopListen = context.WithCancel(h.ctx)
	h.url = "http://" + front.Addr().String()
	h.server = &http.Server{Handler: h.frontEnd(h.o.SignIn.signedIn(http.HandlerFunc(h.serve))), ReadHeaderTimeout: time.Minute}
	h.group.Go(func() { h.worker.run(h.ctx) })
	h.group.Go(func() { _ = h.server.Serve(front) }) // it ends by Close only
	for _, listen := range listeners {
		h.triggers.Go(func() { listen(h.listening) })
	}
	h.group.Go(h.triggers.Wait)
	go h.end()
	return nil
}

func (h *Host) defaults() {
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.o.Addr == "" {
		h.o.Addr = "127.0.0.1:0"
	}
	for _, key := range []*string{&h.o.Keys.Host, &h.o.Keys.Master, &h.o.Keys.EventGrid} {
		if *key == "" {
			*key = random(20)
		}
	}
	h.o.Keys.Functions = maps.Clone(h.o.Keys.Functions)
	if h.o.Keys.Functions == nil {
		h.o.Keys.Functions = map[string]string{}
	}
	for _, t := range []struct {
		value *time.Duration
		real  time.Duration
	}{
		{&h.o.Times.Lease, 10 * time.Minute}, {&h.o.Times.FrontEnd, 230 * time.Second}, {&h.o.Times.Strikes, 30 * time.Minute},
		{&h.o.Times.TimerLock, time.Minute}, {&h.o.Times.Stop, 10 * time.Second},
	} {
		if *t.value == 0 {
			*t.value = t.real
		}
	}
}

// listeners returns the listeners of queue and timer triggers.
func (h *Host) listeners() ([]func(context.Context), error) {
	var all []func(context.Context)
	for _, f := range h.functions {
		switch {
		case f.disabled:
		case f.trigger.Type == queueTrigger:
			l, err := h.queueListener(f)
			if err != nil {
				return nil, err
			}
			all = append(all, l.listen)
		case f.trigger.Type == timerTrigger:
			all = append(all, h.timer(f).listen)
		}
	}
	return all, nil
}

// end stops everything that the host started.
func (h *Host) end() {
	<-h.ctx.Done()
	h.server.Close()
	h.gate.Lock()
	h.leaving = true
	h.gate.Unlock()
	h.group.Wait()
	h.client.CloseIdleConnections()
	if err := h.cause(); err != nil {
		h.log.Error("the host stopped", "error", err)
	}
	close(h.ended)
}

// enter counts one more piece of work, unless the host is ending.
func (h *Host) enter() bool {
	h.gate.Lock()
	defer h.gate.Unlock()
	if !h.leaving {
		h.group.Add(1)
	}
	return !h.leaving
}

// Stop ends the host as a deployment or a scale-in does: it takes no further work, waits for
// what is in flight, and then kills the handler, which gets no other signal. What has not
// ended by then is left as by a host that dies.
func (h *Host) Stop() {
	h.stopListen()
	patience, cancel := context.WithTimeout(h.ctx, h.o.Times.Stop)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		_ = h.server.Shutdown(patience) // requests that do not end in time are cut off
		h.triggers.Wait()
		close(idle)
	}()
	orderly := false
	select {
	case <-idle:
		orderly = true
	case <-patience.Done():
	}
	h.Close()
	if orderly {
		for _, t := range h.timers {
			t.unlock()
		}
	}
}

// Close kills the handler and ends the host, as when an instance dies: messages that are
// being worked on stay leased, and timers locked.
func (h *Host) Close() {
	h.cancel(errClosed)
	<-h.ended
}

// Wait returns when the host has ended, with the reason unless Close was called.
func (h *Host) Wait() error {
	<-h.ended
	return h.cause()
}

func (h *Host) cause() error {
	if err := context.Cause(h.ctx); err != nil && !errors.Is(err, errClosed) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Ready returns when the handler answers; an error when the host ends before.
func (h *Host) Ready(ctx context.Context) error { return h.worker.await(ctx) }

// URL is where callers reach the host, without a path.
func (h *Host) URL() string { return h.url }

// EventGridURL is the webhook of a function, with its key.
func (h *Host) EventGridURL(function string) string {
	q := url.Values{"functionName": {function}, "code": {h.o.Keys.EventGrid}}
	return h.url + "/runtime/webhooks/eventgrid?" + q.Encode()
}

// HostKey opens all functions of level function.
func (h *Host) HostKey() string { return h.o.Keys.Host }

// KeyOf opens one function of level function.
func (h *Host) KeyOf(function string) string { return h.o.Keys.Functions[function] }

// MasterKey opens everything.
func (h *Host) MasterKey() string { return h.o.Keys.Master }

func (h *Host) function(name string) *function {
	for _, f := range h.functions {
		if f.name == name && !f.disabled {
			return f
		}
	}
	return nil
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// guid is a random UUID, version 4.
func guid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
