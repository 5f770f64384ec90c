package arch_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/golden"
)

// TestTheTableOfRequestsIsMadeFromTheirCounts joins what the tests of the adapters count.
func TestTheTableOfRequestsIsMadeFromTheirCounts(t *testing.T) {
	services := []struct{ name, heading string }{
		{"kubernetes", "Kubernetes"}, {"arm", "Azure Resource Manager"}, {"registry", "registry"},
	}
	counts := map[string]map[string]string{} // what happens, then the service
	var order []string
	for _, file := range []string{"kube", "azure/appgateway"} {
		text, err := os.ReadFile(top + "/internal/" + file + "/testdata/calls.txt")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			columns := strings.Split(strings.TrimRight(line, "\n"), "\t")
			if len(columns) != 4 {
				t.Fatalf("%s: %d columns in %q", file, len(columns), line)
			}
			what, service, number, each := columns[0], columns[1], columns[2], columns[3]
			if counts[what] == nil {
				counts[what] = map[string]string{}
				order = append(order, what)
			}
			counts[what][service] = "**" + number + "**"
			if each != "" {
				counts[what][service] += ": " + each
			}
		}
	}
	var table strings.Builder
	table.WriteString("\nRequests of one app on the wire, each counted by the emulated service or, for Kubernetes, a real API server: those to Kubernetes of an app on a Service, those to Azure Resource Manager and to the registry of one on an Application Gateway. Pods are ready at once; a look at an app that shares its gateway, namespace or repository with others costs a part of a request.\n\n| |")
	for _, s := range services {
		table.WriteString(" " + s.heading + " |")
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(services)) + "\n")
	for _, what := range order {
		fmt.Fprintf(&table, "| %s |", what)
		for _, s := range services {
			count, ok := counts[what][s.name]
			if !ok {
				t.Errorf("%s: no count of %s, only of %v", what, s.name, slices.Sorted(maps.Keys(counts[what])))
			}
			table.WriteString(" " + count + " |")
		}
		table.WriteString("\n")
	}
	golden.Part(t, top+"/docs/costs.md", "requests", table.String())
}
