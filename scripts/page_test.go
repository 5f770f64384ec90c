package scripts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bluegreen/internal/golden"
)

var (
	// dynamic messages consist of findings that another line words.
	dynamic = regexp.MustCompile(`^\$\w+$`)
	// imperative is what a message asks its reader to do.
	imperative = regexp.MustCompile(`(?i)(^|[:;.,] |or |and )(run|set|use|fix|correct|install|delete|give|add|type|try|read|ask|remove|name|restore|find|deploy|az)\b|wait`)
	variable   = regexp.MustCompile(`\$\{?(\w+|\*)(:?-[^}]*)?\}?`)
)

// TestThePageOfDeploymentsIsMadeFromTheScripts writes a table of docs/troubleshoot.md: each
// message with which a script stops says what to do.
func TestThePageOfDeploymentsIsMadeFromTheScripts(t *testing.T) {
	files, err := filepath.Glob("*.sh")
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("\n| script | message, with what to do |\n|---|---|\n")
	rows := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range stops(string(text)) {
			if dynamic.MatchString(message) {
				continue
			}
			message = constants(string(text)).Replace(message)
			if !imperative.MatchString(message) {
				t.Errorf("%s stops with %q, which does not say what to do", name, message)
			}
			rows++
			fmt.Fprintf(&page, "| `%s` | %s |\n", name, general(message))
		}
	}
	if rows < 30 {
		t.Errorf("only %d messages", rows)
	}
	golden.Part(t, "../docs/troubleshoot.md", "scripts", page.String())
}

// stops are the texts of the function stop in a script.
func stops(script string) (messages []string) {
	for {
		_, rest, found := strings.Cut(script, `stop "`)
		if !found {
			return messages
		}
		var message strings.Builder
		depth, i := 0, 0
		for ; rest[i] != '"' || depth > 0; i++ {
			switch {
			case rest[i] == '\\':
				i++
			case strings.HasPrefix(rest[i:], "$("):
				if depth++; depth == 1 {
					message.WriteString("…")
				}
			case rest[i] == '(' && depth > 0 && rest[i-1] != '$':
				depth++
			case rest[i] == ')' && depth > 0:
				depth--
				continue
			}
			if depth == 0 {
				message.WriteByte(rest[i])
			}
		}
		messages, script = append(messages, message.String()), rest[i:]
	}
}

// assigned are variables of a script with one text.
var assigned = regexp.MustCompile(`(?m)^ *(\w+)="([^"\n]*)"$`)

func constants(script string) *strings.Replacer {
	var pairs []string
	for _, m := range assigned.FindAllStringSubmatch(script, -1) {
		if strings.Contains(m[2], " ") && !strings.Contains(m[2], "$"+m[1]) {
			pairs = append(pairs, "$"+m[1], m[2])
		}
	}
	return strings.NewReplacer(pairs...)
}

// general puts the names of variables in the place of their values.
func general(message string) string {
	return strings.ReplaceAll(variable.ReplaceAllStringFunc(message, func(v string) string {
		switch name := variable.FindStringSubmatch(v)[1]; name {
		case "1", "*":
			return "…"
		default:
			return strings.ToUpper(name)
		}
	}), "\n", " ")
}
