package record

import (
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// stateV1 is the state as schema 1 has it. It is written beside the present form, so that
// a handler of schema 1 works on the same record during a rolling deployment, or after one
// was undone; the next schema drops it.
type stateV1 struct {
	App         string       `json:"app"`
	Known       bool         `json:"known,omitempty"`
	Live        string       `json:"live,omitempty"`
	Blue        slotV1       `json:"blue,omitzero"`
	Green       slotV1       `json:"green,omitzero"`
	Release     releaseV1    `json:"release,omitzero"`
	Waiting     image        `json:"waiting,omitzero"`
	Newest      image        `json:"newest,omitzero"`
	Quarantined []quarantine `json:"quarantined,omitempty"`
	Hold        note         `json:"hold,omitzero"`
	Pause       note         `json:"pause,omitzero"`
	Drift       drift        `json:"drift,omitzero"`
	Trouble     note         `json:"trouble,omitzero"`
	Overtaken   int          `json:"overtaken,omitempty"`
	Facts       int          `json:"facts,omitempty"`
}

type slotV1 struct {
	Image    image   `json:"image,omitzero"`
	Verified bool    `json:"verified,omitempty"`
	Replicas []int32 `json:"replicas,omitempty"`
	Retired  bool    `json:"retired,omitempty"`
}

type releaseV1 struct {
	ID          int       `json:"id,omitempty"`
	Phase       string    `json:"phase,omitempty"`
	Image       image     `json:"image,omitzero"`
	To          string    `json:"to,omitempty"`
	From        string    `json:"from,omitempty"`
	By          string    `json:"by,omitempty"`
	Why         string    `json:"why,omitempty"`
	Force       bool      `json:"force,omitempty"`
	Began       time.Time `json:"began,omitzero"`
	Since       time.Time `json:"since,omitzero"`
	Progress    time.Time `json:"progress,omitzero"`
	Ready       int32     `json:"ready,omitempty"`
	PullFailing time.Time `json:"pullFailing,omitzero"`
	Approved    bool      `json:"approved,omitempty"`
	RoutedAt    time.Time `json:"routedAt,omitzero"`
	SwitchedAt  time.Time `json:"switchedAt,omitzero"`
	Operation   string    `json:"operation,omitempty"`
	ProbedAt    time.Time `json:"probedAt,omitzero"`
	Misses      int       `json:"misses,omitempty"`
	Cause       string    `json:"cause,omitempty"`
	Outcome     string    `json:"outcome,omitempty"`
	Fit         bool      `json:"fit,omitempty"`
	EndedAt     time.Time `json:"endedAt,omitzero"`
	Detail      string    `json:"detail,omitempty"`
}

// mostV1 is how many quarantined images are stored twice; a release forgets older ones.
const mostV1 = 50

// state brings a state of schema 1 to the present form. Schema 1 does not separate
// orders from observations: an image counts as ordered while it is being deployed and as
// seen otherwise.
func (v stateV1) state() release.State {
	r := v.Release
	s := release.State{
		App: v.App, Known: v.Known, Releases: r.ID, Waiting: v.Waiting.core(), Newest: v.Newest.core(),
		Quarantined: each(v.Quarantined, quarantine.core), Hold: v.Hold.core(), Pause: v.Pause.core(),
		Drift: release.Drift{Live: release.Color(v.Drift.Live), Detail: v.Drift.Detail, Since: v.Drift.Since}, Trouble: v.Trouble.core(), SupersededInARow: v.Overtaken, Facts: v.Facts,
		Blue: v.Blue.color(r, "blue"), Green: v.Green.color(r, "green"),
		Release: r.release(v),
	}
	s.Serving = v.serving()
	if s.Release.Phase == release.Completed {
		s.Good = []release.Image{s.Release.Image}
	}
	return s
}

func (v slotV1) color(r releaseV1, name string) release.ColorState {
	c := release.ColorState{}
	if v.Retired {
		c.Standby = release.Standby{Image: v.Image.core(), Replicas: make([]int32, max(1, len(v.Replicas))), Since: time.Unix(1, 0).UTC()}
	}
	if r.To == name && release.Phase(r.Phase) == release.Deploying {
		c.Ordered = release.Ordered{Image: v.Image.core(), Release: r.ID, At: r.Since}
		c.Observed.Replicas = v.Replicas
		return c
	}
	c.Observed = release.Observed{Image: v.Image.core(), Replicas: v.Replicas, At: r.Since}
	if v.Verified {
		c.Checked = release.Checked{Image: v.Image.core(), At: r.Since}
	}
	return c
}

// switched reports whether the release has, or had until it returns, the traffic. There is
// no SwitchedAt when the traffic came back to its color by a change outside bluegreen.
func (v stateV1) switched() bool {
	p := release.Phase(v.Release.Phase)
	return v.Live != "" && v.Live == v.Release.To && !v.Release.SwitchedAt.IsZero() && (p == release.Baking || p == release.Completed || p == release.Returning)
}

func (v stateV1) serving() release.Serving {
	r := v.Release
	s := release.Serving{Color: release.Color(v.Live), Since: r.Since}
	if !r.EndedAt.IsZero() {
		s.Since = r.EndedAt
	}
	if v.Live != "" {
		s.Image = v.slot(v.Live).Image.core()
	}
	if v.switched() {
		s.Since, s.Release, s.RoutedAt, s.Baked = r.SwitchedAt, r.ID, r.RoutedAt, release.Phase(r.Phase) == release.Completed
		s.Previous = v.from()
	}
	return s
}

func (v stateV1) slot(color string) slotV1 {
	if color == string(release.Green) {
		return v.Green
	}
	return v.Blue
}

// from is the color that the release took the traffic from.
func (v stateV1) from() release.Target {
	if v.Release.From == "" {
		return release.Target{}
	}
	slot := v.slot(v.Release.From)
	return release.Target{Color: release.Color(v.Release.From), Image: slot.Image.core(), Replicas: slot.Replicas}
}

func (r releaseV1) release(v stateV1) release.Release {
	out := release.Release{
		ID: r.ID, Phase: release.Phase(r.Phase), Image: r.Image.core(), To: release.Color(r.To), From: release.Color(r.From), By: release.Actor{Name: r.By}, Why: r.Why,
		Force: r.Force, Began: r.Began, Since: r.Since, Approved: r.Approved, Cause: r.Cause,
	}
	if r.Cause != "" {
		out.Reason = reason.Unrecorded
	}
	switch p := &out.Progress; out.Phase {
	case release.Deploying:
		p.Ready, p.ReadySince, p.PullFailing = r.Ready, r.Progress, r.PullFailing
	case release.Switching:
		p.Operation = r.Operation
	case release.Baking:
		p.ProbedAt, p.Misses = r.ProbedAt, r.Misses
	case release.Returning:
		p.Operation, p.TargetReady, p.Outcome, p.Target = r.Operation, r.Fit, release.Phase(r.Outcome), v.from()
	}
	if out.Phase.Active() {
		out.Progress.Detail = r.Detail
	} else if !r.EndedAt.IsZero() {
		out.Since = r.EndedAt
	}
	return out
}

// toV1 writes a state as schema 1 reads it.
func toV1(s release.State) stateV1 {
	v := stateV1{
		App: s.App, Known: s.Known, Live: string(s.Serving.Color), Blue: toSlotV1(s, release.Blue), Green: toSlotV1(s, release.Green),
		Waiting: image(s.Waiting), Newest: image(s.Newest), Quarantined: each(s.Quarantined[max(0, len(s.Quarantined)-mostV1):], fromQuarantine),
		Hold: toNoteV1(s.Hold), Pause: toNoteV1(s.Pause), Drift: drift{Live: string(s.Drift.Live), Detail: s.Drift.Detail, Since: s.Drift.Since}, Trouble: toNoteV1(s.Trouble), Overtaken: s.SupersededInARow, Facts: s.Facts,
	}
	r, p := s.Release, s.Release.Progress
	v.Release = releaseV1{
		ID: s.Releases, Phase: string(r.Phase), Image: image(r.Image), To: string(r.To), From: string(r.From), By: r.By.String(), Why: r.Why, Force: r.Force,
		Began: r.Began, Since: r.Since, Progress: p.ReadySince, Ready: p.Ready, PullFailing: p.PullFailing, Approved: r.Approved,
		Operation: p.Operation, ProbedAt: p.ProbedAt, Misses: p.Misses, Cause: r.Cause, Outcome: string(p.Outcome), Fit: p.TargetReady, Detail: short(p.Detail),
	}
	switch {
	case r.Phase == release.Switching:
		v.Release.RoutedAt = r.Since
	case s.Serving.Release != 0 && s.Serving.Release == r.ID:
		v.Release.RoutedAt, v.Release.SwitchedAt = s.Serving.RoutedAt, s.Serving.Since
	}
	if r.Phase.Ended() { // the idle color is kept from then on; a change that an operator accepted counts too
		v.Release.EndedAt = r.Since
		if s.Serving.Since.After(r.Since) {
			v.Release.EndedAt = s.Serving.Since
		}
	}
	return v
}

// toSlotV1 writes what schema 1 knows of a color. Until the switch it takes the release's
// color to run the release's image, from the start on and not from the order on, and never
// corrects that: with another image there, its handlers would not return traffic to it.
func toSlotV1(s release.State, c release.Color) slotV1 {
	color, r := s.Color(c), s.Release
	v := slotV1{Image: image(color.Image()), Verified: color.Passed(), Replicas: color.Observed.Replicas, Retired: color.Retired()}
	switch t := s.RollbackTarget(); {
	case s.Release.Phase == release.Deploying && s.Release.To == c: // in schema 1 from the start, ordered or not
		v.Image, v.Verified, v.Retired = image(s.Release.Image), false, false
	case t.Color == c:
		v.Image, v.Replicas = image(t.Image), t.Replicas
	}
	switch {
	case c == r.To && (r.Phase.Preparing() || r.Phase == release.Switching):
		v.Image = image(r.Image)
	case c == s.Serving.Color:
		v.Image = image(s.Serving.Image)
	}
	if c == r.To && r.Phase == release.Deploying {
		v.Verified, v.Retired = false, false
	}
	return v
}

func toNoteV1(n release.Note) note { return note{By: n.By.String(), Why: n.Why, Since: n.Since} }

// short bounds a text that is stored twice. It is shown only.
func short(text string) string {
	const most = 1000
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
