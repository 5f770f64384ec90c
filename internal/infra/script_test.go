package infra_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"bluegreen/internal/config"
)

// az is a fake az for these scripts; its lists are in files in the same folder.
const az = `#!/bin/bash
case "$*" in
  "group exists"*) echo true ;;
  *"profile list"*) cat "${0%/*}/profiles.json" ;;
  *"application-gateway list"*) cat "${0%/*}/gateways.json" ;;
  "functionapp show"*) echo '{"id": "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/sites/func", "defaultHostName": "func.example.net"}' ;;
  "acr list"*) echo "[\"$REGISTRY\"]" ;;
  "account show"*) echo '{"id": "0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10", "environmentName": "AzureCloud"}' ;;
  *) echo "az was not expected to be asked: $*" >&2; exit 64 ;;
esac
`

// script runs one of scripts/ in a place of its own, with an az and these files for it.
func (c *deployment) script(name string, env []string, beside map[string]string) (dir, printed string) {
	c.Helper()
	dir = c.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS(root+"/scripts")); err != nil {
		c.Fatal(err)
	}
	if _, err := exec.LookPath("jq"); err != nil { // the same language in Go
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "jq"), "github.com/itchyny/gojq/cmd/gojq").CombinedOutput(); err != nil {
			c.Fatalf("there is no jq, and none can be built: %v\n%s", err, out)
		}
	}
	files := map[string]string{"az": az}
	maps.Copy(files, beside)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			c.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "scripts", name))
	cmd.Env = append([]string{"PATH=" + dir + ":" + os.Getenv("PATH")}, env...)
	out, err := cmd.Output()
	if err != nil {
		c.Fatalf("%s: %v\n%s", name, err, err.(*exec.ExitError).Stderr)
	}
	return dir, strings.TrimSpace(string(out))
}

// configured is the app of bluegreen.yaml, as scripts/configure.sh writes it from the outputs.
func (c *deployment) configured() config.App {
	c.Helper()
	var outputs []string
	for _, d := range c.entry.decls {
		if d.word == "output" {
			outputs = append(outputs, fmt.Sprintf("%s=%v", d.name, c.value(c.entry, d.body)))
		}
	}
	dir, _ := c.script("configure.sh", outputs, nil)
	data, err := os.ReadFile(filepath.Join(dir, "bluegreen.yaml"))
	if err != nil {
		c.Fatal(err)
	}
	loaded, err := config.Load(data)
	if err != nil || len(loaded.Apps) != 1 || len(loaded.Apps[0].Problems) > 0 {
		c.Fatalf("%v %+v\n%s", err, loaded, data)
	}
	return loaded.Apps[0]
}

// live is the color that scripts/live-color.sh finds.
func (a *azure) live() string {
	a.Helper()
	inFront, behind := []any{}, []any{}
	for _, r := range a.of(profiles) {
		inFront = append(inFront, flat(a.emulator.Profile(r.id).Document()))
	}
	for _, r := range a.of(gateways) {
		behind = append(behind, flat(a.emulator.Gateway(r.id).Document()))
	}
	_, color := a.script("live-color.sh", nil, map[string]string{"profiles.json": string(a.json(inFront)), "gateways.json": string(a.json(behind))})
	return color
}

// flat is a resource as az prints it: properties are not apart.
func flat(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for key, value := range v {
			m[key] = flat(value)
		}
		if properties, ok := m["properties"].(map[string]any); ok {
			delete(m, "properties")
			maps.Copy(m, properties)
		}
		return m
	case []any:
		l := []any{}
		for _, value := range v {
			l = append(l, flat(value))
		}
		return l
	}
	return v
}
