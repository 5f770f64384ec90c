// Package scripts_test runs the scripts with fakes of az and the other programs that they call.
package scripts_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Ids in the answers of the fake az.
const (
	subscription = "0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"
	scope        = "/subscriptions/" + subscription
	site         = scope + "/resourceGroups/rg-bluegreen/providers/Microsoft.Web/sites/func-shop"
)

// env is a copy of the scripts with fakes of the programs that they call.
type env struct {
	*testing.T
	root string
	env  []string
}

// answer is the reaction of a program to arguments that begin with when: print a text, fail
// with a text, or run some lines of bash.
type answer struct {
	when, print string
	fail        string
	run         string
}

func newEnv(t *testing.T) *env {
	t.Helper()
	w := &env{T: t, root: t.TempDir()}
	for _, dir := range []string{"bin", "scripts", "bicep", "dist", "log"} {
		if err := os.Mkdir(filepath.Join(w.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	scripts, err := filepath.Glob("*.[sj][hq]")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range scripts {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		w.write(filepath.Join("scripts", name), string(data), 0o755)
	}
	w.jq()
	for _, file := range []string{"main", "main.full", "shared", "controller", "events"} {
		w.write("bicep/"+file+".bicepparam", "", 0o644)
	}
	w.env = []string{"PATH=" + filepath.Join(w.root, "bin") + ":" + os.Getenv("PATH"), "HOME=" + w.root, "LOG=" + filepath.Join(w.root, "log"), "BLUEGREEN_PAUSE=0", "BLUEGREEN_SECURE_ALERTS=no"}
	return w
}

// built is a folder for programs of all tests, which ends with them.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "bluegreen-scripts-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// gojq is the path of jq's language in Go, which is built once.
var gojq = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "jq")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/itchyny/gojq/cmd/gojq").CombinedOutput(); err != nil {
		return "", fmt.Errorf("jq is not installed, and gojq cannot be built: %w\n%s", err, out)
	}
	return path, nil
})

// jq is gojq where jq is not installed.
func (w *env) jq() {
	w.Helper()
	if _, err := exec.LookPath("jq"); err == nil {
		return
	}
	path, err := gojq()
	if err == nil {
		err = os.Symlink(path, filepath.Join(w.root, "bin", "jq"))
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *env) write(name, text string, mode os.FileMode) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.root, name), []byte(text), mode); err != nil {
		w.Fatal(err)
	}
}

// program puts a fake program on the path. It logs each call and gives the first answer that
// matches; a call without an answer fails.
func (w *env) program(name string, answers ...answer) {
	w.Helper()
	var arms strings.Builder
	for _, a := range answers {
		body := a.run
		switch {
		case a.fail != "":
			body = fmt.Sprintf("echo %s >&2; exit 1", quote(a.fail))
		case body == "" && a.print == "":
			body = ":"
		case body == "":
			body = "printf '%s\\n' " + quote(a.print)
		}
		fmt.Fprintf(&arms, "  %s*) %s ;;\n", quote(a.when), body)
	}
	w.write("bin/"+name, "#!/bin/bash\necho \"$*\" >> \"$LOG/"+name+"\"\ncase \"$*\" in\n"+arms.String()+
		"  *) echo \""+name+" was called unexpectedly: $*\" >&2; exit 64 ;;\nesac\n", 0o755)
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// azure is a fake az that is signed in; the given answers come first. The resource group is
// of the environment, and the parameter file has only what all of them have.
func (w *env) azure(answers ...answer) {
	w.Helper()
	w.program("az", append(answers,
		account("AzureCloud", "user"),
		answer{when: "version", print: "2.53.0"},
		answer{when: "group exists", print: "true"},
		answer{when: "group show", run: `jq -nc '{location: env.AZURE_LOCATION, tags: {"azd-env-name": env.AZURE_ENV_NAME}}'`},
		answer{when: "group list --tag azd-env-name=bluegreen --query [].name", print: "rg-bluegreen"},
		answer{when: "functionapp show --resource-group rg-bluegreen --name func", print: text(map[string]string{"id": site, "defaultHostName": "func.example.net"})},
		answer{when: "acr list --resource-group rg-", print: `["shopacr.azurecr.io"]`},
		answer{when: "monitor action-group list", print: "[]"},
		answer{when: "aks list", print: "[]"},
		answer{when: "vm list", print: "[]"},
		answer{when: "storage account list", print: "[]"},
		answer{when: "network public-ip list", print: "[]"},
		answer{when: "network application-gateway list", print: "[]"},
		parameters(nil),
		answer{when: "deployment sub show", fail: "DeploymentNotFound"})...)
}

// account is what az is signed in to.
func account(cloud, kind string) answer {
	return answer{when: "account show", print: text(map[string]any{
		"id": subscription, "environmentName": cloud, "user": map[string]string{"type": kind, "name": "workflow-1"},
	})}
}

// parameters is a compiled parameter file with these values and those that all files have.
func parameters(values map[string]any) answer {
	given := map[string]any{}
	for name, value := range values {
		given[name] = map[string]any{"value": value}
	}
	return answer{when: "bicep build-params --file bicep/", run: `jq -nc --argjson given ` + quote(text(given)) + ` '{
		templateJson: ({parameters: {zones: {defaultValue: []}, storageSku: {defaultValue: "Standard_ZRS"}}} | tojson),
		parametersJson: ({parameters: ({name: {value: env.BLUEGREEN_NAME}, groupName: {value: env.RESOURCE_GROUP},
			tags: {value: {"azd-env-name": env.AZURE_ENV_NAME}}} + $given)} | tojson)}'`}
}

func (w *env) set(name, value string) { w.env = append(w.env, name+"="+value) }

// result is the output and the exit code of a script.
type result struct {
	out, err string
	code     int
}

func (w *env) run(script string, args ...string) result {
	w.Helper()
	return w.runWith("", script, args...)
}

func (w *env) runWith(input, script string, args ...string) result {
	w.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(filepath.Join(w.root, "scripts", script), args...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = w.root, w.env, strings.NewReader(input), &out, &errs
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// prints checks that a script succeeded and printed want.
func (w *env) prints(r result, want string) {
	w.Helper()
	if r.code != 0 || strings.TrimSpace(r.out) != want {
		w.Errorf("exit %d, printed %q, want %q\n%s", r.code, r.out, want, r.err)
	}
}

// stops checks that a script failed with this reason, and printed nothing to standard output,
// which a caller could use as the result.
func (w *env) stops(r result, why string) {
	w.Helper()
	if r.code == 0 || r.out != "" || !strings.Contains(r.err, why) {
		w.Errorf("exit %d, printed %q, stderr %q, want a failure with %q", r.code, r.out, r.err, why)
	}
}

// asked returns the calls of a program that begin with one of the prefixes, or all calls without prefixes.
func (w *env) asked(program string, prefixes ...string) []string {
	w.Helper()
	data, err := os.ReadFile(filepath.Join(w.root, "log", program))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Fatal(err)
	}
	var calls []string
	for _, call := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if call != "" && (len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(call, p) })) {
			calls = append(calls, call)
		}
	}
	return calls
}
