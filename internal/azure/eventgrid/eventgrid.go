// Package eventgrid publishes the outcomes of releases to an Event Grid custom topic, as
// CloudEvents 1.0. A fact has the same source and id however often it is sent, so that
// subscribers can recognize a repetition.
package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/messaging"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/eventgrid/azeventgrid"

	"bluegreen/internal/cloudevent"
	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
)

// Notifier publishes facts to one topic.
type Notifier struct {
	client   *azeventgrid.Client
	endpoint string
}

var _ engine.Notifier = (*Notifier)(nil)

// New makes a Notifier. endpoint is the topic's, https://NAME.REGION.eventgrid.azure.net/api/events;
// the credential needs the role EventGrid Data Sender on it. Without options, a call is
// tried twice: an event that fails is sent later.
func New(endpoint string, cred azcore.TokenCredential, options *azeventgrid.ClientOptions) (*Notifier, error) {
	if options == nil {
		options = &azeventgrid.ClientOptions{}
		options.Retry, options.Transport = outbound.Topic.Retry(), outbound.Client(outbound.Transport())
	}
	client, err := azeventgrid.NewClient(endpoint, cred, options)
	if err != nil {
		return nil, fmt.Errorf("make a client for the topic %s: %w", endpoint, err)
	}
	return &Notifier{client, endpoint}, nil
}

// Notify implements engine.Notifier.
func (n *Notifier) Notify(ctx context.Context, m engine.Message) error {
	event, err := cloudevent.Of(m)
	if err != nil {
		return err
	}
	_, err = n.client.PublishCloudEvents(ctx, []messaging.CloudEvent{event}, nil)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return fmt.Errorf("publish to %s: %w: the identity needs the role EventGrid Data Sender on the topic: %w", n.endpoint, engine.ErrDenied, err)
	}
	if refused != nil && (refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusRequestEntityTooLarge) {
		return fmt.Errorf("publish to %s: %w: %w", n.endpoint, engine.ErrRefused, err)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", n.endpoint, err)
	}
	return nil
}
