// Package cloudevent writes outcomes as CloudEvents 1.0, for programs. A fact has the same source
// and id however often it is sent, so that receivers can recognize a repetition.
package cloudevent

import (
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/messaging"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Data is the data of an event; fields that do not apply are left out.
//
//	id       "<app>-<number>"
//	source   "/bluegreen/<app>"
//	type     "bluegreen.<kind>", for instance bluegreen.release-switched
//	subject  "releases/<release>", or the app when the fact is about no release
//	time     when it happened
type Data struct {
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

func dataOf(app string, f release.Fact) Data {
	return Data{
		App: app, Number: f.Number, At: f.At, Kind: string(f.Kind), Reason: string(f.Reason), Release: f.Release, Phase: string(f.Phase),
		Image: Image(f.Image), Live: string(f.Live), By: f.By.String(), Actor: Actor(f.By), Began: Actor(f.Began), Text: f.Text,
	}
}

// ID is the identity of a message, the same however often it is sent.
func ID(m engine.Message) string { return fmt.Sprintf("%s-%d", m.App, m.Fact.Number) }

// Of is the event of a message.
func Of(m engine.Message) (messaging.CloudEvent, error) {
	app, f := m.App, m.Fact
	subject := app
	if f.Release > 0 {
		subject = fmt.Sprintf("releases/%d", f.Release)
	}
	at := f.At.UTC()
	event, err := messaging.NewCloudEvent("/bluegreen/"+app, "bluegreen."+string(f.Kind), dataOf(app, f), &messaging.CloudEventOptions{
		Subject: &subject, Time: &at,
	})
	if err != nil {
		return event, fmt.Errorf("write fact %d of %s as an event: %w", f.Number, app, err)
	}
	event.ID = ID(m)
	return event, nil
}
