package pages

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// chronicle is the history of an app, newest first.
type chronicle struct {
	App     string
	Lines   []line
	Filters []filter
	Older   string // where the older ones are, "" when there are none
}

// line is one fact.
type line struct {
	Number  int
	At      moment
	Kind    string
	Bad     bool
	Good    bool
	Text    string
	Version string
	By      string
	Took    string
}

// kinds are the filters of the history.
var kinds = []struct {
	name, label string
	shows       func(api.Fact) bool
}{
	{"", "All", func(api.Fact) bool { return true }},
	{"traffic", "Traffic", func(f api.Fact) bool { return f.Kind == release.ReleaseSwitched || f.Kind == release.ReleaseReturned }},
	{"bad", "Failures and rollbacks", func(f api.Fact) bool { return bad[f.Kind] }},
	{"people", "By people", func(f api.Fact) bool { return f.By != "" }},
	{"refused", "Refused", func(f api.Fact) bool { return f.Kind == release.Refused || f.Kind == release.Dropped }},
}

var bad = map[release.FactKind]bool{release.ReleaseFailed: true, release.ReleaseReturned: true, release.HoldSet: true, release.DriftFound: true, release.NeedsHelp: true}

const pageOfFacts = 100

func (p *pages) history(c *call) error {
	q := c.URL.Query()
	before, _ := strconv.Atoi(q.Get("before"))
	h, err := p.backend(c).History(c.Context(), c.parts[1], pageOfFacts, max(0, before))
	if err != nil {
		return err
	}
	d := chronicle{App: c.parts[1]}
	shown := kinds[0].shows
	for _, k := range kinds {
		on := k.name == q.Get("show")
		d.Filters = append(d.Filters, filter{Label: k.label, Href: "?" + url.Values{"show": {k.name}}.Encode(), On: on})
		if on {
			shown = k.shows
		}
	}
	for _, f := range h.Facts {
		if shown(f) {
			d.Lines = append(d.Lines, lineOf(f, c.now))
		}
	}
	if h.Before > 0 {
		d.Older = "?" + url.Values{"show": {q.Get("show")}, "before": {strconv.Itoa(h.Before)}}.Encode()
	}
	return p.show(c, http.StatusOK, "history", page{Title: "History of " + c.parts[1], Body: d})
}

var kindNames = map[release.FactKind]string{
	release.ReleaseStarted: "started", release.ReleaseSwitched: "traffic moved", release.ReleaseCompleted: "completed", release.ReleaseFailed: "failed",
	release.ReleaseReturned: "traffic returned", release.HoldSet: "hold", release.DriftFound: "changed outside", release.Advanced: "step",
	release.Decided: "command", release.Refused: "refused", release.Dropped: "ignored", release.NeedsHelp: "needs you",
}

func lineOf(f api.Fact, now time.Time) line {
	l := line{
		Number: f.Number, At: clock(f.At, now), Kind: kindNames[f.Kind], Bad: bad[f.Kind], Good: f.Kind == release.ReleaseSwitched || f.Kind == release.ReleaseCompleted,
		Text: capital(f.Text), By: f.By, Version: version(f.Image),
	}
	if f.Image == (api.Image{}) {
		l.Version = ""
	}
	if f.Took > 0 {
		l.Took = lasting(time.Duration(f.Took * float64(time.Second)).Round(100 * time.Millisecond))
	}
	return l
}
