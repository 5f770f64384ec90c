// Command compile runs go build or go vet and shows how many packages are compiled, of all that
// are not in the build cache yet: in place on a terminal, elsewhere as a line now and then. What
// else go prints is printed as it is, and its exit status is kept.
//
//	compile build|vet [-C=DIR] [-FLAG=VALUE…] PACKAGE…
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

func main() {
	p := &progress{out: os.Stderr, every: 15 * time.Second}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.terminal, p.every = true, time.Second
	}
	os.Exit(p.run(os.Args[1:]))
}

// progress shows how far a run of go is.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration // between two looks

	mu    sync.Mutex
	began time.Time
	todo  map[string]bool // packages that are to be compiled
	done  int
	drawn bool // a line is on the terminal
}

// run returns the exit status of go.
func (p *progress) run(args []string) int {
	p.began, p.todo = time.Now(), stale(args)
	cmd := exec.Command("go", append([]string{args[0]}, verbose(args[1:])...)...)
	cmd.Stdout = os.Stdout
	lines, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(p.out, "compile:", err)
		return 1
	}
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	go func() {
		for range tick.C {
			p.show()
		}
	}()
	p.follow(lines)
	err = cmd.Wait()
	p.end(err == nil)
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(p.out, "compile:", err)
		return 1
	}
	return 0
}

// verbose adds -v; -C stays the first flag, as go wants it.
func verbose(flags []string) []string {
	at := 0
	if len(flags) > 0 && strings.HasPrefix(flags[0], "-C=") {
		at = 1
	}
	return append(append(append([]string{}, flags[:at]...), "-v"), flags[at:]...)
}

// stale asks go which packages it is to compile. Without an answer nothing is counted: go then
// says itself what is wrong.
func stale(args []string) map[string]bool {
	list := []string{"list"}
	if len(args) > 1 && strings.HasPrefix(args[1], "-C=") {
		list = append(list, args[1])
	}
	list = append(list, "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}")
	if args[0] == "vet" {
		list = append(list, "-test")
	}
	for _, arg := range args[1:] {
		if !strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "-tags=") {
			list = append(list, arg)
		}
	}
	out, err := exec.Command("go", list...).Output()
	if err != nil {
		return nil
	}
	todo := map[string]bool{}
	for name := range strings.Lines(string(out)) {
		// "p [p.test]" is a package once more, for a test; p.test is not built by go vet.
		if name = strings.TrimSpace(name); isPackage(name) && !strings.HasSuffix(name, ".test") && name != "unsafe" {
			todo[name] = true
		}
	}
	return todo
}

// follow counts the packages that go names, and prints all other lines.
func (p *progress) follow(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			p.line(line)
		}
		if err != nil {
			return
		}
	}
}

func (p *progress) line(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimSuffix(strings.TrimSpace(line), "_test")
	switch {
	case p.todo[name]:
		delete(p.todo, name)
		p.done++
	case isPackage(name): // once more, for a test
	default:
		p.clear()
		fmt.Fprint(p.out, line)
	}
}

// isPackage reports whether a line is nothing but an import path.
func isPackage(line string) bool { return line != "" && !strings.ContainsAny(line, " \t:#") }

// show prints how far the run is.
func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.todo)+p.done < 5 {
		return
	}
	text := fmt.Sprintf("compiling: %d of %d packages, %s", p.done, p.done+len(p.todo), time.Since(p.began).Round(time.Second))
	if len(p.todo) == 0 {
		text = fmt.Sprintf("all %d packages are compiled, linking, %s", p.done, time.Since(p.began).Round(time.Second))
	}
	if p.drawn = p.terminal; p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K"+text)
	} else {
		fmt.Fprintln(p.out, text)
	}
}

// clear takes the line on a terminal away.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// end sums the run up.
func (p *progress) end(well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if well && p.done > 4 {
		fmt.Fprintf(p.out, "compiled %d packages in %s\n", p.done, time.Since(p.began).Round(time.Second))
	}
}
