// Package parts lends fakes of the lab to the process of the handler, which can be killed: what is
// stored and what runs in the clusters outlives it. Calls are HTTP over a socket, their values gob.
package parts

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bluegreen/internal/engine"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
)

// Workloads are those of one app.
type Workloads interface {
	engine.Workloads
	engine.Autoscaled
}

// Parts are what is lent.
type Parts struct {
	Store      engine.Store
	Wakeups    engine.Wakeups
	Workloads  map[string]Workloads // by app
	Credential azcore.TokenCredential
}

func init() {
	for _, event := range []release.Event{release.ImagePushed{}, release.AlertFired{}, release.AlertResolved{}, release.Commanded{}} {
		gob.Register(event)
	}
}

// Serve answers the calls of clients on a Unix socket until the returned function is called.
func Serve(socket string, p Parts) (end func(), err error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("lend the parts of the lab: %w", err)
	}
	server := &http.Server{Handler: p.calls(), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	return func() { server.Close() }, nil
}

// call is what a call is about; each uses some of it.
type call struct {
	App           string
	Color         release.Color
	Image         release.Image
	Order         engine.Order
	Replicas      int32
	Fence         int64
	Wait          time.Duration
	At            time.Time
	ID            string
	Entry         engine.Entry
	Limit, Before int
	Progress      engine.Progress
	Due           []engine.Due
	From          snapshot
	Change        change
	Scopes        []string
}

// snapshot and change are the engine's, with the record in its stored form.
type snapshot struct {
	App, Version string
	Record       []byte
	Inbox        []engine.Entry
	Channels     []engine.Progress
	Outbox       int
}

type change struct {
	Record   []byte
	Consumed []engine.Entry
	Facts    []release.Fact
	Begun    []engine.Progress
}

type held struct {
	Held bool
	Why  string
}

func (p Parts) calls() http.Handler {
	mux := http.NewServeMux()
	on(mux, "load", func(ctx context.Context, c call) (snapshot, error) {
		s, err := p.Store.Load(ctx, c.App)
		if err != nil {
			return snapshot{}, err
		}
		return packed(s)
	})
	on(mux, "commit", p.commit)
	on(mux, "accept", func(ctx context.Context, c call) (bool, error) { return p.Store.Accept(ctx, c.App, c.Entry) })
	on(mux, "accepted", func(ctx context.Context, c call) (engine.Entry, error) { return p.Store.Accepted(ctx, c.App, c.ID) })
	on(mux, "history", func(ctx context.Context, c call) ([]release.Fact, error) {
		return p.Store.History(ctx, c.App, c.Limit, c.Before)
	})
	on(mux, "list-due", func(ctx context.Context, _ call) ([]engine.Due, error) { return p.Store.ListDue(ctx) })
	on(mux, "due", func(ctx context.Context, c call) (engine.Due, error) { return p.Store.Due(ctx, c.App) })
	on(mux, "mark", func(ctx context.Context, c call) (string, error) { return p.Store.Mark(ctx, c.App) })
	on(mux, "settle", func(ctx context.Context, c call) (bool, error) { return true, p.Store.Settle(ctx, c.Due) })
	on(mux, "forget", func(ctx context.Context, c call) (bool, error) { return true, p.Store.Forget(ctx, c.Due) })
	on(mux, "ticked", func(ctx context.Context, c call) (bool, error) { return true, p.Store.Ticked(ctx, c.At) })
	on(mux, "last-tick", func(ctx context.Context, _ call) (time.Time, error) { return p.Store.LastTick(ctx) })
	on(mux, "advance", func(ctx context.Context, c call) (engine.Progress, error) {
		return p.Store.Advance(ctx, c.App, c.Progress)
	})
	on(mux, "sweep", func(ctx context.Context, c call) (bool, error) { return true, p.Store.Sweep(ctx, c.App, c.At) })
	on(mux, "wake", func(ctx context.Context, c call) (bool, error) { return true, p.Wakeups.Wake(ctx, c.App, c.At) })
	on(mux, "observe", func(ctx context.Context, c call) (engine.Workload, error) {
		return p.Workloads[c.App].Observe(ctx, c.Color, c.Image, c.Wait)
	})
	on(mux, "deploy", func(ctx context.Context, c call) (bool, error) { return true, p.Workloads[c.App].Deploy(ctx, c.Order) })
	on(mux, "scale", func(ctx context.Context, c call) (bool, error) {
		return true, p.Workloads[c.App].Scale(ctx, c.Color, c.Replicas, c.Fence)
	})
	on(mux, "hold-size", func(ctx context.Context, c call) (h held, err error) {
		h.Held, h.Why, err = p.Workloads[c.App].HoldSize(ctx, c.Color, c.Fence)
		return h, err
	})
	on(mux, "free-size", func(ctx context.Context, c call) (bool, error) {
		return true, p.Workloads[c.App].FreeSize(ctx, c.Color, c.Fence)
	})
	on(mux, "token", func(ctx context.Context, c call) (azcore.AccessToken, error) {
		return p.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: c.Scopes})
	})
	return mux
}

func (p Parts) commit(ctx context.Context, c call) (snapshot, error) {
	from, err := c.From.unpacked()
	if err != nil {
		return snapshot{}, err
	}
	r, err := record.Decode(c.Change.Record)
	if err != nil {
		return snapshot{}, err
	}
	to, err := p.Store.Commit(ctx, from, engine.Change{Record: r, Consumed: c.Change.Consumed, Facts: c.Change.Facts, Begun: c.Change.Begun})
	if err != nil {
		return snapshot{}, err
	}
	return packed(to)
}

func packed(s engine.Snapshot) (snapshot, error) {
	out := snapshot{App: s.App, Version: s.Version, Inbox: s.Inbox, Channels: s.Channels, Outbox: s.Outbox}
	if s.Version == "" {
		return out, nil
	}
	var err error
	out.Record, err = record.Encode(s.Record)
	return out, err
}

func (s snapshot) unpacked() (engine.Snapshot, error) {
	out := engine.Snapshot{App: s.App, Version: s.Version, Inbox: s.Inbox, Channels: s.Channels, Outbox: s.Outbox}
	if s.Version == "" {
		return out, nil
	}
	var err error
	out.Record, err = record.Decode(s.Record)
	return out, err
}

// on answers a call.
func on[Out any](mux *http.ServeMux, name string, do func(context.Context, call) (Out, error)) {
	mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
		var c call
		if err := gob.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := do(r.Context(), c)
		e := gob.NewEncoder(w)
		if sent := e.Encode(failureOf(err)); sent == nil && err == nil {
			_ = e.Encode(&out) // a client that went away needs no answer
		}
	})
}

// failure is an error as it is sent. Kind is the place of the engine's own error in kinds, from 1.
type failure struct {
	Text string
	Kind int
	Held int64
}

var kinds = []error{engine.ErrChanged, engine.ErrNotFound, engine.ErrDenied, engine.ErrOversized, engine.ErrFenced}

func failureOf(err error) (f failure) {
	if err == nil {
		return f
	}
	f.Text = err.Error()
	for i, kind := range kinds {
		if errors.Is(err, kind) {
			f.Kind = i + 1
		}
	}
	var fenced engine.Fenced
	if errors.As(err, &fenced) {
		f.Held = fenced.Held
	}
	return f
}

func (f failure) err() error {
	switch {
	case f.Text == "":
		return nil
	case f.Kind == 0:
		return errors.New(f.Text)
	case f.Held != 0:
		return lent{f.Text, engine.Fenced{Held: f.Held}}
	}
	return lent{f.Text, kinds[f.Kind-1]}
}

// lent is an error of the lab's process.
type lent struct {
	text string
	is   error
}

func (l lent) Error() string { return l.text }

func (l lent) Unwrap() error { return l.is }
