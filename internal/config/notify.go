package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// TopicChannel is the name of the channel that the topic is.
const TopicChannel = "topic"

// mostChannels is how many channels one app may have, the topic aside.
const mostChannels = 9

// Notify says where outcomes are sent.
type Notify struct {
	Topic    string    `key:"topic" is:"topic" doc:"Endpoint of an Event Grid custom topic with the CloudEvents 1.0 schema; the managed identity needs the role EventGrid Data Sender on it."`
	Address  string    `key:"address" is:"origin" doc:"Where people reach this Functions app, for links in messages; https:// and the setting WEBSITE_HOSTNAME by default."`
	Channels []Channel `key:"channels" least:"1" doc:"Receivers of outcomes besides the topic. Each gets every outcome, in order per app; one that fails holds no other up."`
}

// Channel is a receiver of outcomes: exactly one of Webhook, Teams, Slack and GitHub is set.
type Channel struct {
	Name    string   `key:"name" is:"name" need:"yes" doc:"Name of the channel. How far it is, is kept under this name: one that is renamed begins with the next outcome."`
	Webhook Webhook  `key:"webhook" doc:"A POST of the CloudEvent that the topic gets, signed as Standard Webhooks has it."`
	Teams   Chat     `key:"teams" doc:"A channel or chat of Microsoft Teams, by the Workflows template 'Send webhook alerts'."`
	Slack   Chat     `key:"slack" doc:"A channel of Slack, by an incoming webhook."`
	GitHub  GitHub   `key:"github" doc:"Deployments and commit statuses of the revision that the image was built from."`
	Apps    []string `key:"apps" is:"name" least:"1" doc:"The apps whose outcomes it gets; all by default."`
	Kinds   []string `key:"kinds" one:"release-started,release-switched,release-completed,release-failed,release-returned,hold-set,drift-found,needs-help" least:"1" doc:"The kinds of outcomes that it gets, and needs-help always; all by default."`
}

// Webhook is a receiver of signed CloudEvents.
type Webhook struct {
	URL    string `key:"url" is:"receiver" need:"yes" doc:"Address that gets the POST, https:// or an app setting. Redirects are not followed."`
	Secret string `key:"secret" is:"secret" need:"yes" doc:"App setting with the key of the signatures: whsec_ and 24 to 64 bytes in base64."`
}

// Chat is a receiver whose address is all that one needs to write there.
type Chat struct {
	URL string `key:"url" is:"secret" need:"yes" doc:"App setting with the address of the webhook, which is a secret."`
}

// GitHub is a receiver of deployments and commit statuses.
type GitHub struct {
	Token        string   `key:"token" is:"secret" need:"yes" doc:"App setting with a token that may write deployments and commit statuses of the repository."`
	API          string   `key:"api" is:"receiver" default:"https://api.github.com" doc:"Base address of the API; https://HOST/api/v3 for GitHub Enterprise Server."`
	Repositories []string `key:"repositories" is:"owned" least:"1" need:"yes" doc:"The repositories that may be written to, as owner/name or owner/*: an image says itself where it comes from."`
	Environment  string   `key:"environment" default:"{app}" is:"environment" doc:"Name of the deployment's environment; {app} stands for the app."`
}

// For are the channels of an app.
func (n Notify) For(app string) []Channel {
	return slices.DeleteFunc(slices.Clone(n.Channels), func(c Channel) bool {
		return len(c.Apps) > 0 && !slices.Contains(c.Apps, app)
	})
}

// Reports are the kinds of facts that the channel gets.
func (c Channel) Reports() []release.FactKind {
	if len(c.Kinds) == 0 {
		return release.PublishedKinds()
	}
	var kinds []release.FactKind
	for _, k := range c.Kinds {
		kinds = append(kinds, release.FactKind(k))
	}
	return kinds
}

// checkNotify finds mistakes in the channels.
func (r *reader) checkNotify(c *Config) (wrong []Problem) {
	report := func(path, format string, args ...any) {
		wrong = append(wrong, r.problem(r.nearest(path), path, format, args...))
	}
	if r.given("notify") && !r.given("notify.topic") && !r.given("notify.channels") {
		report("notify", "names nothing that gets outcomes: give topic, channels, or both")
	}
	names, apps := map[string]bool{TopicChannel: true}, map[string]int{}
	for _, a := range c.Apps {
		apps[a.Name] = 0
	}
	for i, channel := range c.Notify.Channels {
		path := item("notify.channels", i)
		if names[channel.Name] {
			report(path+".name", "%q is the name of another channel, or of the topic", channel.Name)
		}
		names[channel.Name] = true
		var kinds []string
		for _, kind := range []string{"webhook", "teams", "slack", "github"} {
			if r.given(path + "." + kind) {
				kinds = append(kinds, kind)
			}
		}
		if len(kinds) != 1 {
			report(path, "has %d receivers: give exactly one of webhook, teams, slack and github", len(kinds))
		}
		for j, name := range channel.Apps {
			if _, known := apps[name]; !known && len(c.Out) == 0 {
				report(item(path+".apps", j), "%q is no app of the configuration", name)
			}
		}
		for name := range apps {
			if len(channel.Apps) == 0 || slices.Contains(channel.Apps, name) {
				apps[name]++
			}
		}
	}
	for name, channels := range apps {
		if channels > mostChannels {
			report("notify.channels", "the app %s has %d channels, more than the %d that are possible: name the apps of each", name, channels, mostChannels)
		}
	}
	return wrong
}

// receiver returns the mistake in the address of a receiver, without repeating it.
func receiver(text string) string {
	if strings.HasPrefix(text, "{setting:") {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "is not an https:// address"
	case u.User != nil:
		return "holds a user or a password, which anyone who reads the file would see"
	case u.RawQuery != "":
		return "holds a query, which may be a secret that anyone who reads the file would see: put the whole address into an app setting NOTIFY_NAME and write {setting:NOTIFY_NAME} here"
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost":
		return "must begin with https://"
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && engine.Metadata(ip) {
		return "is an address at which the platform gives out credentials"
	}
	return ""
}
