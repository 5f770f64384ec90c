package pages

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// recent is how many facts the page of an app reads.
const recent = 200

// labels are the commands as people call them.
var labels = map[release.Command]string{
	release.Switch: "Switch traffic", release.DeployImage: "Deploy a version", release.Promote: "Promote", release.Rollback: "Roll back",
	release.Failover: "Fail over", release.ExtendBake: "Extend the bake", release.PauseReleases: "Pause releases", release.ResumeReleases: "Resume releases",
	release.Cancel: "Cancel", release.ReleaseQuarantine: "Release from quarantine", release.Forget: "Forget a tag",
}

// details is the page of one app.
type details struct {
	App         string
	Headline    string
	Small       string
	Urgent      bool
	Safe        *act   // the one safe command of the moment; it stands with what needs a person where there is that
	Asked       string // the command that was just given, in words
	Needs       []need
	Rail        rail
	Facts       []labelled
	Problems    []string
	Story       *story
	Band        *band
	History     []line
	Acts        []act
	Impossible  []act
	Quarantined []quarantined
	Good        []good
	Settings    []api.Setting
	Places      []place
	Now         moment
}

type need struct {
	Why   string
	Helps []remedy
}

type remedy struct {
	help
	Line string // on the command line
}

// labelled is one of the facts below the headline.
type labelled struct{ Label, Text, More string }

// act is a command that can be given, or why not now.
type act struct {
	help
	Refused string
}

// good is a version whose bake ended well. Help rolls back to it, unless it is live.
type good struct {
	Image api.Image
	Help  *help
}

type quarantined struct {
	Image api.Image
	Why   string
	Since moment
	Help  help
}

func (p *pages) app(c *call) error {
	name := c.parts[1]
	b := p.backend(c)
	a, err := b.App(c.Context(), name)
	if err != nil {
		return err
	}
	plans, err := b.Plans(c.Context(), name)
	if err != nil {
		return err
	}
	h, err := b.History(c.Context(), name, recent, 0)
	if err != nil {
		return err
	}
	configured, err := b.Configuration(c.Context(), name)
	if err != nil {
		return err
	}
	d := detailsOf(a, plans.Plans, h, c.now)
	d.Settings, d.Places = configured.Settings, placesOf(configured.Settings)
	if key := c.URL.Query().Get("asked"); key != "" {
		given, err := b.Given(c.Context(), name, key)
		d.Asked = verdict(given, err)
	}
	title := a.Name + ": " + a.Status.Headline
	return p.show(c, http.StatusOK, "app", page{Title: title, Live: Base + "/live?" + url.Values{"app": {name}}.Encode(), Body: d})
}

// verdict says what became of a command; "" for a key that no command has.
func verdict(given api.Answer, err error) string {
	var known *api.Error
	switch {
	case errors.As(err, &known) && known.Status == http.StatusConflict:
		return "Your command was not followed: " + known.Message
	case err != nil:
		return ""
	}
	return "Your command: " + given.Text
}

func detailsOf(a api.App, plans []api.Plan, h api.History, now time.Time) details {
	st := a.Status
	d := details{
		App: a.Name, Headline: st.Headline, Urgent: st.Standing == release.NeedsYou, Rail: railOf(a, now), Problems: a.Problems,
		Story: storyOf(a, h.Facts, now), Band: bandOf(a, h.Facts, now), Now: clock(now, now),
	}
	for _, n := range st.Needs {
		asks := need{Why: n.Why}
		for _, r := range n.Helps {
			asks.Helps = append(asks.Helps, remedy{*helpOf(a, r), r.Command})
		}
		d.Needs = append(d.Needs, asks)
	}
	for _, f := range [][2]string{{"Doing", st.Doing}, {"Until", st.Until}, {"Rollback", st.Rollback}, {"Next", st.Next}} {
		d.fact(f[0], f[1])
	}
	for _, held := range st.Held {
		d.fact("Held", held)
	}
	d.fact("Trouble", st.Trouble)
	d.acts(a, plans)
	if d.Urgent {
		d.Headline, d.Small, d.Safe = "needs you", brief(a, now), nil
	}
	for _, f := range h.Facts[:min(8, len(h.Facts))] {
		d.History = append(d.History, lineOf(f, now))
	}
	for _, i := range a.Good {
		g := good{Image: i}
		if a.Live == "" || i.Digest != liveOf(a).Digest {
			g.Help = &help{Label: labels[release.Rollback], Href: commandPath(a.Name, release.Rollback, map[string]string{"to": i.Digest})}
		}
		d.Good = append(d.Good, g)
	}
	for _, q := range slices.Backward(a.Quarantined) {
		fields := map[string]string{"digest": q.Image.Digest}
		d.Quarantined = append(d.Quarantined, quarantined{q.Image, q.Why, at(q.Since, now), help{Label: labels[release.ReleaseQuarantine], Href: commandPath(a.Name, release.ReleaseQuarantine, fields)}})
	}
	return d
}

// liveOf is the image that users are served by.
func liveOf(a api.App) api.Image {
	if a.Live == release.Green {
		return a.Colors.Green.Image
	}
	return a.Colors.Blue.Image
}

// fact adds a fact, unless there is nothing to it.
func (d *details) fact(label, text string) {
	if text != "" {
		first, rest := clauses(text)
		d.Facts = append(d.Facts, labelled{label, first, rest})
	}
}

// order is that of the commands on a page: what changes least for users comes first.
var order = []release.Command{
	release.Rollback, release.Promote, release.ExtendBake, release.Cancel, release.ResumeReleases, release.PauseReleases,
	release.Failover, release.Switch, release.DeployImage, release.ReleaseQuarantine, release.Forget,
}

// acts sorts the commands into what is possible, and what is not and why.
func (d *details) acts(a api.App, plans []api.Plan) {
	first := safest(a, plans)
	slices.SortStableFunc(plans, func(x, y api.Plan) int { return slices.Index(order, x.Command) - slices.Index(order, y.Command) })
	for _, plan := range plans {
		if plan.Command == release.ReleaseQuarantine && len(a.Quarantined) > 0 {
			continue // it stands beside each digest
		}
		verb, _ := release.VerbOf(plan.Command)
		it := act{help: help{Label: labelOf(plan.Command, a), Href: appPath(a.Name, string(plan.Command)), Does: short(plan, verb)}, Refused: capital(cmp.Or(plan.Forbidden, plan.Refused))}
		switch {
		case it.Refused != "":
			d.Impossible = append(d.Impossible, it)
		case plan.Command == first && !d.Urgent:
			d.Safe = &it
		default:
			d.Acts = append(d.Acts, it)
		}
	}
}

// short is what a command does here, in a line.
func short(p api.Plan, v release.Verb) string {
	for _, will := range p.Will {
		if strings.HasPrefix(will, "traffic moves ") {
			return cut(capital(will), 130)
		}
	}
	return v.Does
}

// labelOf names a command by what it does now.
func labelOf(c release.Command, a api.App) string {
	switch {
	case c == release.Promote && a.Release != nil && a.Release.Phase == release.Baking:
		return "End the bake now"
	case c == release.Promote && a.Release != nil && a.Release.Phase == release.Awaiting:
		return "Approve " + version(a.Release.Image)
	case c == release.Cancel && a.Phase.Preparing():
		return "Cancel " + version(a.Release.Image)
	case c == release.Rollback && a.Phase == release.Returning:
		return "Try again now"
	case c == release.Cancel && a.Phase == release.Returning:
		return "Give up the return"
	case c == release.Rollback && a.RollbackTarget != nil:
		return "Roll back to " + version(a.RollbackTarget.Image)
	}
	return labels[c]
}

// safest is the command that a person in a hurry most likely wants: what helps first, else
// what brings users back to where they were.
func safest(a api.App, plans []api.Plan) release.Command {
	possible := func(c release.Command) bool {
		return slices.ContainsFunc(plans, func(p api.Plan) bool { return p.Command == c && p.Refused+p.Forbidden == "" })
	}
	if len(a.Status.Needs) > 0 && len(a.Status.Needs[0].Helps) > 0 {
		return a.Status.Needs[0].Helps[0].Name
	}
	order := []release.Command{release.ResumeReleases, release.Rollback, release.PauseReleases}
	if a.Release != nil && a.Release.Phase.Active() {
		order = []release.Command{release.Rollback, release.Cancel, release.PauseReleases}
	}
	for _, c := range order {
		if possible(c) {
			return c
		}
	}
	return release.PauseReleases
}
