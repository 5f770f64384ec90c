package pages

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// story is one release as its steps.
type story struct {
	Number int
	Image  api.Image
	By     string
	Why    string
	Force  bool
	Began  moment
	Steps  []step
}

// step is a phase of a release that is over, that is now, or that comes.
type step struct {
	State     string // done, bad, now or next
	Name      string
	Took      string
	Lines     []string
	Operation string
	Bar       *progress
}

// names of the phases as steps: while they last, and after they ended well.
var stepNames = map[release.Phase][2]string{
	release.Deploying: {"Deploying", "Deployed"}, release.Verifying: {"Checking", "Checked"}, release.Awaiting: {"Waiting for approval", "Approved"},
	release.Switching: {"Moving traffic", "Traffic moved"}, release.Baking: {"Baking", "Baked"}, release.Returning: {"Returning traffic", "Traffic returned"},
}

var endNames = map[release.Phase]string{
	release.Completed: "Completed", release.Failed: "Failed", release.RolledBack: "Rolled back", release.Superseded: "Superseded", release.Canceled: "Canceled",
}

// storyOf shows the present or the last release by its facts, which are newest first.
func storyOf(a api.App, facts []api.Fact, now time.Time) *story {
	r := a.Release
	if r == nil {
		return nil
	}
	s := &story{Number: r.ID, Image: r.Image, By: r.By, Why: r.Why, Force: r.Force, Began: clock(r.Began, now)}
	var lines []string
	before := release.Deploying
	for _, f := range slices.Backward(facts) {
		if f.Release != r.ID || f.At.Before(r.Began) {
			continue
		}
		if f.Took == 0 && f.Phase == before || stepNames[before][0] == "" {
			if f.Kind != release.ReleaseStarted && f.Kind != release.Dropped && f.Kind != release.Refused {
				lines = append(lines, f.Line)
			}
			continue
		}
		s.Steps = append(s.Steps, ended(before, f, lines))
		lines, before = nil, f.Phase
	}
	if r.Phase.Active() {
		s.Steps = append(s.Steps, present(a, lines, now))
		s.Steps = append(s.Steps, ahead(a)...)
	} else {
		s.Steps = append(s.Steps, step{State: endState(r.Phase), Name: endNames[r.Phase], Lines: compact(append([]string{r.Cause}, lines...))})
	}
	return s
}

// ended is the step of a phase that ended with a fact.
func ended(p release.Phase, f api.Fact, lines []string) step {
	s := step{State: "done", Name: stepNames[p][1], Took: lasting(time.Duration(f.Took * float64(time.Second)).Round(100 * time.Millisecond)), Operation: operation(f.Operation)}
	if well := f.Phase.Active() && f.Phase != release.Returning || f.Phase == release.Completed || p == release.Returning && f.Phase == release.RolledBack; !well {
		s.State, s.Name = "bad", stepNames[p][0]
	}
	s.Lines = compact(append(lines, f.Detail, afterColon(f.Text)))
	return s
}

// operation is the name of a gateway's operation. Its address carries a signature, which is
// nobody's business.
func operation(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:]
}

// present is the step that lasts.
func present(a api.App, lines []string, now time.Time) step {
	r := a.Release
	s := step{State: "now", Name: stepNames[r.Phase][0], Took: lasting(now.Sub(r.Since).Truncate(time.Second)), Bar: progressOf(a, now)}
	if r.Phase == release.Baking && r.BakeUntil.After(r.Since) {
		s.Took += " of " + lasting(r.BakeUntil.Sub(r.Since).Round(time.Second))
	}
	if r.Phase == release.Baking && !r.LookedAt.IsZero() {
		lines = append(lines, fmt.Sprintf("%s, the last %s", looks(r), at(r.LookedAt, now).Text))
	}
	s.Lines = compact(append(lines, r.Cause, r.Detail, a.Status.Until))
	return s
}

func looks(r *api.Release) string {
	switch {
	case r.Misses > 0:
		return fmt.Sprintf("checks failed %s in a row", times(r.Misses))
	case r.GoodLooks > 0:
		return fmt.Sprintf("looks were good %s in a row", times(r.GoodLooks))
	}
	return "looks were neither good nor bad"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// ahead are the steps that come if all goes well.
func ahead(a api.App) (next []step) {
	order := []release.Phase{release.Deploying, release.Verifying, release.Switching, release.Baking}
	at := slices.Index(order, a.Release.Phase)
	switch a.Release.Phase {
	case release.Awaiting:
		at = 1
	case release.Returning:
		return []step{{State: "next", Name: "Hold until a newer image or a resume"}}
	}
	for _, p := range order[at+1:] {
		next = append(next, step{State: "next", Name: map[release.Phase]string{release.Verifying: "Check", release.Switching: "Move traffic to " + string(a.Release.To), release.Baking: "Bake"}[p]})
	}
	return append(next, step{State: "next", Name: version(a.Release.Image) + " counts as good"})
}

func endState(p release.Phase) string {
	if p == release.Completed {
		return "done"
	}
	return "bad"
}

// afterColon leaves out which release a text is about: the page says it.
func afterColon(text string) string {
	if _, rest, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "release ") {
		return rest
	}
	return text
}

// compact leaves out what is empty or repeated.
func compact(lines []string) (kept []string) {
	for _, l := range lines {
		if l = capital(strings.TrimSpace(l)); l != "" && !slices.Contains(kept, l) {
			kept = append(kept, l)
		}
	}
	return kept
}

// band is which color had the traffic, over time.
type band struct {
	Name  string // for how long it is
	Parts []stretch
	Marks []mark
	Label string // for those who do not see it
	Times []mark
}

// stretch is a color's time, in the units of a drawing that is 720 wide.
type stretch struct {
	Color release.Color
	X, W  float64
	Title string
}

type mark struct {
	X     float64
	Text  string
	End   bool // of the drawing
	Title string
}

// bandTimes are for how long a band may be.
var bandTimes = []struct {
	time   time.Duration
	name   string
	layout string
}{
	{time.Hour, "last hour", "15:04"}, {6 * time.Hour, "last 6 hours", "15:04"}, {24 * time.Hour, "last 24 hours", "15:04"},
	{7 * 24 * time.Hour, "last 7 days", "2 Jan"}, {28 * 24 * time.Hour, "last 4 weeks", "2 Jan"},
}

const (
	bandWidth = 720.0
	// mostMoves is how many moves of traffic a band shows if it can.
	mostMoves = 6
)

// bandTime is the shortest time that shows the last moves of traffic.
func bandTime(facts []api.Fact, now time.Time) int {
	moves := 0
	for n, f := range facts {
		if n+1 < len(facts) && facts[n+1].Live == f.Live {
			continue
		}
		if moves++; moves > mostMoves {
			break
		}
		for i, t := range bandTimes {
			if i == len(bandTimes)-1 || now.Sub(f.At) < t.time {
				if moves == mostMoves || n+1 == len(facts) {
					return i
				}
				break
			}
		}
	}
	return len(bandTimes) - 1
}

// bandOf draws the last moves of traffic. Facts are newest first, and say what was live after
// each.
func bandOf(a api.App, facts []api.Fact, now time.Time) *band {
	if a.Live == "" || len(facts) == 0 {
		return nil
	}
	whole := bandTimes[bandTime(facts, now)]
	from := now.Add(-whole.time)
	x := func(t time.Time) float64 {
		return max(0, min(bandWidth, math.Round(float64(t.Sub(from))/float64(whole.time)*bandWidth*10)/10))
	}
	b := &band{Name: whole.name}
	end, color := now, a.Live
	var spoken []string
	add := func(begin time.Time, c release.Color) {
		if c == "" || !end.After(from) {
			return
		}
		b.Parts = append(b.Parts, stretch{c, x(begin), max(1.5, x(end)-x(begin)), fmt.Sprintf("%s from %s to %s", c, clock(begin, now).Text, clock(end, now).Text)})
		spoken = append(spoken, fmt.Sprintf("%s since %s", c, clock(begin, now).Text))
	}
	for n, f := range facts {
		was := release.Color("")
		if n+1 < len(facts) {
			was = facts[n+1].Live
		}
		if f.Kind == release.ReleaseReturned && f.At.After(from) {
			b.Marks = append(b.Marks, mark{X: x(f.At), Title: f.Line})
		}
		if f.Live == color && was != color {
			add(f.At, color)
			end, color = f.At, was
		}
	}
	add(from, color)
	slices.Reverse(spoken)
	b.Label = "Traffic, " + whole.name + ": " + strings.Join(spoken, ", ") + "."
	for n := range 4 {
		t := from.Add(time.Duration(n) * whole.time / 4)
		b.Times = append(b.Times, mark{X: x(t), Text: t.UTC().Format(whole.layout)})
	}
	b.Times = append(b.Times, mark{X: bandWidth, Text: "now", End: true})
	return b
}
