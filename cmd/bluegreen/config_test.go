package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"bluegreen/internal/config"
)

var top = filepath.Join("..", "..")

func TestConfigCheckNamesFileAndLine(t *testing.T) {
	s := &site{T: t}
	dir := filepath.Join(top, "internal", "config", "testdata")
	s.expects(s.run("config", "check", filepath.Join(dir, "good", "everything.yaml")), 0, "3 apps, no mistake found")
	one := filepath.Join(dir, "bad", "one-app.yaml")
	s.expects(s.run("config", "check", one), 1, one+":10:12: apps[0].first: \"blu\"", "1 of 2 apps cannot be used")
	smallest, err := os.ReadFile(filepath.Join(dir, "good", "smallest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "alerts.yaml")
	if err := os.WriteFile(alone, append(smallest, "    alerts: [{rule: x}]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.expects(s.run("config", "check", alone), 0, alone+":18:5: warning: apps[0].alerts: nothing but alerts watches the public address", "1 apps, no mistake found")
	whole := filepath.Join(dir, "bad", "top-level.yaml")
	s.expects(s.run("config", "check", whole), 1, whole+":1:1: app: unknown key", "no app of the file can be used")
	s.expects(s.run("config", "repositories", filepath.Join(dir, "good", "everything.yaml")), 0, "inner\n", "team/shop\n")
	if got := s.run("config", "schema"); got.code != 0 || got.out != string(config.Schema()) {
		t.Error("the schema is not the configuration's")
	}
}

func TestConfigCheckReadsTheStandardInputAndSeveralFiles(t *testing.T) {
	s := &site{T: t}
	dir := filepath.Join(top, "internal", "config", "testdata")
	bad, err := os.ReadFile(filepath.Join(dir, "bad", "defaults-and-apps.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.stdin = string(bad)
	good := filepath.Join(dir, "good", "smallest.yaml")
	r := s.run("config", "check", good, "-", "missing.yaml")
	s.expects(r, 1, "stdin:2:9: defaults.bake: \"soon\"", "stdin:10:11: apps[0].bake: \"later\"", "stdin:5:23: apps[0].image.registry: \"shopacr\" is the name of a registry, not its login server: write shopacr.azurecr.io",
		"-: no app of the file can be used; read the configuration: open missing.yaml")
	s.expects(r, 1, good+":2:5: advice: podinfo: has no alerts", "podinfo: has no confirm checks", "podinfo: has no verify checks")
	s.expects(s.run("config", "check", good, good), 0, good+", "+good+": 2 apps, no mistake found")
	s.stdin = string(bad)
	var got struct {
		Findings []finding
	}
	r = s.run("config", "check", "-", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 1 || len(got.Findings) != 4 || got.Findings[0].Level != "mistake" || got.Findings[0].Line != 2 {
		t.Errorf("%v %+v", err, r)
	}
}

// TestConfigCheckReadsTheFilesBesideAFile: each mistake is named by its own file.
func TestConfigCheckReadsTheFilesBesideAFile(t *testing.T) {
	s := &site{T: t}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	smallest, err := os.ReadFile(filepath.Join(top, "internal", "config", "testdata", "good", "smallest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	main := write("bluegreen.yaml", "defaults: {bake: 5m}\n")
	pay := write("bluegreen.d/pay.yaml", string(smallest))
	s.expects(s.run("config", "check", main), 0, "1 apps, no mistake found")
	s.expects(s.run("config", "repositories", main), 0, "podinfo\n")
	write("bluegreen.d/pay.yaml", strings.Replace(string(smallest), "    gateway:", "    bake: long\n    gateway:", 1))
	other := write("bluegreen.d/shop.yaml", "defaults: {bake: 7m}\n")
	s.expects(s.run("config", "check", main), 1, pay+":", ": apps[0].bake: \"long\"", other+":1:1: defaults: is for all apps, and is read from bluegreen.yaml alone", "1 of 1 apps cannot be used")
}

// A subscription of Event Grid has room for 24 repositories beside the other values of its filter.
func TestManyRepositoriesAreNamedByWhatTheyBeginWith(t *testing.T) {
	s := &site{T: t}
	smallest, err := os.ReadFile(filepath.Join(top, "internal", "config", "testdata", "good", "smallest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, app, _ := strings.Cut(strings.NewReplacer("team/podinfo", "NAME", "podinfo", "NAME").Replace(string(smallest)), "apps:\n")
	write := func(names ...string) string {
		file := filepath.Join(t.TempDir(), "bluegreen.yaml")
		text := "apps:\n"
		for _, name := range names {
			text += strings.ReplaceAll(app, "NAME", name)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	few := write("inner", "shop")
	s.expects(s.run("config", "repositories", few, "--prefixes", "24"), 0, "inner\nshop\n")
	var names, letters []string
	for n := range 300 {
		names = append(names, fmt.Sprintf("app-%03d", n))
	}
	for n := range 26 {
		letters = append(letters, string(rune('a'+n)))
	}
	if r := s.run("config", "repositories", write(names...), "--prefixes", "24"); r.code != 0 || r.out != "app-0\napp-1\napp-2\n" {
		t.Errorf("%+v", r)
	}
	if r := s.run("config", "repositories", write(letters...), "--prefixes", "24"); r.code != 0 || r.out != "" {
		t.Errorf("%+v", r)
	}
}

// What is shown is the same configuration, written out.
func TestConfigShowIsTheSameConfiguration(t *testing.T) {
	for _, name := range []string{"everything.yaml", "smallest.yaml"} {
		file := filepath.Join(top, "internal", "config", "testdata", "good", name)
		s := &site{T: t}
		want, err := (&shell{}).usable(file)
		if err != nil {
			t.Fatal(err)
		}
		shown := s.run("config", "show", file)
		got, err := config.Load([]byte(shown.out))
		if err != nil || len(got.Apps) != len(want.Apps) {
			t.Fatalf("%v\n%s%s", err, shown.out, shown.err)
		}
		for i, a := range got.Apps {
			if len(a.Problems) > 0 || a.Fingerprint() != want.Apps[i].Fingerprint() {
				t.Errorf("%s: %v", a.Name, a.Problems)
			}
		}
		var v struct{ Apps []map[string]any }
		if r := s.run("config", "show", file, want.Apps[0].Name, "-o", "json"); json.Unmarshal([]byte(r.out), &v) != nil || len(v.Apps) != 1 || v.Apps[0]["name"] != want.Apps[0].Name {
			t.Errorf("%+v", r)
		}
		s.expects(s.run("config", "show", file, "nope"), 1, `no app is called "nope"; the configuration names `+want.Apps[0].Name)
	}
	s := &site{T: t}
	s.expects(s.run("config", "show", filepath.Join(top, "internal", "config", "testdata", "bad", "one-app.yaml")), 1, "cannot be used, see bluegreen config check")
}

// largest keeps what is written, and the size of the largest part.
type largest struct {
	bytes.Buffer
	most int
}

func (l *largest) Write(p []byte) (int, error) {
	l.most = max(l.most, len(p))
	return l.Buffer.Write(p)
}

// Ten thousand apps that are made before one is printed take 2 GB.
func TestConfigShowPrintsOneAppAfterTheOther(t *testing.T) {
	smallest, err := os.ReadFile(filepath.Join(top, "internal", "config", "testdata", "good", "smallest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, app, _ := strings.Cut(string(smallest), "apps:\n")
	var text strings.Builder
	text.WriteString("apps:\n")
	for n := range 100 {
		text.WriteString(strings.ReplaceAll(app, "podinfo", fmt.Sprint("app-", n)))
	}
	file := filepath.Join(t.TempDir(), "bluegreen.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &largest{}
	if err := (&shell{stdout: out, output: "text"}).show(file, nil); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(out.Bytes())
	if err != nil || len(got.Apps) != 100 || len(got.Apps[99].Problems) > 0 {
		t.Fatalf("%v\n%.500s", err, out)
	}
	if each := out.Len() / 100; out.most > 2*each {
		t.Errorf("%d bytes are written at once, and an app has %d", out.most, each)
	}
}

// A mistake in a template is one of all its apps. What else they lack is not known.
func TestAnAppWithAMistakeIsGivenNoAdvice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bluegreen.yaml")
	if err := os.WriteFile(file, []byte("templates:\n  web: {bake: soon}\napps:\n  - {name: shop, template: web}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := (&site{T: t}).run("config", "check", file)
	if r.code != 1 || !strings.Contains(r.out, "the template web cannot be used") || strings.Contains(r.out, "advice") || strings.Contains(r.out, "warning") {
		t.Errorf("%+v", r)
	}
}

// The permissions are those that deploy/kubernetes and Bicep give, of which each is tested to be
// needed.
func TestConfigRBACIsWhatIsDeployed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bluegreen.yaml")
	const id = "/subscriptions/s/resourceGroups/g/providers/Microsoft."
	err := os.WriteFile(file, []byte(`
notify: {topic: "https://t.westeurope-1.eventgrid.azure.net/api/events"}
apps:
  - name: podinfo
    image: {registry: shopacr.azurecr.io, repository: podinfo, tags: "semver:>=1"}
    colors:
      blue: {cluster: `+id+`ContainerService/managedClusters/aks, namespace: podinfo, deployment: podinfo-blue, selector: {color: blue}}
      green: {cluster: `+id+`ContainerService/managedClusters/aks, namespace: podinfo, deployment: podinfo-green, selector: {color: green}}
    gateway: {service: podinfo}
    verify: {job: podinfo-smoke}
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: shop, tags: "semver:>=1"}
    colors:
      blue: {cluster: `+id+`ContainerService/managedClusters/aks, namespace: shop-blue, deployment: shop, backend: blue}
      green: {cluster: `+id+`ContainerService/managedClusters/aks2, namespace: shop-green, deployment: shop, backend: green}
    gateway: {applicationGateway: `+id+`Network/applicationGateways/agw, rules: [shop]}
  - name: blog
    image: {registry: shopacr.azurecr.io, repository: blog, tags: "semver:>=1"}
    colors:
      blue: {cluster: "context:a", namespace: blog, deployments: [web, blue], endpoint: blue}
      green: {cluster: "context:a", namespace: blog, deployments: [web-green, green], endpoint: green}
    gateway: {trafficManager: `+id+`Network/trafficManagerProfiles/tm}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t}
	var p permissions
	if r := s.run("config", "rbac", file, "-o", "json"); json.Unmarshal([]byte(r.out), &p) != nil || len(p.Roles) != 4 {
		t.Fatalf("%+v", r)
	}
	deployed, err := os.ReadFile(filepath.Join(top, "deploy", "kubernetes", "access", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Rules []rule }
	if err := yaml.Unmarshal(deployed, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Rules, p.Roles[0].Rules); diff != "" {
		t.Errorf("the Role of deploy/kubernetes/access is another one:\n%s", diff)
	}
	apps, all := []string{"apps"}, []string{"deployments"}
	several := []rule{{apps, all, []string{"blue", "green", "web", "web-green"}, []string{"patch"}}, {apps, all, nil, []string{"list", "watch"}}}
	if diff := cmp.Diff(several, p.Roles[3].Rules[:2]); diff != "" {
		t.Errorf("the Role for colors of several Deployments is another one:\n%s", diff)
	}
	bicep, err := os.ReadFile(filepath.Join(top, "bicep", "roles.bicep"))
	if err != nil {
		t.Fatal(err)
	}
	var given, needed []string
	for _, m := range regexp.MustCompile(`(?m)^ +'(Microsoft\.(?:Network|ManagedIdentity|Authorization)/[^']+)'`).FindAllStringSubmatch(string(bicep), -1) {
		given = append(given, m[1])
	}
	for _, a := range p.Assignments {
		needed = append(needed, a.Actions...)
		if a.Role != "" && !strings.Contains(string(bicep), "// "+a.Role+",") {
			t.Errorf("Bicep does not assign %s", a.Role)
		}
	}
	for _, list := range []*[]string{&given, &needed} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if diff := cmp.Diff(given, needed); diff != "" {
		t.Errorf("bicep/roles.bicep gives others:\n%s", diff)
	}
	s.expects(s.run("config", "rbac", file), 0, "# kubectl create rolebinding bluegreen-shop -n shop-green --role bluegreen-shop --user OBJECT_ID", "kind: Role", "#   AcrPull", "#   EventGrid Data Sender")
}
