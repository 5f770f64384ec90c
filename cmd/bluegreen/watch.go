package main

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
)

func newWatch(s *shell) *cobra.Command {
	r := &remote{shell: s}
	cmd := &cobra.Command{
		Use:   "watch [APP]",
		Short: "Keep showing the status; where stdout is no terminal, print a line at every change",
		Example: `  bluegreen watch
  bluegreen watch shop
  bluegreen watch shop -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeApp,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			show := r.changes()
			if s.terminal && s.output == "text" {
				show = r.screen()
			}
			return r.watch(cmd.Context(), args, show)
		}),
	}
	r.flags(cmd)
	return cmd
}

// watch shows what is found until it is stopped. A failed request is shown and made again, unless
// it can never work.
func (r *remote) watch(ctx context.Context, args []string, show func(api.Apps, error) error) error {
	for {
		found, err := r.apps(ctx, args)
		if ctx.Err() != nil {
			return nil
		}
		var e *api.Error
		if errors.As(err, &e) && e.Status < 500 {
			return err
		}
		if err := show(found, err); err != nil || !r.rest(ctx, r.pace(len(found.Apps))) {
			return err
		}
	}
}

// changes prints a line for each headline that is another one than before.
func (r *remote) changes() func(api.Apps, error) error {
	last := map[string]string{}
	news := func(name, text string) bool {
		changed := last[name] != text
		last[name] = text
		return changed
	}
	return func(found api.Apps, err error) error {
		if err != nil {
			if news("", err.Error()) {
				say(r.stderr, "%s  cannot look: %v", r.clock(), err)
			}
			return nil
		}
		for _, a := range found.Apps {
			if !news(a.Name, a.Status.Headline) {
				continue
			}
			if r.output == "json" {
				if err := r.json(r.stdout, a); err != nil {
					return err
				}
				continue
			}
			say(r.stdout, "%s  %s: %s", r.clock(), a.Name, a.Status.Headline)
		}
		return nil
	}
}

// clearScreen moves the cursor of a terminal to its first place and deletes what follows.
const clearScreen = "\x1b[H\x1b[J"

// screen draws the status in place. While the app cannot be asked it shows since when.
func (r *remote) screen() func(api.Apps, error) error {
	var last api.Apps
	var seen time.Time
	return func(found api.Apps, err error) error {
		var page bytes.Buffer
		if err == nil {
			last, seen = found, r.now()
			say(&page, "%s  Ctrl-C ends", r.clock())
		} else {
			say(&page, "%s  cannot look: %v", r.clock(), err)
			if !seen.IsZero() {
				say(&page, "what follows was seen %s ago", r.now().Sub(seen).Round(time.Second))
			}
		}
		if len(last.Apps) == 1 {
			detail(&page, last.Apps[0])
		} else if !seen.IsZero() {
			overview(&page, last, false)
		}
		_, err = r.stdout.Write(append([]byte(clearScreen), page.Bytes()...))
		return err
	}
}

// pace is the time between two looks that read so many apps: 10,000 are read every 200 s.
func (s *shell) pace(apps int) time.Duration {
	return max(s.every, time.Duration(apps)*20*time.Millisecond)
}

// rest waits for the next look, and reports whether there is to be one.
func (r *remote) rest(ctx context.Context, every time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(every):
		return true
	}
}

func (s *shell) clock() string { return s.now().UTC().Format("15:04:05") }
