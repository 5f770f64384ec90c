package lab

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// notes are what the lab itself does, for Watch.
type notes struct {
	mu  sync.Mutex
	all [][2]string
}

func (n *notes) add(source, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, [2]string{source, text})
}

// after are the notes that follow the first count.
func (n *notes) after(count int) [][2]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all[count:])
}

// shown is what Watch has printed of an app.
type shown struct {
	*site
	facts    int // the number of the last one
	users    Served
	count    map[Served]int
	headline string
}

// Watch prints what the lab does, the facts and the state of each app, and the answers that
// users get, until ctx ends.
func (l *Lab) Watch(ctx context.Context, out io.Writer) {
	began := time.Now()
	say := func(source, text string) {
		fmt.Fprintf(out, "%5.1fs  %-5s %s\n", time.Since(began).Seconds(), source, text)
	}
	var apps []*shown
	for _, s := range l.sites {
		apps = append(apps, &shown{site: s, count: map[Served]int{}})
	}
	noted := 0
	for sleep(ctx, 150*time.Millisecond) == nil {
		for _, n := range l.notes.after(noted) {
			noted++
			say(n[0], n[1])
		}
		for _, a := range apps {
			l.look(ctx, a, say)
		}
	}
}

// look prints what is new of an app.
func (l *Lab) look(ctx context.Context, a *shown, say func(source, text string)) {
	v, err := l.Client().App(ctx, a.name) // before the facts, which are then as new at least
	for _, f := range l.news(ctx, a.name, a.facts) {
		a.facts = f.Number
		say(a.name, text(f))
	}
	now := a.site.users.count()
	if got := a.site.users.last(); got != a.users && now[got]-a.count[got] > 0 {
		a.users = got
		say(a.name, "users are answered by "+got.String()+rest(now, a.count))
		a.count = now
	}
	if err == nil && v.Status.Headline != a.headline {
		a.headline = v.Status.Headline
		say(a.name, "now: "+a.headline)
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

// news are the facts of an app above a number, oldest first.
func (l *Lab) news(ctx context.Context, app string, above int) []api.Fact {
	h, err := l.Client().History(ctx, app, 50, 0)
	if err != nil {
		return nil // the next look finds them
	}
	facts := slices.DeleteFunc(h.Facts, func(f api.Fact) bool { return f.Number <= above })
	slices.Reverse(facts)
	return facts
}
