package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"bluegreen/internal/config"
)

// stdinName is the argument that stands for the standard input.
const stdinName = "-"

func newConfig(s *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check a configuration, show what it comes to, and the permissions that it needs", Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check FILE...", Short: "Name every mistake of a bluegreen.yaml by line, and what an app does without",
			Long:    "Name every mistake of a bluegreen.yaml, and of the files in the folder bluegreen.d beside it, by line and column,\nand what an app does without. - is the standard input. It makes no network call.",
			Example: "  bluegreen config check bluegreen.yaml\n  bluegreen config check staging.yaml production.yaml\n  bluegreen config check - < bluegreen.yaml",
			Args:    cobra.MinimumNArgs(1),
			RunE:    does(func(_ *cobra.Command, args []string) error { return s.check(args) }),
		},
		&cobra.Command{
			Use: "show FILE [APP]", Short: "Print the apps as they are used: with defaults, and with what is built in",
			Example: "  bluegreen config show bluegreen.yaml\n  bluegreen config show bluegreen.yaml shop -o json",
			Args:    cobra.RangeArgs(1, 2),
			RunE:    does(func(_ *cobra.Command, args []string) error { return s.show(args[0], args[1:]) }),
		},
		newRBAC(s),
		newRepositories(s),
		&cobra.Command{
			Use: "schema", Short: "Print the JSON Schema of bluegreen.yaml", Args: cobra.NoArgs,
			Example: "  bluegreen config schema > bluegreen.schema.json",
			RunE: does(func(*cobra.Command, []string) error {
				_, err := s.stdout.Write(config.Schema())
				return err
			}),
		})
	return cmd
}

// load reads a configuration, with the files of the folder beside a file; its error is a
// config.Problems when all of it is out.
func (s *shell) load(file string) (*config.Config, error) {
	var files []config.File
	var err error
	if file == stdinName {
		var data []byte
		data, err = io.ReadAll(s.stdin)
		files = []config.File{{Text: string(data)}}
	} else {
		files, err = config.Read(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return config.LoadFiles(files)
}

// usable reads a configuration without a mistake.
func (s *shell) usable(file string) (*config.Config, error) {
	c, err := s.load(file)
	if err != nil {
		return nil, err
	}
	if len(c.Problems) > 0 {
		return nil, fmt.Errorf("the configuration cannot be used, see bluegreen config check %s: %s", file, c.Problems[0])
	}
	for _, a := range c.Apps {
		if len(a.Problems) > 0 {
			return nil, fmt.Errorf("%s cannot be used, see bluegreen config check %s: %s", a.Name, file, a.Problems[0])
		}
	}
	return c, nil
}

func newRepositories(s *shell) *cobra.Command {
	most := 0
	cmd := &cobra.Command{
		Use: "repositories FILE", Short: "Print the repositories that the apps are released from, one a line",
		Long: "Print the repositories that the apps are released from, one a line. With --prefixes, print the longest texts\n" +
			"of one length with which they all begin, at most so many: a filter of Event Grid has no room for more values.\n" +
			"Nothing is printed where so few do not exist.",
		Example: "  bluegreen config repositories bluegreen.yaml\n  bluegreen config repositories bluegreen.yaml --prefixes 24",
		Args:    exactly("FILE", 1),
		RunE:    does(func(_ *cobra.Command, args []string) error { return s.repositories(args[0], most) }),
	}
	cmd.Flags().IntVar(&most, "prefixes", 0, "print at most this many texts with which the repositories begin; 0 prints all repositories")
	return cmd
}

// repositories is for the subscription to pushes, which filters by them, or by at most so many prefixes
// of them.
func (s *shell) repositories(file string, most int) error {
	c, err := s.load(file)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range c.Apps {
		names = append(names, a.Image.Repository)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if most > 0 {
		names = prefixes(names, most)
	}
	if s.output == "json" {
		return s.json(s.stdout, append([]string{}, names...))
	}
	for _, name := range names {
		say(s.stdout, "%s", name)
	}
	return nil
}

// prefixes are the beginnings of sorted names, all of one length and as long as there are at most so
// many of them; none where there are always more.
func prefixes(names []string, most int) (cut []string) {
	longest := 0
	for _, name := range names {
		longest = max(longest, len(name))
	}
	for length := longest; length > 0; length-- {
		cut = cut[:0]
		for _, name := range names {
			cut = append(cut, name[:min(length, len(name))])
		}
		if cut = slices.Compact(cut); len(cut) <= most {
			return cut
		}
	}
	return nil
}

// finding is a line of config check.
type finding struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Level  string `json:"level"` // mistake, warning or advice
	Text   string `json:"text"`
}

// check prints what is found in files as file:line:column: message, the form that editors follow.
func (s *shell) check(files []string) error {
	var found []finding
	var out []string // what cannot be used
	apps := 0
	for _, file := range files {
		list, n, wrong := s.findings(file)
		found, apps = append(found, list...), apps+n
		if wrong != "" {
			out = append(out, wrong)
		}
	}
	if s.output == "json" {
		if err := s.json(s.stdout, map[string]any{"apps": apps, "findings": append([]finding{}, found...)}); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			level := f.Level + ": "
			if f.Level == "mistake" {
				level = ""
			}
			say(s.stdout, "%s:%d:%d: %s%s", f.File, f.Line, f.Column, level, f.Text)
		}
	}
	if len(out) > 0 {
		return errors.New(strings.Join(out, "; "))
	}
	if s.output == "text" {
		say(s.stdout, "%s: %d apps, no mistake found; what it names is checked by the running app before its first use", strings.Join(files, ", "), apps)
	}
	return nil
}

// findings are those of a file, with the number of its apps, and what of it cannot be used.
func (s *shell) findings(file string) (found []finding, apps int, wrong string) {
	add := func(level string, problems []config.Problem) {
		for _, p := range problems {
			of := cmp.Or(map[string]string{stdinName: "stdin"}[file], file)
			if p.File != "" {
				of = filepath.Join(filepath.Dir(file), p.File)
			}
			found = append(found, finding{of, p.Line, p.Column, level, p.Text()})
		}
	}
	c, err := s.load(file)
	var whole config.Problems
	if errors.As(err, &whole) {
		add("mistake", whole)
		return found, 0, file + ": no app of the file can be used"
	}
	if err != nil {
		return nil, 0, err.Error()
	}
	add("mistake", c.Problems)
	bad := 0
	for _, a := range c.Apps {
		add("mistake", a.Problems)
		if len(a.Problems) > 0 { // of which it is not known what it has
			bad++
			continue
		}
		add("warning", a.Warnings)
		add("advice", a.Advice())
	}
	if bad > 0 {
		wrong = fmt.Sprintf("%s: %d of %d apps cannot be used", file, bad, len(c.Apps))
	} else if len(c.Problems) > 0 {
		wrong = fmt.Sprintf("%s: a part of it cannot be used", file)
	}
	return found, len(c.Apps), wrong
}

// show prints apps as they are used.
func (s *shell) show(file string, only []string) error {
	c, err := s.usable(file)
	if err != nil {
		return err
	}
	var names []string
	shown := []any{}
	for _, a := range c.Apps {
		names = append(names, a.Name)
		if len(only) > 0 && only[0] != a.Name {
			continue
		}
		if s.output == "json" {
			var v any
			if err := a.Document().Decode(&v); err != nil {
				return err
			}
			shown = append(shown, v)
			continue
		}
		if err := s.showApp(a, len(shown) == 0); err != nil {
			return err
		}
		shown = append(shown, nil)
	}
	switch {
	case len(shown) == 0 && len(only) > 0:
		return fmt.Errorf("no app is called %q; the configuration names %s", only[0], some(names))
	case s.output == "json":
		return s.json(s.stdout, map[string]any{"apps": shown})
	}
	return nil
}

// showApp prints an app of a list. Apps are printed one by one: ten thousand at once take 2 GB.
func (s *shell) showApp(a config.App, first bool) error {
	list := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{a.Document()}}
	doc := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "apps"}, list}}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil {
		return err
	}
	text := out.Bytes()
	if !first {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	_, err := s.stdout.Write(text)
	return err
}

// some are the first few of many names.
func some(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		names = append(slices.Clone(names[:mostNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
