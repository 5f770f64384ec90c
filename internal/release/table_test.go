package release_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

var refused = regexp.MustCompile(`(?m)^  refused \(([a-z-]+)\)`)

// TestEveryRefusalIsInTheTable compares the refusals of the stories with those that
// the table of commands names, and finds reasons that no command refuses for.
func TestEveryRefusalIsInTheTable(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		command := ""
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "#") {
				command, _, _ = strings.Cut(strings.TrimSpace(line), " ")
			}
			found := refused.FindStringSubmatch(line)
			if found == nil || found[1] == string(reason.NoSuchCommand) {
				continue
			}
			verb, _ := release.VerbOf(release.Command(command))
			if !slices.Contains(verb.Refusals, reason.Reason(found[1])) {
				t.Errorf("%s: %s is refused for %s, which its entry in release.Commands does not name", file, command, found[1])
			}
		}
	}
}

// TestEveryCommandIsComplete: a command of the table can be given, whatever the state.
func TestEveryCommandIsComplete(t *testing.T) {
	for _, v := range release.Commands {
		_, facts := release.Next(release.State{Known: true}, release.Commanded{Command: v.Command, By: release.Actor{Name: "ana"}}, release.Policy{}, noon)
		if v.Does == "" || strings.HasSuffix(v.Does, ".") || len(facts) == 0 || facts[0].Reason == reason.NoSuchCommand {
			t.Errorf("%+v: %+v", v, facts)
		}
		for _, f := range v.Takes {
			if f.Help == "" || !slices.Contains([]string{"color", "image", "reference", "tag", "duration", "flag"}, f.Kind) {
				t.Errorf("%s: %+v", v.Command, f)
			}
		}
	}
}
