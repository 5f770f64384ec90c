// Command bluegreen is the operator's command line: it shows apps and sends commands to them
// through the HTTP API, and checks a configuration before it is deployed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/release"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &shell{getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, every: 2 * time.Second}
	os.Exit(s.run(ctx, os.Args[1:]))
}

// shell is what a command has to do with the outside. every is the time between two looks.
type shell struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	every          time.Duration
}

// failed marks what went wrong after the command line was understood.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// run returns the exit status: 0 for success, 1 for refused or failed, 2 for a command
// line that is not understood.
func (s *shell) run(ctx context.Context, args []string) int {
	root := newRoot(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(s.stderr, "bluegreen: "+clean(err.Error()))
	if errors.As(err, new(failed)) {
		return 1
	}
	fmt.Fprintf(s.stderr, "see %s --help\n", cmd.CommandPath())
	return 2
}

// newRoot makes the command line. Each subcommand has a constructor of its own.
func newRoot(s *shell) *cobra.Command {
	root := &cobra.Command{
		Use:           "bluegreen",
		Short:         "Operate blue/green releases of apps on AKS",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Long: "Operate blue/green releases of apps on AKS: show status and history, and send commands to\n" +
			"the bluegreen Functions app.\n\n" +
			"Environment: BLUEGREEN_URL is the address of the Functions app. BLUEGREEN_TOKEN is a token of the\n" +
			"app registration, where users sign in; BLUEGREEN_KEY a function key in its place, of look for\n" +
			"status and history, of act for commands, or set for both.\n" +
			"Exit status: 0 success, 1 refused or failed, 2 the command line is not understood.",
	}
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.AddCommand(newStatus(s), newHistory(s), newConfig(s))
	for _, v := range release.Commands {
		root.AddCommand(newChange(s, v))
	}
	return root
}

// does runs what a command does, and marks its failure as one that is not about the
// command line.
func does(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return failed{err}
		}
		return nil
	}
}
