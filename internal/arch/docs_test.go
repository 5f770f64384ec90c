package arch_test

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"bluegreen/internal/release"
)

const top = "../.."

// written returns all Markdown pages.
func written(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "bicep/*.md", "deploy/kubernetes/*.md"} {
		paths, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no pages at %s: %v", pattern, err)
		}
		for _, path := range paths {
			name, _ := filepath.Rel(top, path)
			pages[filepath.ToSlash(name)] = text(t, name)
		}
	}
	return pages
}

func text(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	shell   = regexp.MustCompile("(?ms)^ *```sh$(.*?)^ *```$")
	comment = regexp.MustCompile(`(?m)(^|\s)# .*$`)
	inline  = regexp.MustCompile("`[^`\n]+`")
)

// code returns the commands and names of a page: shell blocks without their comments, and text
// between backticks.
func code(page string) []string {
	var blocks []string
	for _, block := range shell.FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, comment.ReplaceAllString(block[1], ""))
	}
	return append(blocks, inline.FindAllString(fenced.ReplaceAllString(page, ""), -1)...)
}

// all returns the first group of each match in a text.
func all(expression, text string) (found []string) {
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// named checks that every name of a kind in the pages' code exists.
func named(t *testing.T, expression, what string, exist []string) {
	t.Helper()
	if len(exist) == 0 {
		t.Fatalf("there is no %s at all", what)
	}
	seen := 0
	for page, text := range written(t) {
		for _, part := range code(text) {
			for _, name := range all(expression, part) {
				if seen++; !slices.Contains(exist, name) {
					t.Errorf("%s names the %s %s, which does not exist", page, what, name)
				}
			}
		}
	}
	if seen == 0 {
		t.Errorf("no page names a %s", what)
	}
}

func TestEveryNamedTargetIsInTheMakefile(t *testing.T) {
	named(t, "(?m)(?:^|[`(; ])make ([a-z][a-z-]+)", "target", all(`(?m)^([a-z][a-z-]*):`, text(t, "Makefile")))
}

func TestEveryNamedSubcommandExists(t *testing.T) {
	var exist []string
	files, _ := filepath.Glob(filepath.Join(top, "cmd/bluegreen/*.go"))
	for _, file := range files {
		name, _ := filepath.Rel(top, file)
		exist = append(exist, all(`Use:\s+"([a-z-]+)`, text(t, name))...)
	}
	for _, verb := range release.Commands {
		exist = append(exist, string(verb.Command))
	}
	named(t, "(?m)(?:^|[`(; /])bluegreen ([a-z][a-z-]+)", "subcommand", exist)
}

// TestEveryNamedSettingIsRead: by a script, a parameter file, the handler or
// the command line.
func TestEveryNamedSettingIsRead(t *testing.T) {
	var exist []string
	for _, pattern := range []string{"scripts/*.sh", "bicep/*.bicepparam", "bicep/*.bicep", "handler/settings.go", "cmd/bluegreen/*.go", "azure.yaml", ".github/workflows/*"} {
		files, _ := filepath.Glob(filepath.Join(top, pattern))
		for _, file := range files {
			name, _ := filepath.Rel(top, file)
			exist = append(exist, all(`\b((?:BLUEGREEN|AZURE|CONTROLLER|ACTION)_[A-Z_]+)\b`, text(t, name))...)
		}
	}
	named(t, `\b((?:BLUEGREEN|AZURE|CONTROLLER|ACTION)_[A-Z_]+)\b`, "setting or output", exist)
}

// TestEveryTestThatIsNamedExists: a name may be cut short, as -run takes it.
func TestEveryTestThatIsNamedExists(t *testing.T) {
	var exist []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(path, "_test.go") {
			name, _ := filepath.Rel(top, path)
			exist = append(exist, all(`(?m)^func (Test\w+)\(`, text(t, name))...)
		}
		return err
	})
	if err != nil || len(exist) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for page, body := range written(t) {
		for _, part := range code(body) {
			for _, name := range all(`\b(Test[A-Z]\w+)`, part) {
				if !slices.ContainsFunc(exist, func(test string) bool { return strings.HasPrefix(test, name) }) {
					t.Errorf("%s names the test %s, which does not exist", page, name)
				}
			}
		}
	}
}

// place matches a file or folder of this repository in the code of a page, also with *.
var place = regexp.MustCompile("^`((?:scripts|bicep|docs|deploy|internal|cmd|handler|e2e|testbed|\\.github)/[\\w./*-]+)`$")

func TestEveryNamedFileExists(t *testing.T) {
	for page, text := range written(t) {
		for _, part := range code(text) {
			where := place.FindStringSubmatch(part)
			if where == nil || strings.Contains(page, "decisions/") { // a decision describes the code of its time
				continue
			}
			if found, err := filepath.Glob(filepath.Join(top, where[1])); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which does not exist", page, where[1])
			}
		}
		for _, script := range all(`(?m)(?:^|\s)((?:\./)?scripts/[\w.-]+)`, strings.Join(code(text), "\n")) {
			if info, err := os.Stat(filepath.Join(top, script)); err != nil || info.Mode()&0o111 == 0 && script != "scripts/common.sh" {
				t.Errorf("%s runs %s, which cannot be run", page, script)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for page, body := range written(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(body, ""), -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := page
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(page), file))
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			} else if heading != "" && !slices.Contains(anchors(text(t, target)), heading) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

// TestTheReadmeListsEveryPage: a page that nothing leads to is not found.
func TestTheReadmeListsEveryPage(t *testing.T) {
	readme := text(t, "README.md")
	for page := range written(t) {
		if page != "README.md" && !strings.HasPrefix(page, "docs/decisions/") && !strings.Contains(readme, "]("+page+")") {
			t.Errorf("README.md does not link to %s", page)
		}
	}
}

// anchors are the names that GitHub gives the headings of a page.
func anchors(page string) (names []string) {
	for _, heading := range all(`(?m)^#+ (.+)$`, fenced.ReplaceAllString(page, "")) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, heading))
	}
	return names
}

// TestTheDrawingIsAccessible: in light and dark mode, and for screen readers.
func TestTheDrawingIsAccessible(t *testing.T) {
	drawing := text(t, "docs/architecture.svg")
	elements := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(drawing)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
	for _, name := range []string{"title", "desc", "text"} {
		if elements[name] == 0 {
			t.Errorf("docs/architecture.svg has no <%s>", name)
		}
	}
	if !strings.Contains(drawing, "prefers-color-scheme: dark") || strings.Contains(drawing, "href") {
		t.Error("docs/architecture.svg has no dark colors, or refers to an external resource")
	}
}
