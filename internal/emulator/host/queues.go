package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/engine"
)

// keepFor is the time to live of a message.
const keepFor = 7 * 24 * time.Hour

// ErrGone means that the receiver no longer holds the message: its lease expired and another
// receiver has it, or it was deleted.
var ErrGone = errors.New("the message is held by another receiver or deleted")

// Queues are named queues of text messages. Texts are as they lie on the queue, that is
// usually base64.
type Queues interface {
	// Receive takes at most max (up to 32) visible messages and hides them for the time
	// of the lease. A queue that does not exist has none.
	Receive(ctx context.Context, queue string, max int, lease time.Duration) ([]Message, error)
	// Hide makes a held message visible again after the given time, and returns it with
	// its new receipt. Error: ErrGone.
	Hide(ctx context.Context, queue string, m Message, visible time.Duration) (Message, error)
	// Delete removes a held message. Error: ErrGone.
	Delete(ctx context.Context, queue string, m Message) error
	// Put adds a message that becomes visible after the given time, and makes the queue
	// when it does not exist.
	Put(ctx context.Context, queue, text string, visible time.Duration) error
}

// Message is a received message. Receipt identifies its receiver.
type Message struct {
	ID, Receipt, Text              string
	DequeueCount                   int
	Inserted, Expires, NextVisible time.Time
}

// Memory is a set of queues in memory, for a lab without storage.
type Memory struct {
	mu       sync.Mutex
	queues   map[string][]*Message
	receipts int
}

// NewMemory makes a Memory without messages.
func NewMemory() *Memory { return &Memory{queues: map[string][]*Message{}} }

// Receive implements Queues.
func (q *Memory) Receive(_ context.Context, queue string, max int, lease time.Duration) ([]Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.queues[queue] = slices.DeleteFunc(q.queues[queue], func(m *Message) bool { return now.After(m.Expires) })
	var taken []Message
	for _, m := range q.queues[queue] {
		if len(taken) == max {
			break
		}
		if !m.NextVisible.After(now) {
			m.DequeueCount++
			q.hide(m, now.Add(lease))
			taken = append(taken, *m)
		}
	}
	return taken, nil
}

func (q *Memory) hide(m *Message, until time.Time) {
	q.receipts++
	m.NextVisible, m.Receipt = until, fmt.Sprintf("receipt-%d", q.receipts)
}

// Hide implements Queues.
func (q *Memory) Hide(_ context.Context, queue string, m Message, visible time.Duration) (Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.held(queue, m)
	if i < 0 {
		return m, ErrGone
	}
	q.hide(q.queues[queue][i], time.Now().Add(visible))
	return *q.queues[queue][i], nil
}

// Delete implements Queues.
func (q *Memory) Delete(_ context.Context, queue string, m Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.held(queue, m)
	if i < 0 {
		return ErrGone
	}
	q.queues[queue] = slices.Delete(q.queues[queue], i, i+1)
	return nil
}

func (q *Memory) held(queue string, m Message) int {
	return slices.IndexFunc(q.queues[queue], func(o *Message) bool { return o.ID == m.ID && o.Receipt == m.Receipt })
}

// Put implements Queues.
func (q *Memory) Put(_ context.Context, queue, text string, visible time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	m := &Message{ID: guid(), Text: text, Inserted: now, Expires: now.Add(keepFor), NextVisible: now.Add(visible)}
	q.queues[queue] = append(q.queues[queue], m)
	return nil
}

// Texts returns the messages of a queue, hidden or not, oldest first.
func (q *Memory) Texts(queue string) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var texts []string
	for _, m := range q.queues[queue] {
		texts = append(texts, m.Text)
	}
	return texts
}

// Wakeups puts a message on the queue for each wake-up; text makes it, as it is to lie on
// the queue.
func (q *Memory) Wakeups(queue string, text func(app string, at time.Time) string) engine.Wakeups {
	return wakeups{q, queue, text}
}

type wakeups struct {
	queues *Memory
	queue  string
	text   func(app string, at time.Time) string
}

// Wake implements engine.Wakeups.
func (w wakeups) Wake(ctx context.Context, app string, at time.Time) error {
	return w.queues.Put(ctx, w.queue, w.text(app, at), max(0, time.Until(at)))
}

// queuesOf returns the queues that a binding's connection names.
func (h *Host) queuesOf(connection string) (Queues, error) {
	if h.o.Queues != nil {
		return h.o.Queues, nil
	}
	if connection == "" {
		connection = "AzureWebJobsStorage"
	}
	if s := h.env[connection]; s != "" {
		return OpenStorage(s)
	}
	for name := range h.env {
		if strings.HasPrefix(name, connection+"__") {
			return nil, fmt.Errorf("connection %s: this emulator opens storage only by connection string", connection)
		}
	}
	return nil, fmt.Errorf("connection %s: there is no such app setting", connection)
}
