package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// TestAChannelThatCannotBeUsedIsAProblemAndKeepsItsOutcomes: the engine lets it wait and shows why.
func TestAChannelThatCannotBeUsedIsAProblemAndKeepsItsOutcomes(t *testing.T) {
	key := "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	w := &wiring{messages: http.DefaultTransport.(*http.Transport), settings: settings{Setting: env(
		"NOTIFY_KEY", key, "NOTIFY_SHORT", "whsec_S3CRET", "NOTIFY_VAULT", "@Microsoft.KeyVault(SecretUri=https://kv/S3CRET)", "NOTIFY_HTTP", "http://hooks.example.com/S3CRET", "NOTIFY_TOKEN", "t0ken",
	)}}
	hook := func(name, secret string) config.Channel {
		return config.Channel{Name: name, Webhook: config.Webhook{URL: "https://hooks.example.com/x", Secret: "{setting:" + secret + "}"}}
	}
	chat := config.Channel{Name: "chat", Slack: config.Chat{URL: "{setting:NOTIFY_HTTP}"}}
	source := config.Channel{Name: "source", GitHub: config.GitHub{Token: "{setting:NOTIFY_TOKEN}", API: "https://api.github.com", Repositories: []string{"a/b"}, Environment: "{app}"}}
	made, problems := w.receivers(config.Notify{Channels: []config.Channel{
		hook("good", "NOTIFY_KEY"), hook("short", "NOTIFY_SHORT"), hook("vault", "NOTIFY_VAULT"), hook("missing", "NOTIFY_NONE"), chat, source,
	}})
	text := strings.Join(problems, "\n")
	for _, want := range []string{
		"notify.channels[1] short: its secret is not whsec_", "notify.channels[2] vault: the Key Vault reference in the app setting NOTIFY_VAULT is not resolved",
		"notify.channels[3] missing: the app setting NOTIFY_NONE is missing or empty", "notify.channels[4] chat: its address must begin with https://",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no problem has %q:\n%s", want, text)
		}
	}
	if len(problems) != 4 || strings.Contains(text, "S3CRET") {
		t.Errorf("%s", text)
	}
	channels := made.of(config.App{Name: "shop"}, nil)
	if len(channels) != 6 || !slices.Contains(channels[5].Kinds, release.Advanced) || slices.Contains(channels[0].Kinds, release.Advanced) {
		t.Fatalf("%+v", channels)
	}
	for _, c := range channels[1:] { // GitHub has no registry here
		if err := c.Notifier.Notify(t.Context(), engine.Message{App: "shop"}); err == nil || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s delivers: %v", c.Name, err)
		}
	}
}
