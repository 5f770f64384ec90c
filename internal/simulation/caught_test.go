package simulation_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write what caught mutants to "+caughtFile)

// caughtFile has a line for each mutant that the stories do not catch: its name, and the arguments of
// the test that does. One that catches nothing any more, after a change of the core or of what is
// drawn, costs a search and is no failure.
const caughtFile = "testdata/caught.txt"

// brokenBy precedes the seed of a mutant's run that breaks a promise.
const brokenBy = "broken by seed "

// drawnRun are the arguments for one drawn run, without its seed.
const drawnRun = "-test.run=NoRun -seeds=1 -seed="

func brokenSeed(by string) (seed uint64, ok bool) {
	_, rest, ok := strings.Cut(by, brokenBy)
	digits, _, _ := strings.Cut(rest, ":")
	seed, err := strconv.ParseUint(digits, 10, 64)
	return seed, ok && err == nil
}

// caught are the arguments by mutant: those of the file, and with those of this run.
type caught struct {
	mu       sync.Mutex
	was, now map[string]string
}

func readCaught(t *testing.T) *caught {
	t.Helper()
	c := &caught{was: map[string]string{}}
	text, err := os.ReadFile(caughtFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), "\t")
		c.was[name] = args
	}
	c.now = maps.Clone(c.was)
	t.Cleanup(func() { c.save(t) })
	return c
}

// of are the arguments that caught a mutant before; "" where none are known.
func (c *caught) of(name string) string { return c.was[name] }

// by takes the arguments that caught a mutant; "" those that come first anyway.
func (c *caught) by(name, args string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if args == "" {
		delete(c.now, name)
	} else {
		c.now[name] = args
	}
}

func (c *caught) save(t *testing.T) {
	if maps.Equal(c.was, c.now) {
		return
	}
	if !*update {
		t.Logf("others than those of %s catch mutants now; -update writes them", caughtFile)
		return
	}
	var b strings.Builder
	for _, m := range mutants {
		if args, ok := c.now[m.name]; ok {
			fmt.Fprintf(&b, "%s\t%s\n", m.name, args)
		}
	}
	if err := os.WriteFile(caughtFile, []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}

// TestAProcessThatIsKilledCatchesNoMutant: by a system that has no memory left, or by its user.
func TestAProcessThatIsKilledCatchesNoMutant(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "mutant.test")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\nkill -KILL $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if by, _, err := catch(t.Context(), binary, 0, ""); err == nil {
		t.Errorf("it is caught: %s", by)
	}
}
