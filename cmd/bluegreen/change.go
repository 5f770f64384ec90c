package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

const (
	// decideTime is how long a command asks for its decision, outcomeTime for its outcome.
	decideTime  = 2 * time.Minute
	outcomeTime = time.Hour
)

// change is one command to an app, as it is given on the command line.
type change struct {
	*remote
	app     string
	command release.Command
	asked   api.Request
	key     string
	wait    api.Wait
	timeout time.Duration

	accepted bool   // the app has answered
	last     string // what was reported last
}

// newChange makes the subcommand of a command from its definition.
func newChange(s *shell, v release.Verb) *cobra.Command {
	r := &remote{shell: s}
	c := &change{remote: r, command: v.Command}
	fields := newFields(v)
	cmd := &cobra.Command{
		Short: v.Does, Long: v.Does + "." + fields.long, Example: exampleOf(v),
		Use: string(v.Command) + " APP" + fields.use, Args: exactly("APP"+fields.use, 1+len(fields.arguments)),
		ValidArgsFunction: r.completeArguments(v),
	}
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		c.app = args[0]
		if err := fields.fill(&c.asked, args[1:]); err != nil {
			return err
		}
		c.asked.By = or(c.asked.By, s.getenv("USER"))
		c.key = or(c.key, api.NewKey())
		if !cmd.Flags().Changed("timeout") && c.wait != "" {
			c.timeout = outcomeTime
		}
		c.announce(cmd.Context())
		return c.send(cmd.Context())
	})
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.asked.Why, "why", "", "why, for the history (recommended)")
	f.StringVar(&c.asked.By, "by", "", "who asks, for the history ($USER by default)")
	f.Var((*waitFlag)(&c.wait), "wait", "wait for the outcome: completed, after the bake (the default of --wait), or switched,\nwhen traffic has moved and the bake still runs")
	f.Lookup("wait").NoOptDefVal = string(api.WaitCompleted)
	choices(cmd, "wait", string(api.WaitCompleted), string(api.WaitSwitched))
	f.DurationVar(&c.timeout, "timeout", decideTime, "stop waiting after this time, with exit status 3; 1h with --wait")
	f.StringVar(&c.key, "idempotency-key", "", "idempotency key of an earlier request, to repeat it safely")
	fields.flags(r, cmd)
	return cmd
}

// waitFlag is the value of --wait.
type waitFlag api.Wait

func (w *waitFlag) String() string { return string(*w) }
func (w *waitFlag) Type() string   { return "outcome" }

func (w *waitFlag) Set(text string) error {
	if *w = waitFlag(text); text == "" || !api.Wait(text).Valid() {
		return fmt.Errorf("use %s or %s", api.WaitCompleted, api.WaitSwitched)
	}
	return nil
}

func exactly(use string, n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		text := fmt.Sprintf("%s takes %s: given are %d of %d", cmd.Name(), use, len(args), n)
		if n < len(args) && cmd.Flags().Changed("wait") && api.Wait(args[len(args)-1]).Valid() {
			text += "; write --wait=" + args[len(args)-1]
		}
		return errors.New(text)
	}
}

// fields are what a command takes besides what all take, by names.
type fields struct {
	verb      release.Verb
	arguments []release.Field
	values    map[string]func() any // of the flags, once the line is parsed
	use, long string
}

func newFields(v release.Verb) *fields {
	fs := &fields{verb: v, values: map[string]func() any{}}
	for _, f := range v.Takes {
		if f.Argument {
			fs.arguments = append(fs.arguments, f)
			fs.use += " " + strings.ToUpper(f.Kind)
			fs.long += "\n\n" + strings.ToUpper(f.Kind) + " is " + f.Help + "."
		}
	}
	return fs
}

func (fs *fields) flags(r *remote, cmd *cobra.Command) {
	for _, f := range fs.verb.Takes {
		help := f.Help
		if f.Required {
			help += " (required)"
		}
		switch {
		case f.Argument:
			continue
		case f.Kind == "flag":
			set := cmd.Flags().Bool(f.Name, false, help)
			fs.values[f.Name] = func() any { return *set }
		default:
			set := cmd.Flags().String(f.Name, "", help)
			fs.values[f.Name] = func() any { return *set }
			_ = cmd.RegisterFlagCompletionFunc(f.Name, r.completeField(fs.verb.Command, f)) // fails only for a flag that does not exist
		}
		if f.Required {
			_ = cmd.MarkFlagRequired(f.Name)
		}
	}
}

// fill puts the fields of a command into its request.
func (fs *fields) fill(asked *api.Request, args []string) error {
	given := map[string]any{}
	for name, value := range fs.values {
		given[name] = value()
	}
	for i, f := range fs.arguments {
		given[f.Name] = args[i]
	}
	data, err := json.Marshal(given)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, asked)
}

// send sends the request until it is decided and, when asked to wait, until its outcome is there:
// under one key it is done once and then only reported on. A handler that does not answer for a
// while is asked again.
func (c *change) send(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, c.timeout)
	defer stop()
	for {
		a, err := c.client().Command(ctx, c.app, c.command, c.asked, c.key)
		switch {
		case err == nil && c.wait.Over(a.Outcome):
			return c.conclude(a)
		case err == nil:
			c.accepted = true
			c.progress(a)
		case ctx.Err() != nil:
		case !c.accepted && errors.As(answered(err), new(unknown)):
			return unknown{fmt.Errorf("%w; whether it was accepted is not known, repeating it with --idempotency-key %s is safe", err, c.key)}
		case !c.passing(err):
			return headlined(err)
		default:
			c.note("cannot ask, trying again: " + err.Error())
		}
		if !c.rest(ctx, c.every) {
			return c.open(ctx)
		}
	}
}

// passing reports whether an error says nothing about an accepted command.
func (c *change) passing(err error) bool {
	var e *api.Error
	return c.accepted && (!errors.As(err, &e) || e.Code == "host" || e.Status >= http.StatusInternalServerError)
}

// open is the error of a command whose outcome was not waited for to its end.
func (c *change) open(ctx context.Context) error {
	ended, what, again := "interrupted", "its outcome is not known", c.key
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		ended = "stopped waiting after " + c.timeout.String()
	}
	switch {
	case !c.accepted:
		what = "whether it was accepted is not known"
	case c.wait == "":
		what = "it is accepted and not decided yet"
	default:
		again += " --wait=" + string(c.wait)
	}
	return unknown{fmt.Errorf("%s: %s, and it goes on; bluegreen status %s shows it, and the same command with --idempotency-key %s asks again", ended, what, c.app, again)}
}

func (c *change) progress(a api.Answer) {
	if a.Outcome == api.Pending {
		c.note(a.Text)
	} else {
		c.note(a.App.Status.Headline)
	}
}

// note reports what is news, beside the answer.
func (c *change) note(text string) {
	if c.output == "text" && text != c.last {
		c.last = text
		say(c.stderr, "%s  %s: %s", c.clock(), c.app, text)
	}
}

// conclude prints the answer. A caller that waits for a release does not have it while an
// operator has to let it go live.
func (c *change) conclude(a api.Answer) error {
	if c.output == "json" {
		if err := c.json(c.stdout, a); err != nil {
			return err
		}
	} else {
		say(c.stdout, "%s: %s", c.app, a.Text)
	}
	if c.wait != "" && a.Outcome == api.NeedsPromote {
		return unknown{fmt.Errorf("%s is not live: an operator decides", c.app)}
	}
	return nil
}
