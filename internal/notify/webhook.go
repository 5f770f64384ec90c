package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"bluegreen/internal/cloudevent"
	"bluegreen/internal/engine"
)

// Webhook sends the CloudEvent of a message, signed as Standard Webhooks has it.
// Source: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Webhook struct {
	receiver
	url string
	key []byte
}

var _ engine.Notifier = (*Webhook)(nil)

// leastKey is how many bytes a key of Standard Webhooks has at least, mostKey at most.
const leastKey, mostKey = 24, 64

// NewWebhook makes a Webhook. secret is whsec_ and 24 to 64 bytes in base64.
func NewWebhook(address, secret string, over http.RoundTripper) (*Webhook, error) {
	if problem := Problem(address); problem != "" {
		return nil, errors.New("its address " + problem)
	}
	encoded, prefixed := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !prefixed || err != nil || len(key) < leastKey || len(key) > mostKey {
		return nil, fmt.Errorf("its secret is not whsec_ and %d to %d bytes in base64", leastKey, mostKey)
	}
	return &Webhook{newReceiver(over, append(parts(address), secret, encoded)...), address, key}, nil
}

// Notify implements engine.Notifier: 2xx is delivered.
func (w *Webhook) Notify(ctx context.Context, m engine.Message) error {
	event, err := cloudevent.Of(m)
	if err != nil {
		return err
	}
	body, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	id, at := cloudevent.ID(m), strconv.FormatInt(w.now().Unix(), 10)
	header := http.Header{}
	header.Set("Content-Type", "application/cloudevents+json")
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", at)
	header.Set("webhook-signature", w.signature(id, at, body))
	_, err = w.send(ctx, http.MethodPost, w.url, header, body)
	return err
}

func (w *Webhook) signature(id, at string, body []byte) string {
	mac := hmac.New(sha256.New, w.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
