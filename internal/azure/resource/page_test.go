package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/golden"
)

// TestThePageOfCodesIsMadeFromTheirMeanings writes a table of docs/troubleshoot.md.
func TestThePageOfCodesIsMadeFromTheirMeanings(t *testing.T) {
	var page strings.Builder
	page.WriteString("\n| code of Azure | cause | what to do |\n|---|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(meanings)) {
		m := meanings[code]
		switch m.class {
		case Occupied:
			m.cause, m.fix = "another writer is active, or was faster", "nothing: it is tried again"
		case Retry:
			m.cause, m.fix = "it may pass by itself", "nothing: it is tried again"
		}
		if m.cause == "" || m.fix == "" {
			t.Errorf("%s has no cause, or nothing to do about it", code)
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s |\n", code, capitals.Replace(m.cause), capitals.Replace(m.fix))
	}
	golden.Part(t, "../../../docs/troubleshoot.md", "codes", page.String())
}

// capitals are the words that an operator replaces.
var capitals = strings.NewReplacer("{subscription}", "SUBSCRIPTION", "{resource}", "RESOURCE-ID", "{namespace}", "NAMESPACE", "{vault}", "VAULT", "{locked}", "--resource-group GROUP")
