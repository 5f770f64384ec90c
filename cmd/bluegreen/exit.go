package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
)

// The exit statuses.
const (
	exitDone    = 0
	exitFailed  = 1 // refused, or tried and not as was asked
	exitUsage   = 2 // the command line is not understood
	exitUnknown = 3 // the app was not reached, or the outcome is still open
)

// exits are the exit statuses in words, and what a script or a person does then.
var exits = []struct {
	status      int
	means, cure string
}{
	{exitDone, "done", ""},
	{exitFailed, "refused or failed", "do what the message says"},
	{exitUsage, "the command line is not understood", "bluegreen COMMAND --help shows its form"},
	{exitUnknown, "not known: the app was not reached, or the outcome is still open",
		"look with bluegreen status APP: the time (`--timeout`) was over, the wait interrupted, or an operator has to let the release go live; to wait again repeat the command with the `--idempotency-key` that the message names, which is safe"},
}

func exitText() string {
	var lines []string
	for _, e := range exits {
		lines = append(lines, fmt.Sprintf("  %d  %s", e.status, e.means))
	}
	return strings.Join(lines, "\n")
}

// failed marks what went wrong after the command line was understood.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// unknown marks a failure after which it is not known how things are, or will be.
type unknown struct{ error }

func (u unknown) Unwrap() error { return u.error }

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

// report prints an error and returns the exit status.
func (s *shell) report(cmd *cobra.Command, args []string, err error) int {
	status, code, hint := exitUsage, "usage", "see "+cmd.CommandPath()+" --help"
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, new(unknown)):
		status, code, hint = exitUnknown, "unknown", ""
	case errors.As(err, new(failed)):
		status, code, hint = exitFailed, "failed", ""
	}
	if s.output == "json" || askedForJSON(args) {
		known := &api.Error{Code: code, Message: clean(err.Error())}
		errors.As(err, &known)
		_ = s.json(s.stderr, struct {
			*api.Error
			Exit int `json:"exit"`
		}{known, status})
		return status
	}
	say(s.stderr, "bluegreen: %s", err)
	if hint != "" {
		say(s.stderr, "%s", hint)
	}
	return status
}

// askedForJSON reads a command line that was perhaps not understood.
func askedForJSON(args []string) bool {
	for i, a := range args {
		if a == "-ojson" || a == "--output=json" || a == "-o=json" || i > 0 && a == "json" && slices.Contains([]string{"-o", "--output"}, args[i-1]) {
			return true
		}
	}
	return false
}

// headlined is the text of an error, and below it what the app is doing.
func headlined(err error) error {
	var e *api.Error
	if !errors.As(err, &e) || e.Headline == "" || strings.Contains(e.Message, e.Headline) {
		return err
	}
	return withHeadline{err, e.Headline}
}

type withHeadline struct {
	error
	headline string
}

func (w withHeadline) Error() string { return w.error.Error() + "\n" + w.headline }

func (w withHeadline) Unwrap() error { return w.error }
