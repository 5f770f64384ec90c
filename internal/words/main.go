// Command words counts the expressions that this project avoids, in comments, names and
// strings of the Go source and in the pages for users, and how often comments have words that
// are the sign of missing nouns. It is a measure: only words that are held at zero fail a test.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	at := flag.String("at", "", "list the places of one expression of the table instead")
	flag.Parse()
	all, err := read(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	if *at == "" {
		report(os.Stdout, all)
	} else if !list(os.Stdout, all, *at) {
		fmt.Fprintf(os.Stderr, "words: %q is not in the table\n", *at)
		os.Exit(2)
	}
}

// report prints the table of counts and the measures.
func report(out io.Writer, all []piece) {
	row := func(not, but string, cells ...any) {
		fmt.Fprintf(out, "%-18s %-27s", not, but)
		for _, cell := range cells {
			fmt.Fprintf(out, " %8v", cell)
		}
		fmt.Fprintln(out)
	}
	row("not", "but", comments, names, literals, pages, "total")
	var sums [5]int
	line := func(counts [5]int) (cells []any) {
		for _, n := range counts {
			cells = append(cells, n)
		}
		return cells
	}
	for _, w := range table {
		var counts [5]int
		for i, kind := range kinds {
			n := count(all, kind, w)
			counts[i], counts[4] = n, counts[4]+n
			sums[i], sums[4] = sums[i]+n, sums[4]+n
		}
		row(w.not, w.but, line(counts)...)
	}
	row("in total", "", line(sums)...)
	fmt.Fprintf(out, "\nper 1,000 words of comments%18s %8s\n", "product", "tests")
	for _, w := range measures {
		fmt.Fprintf(out, "%-36s %8.1f %8.1f\n", w.not, perThousand(all, false, w), perThousand(all, true, w))
	}
}

// list prints each place of an expression, and reports whether it is in the table.
func list(out io.Writer, all []piece, not string) bool {
	for _, w := range append(table, measures...) {
		if w.not != not {
			continue
		}
		for _, p := range all {
			for _, found := range w.found.FindAllStringIndex(p.text, -1) {
				line := p.line + strings.Count(p.text[:found[0]], "\n")
				fmt.Fprintf(out, "%s:%d: %s: %s\n", p.file, line, p.kind, p.text[found[0]:found[1]])
			}
		}
		return true
	}
	return false
}

// count is how often a word is in the texts of a kind.
func count(all []piece, kind string, w word) (n int) {
	for _, p := range all {
		if p.kind == kind {
			n += len(w.found.FindAllStringIndex(p.text, -1))
		}
	}
	return n
}

// perThousand is how often a word is in 1,000 words of comments, of tests or of the product.
func perThousand(all []piece, tests bool, w word) float64 {
	words, found := 0, 0
	for _, p := range all {
		if p.kind == comments && strings.HasSuffix(p.file, "_test.go") == tests {
			words += len(strings.Fields(p.text))
			found += len(w.found.FindAllStringIndex(p.text, -1))
		}
	}
	return 1000 * float64(found) / float64(max(words, 1))
}
