package main

import (
	"fmt"
	"strings"
	"testing"

	"bluegreen/internal/golden"
)

// TestThePageOfExitStatusesIsMadeFromTheirTable writes a table of docs/troubleshoot.md.
func TestThePageOfExitStatusesIsMadeFromTheirTable(t *testing.T) {
	var page strings.Builder
	page.WriteString("\n| exit status | meaning | what to do |\n|---|---|---|\n")
	for _, e := range exits {
		if e.means == "" || e.cure == "" && e.status != exitDone {
			t.Errorf("exit status %d has no meaning, or nothing to do about it", e.status)
		}
		fmt.Fprintf(&page, "| %d | %s | %s |\n", e.status, e.means, e.cure)
	}
	golden.Part(t, "../../docs/troubleshoot.md", "exits", page.String())
}
