package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

const printed = `goos: linux
cpu: Example 9000
BenchmarkSwitch/1-apps-2         	       1	         0 ns/op	       612.0 bare-ms	         1.210 ratio
BenchmarkSwitch/100-apps-2       	       1	         1.310 ratio
BenchmarkNext-2   	   22065	     51151 ns/op	   26617 B/op	     206 allocs/op
PASS
`

func TestThePageHasEachFigureWithItsAim(t *testing.T) {
	var echo strings.Builder
	m, err := read(strings.NewReader(printed), &echo)
	if err != nil || echo.String() != printed {
		t.Fatalf("%v, passed on: %q", err, echo.String())
	}
	m.date, m.version = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), "v1.2.3"
	page, err := m.page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"on 2026-11-29: Example 9000, ", "version v1.2.3.",
		"## Switch\nFrom an accepted push", "| 1-apps | bare-ms | 612.0 |  |\n|  | ratio | 1.210 | ≤ 1.25 |\n| 100-apps | ratio | 1.310 | ≤ 1.3 |\n\n## Next",
		"## Not measured then\nAlert, Decode, ", "|  | ns/op | 51151 |  |\n", "|  | allocs/op | 206 |  |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestAFailedRunWritesNoPage(t *testing.T) {
	for _, text := range []string{printed + "FAIL	bluegreen/e2e	3.2s\n", "PASS\n"} {
		if _, err := read(strings.NewReader(text), io.Discard); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestEachBenchmarkIsExplainedAndEachAimMeasured(t *testing.T) {
	for name, want := range map[string]string{"Other/1": "BenchmarkOther", "Switch/2-apps": "no such figure"} {
		m := measured{figures: []figure{{name, "2", "ms"}}}
		if _, err := m.page(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a page with Benchmark%s: %v, expected %q", name, err, want)
		}
	}
}
