package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// SenderOptions configures a Sender. Only URL is required.
type SenderOptions struct {
	// URL is the host's endpoint for events,
	// http://HOST/runtime/webhooks/eventgrid?functionName=NAME&code=KEY.
	URL string
	// Scale divides Event Grid's waits between attempts; 1 keeps them.
	Scale float64
	// Copies is how often each event is delivered, 1 by default: Event Grid promises at
	// least once.
	Copies int
	// Shuffle is the maximum random delay of a delivery, so that events arrive out of order.
	Shuffle time.Duration
	// Seed makes the shuffle repeatable.
	Seed uint64
	// MaxAttempts is 30 by default, as is Event Grid's.
	MaxAttempts int
	// AnswerTimeout is 30 s by default, as is Event Grid's.
	AnswerTimeout time.Duration
	Client        *http.Client
}

// Sender delivers events to an event grid trigger on behalf of a subscription
// (https://learn.microsoft.com/azure/event-grid/delivery-and-retry).
type Sender struct {
	o      SenderOptions
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu        sync.Mutex
	random    *rand.Rand
	delivered int
	dead      []DeadLetter
}

// DeadLetter is an undeliverable event.
type DeadLetter struct {
	Event    json.RawMessage
	Reason   string
	Attempts int
	Outcome  string // of the last attempt
}

// schedule is Event Grid's wait before each further attempt; the last one repeats.
var schedule = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// least is the minimum wait after some statuses; final are the statuses without a retry for
// an endpoint that is an Azure Function.
var (
	least = map[int]time.Duration{
		http.StatusUnauthorized: 5 * time.Minute, http.StatusNotFound: 5 * time.Minute,
		http.StatusRequestTimeout: 2 * time.Minute, http.StatusServiceUnavailable: 30 * time.Second,
	}
	final = []int{http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge}
)

const timeToLive = 24 * time.Hour

// NewSender returns a sender. Close stops it.
func NewSender(o SenderOptions) *Sender {
	if o.Scale == 0 {
		o.Scale = 1
	}
	o.Copies = max(1, o.Copies)
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 30
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = 30 * time.Second
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	s := &Sender{o: o, random: rand.New(rand.NewPCG(o.Seed, o.Seed))}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Send begins to deliver an event and returns at once.
func (s *Sender) Send(event []byte) {
	for range s.o.Copies {
		s.mu.Lock()
		var delay time.Duration
		if s.o.Shuffle > 0 {
			delay = time.Duration(s.random.Int64N(int64(s.o.Shuffle)))
		}
		s.mu.Unlock()
		s.work.Go(func() { s.deliver(slices.Clone(event), delay) })
	}
}

// Wait waits until every event is delivered or given up.
func (s *Sender) Wait() { s.work.Wait() }

// Close gives up all undelivered events.
func (s *Sender) Close() {
	s.cancel()
	s.work.Wait()
}

// Delivered is how many deliveries have succeeded.
func (s *Sender) Delivered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivered
}

// DeadLetters returns the events that were given up.
func (s *Sender) DeadLetters() []DeadLetter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dead)
}

func (s *Sender) deliver(event []byte, delay time.Duration) {
	var waited time.Duration // on Event Grid's own clock
	for attempt := 1; ; attempt++ {
		if !s.sleep(delay) {
			return
		}
		status, outcome := s.post(event, attempt)
		if status >= 200 && status <= 204 {
			s.mu.Lock()
			s.delivered++
			s.mu.Unlock()
			return
		}
		wait := max(schedule[min(attempt, len(schedule))-1], least[status])
		waited += wait
		reason := ""
		switch {
		case s.ctx.Err() != nil:
			return
		case slices.Contains(final, status):
			reason = "Undeliverable"
		case attempt >= s.o.MaxAttempts:
			reason = "MaxDeliveryAttemptsExceeded"
		case waited > timeToLive:
			reason = "TimeToLiveExceeded"
		}
		if reason != "" {
			s.mu.Lock()
			s.dead = append(s.dead, DeadLetter{event, reason, attempt, outcome})
			s.mu.Unlock()
			return
		}
		delay = time.Duration(float64(wait) / s.o.Scale)
	}
}

func (s *Sender) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// post makes one attempt; status 0 means that no answer came.
func (s *Sender) post(event []byte, attempt int) (status int, outcome string) {
	ctx, cancel := context.WithTimeout(s.ctx, s.o.AnswerTimeout)
	defer cancel()
	// The Event Grid schema comes as a list, a CloudEvent alone.
	body, contentType := append(append([]byte("["), event...), ']'), "application/json; charset=utf-8"
	if bytes.Contains(event, []byte(`"specversion"`)) {
		body, contentType = event, "application/cloudevents+json; charset=utf-8"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("aeg-event-type", "Notification")
	req.Header.Set("aeg-subscription-name", "LAB")
	req.Header.Set("aeg-delivery-count", fmt.Sprint(attempt-1))
	req.Header.Set("aeg-data-version", "2.0")
	req.Header.Set("aeg-metadata-version", "1")
	resp, err := s.o.Client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // only to be shown
	return resp.StatusCode, fmt.Sprintf("%d %s", resp.StatusCode, bytes.TrimSpace(text))
}
