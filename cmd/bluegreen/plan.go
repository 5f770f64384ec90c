package main

import (
	"context"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

func newPlan(s *shell) *cobra.Command {
	r := &remote{shell: s}
	image := r.completeField(release.DeployImage, release.Field{Kind: "image"})
	cmd := &cobra.Command{
		Use:   "plan APP IMAGE",
		Short: "Say what a release of an image would do now, without doing it",
		Example: `  bluegreen plan shop 2.4.1
  bluegreen plan shop sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: exactly("APP IMAGE", 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return image(cmd, args, typed)
			}
			return r.completeApp(cmd, args, typed)
		},
		RunE: does(func(cmd *cobra.Command, args []string) error {
			p, err := r.client().Plan(cmd.Context(), args[0], release.DeployImage, url.Values{"image": {args[1]}})
			switch {
			case err != nil:
				return answered(err)
			case s.output == "json":
				return s.json(s.stdout, p)
			}
			showPlan(s.stdout, "a release of "+args[1]+" to "+args[0], p)
			return nil
		}),
	}
	r.flags(cmd)
	return cmd
}

// showPlan prints what a command will do, and what it will not.
func showPlan(w io.Writer, what string, p api.Plan) {
	if p.Refused != "" {
		say(w, "%s would be refused: %s", what, p.Refused)
		return
	}
	say(w, "%s:", what)
	for i, text := range p.Will {
		say(w, "  %d. %s", i+1, text)
	}
	for _, text := range p.WillNot {
		say(w, "  It will not %s.", text)
	}
}

// announce says what a resume lets go, before it does. A caller that may not look goes on without.
func (c *change) announce(ctx context.Context) {
	if c.command != release.ResumeReleases || c.output != "text" {
		return
	}
	p, err := c.client().Plan(ctx, c.app, c.command, nil)
	if err != nil {
		c.note("what it lets go cannot be shown: " + err.Error())
		return
	}
	if p.Refused == "" { // a refusal is the answer itself
		showPlan(c.stderr, "resume "+c.app, p)
	}
}
