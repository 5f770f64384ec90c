package release_test

import (
	"fmt"
	"strings"
	"testing"

	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

// Each command in situations in which people give it.
func TestPlansOfCommands(t *testing.T) {
	var out strings.Builder
	for _, situation := range []struct {
		name  string
		lines []string
	}{
		{"at rest, 2.0 is live on green", []string{onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "bake 15m"}},
		{"2.0 is deployed to green", []string{onBlue, "push 2.0"}},
		{"2.0 waits for approval", []string{"policy manual=true", onBlue, "push 2.0", "rollout complete 3", "checks passed"}},
		{"2.0 bakes on green", []string{onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed"}},
		{"traffic returns to blue", []string{onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "alert errors"}},
		{"on hold and paused, 3.0 waits", []string{onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "alert errors", "target ready", "route confirmed", "pause", "push 3.0"}},
		{"the gateway points at green", []string{onBlue, "looked green blue=1.0 green=2.0"}},
		{"the standby on blue is ready", []string{"policy standby=previous/ready", onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "bake 15m", "wait 30m", "standby", "looked green green=2.0 blue=1.0"}},
	} {
		s := &story{now: noon, policy: storyPolicy()}
		for _, line := range situation.lines {
			if _, err := s.do(line); err != nil {
				t.Fatalf("%s: %q: %v", situation.name, line, err)
			}
		}
		fmt.Fprintf(&out, "# %s\n", situation.name)
		for _, v := range release.Commands {
			c := release.Commanded{Command: v.Command, By: release.Actor{Name: "ana"}, Image: image("3.0", noon), Tag: "2.0", Digest: image("2.0", noon).Digest, For: 600e9}
			if v.Command == release.Promote || v.Command == release.Rollback {
				c.Digest = ""
			}
			plan := release.PlanOf(s.state, c, s.policy, s.now)
			fmt.Fprintf(&out, "%s\n", v.Command)
			if plan.Refused != "" {
				fmt.Fprintf(&out, "  refused: %s\n", plan.Refused)
			}
			for _, text := range plan.Will {
				fmt.Fprintf(&out, "  + %s\n", text)
			}
			for _, text := range plan.WillNot {
				fmt.Fprintf(&out, "  - %s\n", text)
			}
			_, facts := release.Next(s.state, c, s.policy, s.now)
			if refused := facts[0].Kind == release.Refused; refused != (plan.Refused != "") {
				t.Errorf("%s, %s: the plan says refused %q, and it is %s: %s", situation.name, v.Command, plan.Refused, facts[0].Kind, facts[0].Text)
			}
		}
	}
	golden.Check(t, "testdata/plans.golden", out.String())
}
