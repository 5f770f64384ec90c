// Package queue wakes apps through an Azure Storage queue: a message that stays invisible
// until its time, which the Functions host then delivers to release-step.
package queue

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"
)

const (
	// longest is for how long the service hides a message at most.
	// Source: learn.microsoft.com/rest/api/storageservices/put-message
	longest = 7 * 24 * time.Hour
	never   = int32(-1) // expires
	// largest is the most that a message of bluegreen can have, in bytes.
	largest = 1 << 10
)

// Wakeups is an engine.Wakeups.
type Wakeups struct{ queue *azqueue.QueueClient }

// New makes wake-ups of a queue. A queue that does not exist is made by the first.
func New(client *azqueue.QueueClient) *Wakeups { return &Wakeups{queue: client} }

type message struct {
	App string `json:"app"`
}

// Message is the text of a wake-up on the queue, in base64 as host.json sets it.
func Message(app string) string {
	text, err := json.Marshal(message{App: app})
	if err != nil {
		panic(err) // one string
	}
	return base64.StdEncoding.EncodeToString(text)
}

// Wake implements engine.Wakeups. A time more than 7 days away is woken after 7 days, when
// no effect is due yet: the clock tick then finds the app at its time.
func (w *Wakeups) Wake(ctx context.Context, app string, at time.Time) error {
	if err := w.send(ctx, Message(app), hide(time.Until(at))); err != nil {
		return fmt.Errorf("wake %s: %w", app, err)
	}
	return nil
}

// hide is a wait in whole seconds, rounded up: an app that is woken too early goes back to
// sleep, and only the clock tick would wake it again.
func hide(wait time.Duration) int32 {
	wait = max(0, min(wait, longest))
	return int32((wait + time.Second - 1) / time.Second)
}

func (w *Wakeups) send(ctx context.Context, text string, hidden int32) error {
	expires := never
	put := func() error {
		_, err := w.queue.EnqueueMessage(ctx, text, &azqueue.EnqueueMessageOptions{VisibilityTimeout: &hidden, TimeToLive: &expires})
		return explain(err)
	}
	err := put()
	if !queueerror.HasCode(err, queueerror.QueueNotFound) {
		return err
	}
	if _, err := w.queue.Create(ctx, nil); err != nil && !queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
		return fmt.Errorf("create the queue: %w", explain(err))
	}
	return put()
}

// refusal is an error that the queue service answered, in one line: the SDK's own error
// prints the whole answer.
type refusal struct{ *azcore.ResponseError }

func (r refusal) Unwrap() error { return r.ResponseError }

func (r refusal) Error() string {
	text := fmt.Sprintf("the queue service answers %d %s", r.StatusCode, r.ErrorCode)
	if r.StatusCode == http.StatusForbidden {
		text += " (the app's identity needs the role Storage Queue Data Contributor on the storage account, and the account's firewall must let the app in)"
	}
	return text
}

func explain(err error) error {
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return refusal{answered}
	}
	return err
}

// Parse reads the app's name from a message as the host delivers it, base64 decoded. Any
// other text is an error, and stays one at each delivery.
func Parse(text string) (app string, err error) {
	if len(text) > largest {
		return "", fmt.Errorf("not a message of ours: it has %d bytes, at most %d are read", len(text), largest)
	}
	m, err := parse([]byte(text))
	if err == nil {
		return m.App, nil
	}
	if inner, bad := base64.StdEncoding.DecodeString(text); bad == nil && len(inner) > 0 {
		if _, bad := parse(inner); bad == nil {
			return "", errors.New("the message is still base64: extensions.queues.messageEncoding in host.json must be base64")
		}
	}
	return "", fmt.Errorf(`not a message of ours, which reads {"app":"NAME"}: %w`, err)
}

func parse(text []byte) (m message, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("more text follows")
	}
	if m.App == "" {
		return m, errors.New(`"app" is missing or empty`)
	}
	return m, nil
}
