package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

const shopAndPay = `
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: shop, deployment: shop, selector: {color: blue}}
      green: {cluster: "context:a", namespace: shop, deployment: shop-green, selector: {color: green}}
    gateway: {service: shop}
  - name: pay
    image: {registry: shopacr.azurecr.io, repository: team/pay, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: pay, deployment: pay, selector: {color: blue}}
      green: {cluster: "context:a", namespace: pay, deployment: pay-green, selector: {color: green}}
    gateway: {service: pay}
`

func TestChannelsAreThoseOfTheirApps(t *testing.T) {
	c, err := config.Load([]byte(`notify:
  address: https://bluegreen.example.com
  channels:
    - {name: ops, webhook: {url: "https://hooks.example.com/x", secret: "{setting:NOTIFY_OPS}"}}
    - {name: team, teams: {url: "{setting:NOTIFY_TEAMS}"}, apps: [pay], kinds: [release-failed]}
    - {name: source, github: {token: "{setting:NOTIFY_GITHUB}", repositories: [acme/shop, other/*]}, apps: [shop]}
` + shopAndPay))
	if err != nil {
		t.Fatal(err)
	}
	names := func(app string) (list []string) {
		for _, channel := range c.Notify.For(app) {
			list = append(list, channel.Name)
		}
		return list
	}
	if shop, pay := names("shop"), names("pay"); !slices.Equal(shop, []string{"ops", "source"}) || !slices.Equal(pay, []string{"ops", "team"}) {
		t.Errorf("shop has %v, pay %v", shop, pay)
	}
	if all, some := c.Notify.Channels[0].Reports(), c.Notify.Channels[1].Reports(); !slices.Equal(all, release.PublishedKinds()) || !slices.Equal(some, []release.FactKind{release.ReleaseFailed}) {
		t.Errorf("%v, %v", all, some)
	}
	if g := c.Notify.Channels[2].GitHub; g.API != "https://api.github.com" || g.Environment != "{app}" {
		t.Errorf("%+v", g)
	}
}

func TestAMistakeInAChannelIsNamedWithoutItsSecret(t *testing.T) {
	hook := func(url string) string {
		return fmt.Sprintf(`{name: ops, webhook: {url: %q, secret: "{setting:NOTIFY_OPS}"}}`, url)
	}
	many := ""
	for n := range 10 {
		many += fmt.Sprintf(`{name: ops-%d, slack: {url: "{setting:NOTIFY_A}"}},`, n)
	}
	for channels, say := range map[string]string{
		`{name: ops}`: "notify.channels[0]: has 0 receivers: give exactly one of webhook, teams, slack and github",
		`{name: ops, slack: {url: "{setting:NOTIFY_A}"}, teams: {url: "{setting:NOTIFY_A}"}}`:                    "has 2 receivers",
		`{name: topic, slack: {url: "{setting:NOTIFY_A}"}}`:                                                      `"topic" is the name of another channel, or of the topic`,
		`{name: ops, slack: {url: "{setting:NOTIFY_A}"}}, {name: ops, slack: {url: "{setting:NOTIFY_A}"}}`:       `notify.channels[1].name: "ops" is the name of another channel`,
		`{name: ops, slack: {url: "{setting:NOTIFY_A}"}, apps: [shop, nobody]}`:                                  `notify.channels[0].apps[1]: "nobody" is no app of the configuration`,
		`{name: ops, slack: {url: "{setting:NOTIFY_A}"}, kinds: [decided]}`:                                      `"decided" is not known`,
		`{name: ops, slack: {url: "https://hooks.slack.com/services/S3CRET"}}`:                                   "is not {setting:NOTIFY_NAME}",
		`{name: ops, slack: {url: "{setting:AzureWebJobsStorage}"}}`:                                             "is not {setting:NOTIFY_NAME}",
		`{name: ops, webhook: {url: "https://a.example", secret: whsec_S3CRET}}`:                                 "is not {setting:NOTIFY_NAME}",
		`{name: ops, github: {token: ghp_S3CRET, repositories: [a/b]}}`:                                          "is not {setting:NOTIFY_NAME}",
		`{name: ops, github: {token: "{setting:NOTIFY_A}"}}`:                                                     "github.repositories: is missing",
		`{name: ops, github: {token: "{setting:NOTIFY_A}", repositories: [a/b/c]}}`:                              "is not owner/name or owner/*",
		`{name: ops, github: {token: "{setting:NOTIFY_A}", repositories: [a/b], environment: "{color}"}}`:        "is not a name of letters",
		`{name: ops, github: {token: "{setting:NOTIFY_A}", repositories: [a/b], api: "http://ghe.example/api"}}`: "must begin with https://",
		hook("http://hooks.example.com/x"):                                                                       "must begin with https://",
		hook("https://ana:S3CRET@hooks.example.com/x"):                                                           "holds a user or a password",
		hook("https://hooks.example.com/x?sig=S3CRET"):                                                           "holds a query, which may be a secret",
		hook("https://169.254.169.254/metadata"):                                                                 "gives out credentials",
		strings.TrimSuffix(many, ","):                                                                            "the app pay has 10 channels, more than the 9 that are possible",
	} {
		_, err := config.Load([]byte("notify: {channels: [" + channels + "]}\n" + shopAndPay))
		if err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%.120s: %v", channels, err)
		}
	}
	if _, err := config.Load([]byte("notify: {}\n" + shopAndPay)); err == nil || !strings.Contains(err.Error(), "names nothing that gets outcomes") {
		t.Errorf("%v", err)
	}
}
