// Command mutants measures what the tests notice: it changes the source of packages in one
// place at a time, by go test -overlay, and lists each change for which no test fails. What
// belongs to a sample follows from the seed and from a mutant's own text, so that it stays
// nearly the same while the source changes.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	r := run{out: os.Stdout}
	of := flag.String("of", "internal/release,internal/engine", "the packages to change")
	by := flag.String("by", "internal/release,internal/engine", "the packages whose short tests are run, in this order")
	flag.StringVar(&r.at, "at", "", "only mutants whose line has this text, for instance next.go:120")
	flag.IntVar(&r.seed, "seed", 1, "which sample")
	flag.IntVar(&r.sample, "sample", 150, "how many mutants that compile; 0: all")
	flag.DurationVar(&r.within, "within", 40*time.Minute, "after that no further mutant is tried")
	flag.Parse()
	r.of, r.by = strings.Split(*of, ","), strings.Split(*by, ",")
	if err := r.all(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run is one measurement, from the root of a module.
type run struct {
	root, at     string
	of, by       []string
	seed, sample int
	within       time.Duration
	out          io.Writer
}

// What became of a mutant; else it is the package that caught it.
const survived, uncompiled = "survived", "uncompiled"

// all tries a sample, and prints each survivor and the score.
func (r run) all() error {
	mutants, unread := r.mutants()
	dir, err := os.MkdirTemp("", "mutants")
	if err := errors.Join(unread, err); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, pkg := range r.by {
		if v, out := r.test(pkg, ""); v != survived {
			return fmt.Errorf("without any mutant the tests of %s fail too:\n%s", pkg, out)
		}
	}
	next, tried, count, end := 0, 0, map[string]int{}, time.Now().Add(r.within)
	var mu sync.Mutex
	var workers errgroup.Group
	for n := range 2 {
		workers.Go(func() error {
			mu.Lock()
			defer mu.Unlock()
			for next < len(mutants) && time.Now().Before(end) && (r.sample == 0 || tried < r.sample) {
				m := mutants[next]
				next, tried = next+1, tried+1
				mu.Unlock()
				v, err := r.try(m, filepath.Join(dir, fmt.Sprint(n)))
				mu.Lock()
				if err != nil {
					return err
				}
				if count[v]++; v == uncompiled {
					tried--
				} else if v == survived {
					fmt.Fprintln(r.out, m)
				}
			}
			return nil
		})
	}
	err = workers.Wait()
	fmt.Fprintf(r.out, "seed %d, %d mutants of %d places: %d survived", r.seed, tried, len(mutants), count[survived])
	for _, pkg := range r.by {
		fmt.Fprintf(r.out, ", %s caught %d", pkg, count[pkg])
	}
	fmt.Fprintf(r.out, ": %.1f %% are caught\n", 100-100*float64(count[survived])/float64(max(1, tried)))
	return err
}

// mutants are those of all packages, in the order of the seed.
func (r run) mutants() (all []mutant, err error) {
	for _, pkg := range r.of {
		files, err := filepath.Glob(filepath.Join(r.root, pkg, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, unread := os.ReadFile(name)
			made, err := mutantsOf(pkg+"/"+filepath.Base(name), string(source), r.seed)
			if err := errors.Join(unread, err); err != nil {
				return nil, err
			}
			all = append(all, made...)
		}
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !strings.Contains(m.String(), r.at) })
	slices.SortFunc(all, func(a, b mutant) int { return bytes.Compare(a.place[:], b.place[:]) })
	return all, nil
}

// try runs the tests on a mutant until those of one package fail. Its files begin with prefix.
func (r run) try(m mutant, prefix string) (verdict string, err error) {
	name, unknown := filepath.Abs(filepath.Join(r.root, m.file))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{name: prefix + ".go"}})
	if err := errors.Join(unknown, err, os.WriteFile(prefix+".go", []byte(m.source), 0o600), os.WriteFile(prefix+".json", overlay, 0o600)); err != nil {
		return "", err
	}
	for _, pkg := range r.by {
		if v, _ := r.test(pkg, prefix+".json"); v != survived {
			return v, nil
		}
	}
	return survived, nil
}

// test runs the short tests of a package. A mutant for which they take many times longer
// than without is caught.
func (r run) test(pkg, overlay string) (verdict string, output []byte) {
	cmd := exec.Command("go", "test", "-short", "-failfast", "-vet=off", "-timeout=2m", "-overlay", overlay, "./"+pkg)
	cmd.Dir, cmd.Env = r.root, append(os.Environ(), "MUTANT=1") // no mutants of mutants in internal/simulation
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return survived, out
	case bytes.Contains(out, []byte("[build failed]")):
		return uncompiled, out
	}
	return pkg, out
}
