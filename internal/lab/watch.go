package lab

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// Watch prints the facts and the state of the app, and the answers that users get, until ctx
// ends.
func (s *Lab) Watch(ctx context.Context, out io.Writer) {
	began := time.Now()
	say := func(source, text string) {
		fmt.Fprintf(out, "%5.1fs  %-8s %s\n", time.Since(began).Seconds(), source, text)
	}
	shown, last, headline := 0, Served{}, ""
	count := map[Served]int{}
	for sleep(ctx, 100*time.Millisecond) == nil {
		for _, f := range s.news(ctx, shown) {
			shown = f.Number
			say("app", text(f))
		}
		now := s.users.count()
		if got := s.users.last(); got != last && now[got]-count[got] > 0 {
			last = got
			say("users", "are answered by "+got.String()+rest(now, count))
			count = now
		}
		if a, err := s.Client().App(ctx, App); err == nil && a.Status.Headline != headline && !a.Busy {
			headline = a.Status.Headline
			say("now", headline)
		}
	}
}

// text is a fact on a line of its own: of a few kinds the fact's text alone would mislead.
func text(f api.Fact) string {
	switch f.Kind {
	case release.Refused, release.Dropped, release.NeedsHelp:
		return strings.ReplaceAll(string(f.Kind), "-", " ") + ": " + f.Line
	}
	return f.Text
}

// rest sums up the answers since the last line.
func rest(now, before map[Served]int) string {
	good, bad := 0, 0
	for s, n := range now {
		if s.Failed == "" {
			good += n - before[s]
		} else {
			bad += n - before[s]
		}
	}
	return fmt.Sprintf("  (since the last such line: %d good, %d failed)", good, bad)
}

// news are the facts above a number, oldest first.
func (s *Lab) news(ctx context.Context, above int) []api.Fact {
	h, err := s.Client().History(ctx, App, 50, 0)
	if err != nil {
		return nil // the next look finds them
	}
	facts := slices.DeleteFunc(h.Facts, func(f api.Fact) bool { return f.Number <= above })
	slices.Reverse(facts)
	return facts
}
