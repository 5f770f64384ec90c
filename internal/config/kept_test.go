package config_test

import (
	"os"
	"strings"
	"testing"

	"bluegreen/internal/config"

	"github.com/google/go-cmp/cmp"
)

// twoApps has the apps shop and blog; changes are pairs of texts, old and new.
func twoApps(changes ...string) string {
	return strings.NewReplacer(changes...).Replace(`
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: shop, deployment: blue, selector: {color: blue}}
      green: {cluster: "context:a", namespace: shop, deployment: green, selector: {color: green}}
    gateway: {service: shop}
    bake: 5m
  - name: blog
    image: {registry: shopacr.azurecr.io, repository: team/blog, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: blog, deployment: blue, selector: {color: blue}}
      green: {cluster: "context:a", namespace: blog, deployment: green, selector: {color: green}}
    gateway: {service: blog}
    bake: 6m
`)
}

func parsed(t *testing.T, file string) *config.Config {
	t.Helper()
	c, err := config.Load([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is what is kept once a file is there.
func with(kept config.Kept, file string) config.Kept {
	now, _ := config.Load([]byte(file)) // nil where it cannot be used
	return kept.With([]config.File{{Text: file}}, now)
}

// apps writes of each app its name, its bake, and what it is held by or cannot be used for.
func apps(c *config.Config) (list []string) {
	for _, a := range c.Apps {
		text := a.Name + " " + a.Bake.String()
		for _, held := range a.Held {
			text += ", held: " + held
		}
		for _, p := range a.Sentences() {
			text += ", not served: " + p
		}
		list = append(list, text)
	}
	return list
}

func TestTheLastGoodConfigurationGoesOnServing(t *testing.T) {
	const bad = "line 9, column 11: apps[0].bake: \"long\" is not a duration such as 90s, 15m, 1h30m or 7d"
	good, newer := twoApps(), twoApps("bake: 6m", "bake: 7m")
	oneWrong := twoApps("bake: 5m", "bake: long", "bake: 6m", "bake: 8m")
	moved := twoApps("bake: 5m", "bake: long", "namespace: shop", "namespace: other", "{service: shop}", "{service: other}", "namespace: blog", "namespace: shop", "{service: blog}", "{service: shop}")
	noName := twoApps("name: shop", "name: store", "bake: 5m", "bake: long")
	for name, test := range map[string]struct {
		files []string // as they were seen, the last one is that of now
		want  []string
	}{
		"good":                         {[]string{good, newer}, []string{"shop 5m0s", "blog 7m0s"}},
		"unreadable":                   {[]string{good, newer, "apps: ["}, []string{"shop 5m0s, held: no file", "blog 7m0s, held: no file"}},
		"one app wrong":                {[]string{good, oneWrong}, []string{"shop 5m0s, held: " + bad, "blog 8m0s"}},
		"wrong for long":               {[]string{good, oneWrong, oneWrong + "# again", oneWrong}, []string{"shop 5m0s, held: " + bad, "blog 8m0s"}},
		"one wrong, then unreadable":   {[]string{good, oneWrong, ""}, []string{"shop 5m0s, held: " + bad + ", held: no file", "blog 8m0s, held: no file"}},
		"wrong from the beginning":     {[]string{oneWrong}, []string{"shop 15m0s, not served: " + bad, "blog 8m0s"}},
		"its Service is another's now": {[]string{good, moved}, []string{"shop 15m0s, not served: " + bad, "blog 6m0s"}},
		"another name":                 {[]string{good, noName}, []string{"store 15m0s, not served: " + bad, "blog 6m0s"}},
		"fixed":                        {[]string{good, oneWrong, newer}, []string{"shop 5m0s", "blog 7m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			var kept config.Kept
			last := len(test.files) - 1
			for _, file := range test.files[:last] {
				kept = with(kept, file)
				data, err := config.EncodeKept(kept)
				if err != nil {
					t.Fatal(err)
				}
				if kept, err = config.DecodeKept(data); err != nil {
					t.Fatal(err)
				}
			}
			now, err := config.Load([]byte(test.files[last]))
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
		})
	}
}

func TestWithoutAnEarlierConfigurationNoneIsRestored(t *testing.T) {
	for name, kept := range map[string]config.Kept{"none": {}, "of another version": {Files: []config.File{{Text: "apps: [{name: x, colour: red}]\nfuture: 1"}}}} {
		if c, err := kept.Restore([]string{"no file"}); err == nil || !strings.Contains(err.Error(), "no earlier configuration that can be used is kept") {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// TestAHeldAppHasAnotherFingerprint: what its resources are is to be looked at again.
func TestAHeldAppHasAnotherFingerprint(t *testing.T) {
	kept := with(config.Kept{}, twoApps())
	held, err := kept.Restore([]string{"no file"})
	if err != nil {
		t.Fatal(err)
	}
	if good := parsed(t, twoApps()); held.Apps[0].Fingerprint() == good.Apps[0].Fingerprint() {
		t.Error("it is the same")
	}
}

// FuzzKept reads what a table may hold.
func FuzzKept(f *testing.F) {
	everything, err := os.ReadFile("testdata/good/everything.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{}`), twoApps())
	first, _ := config.EncodeKept(with(config.Kept{}, string(everything)))
	f.Add(first, twoApps("bake: 5m", "bake: x"))
	f.Fuzz(func(t *testing.T, stored []byte, file string) {
		kept, err := config.DecodeKept(stored)
		if err != nil {
			return
		}
		kept = with(kept, file)
		if c, err := config.Load([]byte(file)); err == nil {
			for i, a := range kept.Complete(c).Apps {
				if len(a.Held) > 0 && len(a.Problems) > 0 || len(c.Apps[i].Problems) == 0 && len(a.Held) > 0 {
					t.Errorf("%+v", a)
				}
			}
		}
	})
}
