// Command bench passes on what go test prints of benchmarks, and writes their figures as a page:
// go test -bench . ./e2e | go run ./internal/bench -o docs/benchmarks.md -version v1
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"maps"
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
	page, err := m.page()
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(page), 0o644)
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
	{"Switch/1-apps", "ratio"}:                        "≤ 1.25",
	{"Switch/100-apps", "ratio"}:                      "≤ 1.3",
	{"Writes", "ratio"}:                               "< 1",
	{"Intake", "ratio"}:                               "≥ 0.8",
	{"Tick/10000-apps", "ours-ms"}:                    "≤ 1,000",
	{"Tick/10000-apps", "ratio"}:                      "≤ 1.5",
	{"Load/template/1_file", "load-ms"}:               "≤ 300",
	{"ManyApps/10000", "MB-at-rest"}:                  "≤ 120",
	{"Overview", "kB"}:                                "≤ 300",
	{"Find/alert_by_its_rule", "10000/100-apps"}:      "near 1",
	{"Find/alert_by_its_pool", "10000/100-apps"}:      "near 1",
	{"Find/push_by_its_repository", "10000/100-apps"}: "near 1",
}

// subjects say what is measured, by the name before the first slash.
var subjects = map[string]string{
	"Switch":     "From an accepted push to the switched Service, beside a bare loop that patches the idle Deployment, watches it and patches the selector, on the same API server. 100 and 1,000 apps begin at once. With the tables in memory instead of in Azurite, which needs a core of the same machine, the rest of the difference is seen.",
	"Alert":      "From an accepted alert to the write at the gateway, apart from what the storage takes.",
	"Handler":    "The handler as a process: its binary, the time to its first answer, and its memory after a thousand events.",
	"Tick":       "A tick of apps at rest that has nothing to look at, beside as many requests that list the same rows and do no more.",
	"Looks":      "The looks of a tick at 10,000 apps on 50 gateways and 20 clusters that share their reads, beside the same looks each by itself; every request takes 5 ms.",
	"EventStorm": "10,000 pushes with duplicates through the Functions host to one handler, beside a bare loop that inserts the same rows, and one that also puts a message on the queue for each.",
	"Intake":     "New events, each with its wake-up and the mark that makes its app due, beside a bare loop that inserts the same rows of events and puts the same messages on a queue.",
	"Writes":     "Writes to the API server of a release of three pods, those of its controllers included, beside a rolling update of three pods. `own-writes` are those of bluegreen alone.",
	"Overview":   "The page of 500 apps, without the storage.",
	"Load":       "A configuration of 10,000 apps, beside what the YAML library alone takes for the same bytes.",
	"Find":       "The app of an event among 10,000, beside the same among 100.",
	"ManyApps":   "The handler as a process beside a storage, with one app and with 10,000 of a template: the time to its first answer, and the most memory that it had until then and 20 s later.",
	"Next":       "One decision of the core.",
	"Decode":     "One record read from its stored form.",
}

func (m measured) page() (string, error) {
	left := maps.Clone(aims) // found no figure
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten from the benchmarks of `make bench` on %s: %s, %d cores, %s, version %s. Nothing else ran on the machine that the benchmarks did not start; storage is Azurite, clusters are real API servers, all on the same cores. A ratio compares two things of the same run, ours to the other, and says more than a time.\n",
		m.date.Format("2006-01-02"), m.cpu, runtime.NumCPU(), runtime.Version(), m.version)
	subject, before := "", ""
	for _, f := range m.figures {
		if name, _, _ := strings.Cut(f.benchmark, "/"); name != subject {
			subject = name
			if subjects[name] == "" {
				return "", fmt.Errorf("nothing says what Benchmark%s measures", name)
			}
			fmt.Fprintf(&b, "\n## %s\n%s\n\n| case | figure | value | aim |\n|---|---|---|---|\n", name, subjects[name])
		}
		name := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(f.benchmark, subject), "/"), "_", " ")
		if f.benchmark == before {
			name = ""
		}
		before = f.benchmark
		delete(left, [2]string{f.benchmark, f.unit})
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, f.unit, f.value, aims[[2]string{f.benchmark, f.unit}])
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(subjects)) {
		if !strings.Contains(b.String(), "\n## "+name+"\n") {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "\n## Not measured then\n%s.\n", strings.Join(missing, ", "))
	}
	for aim := range left {
		if measured, _, _ := strings.Cut(aim[0], "/"); strings.Contains(b.String(), "\n## "+measured+"\n") {
			return "", fmt.Errorf("there is an aim for %s of Benchmark%s, and no such figure", aim[1], aim[0])
		}
	}
	return b.String(), nil
}
