// Command bluegreen is the operator's command line: it shows apps and sends commands to them
// through the HTTP API, and checks a configuration before it is deployed.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bluegreen/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &shell{
		getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdout.Fd())), every: 2 * time.Second, now: time.Now,
	}
	os.Exit(s.run(ctx, os.Args[1:]))
}

// shell is what a command has to do with the outside. every is the time between two looks.
type shell struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stdout is one
	every          time.Duration
	now            func() time.Time
	output         string
}

// run returns the exit status.
func (s *shell) run(ctx context.Context, args []string) int {
	root := newRoot(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return s.report(cmd, args, err)
}

// newRoot makes the command line. Each subcommand has a constructor of its own.
func newRoot(s *shell) *cobra.Command {
	root := &cobra.Command{
		Use:           "bluegreen",
		Short:         "Operate blue/green releases of apps on AKS",
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommandsOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Long: `Operate blue/green releases of apps on AKS: show status and history, and send commands to
the bluegreen Functions app.

Environment: BLUEGREEN_URL is the address of the Functions app. BLUEGREEN_TOKEN is a token of the
app registration, where users sign in; BLUEGREEN_KEY a function key in its place, of look for
status and history, of act for commands, or set for both.
Exit status:
` + exitText(),
		Example: `  bluegreen status
  bluegreen deploy shop --image 2.4.1 --why "fixes the cart" --wait
  bluegreen rollback shop --why "slow checkout" --wait`,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if s.output != "text" && s.output != "json" {
				return fmt.Errorf("--output %q: use text or json", s.output)
			}
			return nil
		},
	}
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.PersistentFlags().StringVarP(&s.output, "output", "o", "text", "text or json, for errors too")
	choices(root, "output", "text", "json")
	root.AddGroup(&cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "act", Title: "Act:"}, &cobra.Group{ID: "offline", Title: "Without the app:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("look", newStatus(s), newWatch(s), newHistory(s), newPlan(s), newDoctor(s))
	for _, v := range release.Commands {
		add("act", newChange(s, v))
	}
	add("offline", newConfig(s), newSimulate(s), newVersion(s))
	return root
}

// subcommandsOnly refuses an argument, and says which subcommand may be meant.
func subcommandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; is " + strings.Join(near, " or ") + " meant?"
	}
	return fmt.Errorf("%s", text)
}

// choices completes a flag with its values.
func choices(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that does not exist
}
