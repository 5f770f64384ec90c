package pages

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bluegreen/internal/api"
)

// A stream ends before the front end of Azure Functions, which waits 230 s, and the browser
// opens the next one.
const (
	streamTime = 200 * time.Second
	// lookEvery is the time between two looks for a stream about an app, and about all.
	lookEvery    = 2 * time.Second
	lookAllEvery = 10 * time.Second
	// lookPace is the time between two looks for each app that one reads: 10,000 are read every 200 s.
	lookPace = 20 * time.Millisecond
)

// pace is the time between two looks at so many apps.
func pace(apps int) time.Duration { return max(lookAllEvery, time.Duration(apps)*lookPace) }

// live sends an event whenever what a page shows has changed. A host that forwards holds an
// answer back until its end, and does not set X-Forwarded-Host as one that proxies does: then
// the page is to be read every so often. So it is where the first event does not come.
func (p *pages) live(c *call) error {
	ctx, cancel := context.WithTimeout(c.Context(), streamTime)
	defer cancel()
	name := c.URL.Query().Get("app")
	before, apps, err := p.mark(ctx, c, name)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(c.w)
	if c.Header.Get("X-Forwarded-Host") == "" {
		fmt.Fprint(c.w, "event: poll\ndata: \n\n")
		return nil
	}
	fmt.Fprint(c.w, "retry: 1000\nevent: hello\ndata: \n\n")
	_ = out.Flush() // a reader that went away ends the context
	every := pace(apps)
	if name != "" {
		every = lookEvery
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		now, _, err := p.mark(ctx, c, name)
		if err == nil && now == before {
			fmt.Fprint(c.w, ": \n\n") // so that the front end sees that the answer lives
		} else if err == nil {
			fmt.Fprint(c.w, "event: changed\ndata: \n\n")
			before = now
		}
		_ = out.Flush()
	}
}

// mark changes with what a page shows, the age of things aside. It reads so many apps.
func (p *pages) mark(ctx context.Context, c *call, name string) (sum string, read int, err error) {
	hash := sha256.New()
	to := json.NewEncoder(hash)
	add := func(apps []api.App) {
		for _, a := range apps {
			a.Status = api.Status{Standing: a.Status.Standing} // its texts have ages
			err = errors.Join(err, to.Encode(a))
		}
		read += len(apps)
	}
	var unread error
	if name == "" {
		_, unread = p.backend(c).Pages(ctx, add)
	} else {
		var a api.App
		if a, unread = p.backend(c).App(ctx, name); unread == nil {
			add([]api.App{a})
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), read, cmp.Or(unread, err)
}
