// Package arch tests the import rules of the packages, and the documentation.
package arch_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// may lists, for each part, the parts of this module that its product code may import. A
// part that is not listed may import none.
var may = map[string][]string{
	"internal/release":    {},
	"internal/engine":     {"internal/release", "internal/round"},
	"internal/functions":  {"internal/api", "internal/release"},
	"internal/config":     {"internal/engine", "internal/release"},
	"internal/api":        {"internal/release"},
	"internal/signin":     {},
	"internal/access":     {"internal/release"},
	"docs":                {},
	"internal/console":    {"docs", "internal/access", "internal/api", "internal/engine", "internal/release", "internal/signin"},
	"internal/pages":      {"internal/api", "internal/release", "internal/signin"},
	"internal/probe":      {"internal/engine", "internal/release", "internal/setting"},
	"internal/intake":     {"internal/api", "internal/engine", "internal/release", "internal/config", "internal/functions", "internal/signin", "internal/matching", "internal/azure/push", "internal/azure/monitor", "internal/azure/queue"},
	"internal/matching":   {"internal/config", "internal/release", "internal/azure/monitor", "internal/azure/push"},
	"internal/record":     {"internal/engine", "internal/release"},
	"internal/cloudevent": {"internal/engine", "internal/release"},
	"internal/notify":     {"internal/cloudevent", "internal/engine", "internal/outbound", "internal/release", "internal/setting"},
	"internal/azure":      {"internal/cloudevent", "internal/engine", "internal/release", "internal/record", "internal/outbound", "internal/round", "internal/azure/resource", "internal/azure/push"},
	"internal/kube":       {"internal/engine", "internal/release", "internal/outbound", "internal/round", "internal/kube/access", "internal/kube/fence"}, // adapters never import each other
	"internal/outbound":   {},
	"internal/round":      {},
	"internal/setting":    {},
	"internal/app":        {"internal/access", "internal/api", "internal/config", "internal/console", "internal/engine", "internal/functions", "internal/intake", "internal/pages", "internal/probe"},
	"internal/signature":  {"internal/engine"},
	"handler":             {"internal"},
	"cmd/bluegreen":       {"internal/api", "internal/config", "internal/release", "internal/matching", "internal/azure/monitor", "internal/azure/push"},
	"cmd/bluegreen-lab":   {"internal/lab"},
	"internal/contract":   {"internal/engine", "internal/release"},
	"internal/fake":       {"internal/engine", "internal/release", "internal/record"},
	"internal/emulator":   {"internal"},
	"internal/lab":        {"internal"},
	"internal/simulation": {"internal/engine", "internal/release", "internal/fake"},
	"testbed":             {},
}

// outside lists parts that may import nothing from outside the standard library.
var outside = []string{"internal/release", "internal/functions", "internal/api", "internal/pages", "internal/probe", "internal/signin", "internal/access", "docs"}

func TestImportsFollowTheDrawing(t *testing.T) {
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "node_modules" || rel == "testbed/controlplane" || rel == "dist") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			check(t, path, filepath.ToSlash(filepath.Dir(rel)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheCommandLineLinksNoAdapterAndNoEmulator: an operator's command needs the API and the
// configuration only, so its binary stays small, whatever its imports import in turn.
func TestTheCommandLineLinksNoAdapterAndNoEmulator(t *testing.T) {
	links := linked(t, "cmd/bluegreen")
	delete(links, "cmd/bluegreen")
	for dir := range links {
		if !slices.Contains([]string{"internal/api", "internal/config", "internal/engine", "internal/release", "internal/release/reason", "internal/round", "internal/matching", "internal/azure/monitor", "internal/azure/push"}, dir) {
			t.Errorf("cmd/bluegreen links %s", dir)
		}
	}
}

func check(t *testing.T, path, dir string) {
	for _, imported := range imports(t, path) {
		if inside, ok := strings.CutPrefix(imported, "bluegreen/"); ok {
			if !allowed(dir, inside) {
				t.Errorf("%s imports %s, which %s may not", path, imported, part(dir))
			}
		} else if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && within(dir, outside) {
			t.Errorf("%s imports %s: this part stays on the standard library", path, imported)
		}
	}
}

// imports are the imports of a source file.
func imports(t *testing.T, path string) (paths []string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
	if err != nil {
		t.Errorf("parse %s: %v", path, err)
		return nil
	}
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, imported)
	}
	return paths
}

func allowed(dir, inside string) bool {
	return within(inside, []string{dir}) || within(inside, may[part(dir)])
}

func part(dir string) string {
	best := dir
	longest := -1
	for name := range may {
		if within(dir, []string{name}) && len(name) > longest {
			best, longest = name, len(name)
		}
	}
	return best
}

func within(dir string, parts []string) bool {
	for _, p := range parts {
		if dir == p || strings.HasPrefix(dir, p+"/") {
			return true
		}
	}
	return false
}

// TestOnlyTheHandlerLinksTheLibrariesOfSignatures: they are large, and what builds in a minute
// for a first look has no use for them.
func TestOnlyTheHandlerLinksTheLibrariesOfSignatures(t *testing.T) {
	for _, program := range []string{"cmd/bluegreen", "cmd/bluegreen-lab"} {
		if linked(t, program)["internal/signature"] {
			t.Errorf("%s links internal/signature", program)
		}
	}
	if !linked(t, "handler")["internal/signature"] {
		t.Error("the handler does not link internal/signature: this test looks for another name")
	}
	for _, imported := range []string{"github.com/sigstore/", "github.com/notaryproject/"} {
		for dir := range linked(t, "handler") {
			if !within(dir, []string{"internal/signature"}) && importsFrom(t, dir, imported) {
				t.Errorf("%s imports from %s, and only internal/signature may", dir, imported)
			}
		}
	}
}

// TestOnePackageImportsTheClientOfNetworks: it takes a quarter of the time of a first build, and is
// compiled once for whatever one package does with it.
func TestOnePackageImportsTheClientOfNetworks(t *testing.T) {
	const armnetwork, gateway = "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/", "internal/azure/appgateway"
	for dir := range linked(t, "handler") {
		if dir != gateway && importsFrom(t, dir, armnetwork) {
			t.Errorf("%s imports armnetwork, and only %s may", dir, gateway)
		}
	}
	if !importsFrom(t, gateway, armnetwork) {
		t.Errorf("%s does not import armnetwork: this test looks for another name", gateway)
	}
}

// TestTheHandlerIsBuiltWithoutTracesOfGRPC: they keep the linker from dropping methods that
// nothing calls.
func TestTheHandlerIsBuiltWithoutTracesOfGRPC(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(makefile), "export GOFLAGS := $(GOFLAGS) -trimpath -tags=grpcnotrace\n") {
		t.Error("the Makefile builds the handler without the tag grpcnotrace: it becomes 23 MB larger")
	}
}

func importsFrom(t *testing.T, dir, prefix string) bool {
	t.Helper()
	for _, path := range sources(t, dir) {
		if slices.ContainsFunc(imports(t, path), func(imported string) bool { return strings.HasPrefix(imported, prefix) }) {
			return true
		}
	}
	return false
}

// sources are the files of a package, without its tests.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", dir, err)
	}
	return slices.DeleteFunc(files, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
}

// linked are the packages of this module that a program links.
func linked(t *testing.T, program string) map[string]bool {
	t.Helper()
	links := map[string]bool{}
	var follow func(dir string)
	follow = func(dir string) {
		if links[dir] {
			return
		}
		links[dir] = true
		for _, path := range sources(t, dir) {
			for _, imported := range imports(t, path) {
				if inside, ok := strings.CutPrefix(imported, "bluegreen/"); ok {
					follow(inside)
				}
			}
		}
	}
	follow(program)
	return links
}
