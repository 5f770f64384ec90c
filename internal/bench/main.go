// Command bench passes on what go test prints of benchmarks, and writes their figures as a page:
// go test -bench . ./e2e | go run ./internal/bench -o docs/benchmarks.md -version v1
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	out := flag.String("o", "", "the page to write")
	version := flag.String("version", "", "the version that is measured")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *out, *version); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, echo io.Writer, out, version string) error {
	m, err := read(in, echo)
	if err != nil {
		return err
	}
	m.date, m.version = time.Now().UTC(), version
	return os.WriteFile(out, []byte(m.page()), 0o644)
}

// measured is what one run of benchmarks printed.
type measured struct {
	date    time.Time
	version string
	cpu     string
	figures []figure
}

// figure is one value that a benchmark reports.
type figure struct{ benchmark, value, unit string }

// cores ends the name of a benchmark: BenchmarkNext-2.
var cores = regexp.MustCompile(`-\d+$`)

// read collects the figures of all benchmarks. A test that failed is an error.
func read(in io.Reader, echo io.Writer) (m measured, err error) {
	lines := bufio.NewScanner(io.TeeReader(in, echo))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "--- FAIL") {
			return m, fmt.Errorf("the page is not written, since a benchmark failed: %s", line)
		}
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			m.cpu = cpu
		}
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "Benchmark") || len(fields) < 4 {
			continue
		}
		name := cores.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		for pair := range slices.Chunk(fields[2:], 2) {
			if len(pair) == 2 && !(pair[0] == "0" && pair[1] == "ns/op") {
				m.figures = append(m.figures, figure{name, pair[0], pair[1]})
			}
		}
	}
	if err := lines.Err(); err != nil {
		return m, fmt.Errorf("read the benchmarks: %w", err)
	}
	if len(m.figures) == 0 {
		return m, fmt.Errorf("nothing was measured")
	}
	return m, nil
}

// aims are what a figure should be, by benchmark and unit.
var aims = map[[2]string]string{
	{"Switch/1-apps", "ratio"}:   "≤ 1.25",
	{"Switch/100-apps", "ratio"}: "≤ 1.3",
	{"Intake", "ratio"}:          "≥ 0.8",
	{"Overview", "kB"}:           "≤ 300",
}

func (m measured) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by `+"`make bench`"+` on %s: %s, %d cores, %s, version %s. Nothing else ran on the machine that the benchmarks did not start. A ratio compares two things of the same run, and says more than a time.

| benchmark | figure | value | aim |
|---|---|---|---|
`, m.date.Format("2006-01-02"), m.cpu, runtime.NumCPU(), runtime.Version(), m.version)
	before := ""
	for _, f := range m.figures {
		name := f.benchmark
		if name == before {
			name = ""
		}
		before = f.benchmark
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, f.unit, f.value, aims[[2]string{f.benchmark, f.unit}])
	}
	return b.String()
}
