package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// remote is how a command reaches the API and how it prints.
type remote struct {
	*shell
	url, key, output string
}

func (r *remote) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.url, "url", "", "address of the Functions app (BLUEGREEN_URL)")
	cmd.Flags().StringVar(&r.key, "key", "", "function key; better in the environment, as BLUEGREEN_KEY")
	cmd.Flags().StringVarP(&r.output, "output", "o", "text", "text or json")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if r.output != "text" && r.output != "json" {
			return fmt.Errorf("--output %q: use text or json", r.output)
		}
		if r.address() == "" {
			return errors.New("where is bluegreen? Set BLUEGREEN_URL or --url to the address of the Functions app")
		}
		return nil
	}
}

func (r *remote) address() string { return or(r.url, r.getenv("BLUEGREEN_URL")) }

// client makes a client from flags and environment. BLUEGREEN_TOKEN is a bearer token, for
// apps that sign people in; it proves who asks, and a key does not.
func (r *remote) client() *api.Client {
	c := &api.Client{Base: r.address(), Key: or(r.key, r.getenv("BLUEGREEN_KEY")), Pause: r.every}
	if token := r.getenv("BLUEGREEN_TOKEN"); token != "" {
		c.Token = func(context.Context) (string, error) { return token, nil }
	}
	return c
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (r *remote) json(v any) error {
	e := json.NewEncoder(r.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// clean takes out what could play tricks with a terminal: some texts come from pods.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if release.Hidden(c) && c != '\n' {
			return ' '
		}
		return c
	}, text)
}

func say(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, clean(fmt.Sprintf(format, args...)))
}

func newStatus(s *shell) *cobra.Command {
	r, watch := &remote{shell: s}, false
	cmd := &cobra.Command{
		Use:   "status [APP]",
		Short: "Show what apps are doing, since when, until when, and what comes next",
		Args:  cobra.MaximumNArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			if watch {
				return r.watch(cmd.Context(), args)
			}
			found, err := r.apps(cmd.Context(), args)
			switch {
			case err != nil:
				return err
			case r.output == "json" && len(args) == 1:
				return r.json(found.Apps[0])
			case r.output == "json":
				return r.json(found)
			case len(found.Apps) == 0:
				say(s.stdout, "no app is configured")
			}
			for _, a := range found.Apps {
				describe(s.stdout, a)
			}
			for _, p := range found.Problems {
				say(s.stdout, "the configuration cannot be used: %s", p)
			}
			return nil
		}),
	}
	r.flags(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "keep running and print a line at every change")
	return cmd
}

func (r *remote) apps(ctx context.Context, args []string) (api.Apps, error) {
	if len(args) == 0 {
		return r.client().Apps(ctx)
	}
	a, err := r.client().App(ctx, args[0])
	return api.Apps{Apps: []api.App{a}}, err
}

// watch prints changes until it is stopped; a failed request is reported and tried again.
func (r *remote) watch(ctx context.Context, args []string) error {
	last := map[string]string{}
	news := func(name, sentence string) bool {
		changed := last[name] != sentence
		last[name] = sentence
		return changed
	}
	for {
		found, err := r.apps(ctx, args)
		if ctx.Err() != nil {
			return nil
		}
		var e *api.Error
		if errors.As(err, &e) && e.Status < 500 {
			return err
		}
		if err != nil && news("", err.Error()) {
			say(r.stderr, "%s  cannot look: %v", clock(), err)
		}
		for _, a := range found.Apps {
			if err != nil || !news(a.Name, a.Status.Headline) {
				continue
			}
			if r.output == "json" {
				err = r.json(a)
			} else {
				say(r.stdout, "%s  %s: %s", clock(), a.Name, a.Status.Headline)
			}
		}
		if !r.rest(ctx) {
			return nil
		}
	}
}

// rest waits for the next look, and reports whether there is to be one.
func (r *remote) rest(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(r.every):
		return true
	}
}

func clock() string { return time.Now().UTC().Format("15:04:05") }

func describe(w io.Writer, a api.App) {
	say(w, "%s: %s", a.Name, a.Status.Headline)
	for _, p := range a.Status.Parts() {
		say(w, "  %-9s %s", p.Label, p.Text)
	}
	for _, side := range []struct {
		name  release.Color
		color api.Color
	}{{release.Blue, a.Colors.Blue}, {release.Green, a.Colors.Green}} {
		c := side.color
		about := []string{strings.ReplaceAll(string(c.Role), "-", " ")}
		if n := total(c.Replicas); n > 0 && !c.Retired {
			about = append(about, fmt.Sprintf("%d wanted", n))
		}
		if c.Checked {
			about = append(about, "checks passed")
		}
		if c.Signer != "" {
			about = append(about, "signed by "+c.Signer)
		}
		if c.Retired {
			about = append(about, "scaled down")
		}
		say(w, "  %-6s %s, %s", side.name, c.Image, strings.Join(about, ", "))
	}
	if a.Waiting != nil {
		say(w, "  waits  %s", a.Waiting)
	}
	for _, q := range a.Quarantined {
		say(w, "  quarantined since %s: %s, %s\n         %s", when(q.Since), q.Image, q.Why, q.Image.Digest)
	}
	for _, p := range a.Problems {
		say(w, "  problem: %s", p)
	}
}

func total(replicas []int32) (n int32) {
	for _, r := range replicas {
		n += r
	}
	return n
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func newHistory(s *shell) *cobra.Command {
	r := &remote{shell: s}
	var limit, before int
	cmd := &cobra.Command{
		Use:   "history APP",
		Short: "Show what happened and why, the newest last",
		Args:  cobra.ExactArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			h, err := r.client().History(cmd.Context(), args[0], limit, before)
			if err != nil {
				return err
			}
			if r.output == "json" {
				return r.json(h)
			}
			if h.Before > 0 {
				say(s.stdout, "… older: --before %d", h.Before)
			}
			for i := range h.Facts {
				f := h.Facts[len(h.Facts)-1-i]
				say(s.stdout, "%s  %-17s %s", when(f.At), f.Kind, f.Line)
			}
			if len(h.Facts) == 0 {
				say(s.stdout, "nothing has happened yet")
			}
			return nil
		}),
	}
	r.flags(cmd)
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "how many facts, at most 500")
	cmd.Flags().IntVar(&before, "before", 0, "only facts older than this number")
	return cmd
}

// newChange makes the subcommand of a command from its definition.
func newChange(s *shell, v release.Verb) *cobra.Command {
	r := &remote{shell: s}
	var asked api.Request
	var key string
	wait := false
	use, args, long := string(v.Command)+" APP", 1, v.Does+"."
	given := map[string]func([]string) any{} // the value of each field, once the line is parsed
	cmd := &cobra.Command{
		Short: v.Does,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			if err := fill(&asked, given, args); err != nil {
				return err
			}
			asked.By = or(asked.By, s.getenv("USER"))
			return r.change(cmd.Context(), args[0], v.Command, asked, or(key, api.NewKey()), wait)
		}),
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&asked.Why, "why", "", "why, for the history (recommended)")
	f.StringVar(&asked.By, "by", "", "who asks, for the history ($USER by default)")
	f.BoolVar(&wait, "wait", false, "wait for the outcome and report progress meanwhile")
	f.StringVar(&key, "idempotency-key", "", "idempotency key of an earlier request, to repeat it safely")
	for _, field := range v.Takes {
		switch {
		case field.Argument:
			n := args
			use, args = use+" "+strings.ToUpper(field.Kind), args+1
			long += "\n\n" + strings.ToUpper(field.Kind) + " is " + field.Help + "."
			given[field.Name] = func(args []string) any { return args[n] }
		case field.Kind == "flag":
			set := f.Bool(field.Name, false, field.Help)
			given[field.Name] = func([]string) any { return *set }
		default:
			help := field.Help
			if field.Required {
				help += " (required)"
			}
			set := f.String(field.Name, "", help)
			given[field.Name] = func([]string) any { return *set }
		}
		if field.Required && !field.Argument {
			_ = cmd.MarkFlagRequired(field.Name) // fails only for a flag that does not exist
		}
	}
	cmd.Use, cmd.Args, cmd.Long = use, cobra.ExactArgs(args), long
	return cmd
}

// fill puts the fields of a command into its request, by their names.
func fill(asked *api.Request, given map[string]func([]string) any, args []string) error {
	fields := map[string]any{}
	for name, value := range given {
		fields[name] = value(args)
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, asked)
}

// change sends the request and, when asked to wait, repeats it under the same key, which
// only reports its progress.
func (r *remote) change(ctx context.Context, app string, command release.Command, asked api.Request, key string, wait bool) error {
	last := ""
	for {
		a, err := r.client().Command(ctx, app, command, asked, key)
		if ctx.Err() != nil {
			return errors.New("stopped waiting; what was accepted goes on, see bluegreen status " + app)
		}
		if err != nil {
			return refusal(err, key)
		}
		if r.output == "text" && last != a.App.Status.Headline {
			last = a.App.Status.Headline
			say(r.stdout, "%s  %s: %s", clock(), app, last)
		}
		if !wait || a.Outcome.Final() {
			return r.conclude(a, command, app)
		}
		if !r.rest(ctx) {
			return errors.New("stopped waiting; what was accepted goes on, see bluegreen status " + app)
		}
	}
}

func refusal(err error, key string) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%w; whether it was accepted is not known, repeating it with --idempotency-key %s is safe", err, key)
	}
	if e.Headline != "" {
		return fmt.Errorf("%w\n%s", err, e.Headline)
	}
	return err
}

func (r *remote) conclude(a api.Answer, command release.Command, app string) error {
	if r.output == "json" {
		if err := r.json(a); err != nil {
			return err
		}
	} else {
		say(r.stdout, "%s: %s", app, verdict(a, command))
	}
	if a.Outcome == api.Failed {
		return errors.New(string(command) + " failed, see bluegreen history " + app)
	}
	return nil
}

func verdict(a api.Answer, command release.Command) string {
	decision := ""
	if a.Decision != nil {
		decision = a.Decision.Text
	}
	switch a.Outcome {
	case api.Pending:
		return "accepted, not decided yet"
	case api.Underway:
		return "under way: " + decision
	case api.NeedsPromote:
		if a.App.Pause != nil {
			return "waits: releases are paused; bluegreen resume " + a.App.Name + " lets it go on"
		}
		return "waits for an operator: bluegreen promote " + a.App.Name + " --digest " + digest(a.App)
	case api.Failed:
		return "failed: " + decision
	}
	if v, _ := release.VerbOf(command); v.Moves {
		return fmt.Sprintf("done, traffic is on %s: %s", a.App.Live, decision) // which speaks of the beginning
	}
	return "done: " + decision
}

func digest(a api.App) string {
	if a.Release == nil {
		return ""
	}
	return a.Release.Image.Digest
}
