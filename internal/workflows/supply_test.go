package workflows_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestEveryToolIsPinned: what a workflow or the Makefile fetches, it fetches in one version.
func TestEveryToolIsPinned(t *testing.T) {
	if !regexp.MustCompile(`(?m)^toolchain go\d+\.\d+\.\d+$`).MatchString(read(t, "go.mod")) {
		t.Error("go.mod has no toolchain: a build takes whatever Go is there")
	}
	// each installs with a version in its place; other ways to fetch a program are not used
	pinned := regexp.MustCompile(`^(?:go run \S+@v\d+\.\d+\.\d+\b|az bicep install --version v\d+\.\d+\.\d+\b|Install-Module \S+ -RequiredVersion \d+\.\d+\.\d+\b|npm ci\b)`)
	fetches := regexp.MustCompile(`go run \S+\.\S+/\S+|go install \S+@|az bicep (?:install|upgrade)|Install-(?:Module|PSResource)|npm (?:ci|install)|npx |pip3? install|apt-get install|\bcurl |\bwget |\bbrew `)
	files := []string{"Makefile", "testbed/Makefile"}
	for _, name := range names(t) {
		files = append(files, ".github/workflows/"+name)
	}
	seen := 0
	for _, name := range files {
		text := read(t, name)
		for _, at := range fetches.FindAllStringIndex(text, -1) {
			seen++
			line, _, _ := strings.Cut(text[at[0]:], "\n")
			if !pinned.MatchString(line) {
				t.Errorf("%s fetches a program without a version: %s", name, line)
			}
		}
		for _, found := range regexp.MustCompile(`(?m)^\s*(?:node|go|python)-version: (.*)$`).FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(found[1]) {
				t.Errorf("%s takes any version %s", name, found[1])
			}
		}
	}
	if seen < 4 {
		t.Errorf("only %d fetched programs were seen", seen)
	}
	// The action takes the newest version of a module that is not installed, and any Bicep.
	var before string
	for _, s := range load(t, "scan.yml").Jobs["ps-rule"].Steps {
		if strings.HasPrefix(s.Uses, "microsoft/ps-rule@") {
			break
		}
		before += s.Run
	}
	for _, want := range []string{"Install-Module PSRule.Rules.Azure -RequiredVersion ", "az bicep install --version ", "PSRULE_AZURE_BICEP_PATH="} {
		if !strings.Contains(before, want) {
			t.Errorf("scan.yml does not run %q before PSRule", want)
		}
	}
}

// TestDependenciesAreUpdatedByABot: of each place that has some.
func TestDependenciesAreUpdatedByABot(t *testing.T) {
	var bot struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
			Schedule    struct{ Interval string }
		}
	}
	data, err := os.ReadFile(filepath.Join(root, ".github", "dependabot.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &bot); err != nil {
		t.Fatal(err)
	}
	updated := map[string]bool{}
	for _, u := range bot.Updates {
		for _, dir := range append(u.Directories, u.Directory) {
			updated[u.Ecosystem+" "+dir] = u.Schedule.Interval == "weekly"
		}
	}
	list := exec.Command("git", "ls-files", "*go.mod", "*package.json")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Skipf("not a checkout of the repository: %v", err)
	}
	wanted := []string{"github-actions /"}
	for _, name := range strings.Fields(string(out)) {
		ecosystem := map[string]string{"go.mod": "gomod", "package.json": "npm"}[filepath.Base(name)]
		wanted = append(wanted, ecosystem+" "+filepath.Join("/", filepath.Dir(name)))
	}
	for _, want := range wanted {
		if !updated[want] {
			t.Errorf("nothing updates %s every week", want)
		}
	}
}

// TestTheCodeIsScanned for known and for new weaknesses, also when nothing was changed.
func TestTheCodeIsScanned(t *testing.T) {
	w := load(t, "code.yml")
	for _, event := range []string{"push", "pull_request", "schedule"} {
		if !strings.Contains(strings.Join(w.events(), " "), event) {
			t.Errorf("code.yml does not run at %s", event)
		}
	}
	var steps string
	for _, j := range w.Jobs {
		for _, s := range j.Steps {
			steps += s.Uses + s.Run + "\n"
		}
	}
	for _, want := range []string{"github/codeql-action/init@", "github/codeql-action/analyze@", "make vulnerabilities"} {
		if !strings.Contains(steps, want) {
			t.Errorf("code.yml does not run %s", want)
		}
	}
}

// TestEveryPublishedFileIsAttested: the paths of both steps are the same.
func TestEveryPublishedFileIsAttested(t *testing.T) {
	var attested, published string
	for _, s := range load(t, "release.yml").Jobs["publish"].Steps {
		if strings.HasPrefix(s.Uses, "actions/attest@") && s.With["sbom-path"] == nil {
			attested, _ = s.With["subject-path"].(string)
		}
		if strings.HasPrefix(s.Run, "gh release create") {
			words := strings.Fields(s.Run)
			published = words[len(words)-1]
		}
	}
	if published != "dist/release/*" || attested != published {
		t.Errorf("%q is published, %q is attested", published, attested)
	}
}

// TestATagNameIsNotRun: whoever may push a tag chooses its name, and git describe prints it.
func TestATagNameIsNotRun(t *testing.T) {
	const hostile = "v1';touch${IFS}ran;'"
	for name, set := range map[string]struct{ tag, given, want string }{
		"a tag of the repository":     {tag: hostile},
		"a version that is given":     {given: "v1';touch ran;'"},
		"a function of make":          {given: "$(shell touch ran)"},
		"a version of the repository": {tag: "v1.2.3", want: "-X main.version=v1.2.3"},
		"a given version":             {given: "v1.2.3-rc.1", want: "-X main.version=v1.2.3-rc.1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"Makefile", "scripts/version.sh"} {
				data, err := os.ReadFile(filepath.Join(root, name))
				if os.IsNotExist(err) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			path := "PATH=" + tools(t, map[string]string{"go": "#!/bin/bash\necho \"go $*\"\n"}) + ":" + os.Getenv("PATH")
			if err := os.WriteFile(filepath.Join(dir, "go.mod"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "go.sum"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if set.tag != "" {
				for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "a"}, {"tag", set.tag}} {
					cmd := exec.Command("git", args...)
					cmd.Dir = dir
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("git %v: %v\n%s", args, err, out)
					}
				}
			}
			args := []string{"dist/handler"}
			if set.given != "" {
				args = append(args, "VERSION="+set.given)
			}
			cmd := exec.Command("make", args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), path, "MAKEFLAGS=", "MAKELEVEL=")
			out, err := cmd.CombinedOutput()
			if _, there := os.Stat(filepath.Join(dir, "ran")); there == nil {
				t.Errorf("make ran the text of the version\n%s", out)
			}
			if set.want != "" && (err != nil || !strings.Contains(string(out), set.want)) {
				t.Errorf("%v: no %q in\n%s", err, set.want, out)
			}
		})
	}
}
