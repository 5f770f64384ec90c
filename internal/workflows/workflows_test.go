// Package workflows_test checks .github/workflows, azure.yaml and the Makefile, and runs the
// steps that need neither GitHub nor Azure.
package workflows_test

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// workflow has the fields that these tests read.
type workflow struct {
	On          yaml.Node         `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency map[string]any    `yaml:"concurrency"`
	Defaults    struct {
		Run struct{ Shell string }
	}
	Jobs map[string]job
}

type job struct {
	Permissions map[string]string `yaml:"permissions"`
	Timeout     int               `yaml:"timeout-minutes"`
	Environment string
	If          string
	Uses        string
	Env         map[string]string
	Steps       []step
}

type step struct {
	Name, Uses, Run, If string
	With                map[string]any
	Env                 map[string]string
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func names(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	if err != nil || len(found) < 5 {
		t.Fatal("the workflows are not where they were", found, err)
	}
	for i, name := range found {
		found[i] = filepath.Base(name)
	}
	return found
}

func load(t *testing.T, name string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/"+name)), &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return w
}

func TestActionlintFindsNothing(t *testing.T) {
	shellcheck, _ := exec.LookPath("shellcheck") // without it the steps are looked at less closely
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: shellcheck})
	if err != nil {
		t.Fatal(err)
	}
	project, err := actionlint.NewProject(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t) {
		found, err := linter.LintFile(filepath.Join(root, ".github", "workflows", name), project)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("%s:%d:%d: %s", name, f.Line, f.Column, f.Message)
		}
	}
}

// pinned is an action at a full commit, with the version that the commit has.
var pinned = regexp.MustCompile(`^\s*(?:- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$`)

func TestEveryActionIsPinnedByCommit(t *testing.T) {
	versions := map[string]string{}
	for _, name := range names(t) {
		for i, line := range strings.Split(read(t, ".github/workflows/"+name), "\n") {
			if !strings.Contains(line, "uses:") {
				continue
			}
			found := pinned.FindStringSubmatch(line)
			if found == nil {
				t.Errorf("%s:%d: %s: want OWNER/NAME@COMMIT # vVERSION", name, i+1, strings.TrimSpace(line))
				continue
			}
			at := found[2] + " # " + found[3]
			if other := versions[found[1]]; other != "" && other != at {
				t.Errorf("%s:%d: %s is at %s, elsewhere at %s", name, i+1, found[1], at, other)
			}
			versions[found[1]] = at
		}
	}
	if len(versions) < 8 {
		t.Error("too few actions were seen", versions)
	}
}

// may are the permissions of each job.
var may = map[string]string{
	"ci.yml test":          "contents: read",
	"ci.yml bicep":         "contents: read",
	"preview.yml what-if":  "contents: read, id-token: write",
	"deploy.yml what-if":   "contents: read, id-token: write",
	"deploy.yml deploy":    "contents: read, id-token: write",
	"destroy.yml destroy":  "contents: read, id-token: write",
	"code.yml codeql":      "actions: read, contents: read, security-events: write",
	"code.yml govulncheck": "contents: read",
	"scan.yml ps-rule":     "actions: read, contents: read, security-events: write", // a private repository needs actions: read
	"scan.yml models":      "contents: read",
	"release.yml build":    "contents: read",
	"release.yml publish":  "attestations: write, contents: write, id-token: write",
}

func TestEachJobHasTheLeastPermissionsAndAnEnd(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range names(t) {
		w := load(t, name)
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s: permissions of the whole workflow are %v, want none", name, w.Permissions)
		}
		if w.Concurrency["group"] == nil {
			t.Errorf("%s: two runs at once are not kept apart", name)
		}
		for id, j := range w.Jobs {
			var has []string
			for permission, level := range j.Permissions {
				has = append(has, permission+": "+level)
			}
			slices.Sort(has)
			key := name + " " + id
			seen[key] = true
			if want, ok := may[key]; !ok || j.Permissions == nil || strings.Join(has, ", ") != want {
				t.Errorf("%s has %q, want %q", key, strings.Join(has, ", "), want)
			}
			if j.Timeout == 0 {
				t.Errorf("%s may run for six hours: give it timeout-minutes", key)
			}
		}
	}
	for key := range may {
		if !seen[key] {
			t.Errorf("there is no %s", key)
		}
	}
}

func TestStepsStopAtTheFirstFailureAndNeverRunUserInput(t *testing.T) {
	for _, name := range names(t) {
		w := load(t, name)
		for id, j := range w.Jobs {
			for _, s := range j.Steps {
				if s.Run != "" && w.Defaults.Run.Shell != "bash -euo pipefail {0}" {
					t.Errorf("%s %s: the shell is %q", name, id, w.Defaults.Run.Shell)
				}
				// A value put into the text of a script is run; in the environment it is only a value.
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s %s: %q puts an expression into a script: pass it by env", name, id, s.Name)
				}
			}
		}
		if text := read(t, ".github/workflows/"+name); strings.Contains(text, "secrets.") {
			t.Errorf("%s reads a secret", name)
		}
	}
}

func TestJobsThatChangeAzureUseAProtectedEnvironment(t *testing.T) {
	for name, id := range map[string]string{"deploy.yml": "deploy", "destroy.yml": "destroy"} {
		if env := load(t, name).Jobs[id].Environment; env != "${{ inputs.environment }}" {
			t.Errorf("%s %s: environment %q", name, id, env)
		}
	}
}

// events are those that start a workflow.
func (w workflow) events() (names []string) {
	switch w.On.Kind {
	case yaml.ScalarNode:
		return []string{w.On.Value}
	case yaml.SequenceNode:
		for _, n := range w.On.Content {
			names = append(names, n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i < len(w.On.Content); i += 2 {
			names = append(names, w.On.Content[i].Value)
		}
	}
	return names
}

// TestNoPullRequestGetsTheIdentityOfADeployment: the jobs of a workflow run code of the pull
// request that started it. A condition on a job is part of that code, so what deploys is in
// workflows that no pull request starts.
func TestNoPullRequestGetsTheIdentityOfADeployment(t *testing.T) {
	trusted := []string{"push", "schedule", "workflow_dispatch"} // by those who may write to the repository
	previews := 0
	for _, name := range names(t) {
		w := load(t, name)
		events := w.events()
		if len(events) == 0 {
			t.Fatalf("%s: no event starts it", name)
		}
		for _, event := range events {
			if event == "pull_request" || slices.Contains(trusted, event) {
				continue
			}
			t.Errorf("%s is started by %s, which lets strangers run code with the rights of the repository", name, event)
		}
		if !slices.Contains(events, "pull_request") {
			continue
		}
		for id, j := range w.Jobs {
			if j.Uses != "" {
				t.Errorf("%s %s: this test does not see the job in %s", name, id, j.Uses)
			}
			if j.Permissions["id-token"] == "" && j.Environment == "" {
				continue
			}
			previews++
			if j.Environment != "preview" {
				t.Errorf("%s %s: a pull request gets an identity of the environment %q, want preview", name, id, j.Environment)
			}
		}
	}
	if previews != 1 {
		t.Errorf("%d jobs for pull requests sign in to Azure, want the preview alone", previews)
	}
}

// TestAPreviewSignsInToRead: the step that a pull request gets changes nothing, and needs no
// right to.
func TestAPreviewSignsInToRead(t *testing.T) {
	for _, s := range load(t, "preview.yml").Jobs["what-if"].Steps {
		if strings.Contains(s.Run, "infra.sh") {
			if !strings.Contains(s.Run, "scripts/infra.sh preview ") {
				t.Errorf("the preview runs %s", s.Run)
			}
			return
		}
	}
	t.Error("nothing is previewed")
}

// TestThePreviewIsOfThePlaceThatIsDeployed: both jobs read the variables of the same environment.
// A pull request has one of its own, with the same variables and another identity.
func TestThePreviewIsOfThePlaceThatIsDeployed(t *testing.T) {
	jobs := load(t, "deploy.yml").Jobs
	if env := jobs["what-if"].Environment; env != "${{ inputs.environment }}" {
		t.Errorf("what-if: environment %q", env)
	}
	preview := load(t, "preview.yml").Jobs["what-if"]
	for name, env := range map[string]map[string]string{"deploy.yml what-if": jobs["what-if"].Env, "preview.yml what-if": preview.Env} {
		want := maps.Clone(jobs["deploy"].Env)
		if name == "preview.yml what-if" {
			want["AZURE_ENV_NAME"] = "${{ vars.AZURE_ENV_NAME }}" // a pull request has no input
		}
		if diff := cmp.Diff(want, env); diff != "" {
			t.Errorf("%s and deploy read different variables:\n%s", name, diff)
		}
	}
}

// TestNoJobIsSkippedForAVariableOfItsEnvironment: the condition of a job is evaluated before its
// environment is known, so that a variable of it is empty there.
func TestNoJobIsSkippedForAVariableOfItsEnvironment(t *testing.T) {
	for _, name := range names(t) {
		for id, j := range load(t, name).Jobs {
			if strings.Contains(j.If, "vars.") {
				t.Errorf("%s %s: the condition reads a variable: %s", name, id, j.If)
			}
		}
	}
	for name, ids := range map[string][]string{"preview.yml": {"what-if"}, "deploy.yml": {"what-if", "deploy"}, "destroy.yml": {"destroy"}} {
		for _, id := range ids {
			checked := false
			for _, s := range load(t, name).Jobs[id].Steps {
				checked = checked || s.Run == "scripts/variables.sh"
				if strings.HasPrefix(s.Uses, "azure/login@") && !checked {
					t.Errorf("%s %s: a missing variable is not noticed before azure/login", name, id)
				}
			}
		}
	}
}

// TestNoDeprecatedActionIsUsed: both are wrappers of actions/attest now.
func TestNoDeprecatedActionIsUsed(t *testing.T) {
	for _, name := range names(t) {
		for _, action := range []string{"actions/attest-sbom", "actions/attest-build-provenance"} {
			if n := strings.Count(read(t, ".github/workflows/"+name), action+"@"); n > 0 {
				t.Errorf("%s uses %s %d times: use actions/attest", name, action, n)
			}
		}
	}
}

// TestTheCompilersGetTheVariablesOfTheParameterFiles: those without a default.
func TestTheCompilersGetTheVariablesOfTheParameterFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "bicep", "*.bicepparam"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for workflow, id := range map[string]string{"ci.yml": "bicep", "scan.yml": "ps-rule"} {
		given := map[string]string{}
		for _, s := range load(t, workflow).Jobs[id].Steps {
			maps.Copy(given, s.Env)
		}
		for _, file := range files {
			for _, found := range regexp.MustCompile(`readEnvironmentVariable\('(\w+)'\)`).FindAllStringSubmatch(read(t, "bicep/"+filepath.Base(file)), -1) {
				if given[found[1]] == "" {
					t.Errorf("%s %s does not set %s, which %s reads", workflow, id, found[1], filepath.Base(file))
				}
			}
		}
	}
	for _, s := range load(t, "scan.yml").Jobs["ps-rule"].Steps {
		if strings.HasPrefix(s.Uses, "microsoft/ps-rule@") && s.Env["BLUEGREEN_CERTIFICATE"] == "" {
			t.Error("scan.yml does not scan the form with a certificate")
		}
	}
}

// TestAzdChecksItsVersionAndTheSettings before anything is done.
func TestAzdChecksItsVersionAndTheSettings(t *testing.T) {
	var azd struct {
		RequiredVersions map[string]string `yaml:"requiredVersions"`
		Hooks            map[string]struct{ Run string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "azure.yaml")), &azd); err != nil {
		t.Fatal(err)
	}
	if azd.RequiredVersions["azd"] != ">= 1.23.5" {
		t.Errorf("azure.yaml requires azd %q", azd.RequiredVersions["azd"])
	}
	if run := azd.Hooks["preprovision"].Run; !strings.HasPrefix(run, "scripts/preflight.sh && ") {
		t.Errorf("before provisioning azd runs %s", run)
	}
}

// TestTheLocalCheckOfBicepNeedsNodeAlone: it has findings to fix, and none to wave through.
func TestTheLocalCheckOfBicepNeedsNodeAlone(t *testing.T) {
	if text := read(t, ".ci/run"); strings.Contains(text, "npm") || !strings.Contains(text, "bicep-check/check.mjs\" bicep ") {
		t.Errorf(".ci/run installs something, or does not check bicep/:\n%s", text)
	}
	if found, err := filepath.Glob(filepath.Join(root, "testbed", "bicep")); err != nil || found != nil {
		t.Errorf("%v is of no use (%v)", found, err)
	}
	for _, pattern := range []string{"*", "modules/*"} {
		files, err := filepath.Glob(filepath.Join(root, "bicep", pattern+".bicep"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(data), "bicep-check: ok"); n > 0 {
				t.Errorf("%s waives %d findings", filepath.Base(file), n)
			}
		}
	}
}
