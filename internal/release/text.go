package release

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

// about is what a sentence speaks of, besides the state.
type about struct {
	Image, Other   Image
	Color, To      Color
	By             Actor
	Why, ChangedBy string
	Rule, Detail   string
	Then           string // appended to the sentence
	At             time.Time
	Span           time.Duration
	Number, Count  int
	ForceWouldHelp bool
}

// report adds a fact, worded for the state as it is now.
func (d *decision) report(k FactKind, why reason.Reason, a about) *Fact {
	d.s.Facts++
	r := d.s.Release
	text := d.words(why, a)
	if refusal, ok := refusals[why]; ok && k == Refused {
		text = d.fill(refusal.whole(), a)
	}
	if k == NeedsHelp {
		d.s.Help = Help{Reason: why, Why: text, Since: d.now}
	}
	d.facts = append(d.facts, Fact{
		Number: d.s.Facts, At: d.now, Kind: k, Reason: why, Release: r.ID, Phase: r.Phase,
		Image: r.Image, Live: d.s.Serving.Color, By: d.by, Began: r.By, Text: text,
	})
	return &d.facts[len(d.facts)-1]
}

// ofRelease begins a text with the release that it is about, and its phase.
func (d *decision) ofRelease(text string) string {
	return fmt.Sprintf("release %d %s: %s", d.s.Release.ID, d.s.Release.Phase.words(), text)
}

func (d *decision) words(why reason.Reason, a about) string {
	text := d.fill(wordings[why].whole(), a)
	if a.Then != "" {
		text += "; " + a.Then
	}
	return text
}

func (d *decision) fill(sentence string, a about) string {
	s := d.s
	number := a.Number
	if number == 0 {
		number = s.Release.ID
	}
	values := []string{
		"{number}", strconv.Itoa(number), "{present}", strconv.Itoa(s.Release.ID), "{phase}", s.Release.Phase.words(),
		"{image}", a.Image.String(), "{ref}", cmp.Or(a.Image.Tag, a.Image.Digest), "{other}", a.Other.String(), "{othertag}", cmp.Or(a.Other.Tag, a.Other.Digest), "{replacing}", replacing(a.Other),
		"{color}", string(a.Color), "{to}", string(a.To), "{keeping}", keeping(a.To), "{watching}", watching(a.To),
		"{asked}", asked(Note{By: a.By, Why: a.Why}), "{changedby}", changedBy(a.ChangedBy), "{by}", strings.TrimPrefix(asked(Note{By: a.By, Why: a.Why}), ", "), "{rule}", a.Rule, "{detail}", a.Detail, "{tail}", tail(a.Detail),
		"{at}", clock(a.At), "{span}", span(a.Span), "{count}", strconv.Itoa(a.Count), "{superseded}", strconv.Itoa(s.SupersededInARow),
		"{pausedby}", s.Pause.By.String(), "{suspect}", s.suspect().Why, "{suspectsince}", clock(s.suspect().Since), "{drift}", s.Drift.Detail, "{remedy}", s.Drift.remedy(), "{orforce}", orForce(a.ForceWouldHelp && !d.p.NoForce),
	}
	if strings.Contains(sentence, "{rest}") || strings.Contains(sentence, "{hint}") {
		values = append(values, "{rest}", s.rest(), "{hint}", s.hint(d.p))
	}
	return plain(strings.NewReplacer(values...).Replace(sentence))
}

// wayOut is the command that leads to a good version where no rollback does. It never leads
// to an image that was canceled, failed or quarantined.
func (s State) wayOut(p Policy) (Remedy, bool) {
	idle := s.Idle(p.First)
	there := s.Color(idle).Observed.Image
	for _, good := range s.Good {
		switch _, bad := s.quarantined(good.Digest); {
		case bad || good.Same(s.Serving.Image) || good.Same(s.Release.Image) && (s.Release.Phase == Failed || s.Release.Phase == Canceled):
		case good.Same(there) && !s.Release.Phase.Preparing():
			return Remedy{Command: Switch, Image: good, Does: fmt.Sprintf("moves traffic to %s with %s after its checks", idle, good)}, true
		default:
			return Remedy{Command: DeployImage, Image: good, Does: fmt.Sprintf("releases %s, the last good image before the present one", good)}, true
		}
	}
	return Remedy{}, false
}

// hint says in words what leads to a good version where no rollback does.
func (s State) hint(p Policy) string {
	idle := s.Idle(p.First)
	way, ok := s.wayOut(p)
	switch {
	case ok && way.Command == DeployImage:
		return fmt.Sprintf("deploy %s, the last good image before the present one, or push a fixed one", way.Image)
	case ok:
		return string(way.Command) + " " + way.Does
	case s.Release.Phase.Preparing() && s.Release.To == idle:
		return fmt.Sprintf("release %d of %s is being prepared on %s; if it holds the fix, let it finish, or else cancel it and push a fixed image", s.Release.ID, s.Release.Image, idle)
	}
	return "push a fixed image"
}

// suspectColor is the color that is left alone since a failover; "" when none is.
func (s State) suspectColor() Color {
	switch {
	case !s.Blue.Suspect.IsZero():
		return Blue
	case !s.Green.Suspect.IsZero():
		return Green
	}
	return ""
}

// suspect says why a color is left alone since a failover.
func (s State) suspect() Note {
	return s.Color(s.suspectColor()).Suspect
}

// readyOf says how many of the pods that are needed were seen ready.
func readyOf(o Observed, needed []int32) string {
	return fmt.Sprintf("%d of %d pods were ready at %s", o.Ready, total(needed), clock(o.At))
}

// words is a phase as a predicate of a release.
func (p Phase) words() string {
	switch p {
	case Awaiting:
		return "awaits approval"
	case Failed:
		return "failed"
	case RolledBack:
		return "was rolled back"
	case Superseded:
		return "was superseded"
	case Canceled:
		return "was canceled"
	}
	return "is " + string(p)
}

// remedy says what ends a drift.
func (x Drift) remedy() string {
	if x.Live == "" {
		return "it points at neither color alone; change it by hand to point at one of them, then resume"
	}
	return "resume accepts it; switch moves traffic again once users have followed"
}

func asked(n Note) string {
	text := ""
	if by := n.By.String(); by != "" {
		text = ", asked by " + by
	}
	if n.Why != "" {
		text += ": " + n.Why
	}
	return text
}

// changedBy names the field manager that made a change.
func changedBy(manager string) string {
	if manager == "" {
		return ""
	}
	return " by " + manager
}

func replacing(i Image) string {
	if i.IsZero() {
		return ""
	}
	return "; it replaces " + i.String() + ", which waited"
}

func keeping(c Color) string {
	if c == "" {
		return ""
	}
	return ", " + string(c) + " stays as the rollback target"
}

func watching(c Color) string {
	if c == "" {
		return ""
	}
	return ", and an alert or a failing check returns traffic to " + string(c)
}

func orForce(helps bool) string {
	if !helps {
		return ""
	}
	return ", or force the switch"
}

// tail adds a detail after a colon, where there is one.
func tail(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + detail
}

// then adds a further text after a semicolon, where there is one.
func then(further string) string {
	if further == "" {
		return ""
	}
	return "; " + further
}

// span writes a duration without the zero units: 15m, not 15m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// found says what a look at the live color found, part by part.
func (d *decision) found(e Probed) string {
	checks := map[Verdict]string{Passed: "the checks of the public address pass", Refuted: "the checks of the public address fail as before the switch", "": "no check of the public address is configured"}
	pods, health := "its pods were not seen", map[Verdict]string{Passed: ", the gateway sees it as healthy"}
	if e.Live != nil {
		pods = fmt.Sprintf("%d of %d pods are ready", e.Live.Ready, total(d.s.Color(e.Color).Observed.size()))
	}
	text := cmp.Or(checks[e.Checks], "the checks of the public address could not be made") + ", " + pods + cmp.Or(health[e.Health], ", and the gateway does not know its health")
	return text + tail(e.Detail)
}
