package main

import (
	"errors"
	"fmt"
	"strings"

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
		var err error
		if r.topic, err = w.topic(n.Topic); err != nil {
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

// receiver makes one channel for any app.
func (w *wiring) receiver(c config.Channel) (func(config.App, engine.Registry) engine.Notifier, error) {
	var failed error
	secret := func(text string) string {
		value, err := notify.Secret(text, w.Setting)
		failed = errors.Join(failed, err)
		return value
	}
	address, key, token := secret(c.Webhook.URL+c.Teams.URL+c.Slack.URL), secret(c.Webhook.Secret), secret(c.GitHub.Token)
	if failed != nil {
		return nil, failed
	}
	switch {
	case c.Teams.URL != "":
		return shared(notify.NewTeams(address, w.messages))
	case c.Slack.URL != "":
		return shared(notify.NewSlack(address, w.messages))
	case c.Webhook.URL != "":
		return shared(notify.NewWebhook(address, key, w.messages))
	}
	o := notify.GitHubOptions{
		Token: token, API: strings.TrimSuffix(secret(c.GitHub.API), "/"), Repositories: c.GitHub.Repositories, Environment: c.GitHub.Environment,
		Transport: w.messages,
	}
	_, err := notify.NewGitHub(o)
	return func(_ config.App, registry engine.Registry) engine.Notifier {
		with := o
		with.Source, _ = registry.(engine.Sourced)
		if with.Source == nil {
			return notify.Unusable{Why: "the registry cannot say what an image was built from"}
		}
		github, err := notify.NewGitHub(with)
		if err != nil {
			return notify.Unusable{Why: err.Error()}
		}
		return github
	}, errors.Join(failed, err)
}

func shared[N engine.Notifier](n N, err error) (func(config.App, engine.Registry) engine.Notifier, error) {
	return same(n), err
}

// of are the channels of an app.
func (r receivers) of(a config.App, registry engine.Registry) []engine.Channel {
	var channels []engine.Channel
	if r.topic != nil {
		channels = append(channels, engine.Channel{Name: config.TopicChannel, Notifier: r.topic, Kinds: release.PublishedKinds(), Heir: true})
	}
	for _, c := range r.For(a.Name) {
		kinds := c.Reports()
		if c.GitHub.Token != "" && len(c.Kinds) == 0 {
			kinds = notify.GitHubKinds()
		}
		channels = append(channels, engine.Channel{Name: c.Name, Notifier: r.made[c.Name](a, registry), Kinds: kinds})
	}
	return channels
}
