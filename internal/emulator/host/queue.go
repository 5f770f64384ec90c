package host

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// minPolling is the shortest time between two looks into an empty queue.
const minPolling = 100 * time.Millisecond

// listener serves one queue trigger.
type listener struct {
	h      *Host
	f      *function
	queues Queues
	queue  string
	queueSettings
	// poison is "" for a queue that is itself a poison queue.
	poison string
}

func (h *Host) queueListener(f *function) (*listener, error) {
	queues, err := h.queuesOf(f.trigger.Connection)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", f.name, err)
	}
	l := &listener{h: h, f: f, queues: queues, queue: f.trigger.QueueName, queueSettings: h.settings.queues}
	if !strings.HasSuffix(l.queue, "-poison") {
		l.poison = l.queue + "-poison"
	}
	return l, nil
}

// listen takes batches until ctx ends: the next one as soon as no more than
// newBatchThreshold messages are being worked on. It returns when no message is.
func (l *listener) listen(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	finished := make(chan struct{}, l.batchSize+l.newBatchThreshold)
	running, wait := 0, minPolling
	for {
		for running > l.newBatchThreshold {
			select {
			case <-finished:
				running--
			case <-ctx.Done():
				return
			}
		}
		messages, err := l.queues.Receive(ctx, l.queue, l.batchSize, l.h.o.Times.Lease)
		if err != nil && ctx.Err() == nil {
			l.log(slog.LevelError, "cannot receive messages", "error", err)
		}
		for _, m := range messages {
			running++
			working.Go(func() {
				l.process(l.h.ctx, m)
				finished <- struct{}{}
			})
		}
		if len(messages) > 0 {
			wait = minPolling
			continue
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, l.maxPollingInterval)
		case <-ctx.Done():
			return
		}
	}
}

// process works on one message and settles it. When the host ends meanwhile, the message
// stays hidden until its lease is over, as when an instance dies.
func (l *listener) process(ctx context.Context, m Message) {
	if m.DequeueCount > l.maxDequeueCount {
		l.giveUp(ctx, m, "its worker died each time")
		return
	}
	data, err := l.decode(m)
	if err != nil {
		l.giveUp(ctx, m, err.Error())
		return
	}
	held := l.keep(ctx, m)
	if binary(l.f) || utf8.Valid(data) {
		_, err = l.h.invoke(l.f, messageValue(l.f, data), messageMetadata(m, data))
	} else {
		err = errors.New("it is not UTF-8: the host fails before it calls the handler")
		l.log(slog.LevelError, "the message cannot be read", "message", m.ID, "error", err)
	}
	m = held()
	switch {
	case ctx.Err() != nil:
	case err == nil:
		l.settle(m, l.queues.Delete(ctx, l.queue, m))
	case l.poison == "":
		// Stays hidden until the lease is over: there is nowhere to give it up to.
	case m.DequeueCount >= l.maxDequeueCount:
		l.giveUp(ctx, m, err.Error())
	default:
		_, err = l.queues.Hide(ctx, l.queue, m, l.visibilityTimeout)
		l.settle(m, err)
	}
}

func (l *listener) decode(m Message) ([]byte, error) {
	if !l.base64 {
		return []byte(m.Text), nil
	}
	data, err := base64.StdEncoding.DecodeString(m.Text)
	if err != nil {
		return nil, errors.New("it is not base64, which host.json's messageEncoding asks for")
	}
	return data, nil
}

// keep renews the lease until the returned function is called, which returns the message
// with the receipt that is valid then.
func (l *listener) keep(ctx context.Context, m Message) func() Message {
	ctx, cancel := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(l.h.o.Times.Lease / 2):
			}
			// Not cut off in the middle, or the new receipt would be lost.
			renewed, err := l.queues.Hide(context.WithoutCancel(ctx), l.queue, m, l.h.o.Times.Lease)
			if errors.Is(err, ErrGone) {
				return
			}
			if err == nil {
				m = renewed
			}
		}
	})
	return func() Message {
		cancel()
		renewal.Wait()
		return m
	}
}

// giveUp moves a message to the poison queue.
func (l *listener) giveUp(ctx context.Context, m Message, reason string) {
	if l.poison == "" {
		return
	}
	err := l.queues.Put(ctx, l.poison, m.Text, 0)
	if err == nil {
		l.h.poisoned(Poisoned{Queue: l.queue, Text: m.Text, Reason: reason})
		l.log(slog.LevelError, "the message is given up and moved to "+l.poison, "message", m.ID, "reason", reason, "deliveries", m.DequeueCount)
		err = l.queues.Delete(ctx, l.queue, m)
	}
	l.settle(m, err)
}

// settle logs a message that could not be settled; it is delivered again.
func (l *listener) settle(m Message, err error) {
	if err != nil && l.h.ctx.Err() == nil {
		l.log(slog.LevelWarn, "the message could not be settled and will come again", "message", m.ID, "error", err)
	}
}

func (l *listener) log(level slog.Level, text string, args ...any) {
	l.h.say(level, "Host.Triggers.Queue", text, append([]any{"queue", l.queue}, args...)...)
}

// binary reports whether the handler gets the bytes of a message.
func binary(f *function) bool { return strings.EqualFold(f.trigger.DataType, "binary") }

func messageValue(f *function, data []byte) any {
	if binary(f) {
		return data
	}
	return string(data)
}

// messageMetadata omits the fields that a message gets only on a queue.
func messageMetadata(m Message, data []byte) metadata {
	meta := metadata{"QueueTrigger": string(data), "DequeueCount": m.DequeueCount}
	if m.ID != "" {
		meta["Id"], meta["PopReceipt"] = m.ID, m.Receipt
		meta["InsertionTime"], meta["ExpirationTime"], meta["NextVisibleTime"] = m.Inserted, m.Expires, m.NextVisible
	}
	meta.merge(string(data))
	return meta
}
