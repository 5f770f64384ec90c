// Package eventgrid publishes the outcomes of releases to an Event Grid custom topic, as
// CloudEvents 1.0. A fact has the same source and id however often it is sent, so that
// subscribers can recognize a repetition.
package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/messaging"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/eventgrid/azeventgrid"

	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
	"bluegreen/internal/release"
)

// Notifier publishes facts to one topic.
type Notifier struct {
	client   *azeventgrid.Client
	endpoint string
}

var _ engine.Notifier = (*Notifier)(nil)

// Event is the data of a published event; fields that do not apply are left out.
//
//	id       "<app>-<number>"
//	source   "/bluegreen/<app>"
//	type     "bluegreen.<kind>", for instance bluegreen.release-switched
//	subject  "releases/<release>", or the app when the fact is about no release
//	time     when it happened
type Event struct {
	App     string    `json:"app"`
	Number  int       `json:"number"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Reason  string    `json:"reason"`
	Release int       `json:"release,omitempty"`
	Phase   string    `json:"phase,omitempty"`
	Image   Image     `json:"image,omitzero"`
	Live    string    `json:"live,omitempty"`
	By      string    `json:"by,omitempty"` // the actor for people
	Actor   Actor     `json:"actor,omitzero"`
	Began   Actor     `json:"began,omitzero"` // who began the release
	Text    string    `json:"text"`
}

// Actor is who gave a command or sent an alert: claimed by the request; object id or
// application id, and name, of a checked token; the function that the request came through;
// the first 8 hexadecimal digits of the function key's SHA-256.
type Actor struct {
	Claimed string `json:"claimed,omitempty"`
	Proven  string `json:"proven,omitempty"`
	Name    string `json:"name,omitempty"`
	Route   string `json:"route,omitempty"`
	Key     string `json:"key,omitempty"`
}

// Image is the image that an event is about.
type Image struct {
	Digest   string    `json:"digest,omitempty"`
	Tag      string    `json:"tag,omitempty"`
	PushedAt time.Time `json:"pushedAt,omitzero"`
}

func eventOf(app string, f release.Fact) Event {
	return Event{
		App: app, Number: f.Number, At: f.At, Kind: string(f.Kind), Reason: string(f.Reason), Release: f.Release, Phase: string(f.Phase),
		Image: Image(f.Image), Live: string(f.Live), By: f.By.String(), Actor: Actor(f.By), Began: Actor(f.Began), Text: f.Text,
	}
}

// New makes a Notifier. endpoint is the topic's, https://NAME.REGION.eventgrid.azure.net/api/events;
// the credential needs the role EventGrid Data Sender on it. Without options, a call is
// tried twice: an event that fails stays in the outbox.
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

// Notify implements engine.Notifier: all of the facts are published, or an error is returned.
func (n *Notifier) Notify(ctx context.Context, app string, facts []release.Fact) error {
	if len(facts) == 0 {
		return nil
	}
	events := make([]messaging.CloudEvent, 0, len(facts))
	for _, f := range facts {
		event, err := cloudEvent(app, f)
		if err != nil {
			return fmt.Errorf("write fact %d of %s as an event: %w", f.Number, app, err)
		}
		events = append(events, event)
	}
	_, err := n.client.PublishCloudEvents(ctx, events, nil)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return fmt.Errorf("publish to %s: %w: the identity needs the role EventGrid Data Sender on the topic: %w", n.endpoint, engine.ErrDenied, err)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", n.endpoint, err)
	}
	return nil
}

func cloudEvent(app string, f release.Fact) (messaging.CloudEvent, error) {
	subject := app
	if f.Release > 0 {
		subject = fmt.Sprintf("releases/%d", f.Release)
	}
	at := f.At.UTC()
	event, err := messaging.NewCloudEvent("/bluegreen/"+app, "bluegreen."+string(f.Kind), eventOf(app, f), &messaging.CloudEventOptions{
		Subject: &subject, Time: &at,
	})
	event.ID = fmt.Sprintf("%s-%d", app, f.Number)
	return event, err
}
