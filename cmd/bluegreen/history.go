package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// mostFacts is how many facts the API returns at once, at most.
const mostFacts = 500

// search is what a history is searched for.
type search struct {
	limit, before int
	since         string
	kinds         []string
	release       int
	who           string

	from time.Time
}

func newHistory(s *shell) *cobra.Command {
	r, look := &remote{shell: s}, search{}
	cmd := &cobra.Command{
		Use:   "history APP",
		Short: "Show what happened and why, the newest first",
		Example: `  bluegreen history shop
  bluegreen history shop --since 24h --kind release-returned,hold-set
  bluegreen history shop --release 12 --who ana`,
		Args:              exactly("APP", 1),
		ValidArgsFunction: r.completeApp,
		PreRunE:           func(*cobra.Command, []string) error { return look.check(s.now()) },
		RunE: does(func(cmd *cobra.Command, args []string) error {
			h, err := look.find(cmd.Context(), r, args[0])
			if err != nil {
				return answered(err)
			}
			if s.output == "json" {
				return s.json(s.stdout, h)
			}
			for _, f := range h.Facts {
				say(s.stdout, "%s  %-17s %s", when(f.At), f.Kind, f.Line)
			}
			if len(h.Facts) == 0 {
				say(s.stdout, "nothing of this is in the history")
			}
			if h.Before > 0 {
				say(s.stdout, "… older: --before %d", h.Before)
			}
			return nil
		}),
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.IntVarP(&look.limit, "limit", "n", 20, "how many facts")
	f.IntVar(&look.before, "before", 0, "only facts older than this number")
	f.StringVar(&look.since, "since", "", "only facts since then: a duration such as 24h or 7d, a day, or a time in RFC 3339")
	f.StringSliceVar(&look.kinds, "kind", nil, "only facts of these kinds, such as release-returned")
	f.IntVar(&look.release, "release", 0, "only facts of this release")
	f.StringVar(&look.who, "who", "", "only facts of operators with this in their name")
	choices(cmd, "kind", kinds()...)
	return cmd
}

func kinds() (names []string) {
	for _, k := range release.FactKinds {
		names = append(names, string(k))
	}
	return names
}

// check reads the flags.
func (l *search) check(now time.Time) error {
	for _, k := range l.kinds {
		if !slices.Contains(kinds(), k) {
			return fmt.Errorf("--kind %q is not known; known are %s", k, strings.Join(kinds(), ", "))
		}
	}
	if l.limit < 1 {
		return fmt.Errorf("--limit %d: give at least 1", l.limit)
	}
	if l.since == "" {
		return nil
	}
	if d, err := config.ParseDuration(l.since); err == nil {
		l.from = now.Add(-d)
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, l.since); err == nil {
			l.from = at
			return nil
		}
	}
	return fmt.Errorf("--since %q is no duration such as 24h or 7d, no day such as 2026-11-24, and no time such as 2026-11-24T12:00:00Z", l.since)
}

// all reports whether every fact is looked for, so that a page of the API is the answer.
func (l search) all() bool {
	return l.from.IsZero() && len(l.kinds) == 0 && l.release == 0 && l.who == ""
}

func (l search) wants(f api.Fact) bool {
	return (len(l.kinds) == 0 || slices.Contains(l.kinds, string(f.Kind))) && (l.release == 0 || l.release == f.Release) &&
		strings.Contains(strings.ToLower(f.By), strings.ToLower(l.who))
}

// find reads pages until enough is found.
func (l search) find(ctx context.Context, r *remote, app string) (api.History, error) {
	found := api.History{App: app, Facts: []api.Fact{}, Before: l.before}
	for {
		size := mostFacts
		if l.all() {
			size = min(l.limit-len(found.Facts), mostFacts)
		}
		page, err := r.client().History(ctx, app, size, found.Before)
		if err != nil {
			return found, err
		}
		found.Headline, found.Before = page.Headline, page.Before
		for _, f := range page.Facts {
			if f.At.Before(l.from) {
				found.Before = 0
				return found, nil
			}
			if l.wants(f) {
				found.Facts = append(found.Facts, f)
			}
			if len(found.Facts) == l.limit {
				if f.Number > 1 {
					found.Before = f.Number
				}
				return found, nil
			}
		}
		if page.Before == 0 {
			return found, nil
		}
	}
}
