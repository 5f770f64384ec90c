package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// crowd are users: they keep asking the data plane and remember who answered.
type crowd struct {
	url    string
	client *http.Client
	mu     sync.Mutex
	seen   map[Served]int
	latest Served
	busy   sync.WaitGroup
}

// Served is a kind of answer that users got. Failed is "" for a good one.
type Served struct{ Color, Version, Failed string }

// String is the answer as people say it.
func (s Served) String() string {
	switch {
	case s.Failed != "" && s.Color != "":
		return fmt.Sprintf("%s from %s on %s", s.Failed, s.Version, s.Color)
	case s.Failed != "":
		return s.Failed
	}
	return fmt.Sprintf("%s on %s", s.Version, s.Color)
}

func newCrowd(url string, transport *http.Transport) *crowd {
	return &crowd{url: url, seen: map[Served]int{}, client: &http.Client{Timeout: 10 * time.Second, Transport: transport}}
}

// run asks perSecond times a second until ctx ends, from the first good answer on: the
// gateway finds its backends healthy a moment after its start.
func (c *crowd) run(ctx context.Context, perSecond int) {
	for c.asked(ctx).Failed != "" && sleep(ctx, 100*time.Millisecond) == nil {
	}
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.busy.Wait()
			c.client.CloseIdleConnections()
			return
		case <-tick.C:
			c.busy.Go(c.ask)
		}
	}
}

// asked asks once, as one of the users does.
func (c *crowd) asked(ctx context.Context) (got Served) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		panic(err) // the address is the lab's own
	}
	resp, err := c.client.Do(req)
	if err != nil {
		got.Failed = "no answer"
	} else {
		_, _ = io.Copy(io.Discard, resp.Body) // only who answered matters
		resp.Body.Close()
		got.Color, got.Version = resp.Header.Get("X-Color"), resp.Header.Get("X-Version")
		if resp.StatusCode != http.StatusOK {
			got.Failed = fmt.Sprintf("%d", resp.StatusCode)
		}
	}
	return got
}

func (c *crowd) ask() {
	got := c.asked(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[got]++
	c.latest = got
}

// count returns how many answers of each kind there were since the crowd began.
func (c *crowd) count() map[Served]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[Served]int, len(c.seen))
	for s, n := range c.seen {
		all[s] = n
	}
	return all
}

// last is the newest answer.
func (c *crowd) last() Served {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}
