package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/release"
)

// Client calls the API. Only Base is required.
type Client struct {
	// Base is the address of the Functions app, with or without /api.
	Base string
	// Key is a function key that opens look, act or both. Token returns a bearer token instead,
	// which the function signed-in takes.
	Key   string
	Token func(context.Context) (string, error)
	HTTP  *http.Client
	// Pause is waited before a failed request is repeated; 1 s by default.
	Pause time.Duration
}

// Unanswered is the error of a request without an answer: whether it was carried out is not known.
type Unanswered struct{ Cause error }

// Error is the cause.
func (u *Unanswered) Error() string { return u.Cause.Error() }

func (u *Unanswered) Unwrap() error { return u.Cause }

// tries is how often a request is sent until it is answered. A changing request is
// repeated with the same idempotency key, so that it is done once.
const tries = 3

// direct follows no redirect: that would carry the key or the token to another place.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// NewKey makes an idempotency key.
func NewKey() string { return rand.Text() }

// Apps returns all apps, whatever pages they come in.
func (c *Client) Apps(ctx context.Context) (Apps, error) {
	var all []App
	last, err := c.Pages(ctx, func(apps []App) { all = append(all, apps...) })
	if err != nil {
		return Apps{}, err
	}
	last.Apps = all
	return last, nil
}

// Pages hands over all apps by name, a page at a time, and returns the last page.
func (c *Client) Pages(ctx context.Context, each func([]App)) (Apps, error) {
	// Of large pages the server lists what it else reads app by app.
	after, path := "", "apps?limit="+strconv.Itoa(MostApps)
	for {
		var page Apps
		if err := c.call(ctx, http.MethodGet, path, "", nil, &page); err != nil {
			return Apps{}, err
		}
		each(page.Apps)
		if page.Next == "" {
			return page, nil
		}
		// Of the link only its query is followed: the key goes to no other place.
		link, err := url.Parse(page.Next)
		if err != nil || link.Query().Get("after") <= after {
			return Apps{}, fmt.Errorf("the answer of %s is not bluegreen's: its next page is %q", c.Base, page.Next)
		}
		after, path = link.Query().Get("after"), "apps?"+link.Query().Encode()
	}
}

// App returns one app.
func (c *Client) App(ctx context.Context, name string) (App, error) {
	var a App
	err := c.call(ctx, http.MethodGet, "apps/"+url.PathEscape(name), "", nil, &a)
	return a, err
}

// History returns at most limit facts with numbers below before; 0 means as many as the
// server likes, from the newest.
func (c *Client) History(ctx context.Context, name string, limit, before int) (History, error) {
	q := url.Values{}
	for key, n := range map[string]int{"limit": limit, "before": before} {
		if n > 0 {
			q.Set(key, strconv.Itoa(n))
		}
	}
	path := "apps/" + url.PathEscape(name) + "/history"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	var h History
	err := c.call(ctx, http.MethodGet, path, "", nil, &h)
	return h, err
}

// Health returns which apps are served and, unless needs is false, what needs a person in them,
// for which every app is read.
func (c *Client) Health(ctx context.Context, needs bool) (Health, error) {
	var h Health
	err := c.call(ctx, http.MethodGet, "health?needs="+strconv.FormatBool(needs), "", nil, &h)
	return h, err
}

// Command sends a changing request under an idempotency key. Sending it again with the
// same key returns its progress.
func (c *Client) Command(ctx context.Context, app string, command release.Command, r Request, key string) (Answer, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return Answer{}, fmt.Errorf("encode the request: %w", err)
	}
	var a Answer
	err = c.call(ctx, http.MethodPost, "apps/"+url.PathEscape(app)+"/"+string(command), key, body, &a)
	return a, err
}

func (c *Client) call(ctx context.Context, method, path, key string, body []byte, into any) error {
	at, err := c.address(path)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		again, err := c.once(ctx, method, at, key, body, into)
		if err == nil || !again || try == tries {
			return err
		}
		pause := c.Pause
		if pause == 0 {
			pause = time.Second
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

func (c *Client) address(path string) (string, error) {
	base, err := url.Parse(strings.TrimRight(c.Base, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return "", fmt.Errorf("%q is not the address of a Functions app, such as https://NAME.azurewebsites.net", c.Base)
	}
	ip := net.ParseIP(base.Hostname())
	if local := base.Hostname() == "localhost" || ip != nil && ip.IsLoopback(); base.Scheme == "http" && !local && (c.Key != "" || c.Token != nil) {
		return "", fmt.Errorf("%s would carry the key in the clear: use https", c.Base)
	}
	if c.Token != nil {
		path = "signed-in/" + path
	}
	return strings.TrimSuffix(base.String(), "/api") + "/api/" + path, nil
}

// once sends a request once, and reports whether sending it again may help.
func (c *Client) once(ctx context.Context, method, at, key string, body []byte, into any) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Accept", "application/json, "+ProblemType)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(KeyHeader, key)
	}
	if c.Token != nil {
		token, err := c.Token(ctx)
		if err != nil {
			return false, fmt.Errorf("get a token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	} else if c.Key != "" {
		req.Header.Set("x-functions-key", c.Key)
	}
	client := c.HTTP
	if client == nil {
		client = direct
	}
	resp, err := client.Do(req)
	if err != nil {
		return ctx.Err() == nil, &Unanswered{fmt.Errorf("call bluegreen: %w", err)}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return ctx.Err() == nil, &Unanswered{fmt.Errorf("read the answer: %w", err)}
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode == 429 || resp.StatusCode >= 502 && resp.StatusCode <= 504, ReadError(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("the answer of %s is not bluegreen's: %w", c.Base, err)
	}
	return false, nil
}
