// Package release decides. It holds what an app is, what a release of it goes
// through, and which step comes next; it talks to nobody. Next turns a state and
// an event into a state and the facts worth telling; Owed reads from a state what
// has to be made true now. Debts are never listed: they follow from the state, so
// a worker that dies leaves nothing behind that the next one cannot read.
package release

import (
	"slices"
	"strings"
	"time"
)

// Color names one of the two production environments.
type Color string

const (
	Blue  Color = "blue"
	Green Color = "green"
)

// Other returns the opposite color; "" for anything that is neither.
func (c Color) Other() Color {
	switch c {
	case Blue:
		return Green
	case Green:
		return Blue
	}
	return ""
}

// Image is one manifest in the app's repository. Digest is what is deployed; Tag is
// what people call it; PushedAt is the registry's own time of the push.
type Image struct {
	Digest   string    `json:"digest,omitempty"`
	Tag      string    `json:"tag,omitempty"`
	PushedAt time.Time `json:"pushedAt,omitzero"`
}

// IsZero reports whether there is no image.
func (i Image) IsZero() bool { return i.Digest == "" && i.Tag == "" }

// String is the image as people say it: its tag with a short digest.
func (i Image) String() string {
	short := strings.TrimPrefix(i.Digest, "sha256:")
	if len(short) > 12 {
		short = short[:12]
	}
	switch {
	case i.IsZero():
		return "nothing"
	case i.Digest == "":
		return i.Tag
	case i.Tag == "":
		return short
	}
	return i.Tag + " (" + short + ")"
}

// Phase says what a release waits for.
type Phase string

const (
	Deploying  Phase = "deploying"
	Verifying  Phase = "verifying"
	Awaiting   Phase = "awaiting-approval"
	Switching  Phase = "switching"
	Baking     Phase = "baking"
	Returning  Phase = "returning"
	Completed  Phase = "completed"
	Failed     Phase = "failed"
	RolledBack Phase = "rolled-back"
	Superseded Phase = "superseded"
	Canceled   Phase = "canceled"
)

// Preparing reports whether only the idle color is touched in this phase.
func (p Phase) Preparing() bool { return p == Deploying || p == Verifying || p == Awaiting }

// Moving reports whether traffic is, or may be, on its way, so that the way back must stay.
func (p Phase) Moving() bool { return p == Switching || p == Baking || p == Returning }

// Active reports whether the release has not ended.
func (p Phase) Active() bool { return p.Preparing() || p.Moving() }

// State is everything that is known about one app. Its zero value is an app never seen.
type State struct {
	App string `json:"app"`
	// Known is set once the gateway has been read for the first time.
	Known bool `json:"known,omitempty"`
	// Live is the color that the gateway was last confirmed to send traffic to.
	Live        Color        `json:"live,omitempty"`
	Blue        Slot         `json:"blue,omitzero"`
	Green       Slot         `json:"green,omitzero"`
	Release     Release      `json:"release,omitzero"`
	Waiting     Image        `json:"waiting,omitzero"`
	Newest      Image        `json:"newest,omitzero"`
	Quarantined []Quarantine `json:"quarantined,omitempty"`
	Hold        Note         `json:"hold,omitzero"`
	Pause       Note         `json:"pause,omitzero"`
	Drift       Drift        `json:"drift,omitzero"`
	// Trouble is the last step that could not be taken, until one succeeds.
	Trouble Note `json:"trouble,omitzero"`
	// Overtaken counts releases superseded in a row; see patience.
	Overtaken int `json:"overtaken,omitempty"`
	// Facts numbers the facts told so far, so that each has an identity.
	Facts int `json:"facts,omitempty"`
}

// Slot is what is known of one color.
type Slot struct {
	Image Image `json:"image,omitzero"`
	// Verified is set when the checks passed on Image and cleared by each deployment.
	Verified bool `json:"verified,omitempty"`
	// Replicas is the last seen wanted size of each Deployment, in configured order.
	Replicas []int32 `json:"replicas,omitempty"`
	// Retired is set while the color is scaled down after its release.
	Retired bool `json:"retired,omitempty"`
}

// Release is one image on its way to one color; after its end, the last one there was.
type Release struct {
	ID    int       `json:"id,omitempty"`
	Phase Phase     `json:"phase,omitempty"`
	Image Image     `json:"image,omitzero"`
	To    Color     `json:"to,omitempty"`
	From  Color     `json:"from,omitempty"`
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
	Force bool      `json:"force,omitempty"`
	Began time.Time `json:"began,omitzero"`
	// Since is when the present phase began.
	Since time.Time `json:"since,omitzero"`
	// Progress is when the rollout last came nearer to its goal, Ready what it had then.
	Progress time.Time `json:"progress,omitzero"`
	Ready    int32     `json:"ready,omitempty"`
	// PullFailing is since when no pod could pull the image.
	PullFailing time.Time `json:"pullFailing,omitzero"`
	// Approved is set by a person's promote or by the gate's default.
	Approved bool `json:"approved,omitempty"`
	// RoutedAt is when the gateway was first asked to move traffic, SwitchedAt when it had.
	RoutedAt   time.Time `json:"routedAt,omitzero"`
	SwitchedAt time.Time `json:"switchedAt,omitzero"`
	// Operation resumes the gateway's running operation; opaque, "" when none runs.
	Operation string    `json:"operation,omitempty"`
	ProbedAt  time.Time `json:"probedAt,omitzero"`
	Misses    int       `json:"misses,omitempty"`
	// Cause says why the release failed or returns, Outcome how it ends once it has.
	Cause   string    `json:"cause,omitempty"`
	Outcome Phase     `json:"outcome,omitempty"`
	Fit     bool      `json:"fit,omitempty"`
	EndedAt time.Time `json:"endedAt,omitzero"`
	// Detail is the latest observation, in words.
	Detail string `json:"detail,omitempty"`
}

// Note is who did or said something, why, and when. The zero Note means it did not happen.
type Note struct {
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// IsZero reports whether there is no note.
func (n Note) IsZero() bool { return n.Since.IsZero() }

// Quarantine is a digest that must not go live by itself.
type Quarantine struct {
	Image Image     `json:"image"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// Drift says that the gateway is not as this app left it. The zero Drift means it is.
type Drift struct {
	Live   Color     `json:"live,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// IsZero reports whether there is no drift.
func (d Drift) IsZero() bool { return d.Since.IsZero() }

// Idle returns the color that the next release goes to.
func (s State) Idle(first Color) Color {
	if s.Live == "" {
		return first
	}
	return s.Live.Other()
}

// Slot returns what is known of a color.
func (s State) Slot(c Color) Slot {
	if c == Green {
		return s.Green
	}
	return s.Blue
}

func (s *State) slot(c Color) *Slot {
	if c == Green {
		return &s.Green
	}
	return &s.Blue
}

// WayBack returns the color that traffic can return to: it ran the release before the
// present one, and nothing else has been deployed to it since. "" when there is none.
func (s State) WayBack() Color {
	r := s.Release
	if r.From == "" || !r.Phase.Moving() && (r.Phase != Completed || r.To != s.Live) {
		return ""
	}
	return r.From
}

func (s State) quarantined(digest string) (Quarantine, bool) {
	i := slices.IndexFunc(s.Quarantined, func(q Quarantine) bool { return q.Image.Digest == digest })
	if i < 0 || digest == "" {
		return Quarantine{}, false
	}
	return s.Quarantined[i], true
}

// Policy is the part of an app's configuration that decisions depend on.
type Policy struct {
	// Newer reports whether a is to be released after b. Nil compares the time of the push.
	Newer func(a, b Image) bool
	// First is the color of the first release when nothing is live.
	First Color
	// Manual makes every release wait for a person, at most for Deadline; then Default
	// ("cancel" or "promote") is done. A zero Deadline waits for ever.
	Manual   bool
	Deadline time.Duration
	Default  string

	RolloutTimeout time.Duration // without progress
	PullGrace      time.Duration // for images that cannot be pulled yet: replication may lag
	VerifyTimeout  time.Duration
	SwitchTimeout  time.Duration
	Bake           time.Duration
	ProbeEvery     time.Duration // during the bake
	ProbeMisses    int           // failed probes in a row that return traffic
	RollbackWindow time.Duration // from the switch; an alert later than that returns nothing
	RetireAfter    time.Duration // from the end of the release
	RetireReplicas int32
	KeepIdle       bool // never scale the idle color down
}

func (p Policy) newer(a, b Image) bool {
	if p.Newer != nil {
		return p.Newer(a, b)
	}
	return a.PushedAt.After(b.PushedAt)
}
