package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bluegreen/internal/config"

	"github.com/google/go-cmp/cmp"
)

// app is one app that is right, by its name and more keys.
func app(name, more string) string {
	return strings.ReplaceAll(`
  - name: NAME
    image: {registry: shopacr.azurecr.io, repository: NAME, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: NAME, deployment: blue, selector: {color: blue}}
      green: {cluster: "context:a", namespace: NAME, deployment: green, selector: {color: green}}
    gateway: {service: NAME}
`, "NAME", name) + more
}

// several are bluegreen.yaml and other files, by pairs of a name and a text.
func several(first string, others ...string) []config.File {
	list := []config.File{{Text: first}}
	for i := 0; i < len(others); i += 2 {
		list = append(list, config.File{Name: "bluegreen.d/" + others[i] + ".yaml", Text: others[i+1]})
	}
	return list
}

func TestAConfigurationIsInSeveralFiles(t *testing.T) {
	c, err := config.LoadFiles(several("defaults: {bake: 5m}\ntemplates: {shared: {bake: 6m}}\napps:"+app("one", ""),
		"pay", "templates: {own: {bake: 7m}}\napps:"+app("two", "    template: own\n")+app("three", ""), "shop", "apps:"+app("four", "    template: shared\n")+app("five", "    template: own\n")))
	if err != nil || len(c.Problems) > 0 {
		t.Fatal(err, c.Problems)
	}
	want := []string{
		"one 5m0s", "two 7m0s", "three 5m0s", "four 6m0s",
		`five 5m0s, not served: line 16, column 5 of bluegreen.d/shop.yaml: apps[1].template: "own" is no template; there are shared`,
	}
	if diff := cmp.Diff(want, apps(c)); diff != "" {
		t.Error(diff)
	}
	if a := c.Apps[1]; a.File != "bluegreen.d/pay.yaml" || a.Line != 3 || a.Column != 5 {
		t.Errorf("%s is in line %d, column %d of %s", a.Name, a.Line, a.Column, a.File)
	}
}

func TestAMistakeIsThatOfItsFile(t *testing.T) {
	for name, c := range map[string]struct {
		files    []config.File
		apps     []string
		problems []string
		out      []string
	}{
		"a name twice": {
			several("apps:"+app("one", ""), "a", "apps:"+app("two", "")+strings.Replace(app("uno", ""), "name: uno", "name: one", 1)), []string{
				"one 15m0s, not served: line 2, column 5: apps[0].name: the name one belongs to the app in line 9, column 5 of bluegreen.d/a.yaml too: only one of them can have it",
				"two 15m0s",
				"line-9-2 15m0s, not served: line 9, column 5 of bluegreen.d/a.yaml: apps[1].name: the name one belongs to the app in line 2, column 5 too: only one of them can have it",
			}, nil, nil,
		},
		"no YAML": {
			several("apps:"+app("one", ""), "a", "apps: [", "b", "apps:"+app("two", "")), []string{"one 15m0s", "two 15m0s"},
			[]string{"line 1, column 1 of bluegreen.d/a.yaml: not YAML from about here: did not find expected node content (often the indentation)"}, []string{"bluegreen.d/a.yaml"},
		},
		"defaults": {
			several("apps:"+app("one", ""), "a", "defaults: {bake: 5m}\napps:"+app("two", "")), []string{"one 15m0s"},
			[]string{"line 1, column 1 of bluegreen.d/a.yaml: defaults: is for all apps, and is read from bluegreen.yaml alone"}, []string{"bluegreen.d/a.yaml"},
		},
		"an app": {
			several("apps:"+app("one", ""), "a", "apps:"+app("two", "    bake: long\n")+app("three", "")),
			[]string{"one 15m0s", `two 15m0s, not served: line 8, column 11 of bluegreen.d/a.yaml: apps[0].bake: "long" is not a duration such as 90s, 15m, 1h30m or 7d`, "three 15m0s"}, nil, nil,
		},
		"a template twice": {
			several("templates: {web: {bake: 5m}}\napps:"+app("one", "    template: web\n"), "a", "templates: {web: {bake: 6m}}\napps:"+app("two", "    template: web\n")+app("three", "")),
			[]string{"one 5m0s", "two 15m0s, not served: line 9, column 5 of bluegreen.d/a.yaml: apps[0].template: the template web cannot be used, see line 1, column 18 of bluegreen.d/a.yaml: templates.web: is the name of the template in line 1, column 18 too", "three 15m0s"},
			[]string{"line 1, column 18 of bluegreen.d/a.yaml: templates.web: is the name of the template in line 1, column 18 too"}, nil,
		},
		"none but that": {several("defaults: {bake: 5m}\n", "a", "apps:"+app("one", "")), []string{"one 5m0s"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := config.LoadFiles(c.files)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.apps, apps(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.problems, config.Problems(got.Problems).Sentences()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.out, got.Out); diff != "" || len(got.Unknown()) != len(got.Out) {
				t.Error(diff, got.Unknown())
			}
		})
	}
}

func TestAConfigurationIsBounded(t *testing.T) {
	much := "#" + strings.Repeat("x", 1<<20-1)
	var large []string
	for n := range 17 {
		large = append(large, fmt.Sprint(n), much)
	}
	var apps strings.Builder
	apps.WriteString("templates: {web: {}}\napps:\n")
	for n := range 20_001 {
		fmt.Fprintf(&apps, "- {name: a-%d, template: web}\n", n)
	}
	for want, files := range map[string][]config.File{
		"line 1, column 1: the file has more than the 1048576 bytes that are read of one: it can be split into files of the folder bluegreen.d": several(much + "x"),
		"line 1, column 1: the files have more than the 16777216 bytes that are read of them together: what apps share goes into a template":    several("apps:"+app("one", ""), large...),
		"line 3, column 1: the list has 20001 items, more than the 1000 that are read":                                                          several(apps.String()),
		"line 1, column 1: the configuration has 20002 apps, more than the 20000 that are read":                                                 several(strings.Replace(apps.String(), "- {name: a-0, template: web}\n", "", 1), "a", "apps:"+app("one", "")+app("two", "")),
		"line 1, column 1: the configuration has 20001 files, more than the 20000 that are read":                                                make([]config.File, 20_001),
		"line 1, column 1: apps: is missing: the apps that are released":                                                                        several("defaults: {}\n"),
	} {
		if _, err := config.LoadFiles(files); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.200v, expected %s", err, want)
		}
	}
}

func TestTheFilesOfAFolderAreReadInTheOrderOfTheirNames(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.Read(filepath.Join(dir, "bluegreen.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write("bluegreen.yaml", "first")
	write("bluegreen.d/b.yaml", "third")
	write("bluegreen.d/10.yaml", "second")
	write("bluegreen.d/README.md", "no")
	write("bluegreen.d/.hidden.yaml", "no")
	write("bluegreen.d/folder/x.yaml", "no")
	write("bluegreen.d/c.yml", "no")
	got, err := config.Read(filepath.Join(dir, "bluegreen.yaml"))
	want := []config.File{
		{Text: "first"}, {Name: "bluegreen.d/10.yaml", Text: "second"}, {Name: "bluegreen.d/b.yaml", Text: "third"},
		{Name: "bluegreen.d/c.yml", Wrong: "is not read: its name has to end in .yaml"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	c, err := config.LoadFiles(append(several("apps:"+app("one", "")), got[3]))
	if err != nil || len(c.Problems) != 1 || c.Problems[0].String() != "line 1, column 1 of bluegreen.d/c.yml: is not read: its name has to end in .yaml" {
		t.Error(err, c.Problems)
	}
}

// TestTheLastGoodFilesGoOnServing: a file that cannot be used is, with the bluegreen.yaml that it had.
func TestTheLastGoodFilesGoOnServing(t *testing.T) {
	one := "apps:" + app("one", "")
	good := several("defaults: {bake: 5m}\n"+one, "a", "apps:"+app("two", "")+app("three", ""), "b", "apps:"+app("four", ""))
	newer := func(text string) []config.File {
		return several("defaults: {bake: 7m}\n"+one, "a", text, "b", "apps:"+app("four", ""))
	}
	const noYAML = "line 1, column 1 of bluegreen.d/a.yaml: not YAML from about here: did not find expected node content (often the indentation)"
	held := []string{"one 7m0s", "four 7m0s", "two 5m0s, held: " + noYAML, "three 5m0s, held: " + noYAML}
	for name, test := range map[string]struct {
		seen [][]config.File // the last one is that of now
		want []string
		out  int
	}{
		"good":                        {[][]config.File{good}, []string{"one 5m0s", "two 5m0s", "three 5m0s", "four 5m0s"}, 0},
		"a file is out":               {[][]config.File{good, newer("apps: [")}, held, 0},
		"it is out for long":          {[][]config.File{good, newer("apps: ["), newer("apps: [ # again"), newer("apps: [")}, held, 0},
		"it never was good":           {[][]config.File{newer("apps: [")}, []string{"one 7m0s", "four 7m0s"}, 1},
		"one of its apps has moved":   {[][]config.File{good, several("defaults: {bake: 7m}\n"+one, "a", "apps: [", "b", "apps:"+app("two", ""))}, []string{"one 7m0s", "two 7m0s", "three 5m0s, held: " + noYAML}, 0},
		"fixed, one app is gone":      {[][]config.File{good, newer("apps: ["), newer("apps:" + app("two", ""))}, []string{"one 7m0s", "two 7m0s", "four 7m0s"}, 0},
		"the file is gone":            {[][]config.File{good, several("defaults: {bake: 7m}\n"+one, "b", "apps:"+app("four", ""))}, []string{"one 7m0s", "four 7m0s"}, 0},
		"bluegreen.yaml is out":       {[][]config.File{good, several("apps: [", "a", one)}, []string{"one 5m0s, held: no file", "two 5m0s, held: no file", "three 5m0s, held: no file", "four 5m0s, held: no file"}, 0},
		"a file, then bluegreen.yaml": {[][]config.File{good, newer("apps: ["), several("apps: [")}, []string{"one 7m0s, held: no file", "four 7m0s, held: no file"}, 0},
		"an app, then its whole file": {[][]config.File{good, newer("apps:" + app("two", "    bake: x\n") + app("three", "")), newer("apps: [")}, []string{"one 7m0s", "four 7m0s", "three 7m0s, held: " + noYAML, "two 5m0s, held: " + noYAML}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var kept config.Kept
			last := len(test.seen) - 1
			for _, files := range test.seen[:last] {
				now, _ := config.LoadFiles(files)
				data, err := config.EncodeKept(kept.With(files, now))
				if err != nil {
					t.Fatal(err)
				}
				if kept, err = config.DecodeKept(data); err != nil {
					t.Fatal(err)
				}
			}
			now, err := config.LoadFiles(test.seen[last])
			if err != nil {
				now, err = kept.Restore([]string{"no file"})
			} else {
				now = kept.Complete(now)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, apps(now)); diff != "" {
				t.Error(diff)
			}
			if len(now.Out) != test.out {
				t.Errorf("out are %v", now.Out)
			}
		})
	}
}

// TestWhatAnEarlierVersionKeptIsRead: it had one file, and others by app.
func TestWhatAnEarlierVersionKeptIsRead(t *testing.T) {
	old := fmt.Sprintf(`{"file":%q,"earlier":{"shop":%q}}`, twoApps("bake: 5m", "bake: x", "bake: 6m", "bake: 8m"), twoApps())
	kept, err := config.DecodeKept([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	c, err := kept.Restore([]string{"no file"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`shop 5m0s, held: line 9, column 11: apps[0].bake: "x" is not a duration such as 90s, 15m, 1h30m or 7d, held: no file`, "blog 8m0s, held: no file"}
	if diff := cmp.Diff(want, apps(c)); diff != "" {
		t.Error(diff)
	}
	if _, err := config.DecodeKept([]byte(`{"files":[{"text":1}]}`)); err == nil {
		t.Error("a text that is missing is not noticed")
	}
}

// TestTheExampleOfManyAppsIsRight reads what docs/many-apps.md names.
func TestTheExampleOfManyAppsIsRight(t *testing.T) {
	files, err := config.Read("../../deploy/many-apps/bluegreen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadFiles(files)
	if err != nil || len(c.Problems) > 0 {
		t.Fatal(err, c.Problems)
	}
	want := []string{"checkout 20m0s", "invoices 20m0s", "ledger 2h0m0s", "catalog 20m0s", "search 20m0s"}
	if diff := cmp.Diff(want, apps(c)); diff != "" {
		t.Error(diff)
	}
	for _, f := range files {
		if err := schema(t).Validate(asJSON(t, []byte(f.Text))); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	ledger := c.Apps[2]
	if !strings.HasSuffix(ledger.Colors.Blue.Cluster, "/aks-pay") || len(ledger.Colors.Blue.Selector) != 3 || ledger.Colors.Green.Deployment != "ledger-green" {
		t.Errorf("%+v", ledger.Colors)
	}
}
