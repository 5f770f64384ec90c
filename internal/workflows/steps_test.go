package workflows_test

import (
	"archive/zip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checkout copies the files that a commit of the working tree would contain.
func checkout(t *testing.T) string {
	t.Helper()
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Skipf("not a checkout of the repository: %v", err)
	}
	dir := t.TempDir()
	for _, name := range strings.Split(strings.Trim(string(out), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.IsDir() {
			continue // removed, and not yet committed
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run runs a step as GitHub would, and returns what it printed.
func run(t *testing.T, s step, dir string, env ...string) (string, error) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "step.sh")
	if err := os.WriteFile(script, []byte(s.Run), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euo", "pipefail", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestTheReleaseStepsBuildThePublishedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a release")
	}
	dir, temp := checkout(t), t.TempDir()
	log := filepath.Join(dir, "CHANGELOG.md")
	if err := os.WriteFile(log, []byte("# Changelog\n\n## 0.0.1\n- what is new\n\n## 0.0.0\n- what was\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := load(t, "release.yml")
	// One platform instead of six; the others differ only in the compiler's target.
	env := []string{"GITHUB_REF_NAME=v0.0.1", "RUNNER_TEMP=" + temp, "PLATFORMS=linux/amd64", "MAKEFLAGS=", "MAKELEVEL="}
	for _, s := range w.Jobs["build"].Steps {
		if s.Run == "" {
			continue
		}
		if out, err := run(t, s, dir, env...); err != nil {
			t.Fatalf("%s: %v\n%s", s.Name, err, out)
		}
	}
	uploaded(t, w, dir)
	if notes, err := os.ReadFile(filepath.Join(dir, "dist", "notes.md")); err != nil || string(notes) != "- what is new\n" {
		t.Errorf("the notes are %q (%v)", notes, err)
	}
	made := filepath.Join(dir, "dist", "release")
	packaged(t, filepath.Join(made, "bluegreen.zip"))
	inventory(t, filepath.Join(made, "bluegreen.zip.cdx.json"), "github.com/Azure/azure-sdk-for-go/sdk/azidentity")
	inventory(t, filepath.Join(made, "bluegreen.cdx.json"), "github.com/spf13/cobra")
	inventory(t, filepath.Join(made, "bluegreen-lab.cdx.json"), "github.com/google/go-containerregistry")
	sums, err := os.ReadFile(filepath.Join(made, "SHA256SUMS"))
	if err != nil || strings.Count(string(sums), "\n") != 6 {
		t.Errorf("six files have a checksum: %s (%v)", sums, err)
	}
}

// uploaded checks that each file that the later steps name was built.
func uploaded(t *testing.T, w workflow, dir string) {
	t.Helper()
	files := 0
	for _, j := range w.Jobs {
		for _, s := range j.Steps {
			for _, input := range []string{"path", "subject-path", "subject-checksums", "sbom-path"} {
				paths, _ := s.With[input].(string)
				for _, path := range strings.Fields(paths) {
					files++
					if found, err := filepath.Glob(filepath.Join(dir, path)); err != nil || len(found) == 0 {
						t.Errorf("%s: there is no %s (%v)", s.Uses, path, err)
					}
				}
			}
		}
	}
	if files < 9 {
		t.Errorf("only %d files are named", files)
	}
}

// packaged checks that the Functions host accepts the zip, and that it has this version's handler.
func packaged(t *testing.T, name string) {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("handler")
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the handler cannot be run: %v (%v)", info.Mode(), err)
	}
	binary, err := io.ReadAll(f)
	if err != nil || !strings.Contains(string(binary), "v0.0.1") {
		t.Errorf("the handler does not know its version (%v)", err)
	}
	for _, file := range []string{"host.json", "image-pushed/function.json", "act/function.json"} {
		if _, err := z.Open(file); err != nil {
			t.Error(err)
		}
	}
}

// inventory checks that a bill of materials is of this version and names a module.
func inventory(t *testing.T, name, module string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.Metadata.Component.Name != "bluegreen" || bom.Metadata.Component.Version != "v0.0.1" {
		t.Errorf("%s is of %+v", filepath.Base(name), bom.Metadata)
	}
	for _, c := range bom.Components {
		if c.Name == module && c.Version != "" {
			return
		}
	}
	t.Errorf("%s does not name %s", filepath.Base(name), module)
}

// az is a fake for the steps: signed in, with a resource group of the environment production.
const az = `#!/bin/bash
case "$*" in
  "account show"*) echo '{"id": "0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10", "environmentName": "AzureCloud"}' ;;
  "group exists"*) echo true ;;
  "group show"*) echo '{"location": "westeurope", "tags": {"azd-env-name": "production"}}' ;;
  "network "*) echo '[]' ;;
  "group delete"*) echo "deleted: $*" ;;
  "deployment sub show"*) exit 1 ;;
esac
`

// tools puts programs on a path of their own.
func tools(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestDestroyRequiresTheNameOfTheGroup: what is typed names what is deleted.
func TestDestroyRequiresTheNameOfTheGroup(t *testing.T) {
	path := "PATH=" + tools(t, map[string]string{"az": az}) + ":" + os.Getenv("PATH")
	for typed, right := range map[string]bool{"rg-production": true, "": false, "production": false, "rg-staging": false, "RG-production": false, "yes": false} {
		job := load(t, "destroy.yml").Jobs["destroy"]
		s := job.Steps[len(job.Steps)-1]
		env := []string{path, "AZURE_ENV_NAME=production", "RESOURCE_GROUP=rg-production"}
		for name, value := range s.Env {
			env = append(env, name+"="+strings.ReplaceAll(value, "${{ inputs.confirm }}", typed))
		}
		out, err := run(t, s, root, env...)
		if deleted := strings.Contains(out, "deleted: group delete --name rg-production "); deleted != right || (err == nil) != right {
			t.Errorf("typed %q: deleted %v, want %v (%v)\n%s", typed, deleted, right, err, out)
		}
	}
}

// TestAWarningOfTheCompilerFailsTheJob: the compiler exits 0 with warnings. Its version is
// pinned, and az takes another one from the path of a runner.
func TestAWarningOfTheCompilerFailsTheJob(t *testing.T) {
	steps := load(t, "ci.yml").Jobs["bicep"].Steps
	s := steps[len(steps)-1]
	for finding, right := range map[string]bool{
		"": true, "Warning no-unused-params: Parameter is declared but never used.": false, "Warning BCP037: The property is not allowed.": false,
	} {
		compiler := `#!/bin/bash
[ "$*" != "build bicep/main.bicep --stdout" ] || [ -z "` + finding + `" ] || echo "bicep/main.bicep(1,1) : ` + finding + `" >&2
echo "$*" >> "$LOG"
`
		installer := `#!/bin/bash
[[ "$*" =~ ^bicep\ install\ --version\ v[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "az $*: not a pinned version" >&2; exit 1; }
mkdir -p "$HOME/.azure/bin"
cp "$0.compiler" "$HOME/.azure/bin/bicep"
`
		home, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
		dir := tools(t, map[string]string{"az": installer, "az.compiler": compiler, "bicep": "#!/bin/bash\nexit 1\n"})
		out, err := run(t, s, root, "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+home, "LOG="+log, "RUNNER_TEMP="+t.TempDir())
		if (err == nil) != right || !strings.Contains(out, finding) {
			t.Errorf("%q: %v\n%s", finding, err, out)
		}
		compiled, _ := os.ReadFile(log)
		for _, want := range []string{"build bicep/main.bicep ", "build bicep/events.bicep ", "build-params bicep/main.full.bicepparam ", "build-params bicep/events.bicepparam "} {
			if !strings.Contains(string(compiled), want) {
				t.Errorf("%snot compiled: %s", want, compiled)
			}
		}
	}
}

func TestEveryNamedScriptAndTargetExists(t *testing.T) {
	targets := regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(read(t, "Makefile"), -1)
	there := map[string]bool{}
	for _, found := range targets {
		there[found[1]] = true
	}
	files := []string{"azure.yaml", "Makefile"}
	for _, name := range names(t) {
		files = append(files, ".github/workflows/"+name)
	}
	for _, name := range files {
		text := read(t, name)
		for _, script := range regexp.MustCompile(`scripts/[\w-]+\.sh`).FindAllString(text, -1) {
			if info, err := os.Stat(filepath.Join(root, script)); err != nil || info.Mode()&0o100 == 0 && script != "scripts/common.sh" {
				t.Errorf("%s names %s, which cannot be run (%v)", name, script, err)
			}
		}
		for _, found := range regexp.MustCompile(`run: (?:\|\s+)?make (?:--\S+ )*([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if !there[found[1]] {
				t.Errorf("%s runs make %s, which the Makefile does not have", name, found[1])
			}
		}
	}
}

func TestCIRunsMakeTest(t *testing.T) {
	steps := load(t, "ci.yml").Jobs["test"].Steps
	s := steps[len(steps)-1]
	s.Run = strings.Replace(s.Run, "make ", "make --dry-run ", 1) // this test is part of it
	out, err := run(t, s, root, "MAKEFLAGS=", "MAKELEVEL=")
	if err != nil || !strings.Contains(out, "go test") || !strings.Contains(out, "./...") {
		t.Errorf("%v\n%s", err, out)
	}
}
