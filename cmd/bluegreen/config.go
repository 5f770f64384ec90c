package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"bluegreen/internal/config"
)

func newConfig(s *shell) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check a configuration, or print its JSON Schema", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check FILE", Short: "Name every mistake of a bluegreen.yaml by line", Args: cobra.ExactArgs(1),
			RunE: does(func(_ *cobra.Command, args []string) error { return s.check(args[0]) }),
		},
		&cobra.Command{
			Use: "repositories FILE", Short: "Print the repositories that the apps are released from, one a line", Args: cobra.ExactArgs(1),
			RunE: does(func(_ *cobra.Command, args []string) error { return s.repositories(args[0]) }),
		},
		&cobra.Command{
			Use: "schema", Short: "Print the JSON Schema of bluegreen.yaml", Args: cobra.NoArgs,
			RunE: does(func(*cobra.Command, []string) error {
				_, err := s.stdout.Write(config.Schema())
				return err
			}),
		})
	return cmd
}

// load reads a configuration; its error is a config.Problems when the whole file is out.
func load(file string) (*config.Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return config.Load(data)
}

// repositories is for the subscription to pushes, which must name each.
func (s *shell) repositories(file string) error {
	c, err := load(file)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range c.Apps {
		names = append(names, a.Image.Repository)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		say(s.stdout, "%s", name)
	}
	return nil
}

// check prints the problems of a file as file:line: message, the form that editors follow.
func (s *shell) check(file string) error {
	c, err := load(file)
	var whole config.Problems
	if errors.As(err, &whole) {
		s.list(file, whole)
		return errors.New("no app of the file can be used")
	}
	if err != nil {
		return err
	}
	out := 0
	for _, a := range c.Apps {
		if len(a.Problems) > 0 {
			out++
		}
		s.list(file, a.Problems)
		for _, w := range a.Warnings {
			say(s.stdout, "%s:%d: warning: %s", file, w.Line, w.Text())
		}
	}
	if out > 0 {
		return fmt.Errorf("%d of %d apps cannot be used", out, len(c.Apps))
	}
	say(s.stdout, "%s: %d apps, no mistake found; what it names is checked by the running app before its first use", file, len(c.Apps))
	return nil
}

func (s *shell) list(file string, problems []config.Problem) {
	for _, p := range problems {
		say(s.stdout, "%s:%d: %s", file, p.Line, p.Text())
	}
}
