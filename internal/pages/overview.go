package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// overview is the page of all apps: what needs a person first, then what moves, then what is
// held, then what rests.
type overview struct {
	Headline string
	Problems []string
	Silence  string
	Groups   []group
	Filters  []filter
	Find     string
	Show     string
	Sort     string
	All      int
	None     string // why no app is shown
	Now      moment
	Tick     moment // the last one of the clock
}

// filter is a link that shows one group, or all.
type filter struct {
	Label string
	Href  string
	Count int
	On    bool
}

type group struct {
	Label string
	Urgent,
	Quiet bool
	Rows  []row
	Count int // of all its apps
}

// mostRows is how many apps of a group are shown.
const mostRows = 500

// More is how many apps of the group are not shown.
func (g group) More() int { return g.Count - len(g.Rows) }

// row is one app.
type row struct {
	Name, Href string
	Standing   release.Standing
	Rail       rail
	Doing      string
	Small      string
	Bar        *progress
	Back       back
	Help       *help
	changed    time.Time
}

// help is a command that helps, as a link to its confirmation.
type help struct{ Label, Href, Does string }

var standings = []struct {
	standing release.Standing
	label    string
}{{release.NeedsYou, "Needs you"}, {release.Moving, "Releasing"}, {release.Stopped, "Held"}, {release.Resting, "At rest"}}

func (p *pages) overview(c *call) error {
	query := c.URL.Query()
	o := overview{Find: query.Get("q"), Show: query.Get("show"), Sort: query.Get("sort"), Now: clock(c.now, c.now)}
	found := collected{counts: map[release.Standing]int{}, shown: map[release.Standing]int{}, rows: map[release.Standing][]row{}}
	last, err := p.backend(c).Pages(c.Context(), func(apps []api.App) {
		for _, a := range apps {
			found.add(a, o, c.now)
		}
	})
	if err != nil {
		return err
	}
	o.Problems, o.Silence, o.Tick = last.Problems, last.Silence, clock(last.LastTick, c.now)
	o.fill(found)
	shown := page{Title: o.Headline, Live: Base + "/live", Find: o.Find, Body: o}
	if every := pace(found.all); every > lookAllEvery { // a stream would read all apps too
		shown.Every = int(every.Seconds())
	}
	return p.show(c, http.StatusOK, "overview", shown)
}

// collected is what the overview keeps of apps while it reads them.
type collected struct {
	all    int
	counts map[release.Standing]int
	shown  map[release.Standing]int
	rows   map[release.Standing][]row // of those that are shown
	needs  string                     // the first app that needs a person
}

// add keeps the row of an app where it can be among the first of its group.
func (f *collected) add(a api.App, o overview, now time.Time) {
	s := a.Status.Standing
	f.all++
	if f.counts[s]++; s == release.NeedsYou && f.needs == "" {
		f.needs = a.Name
	}
	if o.Show != "" && o.Show != string(s) || !containsFold(a.Name, o.Find) {
		return
	}
	if f.shown[s]++; f.shown[s] <= mostRows || o.Sort == "changed" {
		f.rows[s] = append(f.rows[s], rowOf(a, now))
	}
}

// fill makes the groups and the headline.
func (o *overview) fill(found collected) {
	o.All, o.Headline = found.all, found.headline()
	o.Filters = append(o.Filters, o.filter("All", "", found.all))
	for _, g := range standings {
		o.Filters = append(o.Filters, o.filter(g.label, string(g.standing), found.counts[g.standing]))
		rows := found.rows[g.standing]
		if len(rows) == 0 {
			continue
		}
		if o.Sort == "changed" {
			sortedBy(rows, func(r row) int64 { return -r.changed.UnixNano() })
		}
		o.Groups = append(o.Groups, group{
			Label: g.label, Urgent: g.standing == release.NeedsYou, Quiet: g.standing == release.Resting,
			Rows: rows[:min(len(rows), mostRows)], Count: found.shown[g.standing],
		})
	}
	switch {
	case found.all == 0:
		o.None = "No app is configured, or none that you may see."
	case len(o.Groups) == 0:
		o.None = "No app is shown with this filter."
	}
}

func (o overview) filter(label, show string, count int) filter {
	q := url.Values{}
	for name, value := range map[string]string{"show": show, "q": o.Find, "sort": o.Sort} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return filter{Label: label, Href: "?" + q.Encode(), Count: count, On: o.Show == show}
}

// SortHref is the address with another order.
func (o overview) SortHref(by string) string {
	o.Sort = by
	return o.filter("", o.Show, 0).Href
}

// headline answers the question that brought the reader here.
func (f collected) headline() string {
	need, move := f.counts[release.NeedsYou], f.counts[release.Moving]
	var parts []string
	switch {
	case need == 1:
		parts = append(parts, f.needs+" needs you.")
	case need > 1:
		parts = append(parts, fmt.Sprintf("%d apps need you.", need))
	}
	switch {
	case move == 1:
		parts = append(parts, "One app is releasing.")
	case move > 1:
		parts = append(parts, fmt.Sprintf("%d apps are releasing.", move))
	}
	if need == 0 {
		parts = append([]string{"Nothing needs you."}, parts...)
	}
	return strings.Join(parts, " ")
}

func rowOf(a api.App, now time.Time) row {
	r := row{Name: a.Name, Href: appPath(a.Name), Standing: a.Status.Standing, Rail: railOf(a, now), Bar: progressOf(a, now), Back: backOf(a, now), changed: a.UpdatedAt}
	r.Doing, r.Small = doing(a, now)
	if len(a.Status.Needs) > 0 {
		n := a.Status.Needs[0]
		r.Doing = capital(cut(n.Why, 130))
		r.Small = brief(a, now)
		if len(n.Helps) > 0 {
			r.Help = helpOf(a, n.Helps[0])
		}
	}
	return r
}

func helpOf(a api.App, r api.Remedy) *help {
	label := labelOf(r.Name, a)
	switch forced := r.Fields["force"] == "true"; {
	case forced && a.Phase == release.Returning:
		label = "Return by force"
	case forced:
		label += " by force"
	}
	return &help{Label: label, Href: commandPath(a.Name, r.Name, r.Fields), Does: r.Does}
}

// doing is what an app does, in a few words and a detail.
func doing(a api.App, now time.Time) (text, detail string) {
	if text = brief(a, now); text != "" {
		if a.Phase == release.Deploying && progressOf(a, now) != nil {
			return text, ""
		}
		return text, a.Release.Detail
	}
	if len(a.Status.Held) > 0 {
		return clauses(a.Status.Held[0])
	}
	if a.Release != nil && (a.Release.Phase == release.Failed || a.Release.Phase == release.RolledBack) {
		return fmt.Sprintf("%s of %s %s", capital(phases[a.Release.Phase]), version(a.Release.Image), at(a.Release.EndedAt, now).Text), a.Release.Cause
	}
	if a.Live == "" {
		return a.Status.Headline, a.Status.Next
	}
	text = "Live since " + clock(a.LiveSince, now).Text
	if a.LiveSince.IsZero() {
		text = "Live"
	}
	return text, a.Status.Trouble
}

// brief is what a release under way does, with its progress; "" when none is.
func brief(a api.App, now time.Time) string {
	r := a.Release
	if r == nil || !r.Phase.Active() {
		return ""
	}
	lasts := lasting(now.Sub(r.Since).Truncate(time.Second))
	switch r.Phase {
	case release.Deploying:
		if bar := progressOf(a, now); bar != nil {
			return fmt.Sprintf("Deploying %s, %d of %d ready", version(r.Image), bar.Done, bar.Of)
		}
		return fmt.Sprintf("Deploying %s for %s", version(r.Image), lasts)
	case release.Verifying:
		return fmt.Sprintf("Checking %s for %s", version(r.Image), lasts)
	case release.Awaiting:
		return fmt.Sprintf("%s waits for approval for %s", version(r.Image), lasts)
	case release.Switching:
		return fmt.Sprintf("Traffic moves to %s for %s", r.To, lasts)
	case release.Baking:
		if left := r.BakeUntil.Sub(now); left > 0 {
			return "Baking, ends in " + lasting(left.Truncate(time.Second))
		}
		return "Baking, waits for good looks"
	case release.Returning:
		return fmt.Sprintf("Traffic returns to %s for %s", r.From, lasts)
	}
	return ""
}

// clauses are the first clause of a text, which is the answer, and the rest.
func clauses(text string) (first, rest string) {
	end := len(text)
	for _, mark := range []string{"; ", ": "} {
		if n := strings.Index(text, mark); n >= 0 {
			end = min(end, n)
		}
	}
	return capital(text[:end]), capital(strings.TrimLeft(text[end:], ";: "))
}

// phases are the ends of a release as nouns.
var phases = map[release.Phase]string{
	release.Completed: "completed", release.Failed: "failure", release.RolledBack: "rollback", release.Superseded: "superseded", release.Canceled: "canceled",
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func cut(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	text = string(runes[:most-1])
	if at := strings.LastIndexByte(text, ' '); at > len(text)/2 {
		text = text[:at]
	}
	return strings.TrimRight(text, " ,;:(") + "…"
}
