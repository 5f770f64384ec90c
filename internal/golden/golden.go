// Package golden compares texts with the files that hold what tests expect. It registers the
// flag -update, with which a test writes these files instead: go test ./internal/config -update
package golden

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// Check fails the test if got is not the text of the file. With -update it writes it there.
func Check(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not up to date; read the difference, then run with -update (-file +got):\n%s", file, diff)
	}
}

// Part fails the test if got is not what stands between the lines <!-- begin NAME … --> and
// <!-- end NAME --> of a page. With -update it writes it there, and leaves the rest as it is.
func Part(t testing.TB, file, name, got string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), "<!-- begin "+name+" ")
	line, rest, _ := strings.Cut(rest, "\n")
	_, after, ends := strings.Cut(rest, "<!-- end "+name+" -->")
	if !begins || !ends {
		t.Fatalf("%s has no part %s, between <!-- begin %[2]s … --> and <!-- end %[2]s -->", file, name)
	}
	Check(t, file, before+"<!-- begin "+name+" "+line+"\n"+got+"<!-- end "+name+" -->"+after)
}
