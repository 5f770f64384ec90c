package main

import (
	"fmt"

	"bluegreen/internal/azure/eventgrid"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/notify"
	"bluegreen/internal/release"
)

// receivers are the channels of a configuration.
type receivers struct {
	config.Notify
	topic engine.Notifier
	made  map[string]func(config.App, engine.Registry) engine.Notifier // by name
}

// receivers makes the channels. One that cannot be used is a problem, and keeps what it does not
// get until it can be.
func (w *wiring) receivers(n config.Notify) (receivers, []string) {
	var problems []string
	r := receivers{Notify: n, made: map[string]func(config.App, engine.Registry) engine.Notifier{}}
	if n.Topic != "" {
		topic, err := eventgrid.New(n.Topic, w.credential, nil)
		if r.topic = topic; err != nil {
			problems = append(problems, fmt.Sprintf("notify.topic: %v: outcomes wait", err))
			r.topic = notify.Unusable{Why: err.Error()}
		}
	}
	for i, c := range n.Channels {
		made, err := w.receiver(c)
		if err != nil {
			problems = append(problems, fmt.Sprintf("notify.channels[%d] %s: %v: outcomes wait", i, c.Name, err))
			made = same(notify.Unusable{Why: err.Error()})
		}
		r.made[c.Name] = made
	}
	return r, problems
}

func same(n engine.Notifier) func(config.App, engine.Registry) engine.Notifier {
	return func(config.App, engine.Registry) engine.Notifier { return n }
}

func (w *wiring) receiver(c config.Channel) (func(config.App, engine.Registry) engine.Notifier, error) {
	secrets := make(map[string]string)
	for _, text := range []string{c.Webhook.URL, c.Webhook.Secret} {
		value, err := notify.Secret(text, w.Setting)
		if err != nil {
			return nil, err
		}
		secrets[text] = value
	}
	webhook, err := notify.NewWebhook(secrets[c.Webhook.URL], secrets[c.Webhook.Secret], w.messages)
	if err != nil {
		return nil, err
	}
	return same(webhook), nil
}

// of are the channels of an app.
func (r receivers) of(a config.App, registry engine.Registry) []engine.Channel {
	var channels []engine.Channel
	if r.topic != nil {
		channels = append(channels, engine.Channel{Name: config.TopicChannel, Notifier: r.topic, Kinds: release.PublishedKinds(), Heir: true})
	}
	for _, c := range r.For(a.Name) {
		channels = append(channels, engine.Channel{Name: c.Name, Notifier: r.made[c.Name](a, registry), Kinds: c.Reports()})
	}
	return channels
}
