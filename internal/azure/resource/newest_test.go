package resource_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var newest = flag.Bool("newest", false, "ask the Go module proxy for newer models of Azure's gateways")

// models are the modules whose models, and versions of Azure's API, read and write gateways.
var models = regexp.MustCompile(`(?m)^\s*(github\.com/Azure/azure-sdk-for-go/sdk/resourcemanager/(?:network/armnetwork|trafficmanager/armtrafficmanager)(?:/v\d+)?) (v\S+)$`)

// TestNoNewerModelsExist is for "make models": what exists elsewhere must not decide whether
// an unchanged checkout passes, and a proxy that does not answer is no pass.
func TestNoNewerModelsExist(t *testing.T) {
	if !*newest {
		t.Skip("it asks the module proxy: run make models")
	}
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := models.FindAllStringSubmatch(string(mod), -1)
	if len(found) != 2 {
		t.Fatalf("go.mod requires %q, want two modules", found)
	}
	for _, m := range found {
		for _, name := range []string{m[1], nextMajor(m[1])} {
			if v := latest(t, name); v != "" && v != m[2] {
				t.Errorf("%s %s exists, in use is %s %s: try it, and compare what a switch writes", name, v, m[1], m[2])
			}
		}
	}
}

func nextMajor(module string) string {
	base := path.Base(module)
	if n, err := strconv.Atoi(strings.TrimPrefix(base, "v")); err == nil {
		return fmt.Sprintf("%s/v%d", path.Dir(module), n+1)
	}
	return module + "/v2"
}

// latest is the newest released version of a module, "" when it has none.
func latest(t *testing.T, module string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	proxy, _, _ := strings.Cut(env(t, "GOPROXY"), ",") // not the repository itself
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-versions", module)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY="+proxy)
	out, err := cmd.CombinedOutput()
	if err != nil && regexp.MustCompile(`\b(404|410)\b|no matching versions`).Match(out) {
		return ""
	}
	if err != nil {
		t.Fatalf("ask %s for %s: %v: %s", proxy, module, err, out)
	}
	newest := ""
	for _, v := range strings.Fields(string(out))[1:] { // oldest first
		if !strings.Contains(v, "-") {
			newest = v
		}
	}
	return newest
}

func env(t *testing.T, key string) string {
	t.Helper()
	out, err := exec.Command("go", "env", key).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
