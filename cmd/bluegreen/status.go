package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// mostAtRest is how many apps at rest are shown with their colors; more are only named, up to
// mostNamed.
const mostAtRest, mostNamed = 8, 20

func newStatus(s *shell) *cobra.Command {
	r, all := &remote{shell: s}, false
	cmd := &cobra.Command{
		Use:   "status [APP]",
		Short: "Show what apps are doing, until when, what comes next, and what needs you",
		Example: `  bluegreen status
  bluegreen status shop
  bluegreen status shop -o json | jq .status.headline`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeApp,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			found, err := r.apps(cmd.Context(), args)
			switch {
			case err != nil:
				return answered(err)
			case s.output == "json" && len(args) == 1:
				return s.json(s.stdout, found.Apps[0])
			case s.output == "json":
				return s.json(s.stdout, found)
			case len(args) == 1:
				detail(s.stdout, found.Apps[0])
			default:
				overview(s.stdout, found, all)
			}
			return nil
		}),
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("show the colors of apps at rest too, where there are more than %d", mostAtRest))
	return cmd
}

func (r *remote) apps(ctx context.Context, args []string) (api.Apps, error) {
	if len(args) == 0 {
		return r.client().Apps(ctx)
	}
	a, err := r.client().App(ctx, args[0])
	return api.Apps{Apps: []api.App{a}}, err
}

// standings are the groups of the overview, in their order.
var standings = []struct {
	standing release.Standing
	title    string
}{
	{release.NeedsYou, "NEEDS YOU"}, {release.Moving, "RELEASING"}, {release.Stopped, "HELD"}, {release.Resting, "AT REST"},
}

// overview shows all apps: what needs a person first, then what moves, what is held, what rests.
func overview(w io.Writer, found api.Apps, all bool) {
	for _, p := range found.Problems {
		say(w, "the configuration cannot be used: %s", p)
	}
	if found.Silence != "" {
		say(w, "%s", found.Silence)
	}
	if len(found.Apps) == 0 {
		say(w, "no app is configured")
	}
	widths := widthsOf(found.Apps)
	for _, group := range standings {
		apps := slices.DeleteFunc(slices.Clone(found.Apps), func(a api.App) bool { return a.Status.Standing != group.standing })
		switch {
		case len(apps) == 0:
		case group.standing == release.Resting && len(apps) > mostAtRest && !all:
			var names []string
			for _, a := range apps[:min(len(apps), mostNamed)] {
				names = append(names, a.Name)
			}
			if more := len(apps) - mostNamed; more > 0 {
				names = append(names, fmt.Sprintf("and %d more", more))
			}
			say(w, "%s %d  %s  (bluegreen status --all)", group.title, len(apps), strings.Join(names, " "))
		default:
			say(w, "%s", group.title)
			for _, a := range apps {
				say(w, "%s", strings.TrimRight(fmt.Sprintf("  %s  %s", widths.line(a), about(a)), " "))
			}
		}
	}
	if found.Silence == "" && !found.LastTick.IsZero() {
		say(w, "last clock tick %s", when(found.LastTick))
	}
}

// about says in one line what matters most in an app.
func about(a api.App) string {
	st := a.Status
	switch st.Standing {
	case release.NeedsYou:
		if len(st.Needs) > 0 {
			return st.Needs[0].Why
		}
		return st.Headline
	case release.Moving:
		return strings.Join(slices.DeleteFunc([]string{moving(a), rollbackOf(a)}, func(s string) bool { return s == "" }), "   ")
	case release.Stopped:
		return strings.Join(st.Held, "; ")
	}
	return rollbackOf(a)
}

// moving says how far a release is.
func moving(a api.App) string {
	r := a.Release
	if r == nil {
		return a.Status.Doing
	}
	switch r.Phase {
	case release.Deploying:
		to := colorOf(a, r.To)
		return fmt.Sprintf("deploying %s %d of %d ready", bar(float64(to.Ready), float64(total(to.Replicas))), to.Ready, total(to.Replicas))
	case release.Baking:
		whole := r.BakeUntil.Sub(r.Since).Seconds()
		return fmt.Sprintf("baking %s ends %s", bar(a.UpdatedAt.Sub(r.Since).Seconds(), whole), until(a.Status.Until))
	}
	return string(r.Phase)
}

// until is the time of the part UNTIL, without what happens then.
func until(text string) string {
	at, _, _ := strings.Cut(text, ": ")
	return at
}

func rollbackOf(a api.App) string {
	t := a.RollbackTarget
	if t == nil {
		return ""
	}
	c := colorOf(a, t.Color)
	if c.Retired {
		return fmt.Sprintf("rollback to %s with %s, scaled up first", t.Color, tagOf(t.Image))
	}
	if c.Ready >= total(t.Replicas) {
		return "rollback ready"
	}
	return fmt.Sprintf("rollback %d of %d ready", c.Ready, total(t.Replicas))
}

// barLength is how many characters a bar has.
const barLength = 8

func bar(part, whole float64) string {
	n := 0
	if whole > 0 {
		n = min(barLength, max(0, int(part/whole*barLength)))
	}
	return strings.Repeat("▓", n) + strings.Repeat("░", barLength-n)
}

// slots are the texts of an app's rail: both colors, always in the order blue, green. The color
// with the users is in capitals and marked, so that it reads without color.
type slots struct{ name, blue, green string }

const users = " ◀ users"

func slotsOf(a api.App) slots {
	slot := func(name release.Color) string {
		c, text := colorOf(a, name), string(name)
		if a.Live == name {
			text = strings.ToUpper(text)
		}
		text += " " + tagOf(c.Image)
		switch {
		case c.Retired:
			text += " scaled down"
		case !c.SeenAt.IsZero() && c.Image != api.Image{}:
			text += fmt.Sprintf(" %d/%d", c.Ready, total(c.Replicas))
		}
		if a.Live == name {
			text += users
		}
		return text
	}
	return slots{a.Name, slot(release.Blue), slot(release.Green)}
}

// line is a rail with the widths of a table.
func (widths slots) line(a api.App) string {
	s := slotsOf(a)
	return pad(s.name, widths.name) + "  " + pad(s.blue, widths.blue) + "  " + pad(s.green, widths.green)
}

func pad(text, as string) string {
	return text + strings.Repeat(" ", max(0, len([]rune(as))-len([]rune(text))))
}

// widthsOf are the longest texts of each column.
func widthsOf(apps []api.App) (most slots) {
	longer := func(a *string, b string) {
		if len([]rune(b)) > len([]rune(*a)) {
			*a = b
		}
	}
	for _, a := range apps {
		s := slotsOf(a)
		longer(&most.name, s.name)
		longer(&most.blue, s.blue)
		longer(&most.green, s.green)
	}
	return most
}

func colorOf(a api.App, c release.Color) api.Color {
	if c == release.Green {
		return a.Colors.Green
	}
	return a.Colors.Blue
}

// tagOf is an image in few characters.
func tagOf(i api.Image) string {
	return cmp.Or(i.Tag, i.String())
}

// detail shows one app: its headline, its rail, and the labelled parts of its status.
func detail(w io.Writer, a api.App) {
	say(w, "%s: %s", a.Name, a.Status.Headline)
	say(w, "  %s", strings.TrimRight(strings.TrimPrefix(slots{}.line(a), a.Name+"  "), " "))
	for _, p := range a.Status.Parts() {
		say(w, "  %-11s %s", p.Label, p.Text)
	}
	for _, color := range []release.Color{release.Blue, release.Green} {
		say(w, "  %-11s %s", strings.ToUpper(string(color)), side(colorOf(a, color)))
	}
	for _, q := range a.Quarantined {
		say(w, "  %-11s %s since %s: %s\n  %-11s bluegreen release-quarantine %s %s", "QUARANTINED", q.Image, when(q.Since), q.Why, "", a.Name, cmp.Or(q.Image.Tag, q.Image.Digest))
	}
	for _, p := range a.Problems {
		say(w, "  %-11s %s", "PROBLEM", p)
	}
}

// side says of a color what its slot does not.
func side(c api.Color) string {
	about := []string{c.Image.String(), strings.ReplaceAll(string(c.Role), "-", " ")}
	if c.Checked {
		about = append(about, "checks passed")
	}
	if c.Signer != "" {
		about = append(about, "signed by "+c.Signer)
	}
	return strings.Join(about, ", ")
}

func total(replicas []int32) (n int32) {
	for _, r := range replicas {
		n += r
	}
	return n
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
