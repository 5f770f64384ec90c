package main

import (
	"strings"
	"testing"
)

func TestAppsImagesAndValuesAreCompleted(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait=switched"), 0)
	s.completes(map[string]string{"rollback shop --to ": "1.0\t1.0 (111111111111)"})
	s.expects(s.run("rollback", "shop", "--to", "11111", "--wait"), 0)
	s.completes(map[string]string{
		"status ":                  "broken shop",
		"history ":                 "broken shop",
		"switch ":                  "broken shop",
		"switch shop --to ":        "blue green",
		"status -o ":               "text json",
		"deploy shop --wait=":      "completed switched",
		"deploy shop --image ":     digestOf("2") + "\t2.0",
		"release-quarantine shop ": digestOf("2") + "\t2.0",
		"forget shop ":             "2.0",
		"extend shop ":             "",
		"switch shop ":             "",
		"history shop --kind ":     strings.Join(kinds(), " "),
	})
	if r := offline(t).run("__complete", "status", ""); !strings.HasSuffix(strings.TrimSpace(r.out), ":1") {
		t.Errorf("without the app: %+v", r)
	}
}

// completes checks what a shell offers after each line.
func (s *site) completes(lines map[string]string) {
	s.Helper()
	for line, want := range lines {
		r := s.run(append([]string{"__complete"}, strings.Split(line, " ")...)...)
		var got []string
		for text := range strings.Lines(r.out) {
			if text = strings.TrimSuffix(text, "\n"); !strings.HasPrefix(text, ":") {
				got = append(got, text)
			}
		}
		if strings.Join(got, " ") != want || r.code != exitDone {
			s.Errorf("%q: %q, not %q\n%s", line, got, want, r.err)
		}
	}
}
