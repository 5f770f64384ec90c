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
					if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
						t.Errorf("%s: %v", s.Uses, err)
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
	for _, file := range []string{"host.json", "image-pushed/function.json", "console/function.json"} {
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

func TestDestroyRequiresTheNameOfTheEnvironment(t *testing.T) {
	confirm := load(t, "destroy.yml").Jobs["confirm"].Steps[0]
	for typed, right := range map[string]bool{"production": true, "": false, "Production": false, "production ": false, "yes": false} {
		out, err := run(t, confirm, t.TempDir(), "ENVIRONMENT=production", "TYPED="+typed)
		if (err == nil) != right {
			t.Errorf("typed %q: %v\n%s", typed, err, out)
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
