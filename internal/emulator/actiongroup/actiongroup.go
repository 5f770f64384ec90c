// Package actiongroup emulates an action group of Azure Monitor: it posts alerts of every
// kind, retries as the real one does, and then sends nothing for a while
// (https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups).
package actiongroup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options configures a Group. Only URL is required.
type Options struct {
	// URL is the receiver: http://HOST/api/alert-fired for a secure webhook, else
	// http://HOST/api/alerts?code=KEY.
	URL string
	// Token makes it a secure webhook: the bearer token of each call.
	Token func() string
	// Scale divides the waits between attempts and the silence; 1 keeps them.
	Scale float64
	// AnswerTimeout is 10 s by default.
	AnswerTimeout time.Duration
	Client        *http.Client
}

// Group is an action group with one receiver.
type Group struct {
	o Options

	mu     sync.Mutex
	silent time.Time // end of the time in which the receiver is not called
}

// Outcome is the result of sending an alert.
type Outcome struct {
	// Attempts is 0 when the receiver was not called, because it had failed shortly before.
	Attempts int
	Status   int    // of the last answer, 0 when none came
	Answer   string // body of the last answer, or the reason for none
}

// Delivered reports whether the receiver accepted the alert.
func (o Outcome) Delivered() bool { return o.Status >= 200 && o.Status < 300 }

// The real waits before each further attempt, and the silence after the last.
var waits = []time.Duration{5 * time.Second, 20 * time.Second, 5 * time.Second, 40 * time.Second, 5 * time.Second}

const silence = 15 * time.Minute

// again are the statuses that cause a retry; 0 means no answer. All others are final.
var again = []int{0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// New returns a group.
func New(o Options) *Group {
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = 10 * time.Second
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	return &Group{o: o}
}

// Send posts an alert until it is accepted, finally refused or given up.
func (g *Group) Send(ctx context.Context, body []byte) (Outcome, error) {
	g.mu.Lock()
	quiet := time.Now().Before(g.silent)
	g.mu.Unlock()
	if quiet {
		return Outcome{Answer: "not called: the receiver failed shortly before"}, nil
	}
	var o Outcome
	for {
		o.Attempts++
		o.Status, o.Answer = g.post(ctx, body)
		if !slices.Contains(again, o.Status) {
			return o, nil
		}
		if o.Attempts > len(waits) {
			g.mu.Lock()
			g.silent = time.Now().Add(g.scaled(silence))
			g.mu.Unlock()
			return o, nil
		}
		select {
		case <-time.After(g.scaled(waits[o.Attempts-1])):
		case <-ctx.Done():
			return o, fmt.Errorf("send alert: %w", ctx.Err())
		}
	}
}

func (g *Group) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / g.o.Scale) }

func (g *Group) post(ctx context.Context, body []byte) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, g.o.AnswerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.o.URL, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "IcMBroadcaster/1.0")
	if g.o.Token != nil {
		req.Header.Set("Authorization", "Bearer "+g.o.Token())
	}
	resp, err := g.o.Client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(bytes.TrimSpace(text))
}
