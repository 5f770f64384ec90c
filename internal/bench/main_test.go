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
	page := m.page()
	for _, want := range []string{
		"on 2026-11-29: Example 9000, ", "version v1.2.3.",
		"| Switch/1-apps | bare-ms | 612.0 |  |\n|  | ratio | 1.210 | ≤ 1.25 |\n| Next | ns/op | 51151 |  |",
		"|  | allocs/op | 206 |  |",
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
