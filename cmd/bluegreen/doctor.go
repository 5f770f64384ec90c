package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"bluegreen/internal/api"
)

func newDoctor(s *shell) *cobra.Command {
	r := &remote{shell: s}
	cmd := &cobra.Command{
		Use:   "doctor [APP]",
		Short: "Check everything that releases need, and say how to correct what is missing",
		Long: `Check everything that releases of one app, or of all, need: configuration, rights, gateway, clusters,
registry, storage and clock, as the app sees them; and, with the operator's own sign-in of az, Event
Grid, action group, alert rules, settings, host and certificate. Nothing is changed.
Exit status: 0 all is well, 1 there are problems, 3 there are none, but some checks could not be made.`,
		Example: `  bluegreen doctor
  bluegreen doctor shop
  bluegreen doctor shop -o json | jq '.checks[] | select(.state == "problem")'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeApp,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			found, err := r.examine(cmd.Context(), args)
			if err != nil {
				return answered(err)
			}
			if s.output == "json" {
				err = s.json(s.stdout, found)
			} else {
				found.print(s)
			}
			return errors.Join(err, found.verdict())
		}),
	}
	r.flags(cmd)
	return cmd
}

// diagnosis is what doctor prints: the checks of the installation, of each app, and of Azure.
type diagnosis struct {
	LastTick time.Time   `json:"lastTick,omitzero"`
	Checks   []diagnosed `json:"checks"`
	// Try are commands that test what no reading shows, such as an action group.
	Try []string `json:"try,omitempty"`
}

// diagnosed is a check of one app, or, without App, of what all apps share.
type diagnosed struct {
	App string `json:"app,omitempty"`
	api.Check
}

func (r *remote) examine(ctx context.Context, args []string) (diagnosis, error) {
	d := diagnosis{Checks: []diagnosed{}}
	client := r.client()
	shared, err := client.Doctor(ctx, "")
	if err != nil {
		return d, err
	}
	d.LastTick = shared.LastTick
	d.add("", shared.Checks...)
	if len(args) == 0 {
		health, err := client.Health(ctx, false)
		if err != nil {
			return d, err
		}
		for _, a := range health.Apps {
			args = append(args, a.Name)
		}
	}
	owns, errs := make([]api.Doctor, len(args)), make([]error, len(args))
	abreast(args, func(n int, name string) { owns[n], errs[n] = client.Doctor(ctx, name) })
	for n, name := range args {
		switch {
		case errs[n] == nil:
			d.add(name, owns[n].Checks...)
		case len(args) == 1 || ctx.Err() != nil:
			return d, errs[n]
		default: // it hides no other app
			d.add(name, api.Check{Name: "doctor", Target: name, State: api.CheckUnknown, Reason: errs[n].Error()})
		}
	}
	d.add("", r.certificate(ctx)...)
	checks, try := r.examineAzure(ctx, args)
	d.add("", checks...)
	d.Try = try
	return d, nil
}

// abreast calls do for each name, for eight at the same time.
func abreast(names []string, do func(n int, name string)) {
	var all errgroup.Group
	all.SetLimit(8)
	for n, name := range names {
		all.Go(func() error {
			do(n, name)
			return nil
		})
	}
	_ = all.Wait() // do has no error
}

func (d *diagnosis) add(app string, checks ...api.Check) {
	for _, c := range checks {
		d.Checks = append(d.Checks, diagnosed{app, c})
	}
}

// count is how many checks ended in a state.
func (d *diagnosis) count(state api.CheckState) (n int) {
	for _, c := range d.Checks {
		if c.State == state {
			n++
		}
	}
	return n
}

// states are in the order of the output, with their words.
var states = []struct {
	state api.CheckState
	word  string
}{{api.CheckProblem, "PROBLEM"}, {api.CheckUnknown, "NOT KNOWN"}, {api.CheckWarning, "WARNING"}}

// mostAlike is how many checks are printed that found the same.
const mostAlike = 5

// print writes the problems first, each with its fix on a line of its own.
func (d *diagnosis) print(s *shell) {
	for _, group := range states {
		alike := map[api.Check]int{} // by all but the target
		for _, c := range d.Checks {
			if c.State != group.state {
				continue
			}
			same := c.Check
			same.Target = ""
			if alike[same]++; alike[same] > mostAlike {
				continue
			}
			say(s.stdout, "%-9s  %s, %s (%s): %s", group.word, cmp.Or(c.App, "all apps"), c.Name, c.Target, c.Reason)
			if c.Fix != "" {
				say(s.stdout, "%9s  fix: %s", "", c.Fix)
			}
		}
		for _, c := range d.Checks {
			same := c.Check
			same.Target = ""
			if more := alike[same] - mostAlike; c.State == group.state && more > 0 {
				say(s.stdout, "%-9s  %s: %d more checks found the same (-o json has all): %s", group.word, c.Name, more, c.Reason)
				delete(alike, same)
			}
		}
	}
	passed := d.count(api.CheckOK)
	if passed == len(d.Checks) {
		say(s.stdout, "all %d checks passed", passed)
	} else {
		say(s.stdout, "%d of %d checks passed", passed, len(d.Checks))
	}
	for _, command := range d.Try {
		say(s.stdout, "to test the action group, between releases: %s", command)
	}
	if !d.LastTick.IsZero() {
		say(s.stdout, "the clock last ticked %s ago (%s)", s.now().Sub(d.LastTick).Round(time.Second), when(d.LastTick))
	}
}

// verdict is the error of what was found.
func (d *diagnosis) verdict() error {
	if n := d.count(api.CheckProblem); n > 0 {
		names := []string{}
		for _, c := range d.Checks {
			if c.State == api.CheckProblem && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
		return fmt.Errorf("%d of %d checks found a problem: %s", n, len(d.Checks), strings.Join(names, ", "))
	}
	if n := d.count(api.CheckUnknown); n > 0 {
		return unknown{fmt.Errorf("%d of %d checks could not be made", n, len(d.Checks))}
	}
	return nil
}
