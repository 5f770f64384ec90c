package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// module writes a module of some packages, each with a source that no cache has, and makes it the
// folder of the test.
func module(t *testing.T, sources ...string) {
	t.Helper()
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module m\n\ngo 1.26\n")
	for n, source := range sources {
		name := string(rune('a' + n))
		write(name+"/"+name+".go", "package "+name+"\n\n// "+time.Now().String()+"\n"+source+"\n")
	}
	t.Chdir(dir)
}

// run compiles as on no terminal.
func run(args ...string) (int, string) {
	var out strings.Builder
	p := &progress{out: &out, every: time.Hour}
	return p.run(args), out.String()
}

func TestWhatIsCompiledIsCounted(t *testing.T) {
	module(t, "const A = 1", "const A = 2", "const A = 3", "const A = 4", "const A = 5", "const A = 6")
	for _, verb := range []string{"build", "vet"} {
		code, out := run(verb, "./...")
		if code != 0 || (verb == "build") != strings.HasPrefix(out, "compiled 6 packages in ") {
			t.Errorf("%s: exit status %d: %s", verb, code, out)
		}
	}
	if code, out := run("build", "./..."); code != 0 || out != "" {
		t.Errorf("with nothing to compile: exit status %d: %q", code, out)
	}
}

func TestAnotherModuleIsCompiledFromHere(t *testing.T) {
	module(t, "const A = 1", "const A = 2", "const A = 3", "const A = 4", "const A = 5")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if code, out := run("build", "-C="+dir, "-buildvcs=false", "./..."); code != 0 || !strings.HasPrefix(out, "compiled 5 packages in ") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

func TestWhatIsWrongIsPrintedInFullAndTheExitStatusIsKept(t *testing.T) {
	module(t, "const A = 1", "var B int = \"text\"\nvar C = missing")
	for verb, want := range map[string][]string{
		"build": {"# m/b\n", "cannot use \"text\"", "undefined: missing\n"},
		"vet":   {"# m/b\n", "cannot use \"text\""},
	} {
		code, out := run(verb, "./...")
		if code != 1 {
			t.Errorf("%s: exit status %d", verb, code)
		}
		for _, part := range want {
			if !strings.Contains(out, part) {
				t.Errorf("%s: %q is missing in\n%s", verb, part, out)
			}
		}
		if strings.Contains(out, "compiled") || strings.Contains(out, "m/a\n") {
			t.Errorf("%s: more than what is wrong is printed:\n%s", verb, out)
		}
	}
	if code, out := run("build", "./nothing"); code != 1 || !strings.Contains(out, "nothing") {
		t.Errorf("a package that there is not: exit status %d: %s", code, out)
	}
}

func TestProgressIsShown(t *testing.T) {
	var out strings.Builder
	todo := func() map[string]bool { return map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true} }
	p := &progress{out: &out, began: time.Now(), todo: todo()}
	p.follow(strings.NewReader("a\nb\n"))
	p.show()
	p.follow(strings.NewReader("c\nd\na.test\ne\n"))
	p.show()
	if got := out.String(); !strings.HasPrefix(got, "compiling: 2 of 5 packages, ") || !strings.Contains(got, "\nall 5 packages are compiled, linking, ") || strings.ContainsAny(got, "\r\x1b") {
		t.Errorf("%q", got)
	}
	out.Reset()
	p = &progress{out: &out, began: time.Now(), todo: todo(), terminal: true}
	p.follow(strings.NewReader("a\n"))
	p.show()
	p.follow(strings.NewReader("# b\nb.go:1:1: wrong\n"))
	if got := out.String(); !strings.HasPrefix(got, "\r\x1b[Kcompiling: 1 of 5 packages, ") || !strings.HasSuffix(got, "\r\x1b[K# b\nb.go:1:1: wrong\n") {
		t.Errorf("%q", got)
	}
}
