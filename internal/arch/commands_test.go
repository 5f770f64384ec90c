package arch_test

import (
	"fmt"
	"strings"
	"testing"

	"bluegreen/internal/access"
	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

// TestThePageOfCommandsIsMadeFromTheirTable writes docs/commands.md from release.Commands.
func TestThePageOfCommandsIsMadeFromTheirTable(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Commands\n\nMade from `release.Commands` by `go test ./internal/arch -update`; do not edit.\n\n" +
		"Every command is a POST below `/api/apps/APP/`, with an `Idempotency-Key` and a JSON object as its body, and a subcommand of `bluegreen`. It needs the right in the second column, and with `force` the right admin; `deploy` needs it too for an image that no push could have released: a tag that the tag policy does not admit, or a digest that was neither pushed nor released before. Besides the fields below each takes `why` and `by` (both for the history) and `wait` (`switched`: answer when traffic has moved; `completed`, or `true`: when the bake has ended).\n\n" +
		"| command | right | purpose | fields | refused for |\n|---|---|---|---|---|\n")
	for _, v := range release.Commands {
		line := "bluegreen " + string(v.Command) + " APP"
		var fields, refusals []string
		for _, f := range v.Takes {
			need := ""
			if f.Required {
				need = ", required"
			}
			fields = append(fields, fmt.Sprintf("`%s` (%s%s): %s", f.Name, f.Kind, need, f.Help))
			if f.Argument {
				line += " " + strings.ToUpper(f.Kind)
			}
		}
		for _, r := range v.Refusals {
			refusals = append(refusals, "`"+string(r)+"`")
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s |\n", line, access.Needs(release.Commanded{Command: v.Command}, true), v.Does, strings.Join(fields, "<br>"), strings.Join(refusals, ", "))
	}
	page.WriteString("\nEvery command is answered with its decision. 200 says that what was waited for is reached; 202 that it is not yet: the command is accepted, and repeating it with the same key reports how far it is. A caller without the right gets 403, and nothing goes into the history. A refusal answers 409 with `reason`, one of those above, and `detail`, which says what to do. A release that was tried and is not live, or was rolled back, answers 409 with the code `failed`. [Problems](problems.md) has all of them, and [openapi.json](openapi.json) every request.\n\n" +
		"On the command line, `--wait` waits until the bake has ended, and `--wait=switched` until traffic has moved. Without it a command waits for its decision. While the Functions app does not answer, the command asks again, under the same key. [Exit statuses](troubleshoot.md#exit-status-of-the-command-line): 0 done, 1 refused or failed, 2 not understood, 3 not known. `-o json` prints errors as JSON too, on stderr.\n\n`bluegreen status`, `watch`, `history` and `plan` change nothing, nor does `bluegreen doctor`, which checks what all of this needs ([what it checks](operate.md#what-is-missing-bluegreen-doctor)).\n")
	golden.Check(t, top+"/docs/commands.md", page.String())
}
