package release

import (
	"fmt"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

// Standing is what an app asks of the person who looks at it.
type Standing string

const (
	NeedsYou Standing = "needs-you"
	Moving   Standing = "releasing"
	Stopped  Standing = "held" // no release starts by itself
	Resting  Standing = "at-rest"
)

// Status says in short parts, for people, what an app is doing; a part with nothing to say is
// empty. Times are given as seen from the moment of the look, with the time of day in UTC.
type Status struct {
	Standing Standing
	Headline string // the answer at a glance, at most 120 characters
	Live     string // what users get
	Doing    string // what is under way, or how the last release ended
	Until    string // when that ends by itself, and how
	Rollback string // where a rollback leads, and until when an alert leads there too
	Held     []string
	Trouble  string
	Needs    []Need
	Next     string
}

// Need is something that only a person can decide or fix, and the commands that help, the
// safest first.
type Need struct {
	Why   string
	Cure  string // what to do, where Why does not have it
	Helps []Remedy
}

// String is the need with its cure.
func (n Need) String() string { return n.Why + then(n.Cure) }

// Remedy is a command that helps, and what it does here.
type Remedy struct {
	Command Command
	Image   Image // of deploy and promote
	Tag     string
	To      Color
	Force   bool
	Does    string
}

// Line is the remedy as a command line.
func (r Remedy) Line(app string) string {
	text := "bluegreen " + string(r.Command) + " " + app
	if r.Tag != "" {
		text += " " + r.Tag
	}
	switch r.Command {
	case DeployImage:
		text += " --image " + r.Image.reference()
	case Promote:
		text += " --digest " + r.Image.Digest
	}
	if r.To != "" {
		text += " --to " + string(r.To)
	}
	if r.Force {
		text += " --force"
	}
	return text
}

// reference is the digest, or the tag where none is known.
func (i Image) reference() string {
	if i.Digest != "" {
		return i.Digest
	}
	return i.Tag
}

// mostHeadline is how long a headline may be, in characters.
const mostHeadline = 120

// StatusOf says what an app is doing at a time.
func StatusOf(s State, p Policy, now time.Time) Status {
	v := viewer{s, p, now}
	st := Status{
		Standing: v.standing(), Live: v.live(), Doing: v.doing(), Until: v.until(), Rollback: v.rollback(),
		Held: v.held(), Trouble: v.trouble(), Needs: v.needs(), Next: v.next(),
	}
	if len(st.Needs) > 0 {
		st.Standing = NeedsYou
	}
	st.Headline = capital(v.headline(st))
	return st.clean()
}

// clean leaves printing characters only, and bounds the headline.
func (st Status) clean() Status {
	for _, text := range []*string{&st.Headline, &st.Live, &st.Doing, &st.Until, &st.Rollback, &st.Trouble, &st.Next} {
		*text = plain(*text)
	}
	for i := range st.Held {
		st.Held[i] = plain(st.Held[i])
	}
	for i := range st.Needs {
		st.Needs[i].Why = plain(st.Needs[i].Why)
	}
	st.Headline = atWord(st.Headline, mostHeadline)
	return st
}

// Ask puts a need first.
func (st *Status) Ask(n Need) {
	st.Needs = append([]Need{n}, st.Needs...)
	st.Standing, st.Headline = NeedsYou, atWord(plain("Needs you: "+n.Why), mostHeadline)
}

// String is the whole status in one line, for logs and tests.
func (st Status) String() string {
	parts := []string{st.Headline}
	for _, n := range st.Needs {
		parts = append(parts, "needs you: "+n.String())
		for _, r := range n.Helps {
			parts = append(parts, r.Line("APP"))
		}
	}
	for _, p := range []struct{ label, text string }{
		{"live", st.Live}, {"doing", st.Doing}, {"until", st.Until}, {"rollback", st.Rollback},
		{"held", strings.Join(st.Held, "; ")}, {"trouble", st.Trouble}, {"next", st.Next},
	} {
		if p.text != "" {
			parts = append(parts, p.label+": "+p.text)
		}
	}
	return strings.Join(parts, " | ")
}

// atWord cuts a text at a word, so that it has at most so many characters.
func atWord(text string, most int) string {
	short := shortened(text, most)
	if at := strings.LastIndexByte(short, ' '); short != text && at > len(short)/2 {
		short = strings.TrimRight(short[:at], " ,;:(") + "…"
	}
	return short
}

// viewer is a state as somebody sees it at a time.
type viewer struct {
	s   State
	p   Policy
	now time.Time
}

func (v viewer) standing() Standing {
	s := v.s
	switch {
	case s.Release.Phase.Active():
		return Moving
	case !s.Drift.IsZero() || !s.Pause.IsZero() || !s.Hold.IsZero() || s.suspectColor() != "":
		return Stopped
	}
	return Resting
}

func (v viewer) headline(st Status) string {
	s, r := v.s, v.s.Release
	live := "nothing is live yet"
	if s.Serving.Color != "" {
		live = fmt.Sprintf("%s is live with %s", s.Serving.Color, brief(s.Serving.Image))
	}
	image := brief(r.Image)
	switch {
	case len(st.Needs) > 0:
		return "Needs you: " + st.Needs[0].Why
	case !s.Known:
		return "Not taken over yet: the gateway and both colors are read with the first event or tick"
	case r.Phase == Deploying:
		return fmt.Sprintf("Deploying %s to %s; %s", image, r.To, live)
	case r.Phase == Verifying:
		return fmt.Sprintf("Checking %s on %s; %s", image, r.To, live)
	case r.Phase == Awaiting:
		return fmt.Sprintf("%s waits on %s for a resume; %s", image, r.To, live)
	case r.Phase == Switching:
		return fmt.Sprintf("Traffic moves from %s to %s with %s", orNothing(r.From), r.To, image)
	case r.Phase == Baking:
		return fmt.Sprintf("%s; baking until %s", live, at(v.now, s.bakeUntil(v.p)))
	case r.Phase == Returning:
		return fmt.Sprintf("Traffic returns from %s to %s: %s", r.To, r.From, r.Cause)
	}
	return live + v.last()
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// last says in a few words what is not as usual in an app at rest.
func (v viewer) last() string {
	s, r := v.s, v.s.Release
	switch {
	case !s.Pause.IsZero():
		return "; releases are paused by " + atWord(s.Pause.By.String(), 40)
	case s.suspectColor() != "":
		return fmt.Sprintf("; %s is left alone since a failover", s.suspectColor())
	case !s.Hold.IsZero():
		return "; on hold after a rollback"
	case r.Phase == Failed || r.Phase == RolledBack:
		return fmt.Sprintf("; release of %s %s at %s: %s", brief(r.Image), r.Phase.words(), at(v.now, r.Since), r.Cause)
	}
	return ""
}

// brief is an image's tag, or its short digest.
func brief(i Image) string {
	if i.Tag == "" {
		return i.String()
	}
	return atWord(i.Tag, 40)
}

func (v viewer) live() string {
	s := v.s
	if s.Serving.Color == "" {
		if s.Known {
			return "nothing yet"
		}
		return ""
	}
	text := fmt.Sprintf("%s with %s", s.Serving.Color, s.Serving.Image)
	if s.Serving.Release != 0 || s.Release.ID > 0 {
		text += ", " + since(v.now, s.Serving.Since)
	}
	if seen := s.Color(s.Serving.Color).Observed; !seen.At.IsZero() {
		text += "; " + v.ready(seen, seen.size())
	}
	if s.Release.Force && s.Release.ID == s.Serving.Release {
		text += "; forced, without checks"
	}
	if q, bad := s.quarantined(s.Serving.Image.Digest); bad {
		text += "; quarantined: " + q.Why
	}
	return text
}

// ready says how many pods of those that are needed were seen ready, and when.
func (v viewer) ready(seen Observed, needed []int32) string {
	return fmt.Sprintf("%d of %d pods ready, seen %s", seen.Ready, total(needed), ago(v.now, seen.At))
}

func (v viewer) doing() string {
	s, r := v.s, v.s.Release
	lasts, detail := lasting(v.now.Sub(r.Since)), tail(r.Progress.Detail)
	switch r.Phase {
	case "":
		return "no release so far"
	case Deploying:
		return fmt.Sprintf("deploying %s to %s for %s%s", r.Image, r.To, lasts, detail)
	case Verifying:
		return fmt.Sprintf("checking %s on %s for %s%s", r.Image, r.To, lasts, detail)
	case Awaiting:
		return fmt.Sprintf("%s passed its checks on %s and waits for %s", r.Image, r.To, s.gatekeeper())
	case Switching:
		return fmt.Sprintf("switching traffic from %s to %s with %s for %s%s", orNothing(r.From), r.To, r.Image, lasts, detail)
	case Baking:
		return fmt.Sprintf("baking %s on %s%s", r.Image, r.To, detail)
	case Returning:
		return fmt.Sprintf("returning traffic from %s to %s for %s: %s%s; %s", r.To, r.From, lasts, r.Cause, detail, r.afterReturn())
	case Completed:
		if r.To != s.Serving.Color {
			return fmt.Sprintf("nothing; %s is live as it was found", s.Serving.Color)
		}
		return fmt.Sprintf("nothing; release %d of %s completed %s", r.ID, r.Image, ago(v.now, r.Since))
	case RolledBack:
		if r.failsOver() {
			return fmt.Sprintf("nothing; failed over from %s to %s %s: %s", r.To, r.From, ago(v.now, r.Since), r.Cause)
		}
	}
	return fmt.Sprintf("nothing; release %d of %s %s %s: %s", r.ID, r.Image, r.Phase.words(), ago(v.now, r.Since), r.Cause)
}

func (v viewer) until() string {
	s, r := v.s, v.s.Release
	switch r.Phase {
	case Deploying:
		d := decision{s: s, p: v.p, now: v.now}
		fails := latest(r.Since, r.Progress.ReadySince).Add(d.rolloutTime())
		if p := r.Progress.PullFailing; !p.IsZero() && p.Add(v.p.PullGrace).Before(fails) {
			return in(v.now, p.Add(v.p.PullGrace)) + ": it fails, unless its image can be pulled before"
		}
		return in(v.now, fails) + ": it fails, unless more pods become ready before"
	case Verifying:
		return in(v.now, r.Since.Add(v.p.VerifyTimeout)) + ": it fails, unless its checks pass before"
	case Awaiting:
		return v.gate()
	case Switching:
		if back := s.RollbackTarget().Color; back != "" {
			return fmt.Sprintf("%s: traffic returns to %s, unless the switch is confirmed before", in(v.now, r.switchSince().Add(v.p.SwitchTimeout)), back)
		}
		return in(v.now, r.switchSince().Add(v.p.SwitchTimeout)) + ": it fails, unless the switch is confirmed before"
	case Baking:
		return fmt.Sprintf("%s: %s counts as good", in(v.now, s.bakeUntil(v.p)), r.Image)
	}
	return ""
}

func (v viewer) gate() string {
	if !v.p.Manual || v.p.Deadline == 0 || !v.s.Pause.IsZero() {
		return "an operator decides, without a deadline"
	}
	then := "it is canceled"
	if v.p.Default == "promote" {
		then = "it is promoted"
	}
	return in(v.now, v.s.Release.gateEnd(v.p)) + ": " + then
}

func (v viewer) rollback() string {
	s, r := v.s, v.s.Release
	t := s.RollbackTarget()
	switch {
	case !s.Known || s.Serving.Color == "" && r.From == "":
		return ""
	case t.Color == "" && r.Phase.Active():
		return "none"
	case t.Color == "" && r.ID == 0:
		return "none: no version before this one is known"
	case t.Color == "":
		return "none: " + s.hint(v.p)
	case r.Phase == Returning:
		return ""
	}
	text := fmt.Sprintf("to %s with %s", t.Color, t.Image)
	c := s.Color(t.Color)
	switch {
	case c.Retired():
		text += ", which is scaled up first"
	case !c.Observed.At.IsZero():
		text += "; " + v.ready(c.Observed, t.Replicas)
	}
	if until := s.Serving.until(v.p); r.Phase == Baking {
		text += "; by an alert, a failing check or an operator"
	} else if v.now.Before(until) {
		text += "; by an alert until " + at(v.now, until) + ", by an operator at any time"
	} else {
		text += "; by an operator"
	}
	return text
}

// held lists all that keeps releases from starting by themselves: none hides another.
func (v viewer) held() (list []string) {
	s := v.s
	if x := s.Drift; !x.IsZero() && x.Watched {
		list = append(list, fmt.Sprintf("traffic was moved to %s outside bluegreen %s, until a resume or a switch", s.Serving.Color, ago(v.now, x.Since)))
	} else if !x.IsZero() {
		list = append(list, fmt.Sprintf("the gateway was changed outside bluegreen %s: %s; recorded is %s", ago(v.now, x.Since), x.Detail, s.Serving.Color))
	}
	if n := s.Pause; !n.IsZero() {
		list = append(list, fmt.Sprintf("paused %s%s, until resume", since(v.now, n.Since), asked(n)))
	}
	if c := s.suspectColor(); c != "" {
		list = append(list, fmt.Sprintf("%s is left alone %s, after a failover, until resume", c, since(v.now, s.suspect().Since)))
	}
	if n := s.Hold; !n.IsZero() {
		list = append(list, fmt.Sprintf("on hold %s, until a newer image is pushed or resume: %s", since(v.now, n.Since), n.Why))
	}
	return list
}

func (v viewer) trouble() string {
	var parts []string
	if a := v.s.Alert; a.LookedAt.IsZero() && !a.IsZero() {
		parts = append(parts, fmt.Sprintf("alert %s waits for a look at %s that agrees", a.Alert.Rule, a.Color))
	} else if !a.IsZero() {
		parts = append(parts, fmt.Sprintf("alert %s waits for a look at %s that agrees, until %s: %s", a.Alert.Rule, a.Color, at(v.now, a.Until), a.Seen))
	}
	if n := v.s.Trouble; !n.IsZero() && n.Why != v.s.Release.Progress.Detail {
		parts = append(parts, since(v.now, n.Since)+": "+n.Why)
	}
	return strings.Join(parts, "; ")
}

// next says what comes by itself.
func (v viewer) next() string {
	s, r := v.s, v.s.Release
	var parts []string
	switch r.Phase {
	case Deploying:
		parts = append(parts, "its checks, then "+s.afterChecks(v.p))
	case Verifying:
		parts = append(parts, s.afterChecks(v.p))
	case Switching:
		parts = append(parts, "a bake of "+span(v.p.Bake))
	case Awaiting, Baking, Returning:
	default:
		parts = v.between()
	}
	if !s.Waiting.IsZero() {
		parts = append(parts, s.Waiting.String()+" waits")
	}
	return strings.Join(parts, "; ")
}

// between says what becomes of the idle color between releases, and where the next one goes.
func (v viewer) between() (parts []string) {
	s, p := v.s, v.p
	if !s.Known {
		return nil
	}
	idle := s.Idle(p.First)
	effect, when := s.standby(p, v.now)
	order, due := effect.(KeepStandby)
	gets := s.Serving.Image
	if due {
		gets, when = order.Image, s.standbyAt(p)
		if !order.Spoiled && gets.Same(s.Serving.Image) {
			when = latest(when, s.Serving.until(p))
		}
	}
	c := s.Color(idle)
	made := total(c.Standby.Replicas) > 0
	if made {
		parts = append(parts, fmt.Sprintf("the standby is %s with %s, %s", idle, c.Image(), v.ready(c.Observed, c.Standby.Replicas)))
	}
	switch {
	case when.IsZero():
	case !p.Standby.Same && p.Standby.zero():
		parts = append(parts, fmt.Sprintf("%s is scaled down %s", idle, in(v.now, when)))
	case made && gets.IsZero():
		parts = append(parts, fmt.Sprintf("it gets %d pods", total(order.Size)))
	case made:
		parts = append(parts, fmt.Sprintf("it gets %s %s", gets, in(v.now, when)))
	default:
		parts = append(parts, fmt.Sprintf("%s becomes the standby %s", idle, in(v.now, when)))
	}
	if v.standing() == Resting && s.Waiting.IsZero() {
		parts = append(parts, fmt.Sprintf("the next image goes to %s", idle))
	}
	return parts
}

// helpFor is how long what needed an operator is shown after nothing more was heard of it.
const helpFor = 24 * time.Hour

func (v viewer) needs() (needs []Need) {
	s, r := v.s, v.s.Release
	drifted := !s.Drift.IsZero() && !s.Drift.Watched
	if h := s.Help; h.Reason != "" && (s.Alarmed != "" || v.now.Sub(h.Since) < helpFor) {
		needs = append(needs, Need{Why: h.Why, Cure: wordings[h.Reason].further(), Helps: v.remedies(h.Reason)})
	} else if drifted {
		needs = append(needs, Need{Why: "the gateway was changed outside bluegreen: " + s.Drift.Detail, Cure: s.Drift.remedy(), Helps: v.remedies(reason.Drifted)})
	}
	if s.Help.Reason != reason.ImageMissing {
		for _, i := range s.Missing {
			needs = append(needs, Need{Why: fmt.Sprintf("the registry does not have %s, which is %s: push it again", i, s.use(i))})
		}
	}
	if r.Phase == Awaiting && s.Pause.IsZero() {
		needs = append(needs, v.approval())
	}
	if need, ok := v.liveIsDown(); ok && len(needs) == 0 {
		needs = append(needs, need)
	}
	return needs
}

// liveIsDown is the need of an app at rest whose live color was last seen without a ready pod.
func (v viewer) liveIsDown() (Need, bool) {
	s := v.s
	seen := s.Color(s.Serving.Color).Observed
	if s.Serving.Color == "" || s.Release.Phase.Active() || !s.Drift.IsZero() || total(seen.size()) == 0 || seen.Ready > 0 || seen.At.IsZero() {
		return Need{}, false
	}
	need := Need{
		Why:  fmt.Sprintf("%s is live, and none of its %d pods is ready", s.Serving.Color, total(seen.size())),
		Cure: "find out why its pods are not ready (kubectl describe pods)",
	}
	if v.standbyReady() {
		need.Helps = []Remedy{{Command: Failover, Does: fmt.Sprintf("moves traffic to the standby %s", s.Idle(v.p.First))}}
	}
	return need, true
}

// approval is what a release needs that passed its checks and waits for an operator.
func (v viewer) approval() Need {
	r, of := v.s.Release, "approval"
	helps := []Remedy{
		{Command: Promote, Image: r.Image, Does: "lets it go live"},
		{Command: Cancel, Does: "gives it up; nothing moves"},
	}
	if v.p.OtherApproves && !r.By.IsZero() {
		of = "another person's approval"
		if r.By.Proven == "" {
			of, helps = of+", but it was begun with a function key, which does not identify its user", helps[1:]
		}
	}
	return Need{Why: fmt.Sprintf("%s passed its checks on %s and waits for %s", r.Image, r.To, of), Helps: helps}
}

// remedies are the commands that help now, the safest first. None leads to an image that
// failed, was canceled, or is quarantined.
func (v viewer) remedies(why reason.Reason) []Remedy {
	s, r := v.s, v.s.Release
	switch {
	case why == reason.OlderThanUnreleased || why == reason.FromTheFuture:
		if tag := s.Newest.Tag; tag != "" && why == reason.OlderThanUnreleased {
			return []Remedy{{Command: Forget, Tag: tag, Does: "drops " + brief(s.Newest) + ", if it was pushed by mistake"}}
		}
		return nil
	case !s.Drift.IsZero() && !s.Drift.Watched:
		if s.Drift.Live == "" {
			return nil
		}
		return []Remedy{{Command: ResumeReleases, Does: fmt.Sprintf("accepts %s as live", s.Drift.Live)}}
	case r.Phase == Returning:
		helps := []Remedy{{Command: Rollback, Does: "tries again at once"}}
		if s.Color(r.From).Observed.Ready > 0 && !v.p.NoForce {
			helps = append(helps, Remedy{Command: Rollback, Force: true, Does: fmt.Sprintf("sends users to the %d ready pods of %s", s.Color(r.From).Observed.Ready, r.From)})
		}
		return append(helps, Remedy{Command: Cancel, Does: fmt.Sprintf("gives the return up; traffic stays on %s", r.To)})
	case (r.Phase == Baking || doubted(why)) && s.RollbackTarget().Color != "":
		return []Remedy{{Command: Rollback, Does: fmt.Sprintf("returns traffic to %s with %s", s.RollbackTarget().Color, brief(s.RollbackTarget().Image))}}
	case doubted(why) && v.standbyReady():
		return []Remedy{{Command: Failover, Does: fmt.Sprintf("moves traffic to the standby %s", s.Idle(v.p.First))}}
	case s.suspectColor() != "":
		return []Remedy{{Command: ResumeReleases, Does: fmt.Sprintf("uses %s again, when it is well", s.suspectColor())}}
	}
	if way, ok := s.wayOut(v.p); ok {
		return []Remedy{way}
	}
	return nil
}

// doubted reports whether help was asked for because of an alert that nothing agrees with.
func doubted(why reason.Reason) bool {
	return why == reason.AlertUnseen || why == reason.AlertNotCorroborated
}

// standbyReady reports whether a failover would move traffic.
func (v viewer) standbyReady() bool {
	_, why := v.s.FailoverTarget(v.p, v.now)
	return why == "" && v.p.Failover != FailoverOff && !v.s.Release.Phase.Active()
}
