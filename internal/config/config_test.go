package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"bluegreen/internal/config"
	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

const schemaFile = "../../docs/bluegreen.schema.json"

func files(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	found := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = data
	}
	return found
}

func TestEveryMistakeIsReportedWithItsLineAndCorrection(t *testing.T) {
	for name, data := range files(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			golden.Check(t, strings.TrimSuffix(name, ".yaml")+".txt", outcome(config.Load(data)))
		})
	}
}

func outcome(c *config.Config, err error) string {
	if err != nil {
		return "the whole file is out\n" + err.Error() + "\n"
	}
	var out strings.Builder
	for _, a := range c.Apps {
		if len(a.Problems) == 0 {
			out.WriteString(a.Name + " is in\n")
			continue
		}
		out.WriteString(a.Name + " is out\n" + strings.Join(a.Sentences(), "\n") + "\n")
	}
	return out.String()
}

func load(t *testing.T, data []byte) *config.Config {
	t.Helper()
	c, err := config.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range c.Apps {
		if len(a.Problems) > 0 {
			t.Fatalf("%s: %v", a.Name, a.Problems)
		}
	}
	return c
}

func TestTheExamplesAreRight(t *testing.T) {
	for name, data := range files(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			load(t, data)
			if err := schema(t).Validate(asJSON(t, data)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnotherPersonApproves(t *testing.T) {
	data, err := os.ReadFile("testdata/good/smallest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"": false, "defaults: {promotion: {mode: manual, approver: other}}\n": true, "defaults: {promotion: {mode: manual, approver: any}}\n": false} {
		if got := load(t, append([]byte(text), data...)).Apps[0].Policy().OtherApproves; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestAnAppOverridesTheDefaultsOfTheFileAndTheseTheBuiltIn(t *testing.T) {
	data, err := os.ReadFile("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, data)
	shop, inner := c.Apps[0], c.Apps[1]
	policy := func(a config.App) release.Policy { p := a.Policy(); p.Newer = nil; return p }
	want := release.Policy{
		First: release.Green, Manual: true, Deadline: 48 * time.Hour, Default: "promote", NoForce: true,
		RolloutTimeout: 15 * time.Minute, PullGrace: 2 * time.Minute, VerifyTimeout: 8 * time.Minute, SwitchTimeout: 20 * time.Minute,
		Bake: 20 * time.Minute, ProbeEvery: 30 * time.Second, ProbeMisses: 2, RollbackWindow: 36 * time.Hour,
		Capacity: release.Capacity{Switch: 80, Live: 50, FullRollback: true}, RetireAfter: time.Hour, Standby: release.StandbyPolicy{Same: true, Size: release.StandbyMinimum}, Failover: release.FailoverAlert, Signed: true, ReleaseTimeout: 48 * time.Hour,
	}
	if diff := cmp.Diff(want, policy(shop)); diff != "" {
		t.Errorf("shop (-want +got):\n%s", diff)
	}
	access := config.Access{Viewers: []string{"bluegreen.viewer", "shop.viewer"}, Operators: []string{"shop.operator"}, Admins: []string{"7c1f0c8e-5a43-4b57-9d5e-2f1f6f3a9b10"}}
	if diff := cmp.Diff(access, shop.Access); diff != "" {
		t.Errorf("shop (-want +got):\n%s", diff)
	}
	want = release.Policy{
		First: release.Blue, Manual: true, Default: "cancel",
		RolloutTimeout: 10 * time.Minute, PullGrace: 5 * time.Minute, VerifyTimeout: 8 * time.Minute, SwitchTimeout: 10 * time.Minute,
		Bake: 20 * time.Minute, ProbeEvery: 15 * time.Second, ProbeMisses: 3, RollbackWindow: 24 * time.Hour,
		Capacity: release.Capacity{Switch: 100, Live: 75}, RetireAfter: 30 * time.Minute, Standby: release.StandbyPolicy{Size: release.StandbyReady}, Failover: release.FailoverManual, ReleaseTimeout: 24 * time.Hour,
	}
	if diff := cmp.Diff(want, policy(inner)); diff != "" {
		t.Errorf("inner (-want +got):\n%s", diff)
	}
	checks := []config.HTTPCheck{{
		URL: "https://preview-{color}.example.com/healthz", Headers: map[string]string{"Host": "shop.example.com", "X-Digest": "{digest}"},
		Expect: 204, Contains: "{tag}", Times: 3, Timeout: 2 * time.Second,
	}}
	if diff := cmp.Diff(checks, shop.Verify.HTTP); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	checks = []config.HTTPCheck{{URL: "https://shop.example.com/", Contains: "{color}", Expect: 200, Times: 1, Timeout: 5 * time.Second}}
	if diff := cmp.Diff(checks, shop.Behavior.Confirm.HTTP); diff != "" {
		t.Errorf("confirm (-want +got):\n%s", diff)
	}
	if got := shop.Repository() + " " + shop.Backend(release.Green) + " " + strings.Join(shop.Color(release.Blue).Names(), ","); got != "shopacr.azurecr.io/team/shop pool-green web,worker" {
		t.Error(got)
	}
	if got := strings.Join(inner.Color(release.Green).Names(), ","); got != "inner-green" {
		t.Error(got)
	}
	_, byInner := inner.Watches("Sev0", "pay-5xx")
	if _, byShop := shop.Watches("Sev0", "pay-5xx"); !byInner || byShop {
		t.Error("inner has the alerts of the defaults, shop its own instead")
	}
}

func TestTheFingerprintFollowsTheConfigurationAndNotItsPlace(t *testing.T) {
	data, err := os.ReadFile("testdata/good/smallest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	was := load(t, data).Apps[0].Fingerprint()
	if got := load(t, append([]byte("# moved\n"), data...)).Apps[0].Fingerprint(); got != was {
		t.Error("a comment changed it")
	}
	if got := load(t, bytes.ReplaceAll(data, []byte("pool-green"), []byte("pool-new"))).Apps[0].Fingerprint(); got == was {
		t.Error("another pool did not change it")
	}
}

func TestOnlyTagsOfThePolicyAreReleased(t *testing.T) {
	signature := "sha256-" + strings.Repeat("ab", 32) + ".sig"
	for _, c := range []struct {
		policy  string
		in, out []string
	}{
		{"semver:>=6", []string{"6.0.0", "v6.1.2", "7.0.0"}, []string{"5.9.9", "6", "6.1", "7.0.0-rc.1", "20260101", "latest", "", signature}},
		{"semver:>=6-0", []string{"7.0.0-rc.1", "6.0.0"}, []string{"5.0.0"}},
		{"semver:~1.4 || >=2.1 <3", []string{"1.4.9", "2.1.0"}, []string{"1.5.0", "3.0.0"}},
		{"glob:release-*", []string{"release-", "release-7"}, []string{"Release-7", "prerelease-7", signature}},
		{"glob:v?.x", []string{"v1.x"}, []string{"v10.x", "v1zx"}},
		{"glob:*", []string{"a", "latest"}, []string{"", signature}},
		{"regex:v[0-9]+|main", []string{"v1", "v12", "main"}, []string{"v1a", "xmain", "mainx"}},
		{"stable", []string{"stable"}, []string{"stable2", "Stable"}},
	} {
		a := config.App{Image: config.Image{Tags: c.policy}}
		for _, tag := range c.in {
			if !a.Admits(tag) {
				t.Errorf("%s does not admit %q", c.policy, tag)
			}
		}
		for _, tag := range c.out {
			if a.Admits(tag) {
				t.Errorf("%s admits %q", c.policy, tag)
			}
		}
	}
}

func TestNewerIsByVersionAndThenByPush(t *testing.T) {
	early, late := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	newer := config.App{Image: config.Image{Tags: "semver:*"}}.Policy().Newer
	for _, c := range []struct {
		x, y string
		want bool
	}{
		{"1.10.0", "1.9.0", true}, {"1.9.0", "1.10.0", false}, {"v2.0.0", "1.0.0", true},
		{"2.0.0", "2.0.0-rc.1", true}, {"1.0.0", "1.0.0", false}, {"1.0.0", "main", false}, {"", "1.0.0", false},
	} {
		// x was pushed before y, so that only the version can make it newer.
		if got := newer(release.Image{Tag: c.x, PushedAt: early}, release.Image{Tag: c.y, PushedAt: late}); got != c.want {
			t.Errorf("%q newer than %q: %v", c.x, c.y, got)
		}
	}
	if !newer(release.Image{Tag: "1.0.0", PushedAt: late}, release.Image{Tag: "1.0.0", PushedAt: early}) {
		t.Error("the same version pushed later is newer")
	}
	if (config.App{Image: config.Image{Tags: "glob:*"}}).Policy().Newer != nil {
		t.Error("without versions the time of the push decides")
	}
}

func TestAlertsAreMatchedByRuleAndSeverity(t *testing.T) {
	for _, c := range []struct {
		rule, severity string
		alert, level   string
		want           bool
	}{
		{"shop-*", "", "Shop-5xx", "Sev4", true},
		{"shop-*", "", "pay-5xx", "Sev0", false},
		{"*/errors", "", "group/errors", "Sev3", true},
		{"a.b", "", "axb", "", false},
		{"*", "<=Sev2", "x", "Sev2", true},
		{"*", "<=Sev2", "x", "Sev3", false},
		{"*", "< Sev2", "x", "Sev2", false},
		{"*", ">=sev3", "x", "sev3", true},
		{"*", ">Sev3", "x", "Sev3", false},
		{"*", "=Sev1", "x", "Sev1", true},
		{"*", "Sev1", "x", "Sev0", false},
		{"*", "Sev1", "x", "critical", true},
	} {
		a := config.App{}
		a.Alerts = []config.Alert{{Rule: c.rule, Severity: c.severity}}
		if _, got := a.Watches(c.level, c.alert); got != c.want {
			t.Errorf("%s %s watches %s %s: %v", c.rule, c.severity, c.alert, c.level, got)
		}
	}
}

// TestTheFirstEntryThatAnAlertMatchesDecides: a general entry after it does not undo it.
func TestTheFirstEntryThatAnAlertMatchesDecides(t *testing.T) {
	c := parsed(t, smallest(t)+"    alerts: [{rule: x-*, severity: Sev0}, {rule: x-5xx, corroborate: true}, {rule: \"x-*\", corroborate: false}]\n")
	if len(c.Apps[0].Problems) > 0 {
		t.Fatal(c.Apps[0].Problems)
	}
	for _, test := range []struct {
		severity    string
		names       []string
		corroborate bool
	}{
		{"Sev0", []string{"x-5xx"}, false},
		{"Sev1", []string{"x-5xx"}, true},
		{"Sev1", []string{"group/X-5xx", "X-5xx"}, true},
		{"Sev1", []string{"x-unhealthy"}, false},
	} {
		if alert, watched := c.Apps[0].Watches(test.severity, test.names...); !watched || alert.Corroborate != test.corroborate {
			t.Errorf("%v of %s: %+v, watched %v", test.names, test.severity, alert, watched)
		}
	}
	for value, want := range map[string]string{
		`"true"`: "alerts[0].corroborate: is text, should be true or false, without quotes",
		"yes":    "alerts[0].corroborate: is text, should be true or false, without quotes",
		"[true]": "alerts[0].corroborate: is a list, should be true or false, without quotes",
	} {
		c := parsed(t, smallest(t)+"    alerts: [{rule: x, corroborate: "+value+"}]\n")
		if p := c.Apps[0].Problems; len(p) != 1 || !strings.HasSuffix(p[0].Text(), want) {
			t.Errorf("%s: %v", value, p)
		}
	}
}

func TestDurationsHaveDays(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "1d": 24 * time.Hour, "1.5d": 36 * time.Hour, "1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %s (%v)", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "-1s", "1 d", "d", "1w", "1ns", strings.Repeat("9", 400) + "d", strings.Repeat("999d", 1000)} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%.20q is %s", text, got)
		}
	}
}

func TestTheSchemaIsTheOneInDocs(t *testing.T) {
	golden.Check(t, schemaFile, string(config.Schema()))
}

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("bluegreen.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("bluegreen.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t testing.TB, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemaAndLoaderDrawTheSameLines changes one value of a good file at a time, to one
// on either side of each limit.
func TestSchemaAndLoaderDrawTheSameLines(t *testing.T) {
	data, err := os.ReadFile("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ was, is string }{
		{"expect: 204", "expect: 99"}, {"expect: 204", "expect: 100"}, {"expect: 204", "expect: 599"}, {"expect: 204", "expect: 600"},
		{"times: 3", "times: 0"}, {"times: 3", "times: 100"}, {"times: 3", "times: 101"},
		{"misses: 2", "misses: 0"}, {"misses: 2", "misses: 1"}, {"misses: 2", "misses: 101"},
		{"times: 3", "times: -1"}, {"times: 3", "times: 100"}, {"times: 3", "times: 101"}, {"times: 3", "times: \"1\""},
		{"first: green", "first: red"}, {"default: promote", "default: cancel"}, {"default: promote", "default: none"},
		{"mode: manual", "mode: Manual"}, {"promotion: manual", "promotion: auto"}, {"promotion: manual", "promotion: never"},
		{"name: inner", "name: x"}, {"name: inner", "name: -x"}, {"name: inner", "name: " + strings.Repeat("x", 40)}, {"name: inner", "name: " + strings.Repeat("x", 41)},
		{"bake: 20m", "bake: 20"}, {"bake: 20m", "bake: 20 m"}, {"bake: 20m", "bake: 1h20m"}, {"bake: 20m", "bake: [1]"}, {"bake: 20m", "bakes: 20m"},
		{"severity: Sev1", "severity: Sev5"}, {"severity: Sev1", "severity: \">=Sev4\""},
		{"container: app", "container: App"}, {"job: smoke", "job: smoke.test"}, {"job: smoke", "job: smoke/test"},
		{"backend: pool-green", "backend: pool/green"}, {"registry: shopacr.azurecr.io", "registry: https://shopacr.azurecr.io"},
		{"repository: team/shop", "repository: team//shop"}, {"repository: team/shop", "repository: \"team/shop:1\""},
		{"rules: [shop-http, shop-https]", "rules: []"}, {"rules: [shop-http, shop-https]", "rules: shop"},
		{"deployments: [web, worker]", "deployments: []"}, {"selector: {app: inner, color: blue}", "selector: {}"},
		{"standby: {size: ready}", "standby: {size: large}"}, {"X-Digest:", "\"X Digest\":"}, {"color: blue}", "color: \"b l\"}"}, {"url: \"https://shop.example.com/\", ", ""}, {"topic: https", "topic: gopher"},
	} {
		changed := bytes.ReplaceAll(data, []byte(c.was), []byte(c.is))
		if bytes.Equal(changed, data) {
			t.Fatalf("%s is not in the file", c.was)
		}
		loaded := right(changed)
		valid := schema(t).Validate(asJSON(t, changed)) == nil
		if loaded != valid {
			t.Errorf("%s: Load accepts it: %v, the schema: %v", c.is, loaded, valid)
		}
	}
}

// TestTheSchemaHasTheLimitsOfDurations holds the one kind of limit that a schema
// can only describe.
func TestTheSchemaHasTheLimitsOfDurations(t *testing.T) {
	text := string(config.Schema())
	for key, limits := range map[string][4]string{
		"bake": {"0s", "30d", "0s", "31d"}, "rolloutTimeout": {"1s", "1d", "999ms", "25h"}, "rollbackWindow": {"0s", "90d", "0s", "91d"},
	} {
		if !strings.Contains(text, " From "+limits[0]+" to "+limits[1]+".") {
			t.Errorf("the schema does not have the limits of %s", key)
		}
		for i, want := range []bool{true, true, limits[2] == limits[0], false} {
			if got := right([]byte("defaults: {" + key + ": " + limits[i] + "}\n" + smallest(t))); got != want {
				t.Errorf("%s: %s accepted: %v", key, limits[i], got)
			}
		}
	}
}

func smallest(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/good/smallest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func right(data []byte) bool {
	c, err := config.Load(data)
	if err != nil {
		return false
	}
	for _, a := range c.Apps {
		if len(a.Problems) > 0 {
			return false
		}
	}
	return true
}

func TestAFileCannotExhaustTheReader(t *testing.T) {
	list := "[" + strings.Repeat("*c,", 2000) + "]"
	bomb := "defaults: {verify: {http: [&c {url: \"https://a\"}]}}\napps: [&a {verify: {http: " + list + "}}" + strings.Repeat(",*a", 2000) + "]\n"
	for _, text := range []string{bomb, strings.Repeat("#", 2<<20)} {
		if _, err := config.Load([]byte(text)); err == nil {
			t.Errorf("%.40q… was read", text)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("apps: &a\n  - *a\n"))
	s := schema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Load(data)
		if err != nil {
			var problems config.Problems
			if !errors.As(err, &problems) || len(problems) == 0 || problems[0].Line < 1 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		names := map[string]bool{}
		for _, a := range c.Apps {
			if a.Name == "" || names[a.Name] {
				t.Errorf("name %q is not its own", a.Name)
			}
			names[a.Name] = true
			for _, p := range a.Problems {
				if p.Line < 1 || p.Message == "" {
					t.Errorf("problem %+v", p)
				}
			}
		}
		if right(data) {
			if err := s.Validate(asJSON(t, data)); err != nil {
				t.Errorf("Load accepts it, the schema does not: %v", err)
			}
		}
	})
}
