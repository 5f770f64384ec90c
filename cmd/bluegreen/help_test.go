package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/golden"
)

// every calls do with each command that the help shows.
func every(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" {
			every(c, do)
		}
	}
}

// offline is a site without an app.
func offline(t *testing.T) *site { return &site{T: t, url: "http://127.0.0.1:1"} }

func TestEveryHelpHasAnExampleAndIsAsWritten(t *testing.T) {
	var out strings.Builder
	every(newRoot(&shell{getenv: func(string) string { return "" }}), func(cmd *cobra.Command) {
		if !strings.HasPrefix(cmd.Example, "  bluegreen ") && cmd.Name() != "config" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		r := offline(t).run(args...)
		if r.code != exitDone || r.err != "" {
			t.Errorf("%v: %+v", args, r)
		}
		fmt.Fprintf(&out, "$ bluegreen %s\n%s\n", strings.Join(args, " "), r.out)
	})
	golden.Check(t, filepath.Join("testdata", "help.txt"), out.String())
}

// Each example of a help is understood.
func TestExamplesAreUnderstood(t *testing.T) {
	every(newRoot(&shell{getenv: func(string) string { return "" }}), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
			line, _, _ = strings.Cut(line, " < ")
			line, _, _ = strings.Cut(line, " > ")
			ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond) // watch has no end
			if r := offline(t).in(ctx, nil, words(line)[1:]...); r.code == exitUsage {
				t.Errorf("%s: %s", line, r.err)
			}
			stop()
		}
	})
}

// words splits a line as a shell does, as far as the examples need it.
func words(line string) (list []string) {
	quoted := false
	list = strings.FieldsFunc(line, func(c rune) bool {
		if c == '"' {
			quoted = !quoted
		}
		return c == ' ' && !quoted
	})
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], `"`, "")
	}
	return list
}

func TestErrorsAreAsWritten(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	var out strings.Builder
	for _, line := range []string{
		"stauts", "rollbak shop", "config chekc", "status --wath", "status -o yaml", "switch", "deploy shop", "deploy shop --image 2.0 --wait=baked",
		"deploy shop --image 2.0 --wait switched", "deploy shop --image 2.0 --timeout soon", "release-quarantine shop",
		"history shop --since tomorrow", "history shop --kind switched", "history shop --limit 0",
		"status nope", "switch nope", "switch broken", "switch shop --to red", "switch shop --to blue", "deploy shop --image 9.9", "deploy shop --image not:a-tag",
		"deploy shop --image 1.0", "extend shop soon", "extend shop 30m", "promote shop", "rollback shop", "cancel shop", "resume shop",
		"release-quarantine shop 2.0", "forget shop 9.9", "status --key wrong", "status --url nowhere", "status --url http://bluegreen.example",
		"pause shop -o json --url nowhere", "cancel shop -o json --idempotency-key k1",
		"config check missing.yaml",
	} {
		r := s.run(words(line)...)
		if r.code == exitDone || r.out != "" {
			t.Errorf("%s: %+v", line, r)
		}
		fmt.Fprintf(&out, "$ bluegreen %s\n%s→ %d\n\n", line, r.err, r.code)
	}
	golden.Check(t, filepath.Join("testdata", "errors.txt"), out.String())
}
