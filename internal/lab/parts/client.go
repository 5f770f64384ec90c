package parts

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bluegreen/internal/engine"
	"bluegreen/internal/record"
	"bluegreen/internal/release"
)

// Client borrows the parts that are served on a socket. It implements engine.Store,
// engine.Wakeups and azcore.TokenCredential.
type Client struct {
	http   *http.Client
	socket string
}

// Borrow makes a client. Nothing is asked yet.
func Borrow(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 32}}}
}

// Lost returns when the lab's process has ended.
func (c *Client) Lost() {
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.Copy(io.Discard, conn) // nothing comes; it ends with the other end
}

func ask[Out any](ctx context.Context, c *Client, name string, what call) (out Out, err error) {
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(what); err != nil {
		return out, fmt.Errorf("ask the lab to %s: %w", name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://lab/"+name, &body)
	if err != nil {
		return out, fmt.Errorf("ask the lab to %s: %w", name, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return out, fmt.Errorf("ask the lab to %s: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return out, fmt.Errorf("ask the lab to %s: %s", name, resp.Status)
	}
	var f failure
	d := gob.NewDecoder(resp.Body)
	if err := d.Decode(&f); err != nil {
		return out, fmt.Errorf("ask the lab to %s: %w", name, err)
	}
	if err := f.err(); err != nil {
		return out, err
	}
	if err := d.Decode(&out); err != nil {
		return out, fmt.Errorf("ask the lab to %s: %w", name, err)
	}
	return out, nil
}

// done makes a call that has no answer but its error.
func (c *Client) done(ctx context.Context, name string, what call) error {
	_, err := ask[bool](ctx, c, name, what)
	return err
}

// Load implements engine.Store.
func (c *Client) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	s, err := ask[snapshot](ctx, c, "load", call{App: app})
	if err != nil {
		return engine.Snapshot{}, err
	}
	return s.unpacked()
}

// Commit implements engine.Store.
func (c *Client) Commit(ctx context.Context, from engine.Snapshot, to engine.Change) (engine.Snapshot, error) {
	packed, err := packed(from)
	if err != nil {
		return engine.Snapshot{}, err
	}
	r, err := record.Encode(to.Record)
	if err != nil {
		return engine.Snapshot{}, fmt.Errorf("save %s: %w", from.App, err)
	}
	s, err := ask[snapshot](ctx, c, "commit", call{From: packed, Change: change{r, to.Consumed, to.Facts, to.Begun}})
	if err != nil {
		return engine.Snapshot{}, err
	}
	return s.unpacked()
}

// Accept implements engine.Store.
func (c *Client) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	return ask[bool](ctx, c, "accept", call{App: app, Entry: e})
}

// Accepted implements engine.Store.
func (c *Client) Accepted(ctx context.Context, app, id string) (engine.Entry, error) {
	return ask[engine.Entry](ctx, c, "accepted", call{App: app, ID: id})
}

// History implements engine.Store.
func (c *Client) History(ctx context.Context, app string, limit, before int) ([]release.Fact, error) {
	return ask[[]release.Fact](ctx, c, "history", call{App: app, Limit: limit, Before: before})
}

// ListDue implements engine.Store.
func (c *Client) ListDue(ctx context.Context) ([]engine.Due, error) {
	return ask[[]engine.Due](ctx, c, "list-due", call{})
}

// Due implements engine.Store.
func (c *Client) Due(ctx context.Context, app string) (engine.Due, error) {
	return ask[engine.Due](ctx, c, "due", call{App: app})
}

// Mark implements engine.Store.
func (c *Client) Mark(ctx context.Context, app string) (string, error) {
	return ask[string](ctx, c, "mark", call{App: app})
}

// Settle implements engine.Store.
func (c *Client) Settle(ctx context.Context, rows []engine.Due) error {
	return c.done(ctx, "settle", call{Due: rows})
}

// Forget implements engine.Store.
func (c *Client) Forget(ctx context.Context, rows []engine.Due) error {
	return c.done(ctx, "forget", call{Due: rows})
}

// Ticked implements engine.Store.
func (c *Client) Ticked(ctx context.Context, at time.Time) error {
	return c.done(ctx, "ticked", call{At: at})
}

// LastTick implements engine.Store.
func (c *Client) LastTick(ctx context.Context) (time.Time, error) {
	return ask[time.Time](ctx, c, "last-tick", call{})
}

// Advance implements engine.Store.
func (c *Client) Advance(ctx context.Context, app string, p engine.Progress) (engine.Progress, error) {
	return ask[engine.Progress](ctx, c, "advance", call{App: app, Progress: p})
}

// Sweep implements engine.Store.
func (c *Client) Sweep(ctx context.Context, app string, before time.Time) error {
	return c.done(ctx, "sweep", call{App: app, At: before})
}

// Wake implements engine.Wakeups.
func (c *Client) Wake(ctx context.Context, app string, at time.Time) error {
	return c.done(ctx, "wake", call{App: app, At: at})
}

// GetToken implements azcore.TokenCredential.
func (c *Client) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return ask[azcore.AccessToken](ctx, c, "token", call{Scopes: o.Scopes})
}

// Workloads borrows those of an app.
func (c *Client) Workloads(app string) Workloads { return workloads{c, app} }

type workloads struct {
	client *Client
	app    string
}

// Observe implements engine.Workloads.
func (w workloads) Observe(ctx context.Context, color release.Color, i release.Image, wait time.Duration) (engine.Workload, error) {
	return ask[engine.Workload](ctx, w.client, "observe", call{App: w.app, Color: color, Image: i, Wait: wait})
}

// Deploy implements engine.Workloads.
func (w workloads) Deploy(ctx context.Context, o engine.Order) error {
	return w.client.done(ctx, "deploy", call{App: w.app, Order: o})
}

// Scale implements engine.Workloads.
func (w workloads) Scale(ctx context.Context, color release.Color, replicas int32, fence int64) error {
	return w.client.done(ctx, "scale", call{App: w.app, Color: color, Replicas: replicas, Fence: fence})
}

// HoldSize implements engine.Autoscaled.
func (w workloads) HoldSize(ctx context.Context, color release.Color, fence int64) (bool, string, error) {
	h, err := ask[held](ctx, w.client, "hold-size", call{App: w.app, Color: color, Fence: fence})
	return h.Held, h.Why, err
}

// FreeSize implements engine.Autoscaled.
func (w workloads) FreeSize(ctx context.Context, color release.Color, fence int64) error {
	return w.client.done(ctx, "free-size", call{App: w.app, Color: color, Fence: fence})
}
