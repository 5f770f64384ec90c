package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// up picks a host whose handler is not frozen; it may be starting.
func (c *chaos) up(r *rand.Rand) int {
	c.state.Lock()
	defer c.state.Unlock()
	for {
		if n := r.IntN(len(c.hosts)); !c.frozen[n] {
			return n
		}
	}
}

// pushAll pushes images until done: most are good, some never get ready or cannot be
// pulled, and some are quarantined ones under a new tag. It runs in the test's goroutine.
func (c *chaos) pushAll(r *rand.Rand, done func() bool) {
	for n := 1; !done(); n++ {
		app := c.busy[r.IntN(len(c.busy))]
		p := pushed{app: app, image: release.Image{Tag: fmt.Sprintf("2.%d.0", n)}}
		if q := c.view(app).Quarantined; len(q) > 0 && r.IntN(10) == 0 {
			old := q[r.IntN(len(q))].Image
			if err := c.registry.Retag(c.t.Context(), "team/"+app, old.Tag, p.image.Tag); err != nil {
				c.t.Fatal(err)
			}
			p.image.Digest = old.Digest
		} else {
			p.image.Digest = c.push("team/"+app, p.image.Tag)
			p.bad = c.spoil(p.image.Digest, r.IntN(100))
		}
		c.state.Lock()
		c.pushes = append(c.pushes, p)
		c.state.Unlock()
		c.send(r)
		time.Sleep(time.Duration(100+r.IntN(300)) * time.Millisecond)
	}
}

// spoil makes some images bad, or ready in one pod only, before any component has seen them.
func (c *chaos) spoil(digest string, percent int) bool {
	var b testbed.Behaviour
	switch {
	case percent < 6:
		b = testbed.NeverReady()
	case percent < 9:
		b = testbed.PullError()
	case percent < 12:
		b = testbed.PartlyReady() // of an app with one pod, that one
	default:
		return false
	}
	c.blue.Behave(digest, b)
	c.green.Behave(digest, b)
	return true
}

// send delivers the pushed images' events to a random host, one in ten to two hosts.
func (c *chaos) send(r *rand.Rand) {
	c.mu.Lock()
	events := c.raised
	c.raised = nil
	c.mu.Unlock()
	for _, event := range events {
		c.senders[c.up(r)].Send(event)
		if r.IntN(10) == 0 {
			c.senders[c.up(r)].Send(event)
		}
	}
}

func (c *chaos) view(app string) api.App {
	c.state.Lock()
	defer c.state.Unlock()
	return c.views[app]
}

// observe looks at all apps again and again, through any host.
func (c *chaos) observe(ctx context.Context, r *rand.Rand) {
	for goOn(ctx, 700*time.Millisecond) {
		all, err := c.client(c.up(r)).Apps(ctx)
		if err != nil {
			continue // that handler was just killed
		}
		c.state.Lock()
		for _, a := range all.Apps {
			c.views[a.Name] = a
		}
		c.state.Unlock()
	}
}

// alarm fires an alert in the bake of one release in six.
func (c *chaos) alarm(ctx context.Context, r *rand.Rand) {
	seen := map[string]int{}
	for goOn(ctx, 300*time.Millisecond) {
		for _, app := range c.busy {
			a := c.view(app)
			if a.Release == nil || a.Release.Phase != release.Baking || seen[app] >= a.Release.ID {
				continue
			}
			seen[app] = a.Release.ID
			if r.IntN(6) == 0 {
				c.fireAt(ctx, r, app, a.Release.To)
			}
		}
	}
}

// fireAt sends an alert until a host has taken it, as a second action group would.
func (c *chaos) fireAt(ctx context.Context, r *rand.Rand, app string, color release.Color) {
	alert := actiongroup.Alert{Rule: app + "-5xx", ID: actiongroup.NewID(), Custom: map[string]string{"app": app}}
	body := alert.Prometheus(app, map[string]string{"color": string(color)})
	for ctx.Err() == nil {
		group := actiongroup.New(actiongroup.Options{URL: c.alertURL(c.up(r)), Scale: 20, AnswerTimeout: 8 * time.Second})
		if outcome, err := group.Send(ctx, body); err == nil && outcome.Delivered() {
			c.state.Lock()
			defer c.state.Unlock()
			c.alerts = append(c.alerts, fired{app, alert.ID})
			return
		}
	}
}

// kill ends handlers with kill -9; their hosts start them again.
func (c *chaos) kill(ctx context.Context, r *rand.Rand) {
	for goOn(ctx, 8*time.Second+time.Duration(r.IntN(9000))*time.Millisecond) {
		if err := c.hosts[c.up(r)].Kill(); err != nil {
			c.t.Logf("kill: %v", err) // it is just being started again
			continue
		}
		c.state.Lock()
		c.kills++
		c.state.Unlock()
	}
}

// freeze stops a handler for longer than its leases last, twice.
func (c *chaos) freeze(ctx context.Context, r *rand.Rand) {
	for range 2 {
		if !goOn(ctx, 6*time.Second+time.Duration(r.IntN(3000))*time.Millisecond) {
			return
		}
		n := c.up(r)
		if err := c.hosts[n].Freeze(); err != nil {
			c.t.Errorf("freeze: %v", err)
			return
		}
		c.state.Lock()
		c.frozen[n] = true
		c.freezes++
		c.state.Unlock()
		goOn(ctx, 64*time.Second) // the engine's lease is 60 s
		err := c.hosts[n].Thaw()
		c.state.Lock()
		c.frozen[n] = false
		c.state.Unlock()
		if err != nil {
			c.t.Errorf("thaw: %v", err)
		}
	}
}

// outage takes an API server away for some seconds, that of a live color first, and makes
// a cluster refuse every write for some seconds: never two of these at once.
func (c *chaos) outage(ctx context.Context, r *rand.Rand) {
	order := []release.Color{release.Blue, release.Green}
	if c.view(c.busy[0]).Live == release.Green {
		order = []release.Color{release.Green, release.Blue}
	}
	for n, color := range order {
		if !goOn(ctx, 20*time.Second+time.Duration(r.IntN(8000))*time.Millisecond) {
			return
		}
		c.refuseWrites(ctx, r, order[1-n])
		if !goOn(ctx, 12*time.Second+time.Duration(r.IntN(8000))*time.Millisecond) {
			return
		}
		cluster, live := c.clusterOf(color), 0
		for _, name := range c.webNames() {
			if c.view(name).Live == color {
				live++
			}
		}
		from := time.Now()
		cluster.StopAPIServer()
		goOn(ctx, 3*time.Second+time.Duration(r.IntN(4000))*time.Millisecond)
		if err := cluster.StartAPIServer(c.t.Context()); err != nil {
			c.t.Errorf("start the API server again: %v", err)
			return
		}
		c.state.Lock()
		c.outages = append(c.outages, outage{span{what: fmt.Sprintf("%s, live for %d apps with users", color, live), from: from, to: time.Now()}, color})
		c.state.Unlock()
	}
}

// tick fires the timer that the host fires every minute, so that fewer minutes are needed.
func (c *chaos) tick(ctx context.Context, r *rand.Rand) {
	for goOn(ctx, 3*time.Second) {
		c.tickOnce(ctx, c.up(r))
	}
}

// tickOnce fires the timer of a host; its handler may just be starting.
func (w *env) tickOnce(ctx context.Context, n int) {
	h := w.hosts[n]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL()+"/admin/functions/clock-tick", strings.NewReader("{}"))
	if err != nil {
		w.t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-functions-key", h.MasterKey())
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
}

// goOn waits, and reports whether there is more to do.
func goOn(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
