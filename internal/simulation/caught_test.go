package simulation_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the seeds that caught mutants to "+caughtFile)

// caughtFile has a line for each mutant that a drawn run catches: the seed, and the mutant's name.
// A seed that catches nothing any more, after a change of the core or of what is drawn, costs a
// search and is no failure.
const caughtFile = "testdata/caught.txt"

// brokenBy precedes the seed of a mutant's run that breaks a promise.
const brokenBy = "broken by seed "

func brokenSeed(by string) (seed uint64, ok bool) {
	_, rest, ok := strings.Cut(by, brokenBy)
	digits, _, _ := strings.Cut(rest, ":")
	seed, err := strconv.ParseUint(digits, 10, 64)
	return seed, ok && err == nil
}

// caught are the seeds by mutant: those of the file, and with those of this run.
type caught struct {
	mu         sync.Mutex
	seeds, now map[string]uint64
}

func readCaught(t *testing.T) *caught {
	t.Helper()
	c := &caught{seeds: map[string]uint64{}}
	text, err := os.ReadFile(caughtFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		digits, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if c.seeds[name], err = strconv.ParseUint(digits, 10, 64); err != nil {
			t.Fatalf("%s: %v", caughtFile, err)
		}
	}
	c.now = maps.Clone(c.seeds)
	t.Cleanup(func() { c.save(t) })
	return c
}

// of is the seed that caught a mutant before; where none did, any.
func (c *caught) of(name string) uint64 { return c.seeds[name] }

// by takes what caught a mutant.
func (c *caught) by(name, what string) (seed uint64, drawn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seed, drawn = brokenSeed(what); drawn {
		c.now[name] = seed
	} else {
		delete(c.now, name)
	}
	return seed, drawn
}

func (c *caught) save(t *testing.T) {
	if maps.Equal(c.seeds, c.now) {
		return
	}
	if !*update {
		t.Logf("other seeds than those of %s catch mutants now; -update writes them", caughtFile)
		return
	}
	var b strings.Builder
	for _, m := range mutants {
		if seed, ok := c.now[m.name]; ok {
			fmt.Fprintf(&b, "%d %s\n", seed, m.name)
		}
	}
	if err := os.WriteFile(caughtFile, []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}
