package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/config"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// web is a template of which an app needs one line.
const web = `
defaults: {bake: 20m, probe: {every: 30s}}
templates:
  web:
    parameters:
      team: {description: The team of the app}
      namespace: {default: "${app}"}
      bake: {default: 10m}
    image: {registry: shopacr.azurecr.io, repository: "${team}/${app}", tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: "${namespace}", deployment: blue, selector: {color: blue, app: "${app}"}}
      green: {cluster: "context:a", namespace: "${namespace}", deployment: green, selector: {color: green, app: "${app}"}}
    gateway: {service: "${app}"}
    bake: ${bake}
    confirm: {http: [{url: "https://${app}.example.com/healthz", contains: ok}, {url: "https://example.com/"}]}
    alerts: [{rule: "${app}-*"}, {rule: "all-$${x}", severity: "<=Sev1"}]
`

// TestAnAppOfATemplateIsTheOneThatIsWrittenOut: it is the same configuration.
func TestAnAppOfATemplateIsTheOneThatIsWrittenOut(t *testing.T) {
	const written = `
defaults: {bake: 20m, probe: {every: 30s}}
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: a/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: shop, deployment: blue, selector: {color: blue, app: shop}}
      green: {cluster: "context:a", namespace: shop, deployment: green, selector: {color: green, app: shop}}
    gateway: {service: shop}
    bake: 10m
    confirm: {http: [{url: "https://shop.example.com/healthz", contains: ok}, {url: "https://example.com/"}]}
    alerts: [{rule: "shop-*"}, {rule: "all-${x}", severity: "<=Sev1"}]
  - name: pay
    image: {registry: shopacr.azurecr.io, repository: team/pay, tags: "semver:>=2"}
    colors:
      blue:  {cluster: "context:b", namespace: money, deployment: blue, selector: {color: blue, app: pay, tier: one}}
      green: {cluster: "context:b", namespace: money, deployment: green, selector: {color: green, app: pay}}
    gateway: {service: pay}
    bake: 5m
    probe: {misses: 5}
    confirm: {http: [{url: "https://pay.example.com/healthz", contains: ok}, {url: "https://example.com/"}]}
    alerts: [{rule: mine}]
`
	short := load(t, []byte(web+`
apps:
  - {name: shop, template: web, parameters: {team: a}}
  - name: pay
    template: web
    parameters: {namespace: money, team: b}
    image: {repository: team/pay, tags: "semver:>=2"}
    colors: {blue: {cluster: "context:b", selector: {tier: one}}, green: {cluster: "context:b"}}
    bake: 5m
    probe: {misses: 5}
    alerts: [{rule: mine}]
`))
	long := load(t, []byte(written))
	ignored := cmp.Options{cmpopts.IgnoreFields(config.App{}, "Line", "Column", "Template", "Parameters"), cmpopts.IgnoreUnexported(config.App{})}
	if diff := cmp.Diff(long.Apps, short.Apps, ignored); diff != "" {
		t.Error(diff)
	}
	for i := range long.Apps {
		if long.Apps[i].Fingerprint() != short.Apps[i].Fingerprint() {
			t.Errorf("%s has another fingerprint", long.Apps[i].Name)
		}
	}
}

// TestAppsOfATemplateShareNothingThatOneOfThemChanges: each has lists and maps of its own where
// they differ.
func TestAppsOfATemplateShareNothingThatOneOfThemChanges(t *testing.T) {
	c := load(t, []byte(web+`
apps:
  - {name: shop, template: web, parameters: {team: a}}
  - {name: pay, template: web, parameters: {team: a}, colors: {blue: {selector: {tier: one}}}}
  - {name: blog, template: web, parameters: {team: a}}
`))
	for _, a := range c.Apps {
		if got := a.Alerts[0].Rule; got != a.Name+"-*" {
			t.Errorf("%s watches %s", a.Name, got)
		}
		if got := a.Confirm.HTTP[0].URL; got != "https://"+a.Name+".example.com/healthz" {
			t.Errorf("%s asks %s", a.Name, got)
		}
		want := map[string]string{"color": "blue", "app": a.Name}
		if a.Name == "pay" {
			want["tier"] = "one"
		}
		if diff := cmp.Diff(want, a.Color(release.Blue).Selector); diff != "" {
			t.Errorf("%s: %s", a.Name, diff)
		}
	}
}

func TestAMistakeWithATemplateNamesIt(t *testing.T) {
	for name, c := range map[string]struct{ change, app, want string }{
		"no such template":       {"", "{name: shop, template: wep}", `line 20, column 18: apps[0].template: "wep" is no template (did you mean "web"?); there are web`},
		"no such parameter":      {"", "{name: shop, template: web, parameters: {team: a, name-space: b}}", `line 20, column 55: apps[0].parameters.name-space: is no parameter of the template web (did you mean "namespace"?); it has bake, namespace, team`},
		"a parameter is missing": {"", "{name: shop, template: web}", `line 20, column 5: apps[0].parameters.team: is missing: the template web has no default for it`},
		"parameters of nothing":  {"", "{name: shop, parameters: {team: a}}", `line 20, column 18: apps[0].parameters: are those of a template, and no template is named`},
		"a number":               {"", "{name: shop, template: web, parameters: {team: 7}}", `line 20, column 52: apps[0].parameters.team: 7 is a number to YAML, should be text: write it in quotes, "7"`},
		"what it makes":          {"", "{name: shop, template: web, parameters: {team: Team}}", `line 20, column 5: apps[0].image.repository: "Team/shop" is not a repository such as team/shop, lower case, without tag or digest (from the template web, line 9, column 55)`},
		"no structure":           {"", `{name: shop, template: web, parameters: {team: a, namespace: "{a: b}"}}`, `line 20, column 5: apps[0].colors.blue.namespace: "{a: b}" is not at most 63 lower-case letters, digits and inner dashes (from the template web, line 11, column 48)`},
		"no other type":          {"times: \"${bake}\", ", `{name: shop, template: web, parameters: {team: a}}`, `line 20, column 18: apps[0].template: the template web cannot be used, see line 15, column 30: templates.web.confirm.http[0].times: "${bake}" is not a whole number from 1 to 100, without quotes`},
		"unknown in it":          {"contains: \"${ap}\", ", `{name: shop, template: web, parameters: {team: a}}`, `line 20, column 18: apps[0].template: the template web cannot be used, see line 15, column 33: templates.web.confirm.http[0].contains: ${ap} is not known (did you mean "app"?); known here are ${bake}, ${namespace}, ${team}, ${app}`},
		"it does not end":        {"contains: \"${app\", ", `{name: shop, template: web, parameters: {team: a}}`, `line 20, column 18: apps[0].template: the template web cannot be used, see line 15, column 33: templates.web.confirm.http[0].contains: holds a ${ that does not end: a parameter is ${NAME}, and $${ stands for ${ itself`},
		"in combination":         {"", "{name: shop, template: web, parameters: {team: a}, promotion: {deadline: 1h}}", `line 20, column 68: apps[0].promotion.deadline: is for mode: manual, which is not set`},
		"two of a kind":          {"", "{name: shop, template: web, parameters: {team: a}, colors: {blue: {deployments: [blue]}}}", `line 20, column 72: apps[0].colors.blue.deployments: is given besides deployment: keep one of them`},
		"a list is whole":        {"", "{name: shop, template: web, parameters: {team: a}, confirm: {http: [{expect: 204}]}}", `line 20, column 73: apps[0].confirm.http[0].url: is missing: uRL of the GET request`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(web, `{url: "https://${app}.ex`, `{`+c.change+`url: "https://${app}.ex`, 1)
			if strings.Contains(c.change, "contains") {
				text = strings.Replace(text, `, contains: ok`, "", 1)
			}
			got, err := config.Load([]byte(text + "\n\napps:\n  - " + c.app + "\n  - {name: good, template: web, parameters: {team: a}}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.want}, got.Apps[0].Sentences()[:1]); diff != "" {
				t.Error(diff)
			}
			if good := len(got.Apps[1].Problems) == 0; good != (c.change == "") {
				t.Errorf("the other app: %v", got.Apps[1].Problems)
			}
			if (len(got.Problems) > 0) != (c.change != "") {
				t.Errorf("beside the apps: %v", got.Problems)
			}
		})
	}
}

func TestATemplateSaysOnceWhatEachOfItsAppsHasToGive(t *testing.T) {
	c, err := config.Load([]byte("templates: {bare: {image: {registry: shopacr.azurecr.io}}}\napps:\n- {name: shop, template: bare}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"line 3, column 3: apps[0].image.repository: is missing, in the template bare too: repository in the registry, without tag or digest",
		"line 3, column 3: apps[0].image.tags: is missing, in the template bare too: which tags are released",
		"line 3, column 3: apps[0].colors: is missing, in the template bare too: the two production environments",
		"line 3, column 3: apps[0].gateway: is missing, in the template bare too: the gateway that moves the traffic: an Application Gateway, a Traffic Manager profile or a Kubernetes Service",
	}
	if diff := cmp.Diff(want, c.Apps[0].Sentences()); diff != "" {
		t.Error(diff)
	}
}

// TestATemplateCannotExhaustTheReader: few lines must not make many bytes.
func TestATemplateCannotExhaustTheReader(t *testing.T) {
	var f strings.Builder
	f.WriteString("templates: {bomb: {parameters: {p: {default: " + strings.Repeat("x", 500) + "}}, alerts: [" + strings.Repeat(`{rule: "${app}${p}"},`, 900) + "]}}\napps:\n")
	for i := range 15_000 {
		fmt.Fprintf(&f, "- {name: shop-%d, template: bomb, image: {registry: a.azurecr.io, repository: a, tags: a}}\n", i)
	}
	text := strings.ReplaceAll(f.String(), "template: bomb, image: {registry: a.azurecr.io, repository: a, tags: a}", "template: bomb")
	text = strings.Replace(text, "bomb: {", `bomb: {image: {registry: a.azurecr.io, repository: a, tags: a}, colors: {blue: {cluster: "context:a", namespace: "${app}", deployment: b, selector: {a: b}}, green: {cluster: "context:a", namespace: "${app}", deployment: g, selector: {a: g}}}, gateway: {service: a}, `, 1)
	began := time.Now()
	if _, err := config.Load([]byte(text)); err == nil || !strings.Contains(err.Error(), "the templates make more than the 67108864 bytes that they may") {
		t.Errorf("%.300v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}
