package release

import "time"

// Event is something that happened. Events from outside (ImagePushed, AlertFired,
// Commanded) always yield at least one fact; observations yield facts only when they
// change something.
type Event interface{ event() }

// ImagePushed says that the registry received an image that the app's tag policy admits.
type ImagePushed struct {
	Image Image `json:"image"`
}

// AlertFired says that a monitoring rule that the app's configuration names has fired.
type AlertFired struct {
	ID       string    `json:"id"`
	Rule     string    `json:"rule"`
	Severity string    `json:"severity,omitempty"`
	Summary  string    `json:"summary,omitempty"`
	FiredAt  time.Time `json:"firedAt,omitzero"`
	// Color is set when the alert itself names a color, for instance by its backend pool.
	Color Color `json:"color,omitempty"`
}

// Command is the word of a person.
type Command string

const (
	Switch            Command = "switch"
	DeployImage       Command = "deploy"
	Promote           Command = "promote"
	Rollback          Command = "rollback"
	PauseReleases     Command = "pause"
	ResumeReleases    Command = "resume"
	Cancel            Command = "cancel"
	ReleaseQuarantine Command = "release-quarantine"
)

// Commanded says that a person asked for something. Image is for deploy, Digest binds
// promote and names the digest of release-quarantine, To and Force are for switch.
type Commanded struct {
	Command Command `json:"command"`
	By      string  `json:"by"`
	Why     string  `json:"why,omitempty"`
	Image   Image   `json:"image,omitzero"`
	Digest  string  `json:"digest,omitempty"`
	To      Color   `json:"to,omitempty"`
	Force   bool    `json:"force,omitempty"`
}

// Looked says what the gateway was seen to do. Live is "" when the rules point at
// neither color, or not all at the same; Detail then says what they point at. Blue and
// Green are what the colors were seen to run; nil when that was not looked at, or could
// not be seen.
type Looked struct {
	Live        Color
	Detail      string
	Blue, Green *Slot
}

// Rollout is the state of a color's workload.
type Rollout string

const (
	Progressing Rollout = "progressing"
	PullFailing Rollout = "pull-failing" // no pod can pull the image; may mend itself
	Complete    Rollout = "complete"
	Broken      Rollout = "broken" // waiting cannot mend it
)

// RolloutObserved says how far the rollout of a release is.
type RolloutObserved struct {
	Release  int
	Color    Color
	Status   Rollout
	Ready    int32
	Replicas []int32 // wanted, per Deployment
	Detail   string
}

// Verdict is the outcome of checks so far.
type Verdict string

const (
	Undecided Verdict = "undecided"
	Passed    Verdict = "passed"
	Refuted   Verdict = "refuted" // trying again cannot change it
)

// ChecksObserved says what the checks on the idle color found.
type ChecksObserved struct {
	Release int
	Color   Color
	Verdict Verdict
	Detail  string
}

// Routing is the state of a gateway operation.
type Routing string

const (
	Underway  Routing = "underway"
	Confirmed Routing = "confirmed" // read back, and seen on the data path
	Lost      Routing = "lost"      // superseded, failed or unknown: to be begun again from a fresh read
	Denied    Routing = "denied"    // the gateway will not do it until a person mends something
)

// RouteObserved says how a gateway operation towards To is doing. Live is what the
// gateway pointed at when it was last read, "" when that is not known.
type RouteObserved struct {
	Release   int
	To        Color
	Status    Routing
	Operation string
	Live      Color
	Detail    string
}

// WayBackObserved says whether the color that traffic is to return to can take it.
type WayBackObserved struct {
	Release int
	Color   Color
	Fit     bool
	Detail  string
}

// Probed says how live traffic and the way back looked during the bake.
type Probed struct {
	Release int
	LiveOK  bool
	BackOK  bool
	Detail  string
}

// Retired says that the idle color has been scaled down.
type Retired struct {
	Color    Color
	Replicas []int32
}

// Stumbled says that a step could not be taken for a reason that may pass.
type Stumbled struct{ Detail string }

// Ticked says that time has passed.
type Ticked struct{}

func (ImagePushed) event()     {}
func (AlertFired) event()      {}
func (Commanded) event()       {}
func (Looked) event()          {}
func (RolloutObserved) event() {}
func (ChecksObserved) event()  {}
func (RouteObserved) event()   {}
func (WayBackObserved) event() {}
func (Probed) event()          {}
func (Retired) event()         {}
func (Stumbled) event()        {}
func (Ticked) event()          {}

// FactKind names what a fact is about; Published says which are told to the outside.
type FactKind string

const (
	ReleaseStarted   FactKind = "release-started"
	ReleaseSwitched  FactKind = "release-switched"
	ReleaseCompleted FactKind = "release-completed"
	ReleaseFailed    FactKind = "release-failed"
	ReleaseReturned  FactKind = "release-returned"
	HoldSet          FactKind = "hold-set"
	DriftFound       FactKind = "drift-found"
	Advanced         FactKind = "advanced"   // a phase began
	Decided          FactKind = "decided"    // an event from outside was answered
	Refused          FactKind = "refused"    // a person's word could not be followed
	Dropped          FactKind = "dropped"    // an event led to nothing, and says why
	NeedsHelp        FactKind = "needs-help" // a person should look
)

// Published reports whether facts of this kind are told to the outside as events.
func (k FactKind) Published() bool {
	switch k {
	case ReleaseStarted, ReleaseSwitched, ReleaseCompleted, ReleaseFailed, ReleaseReturned, HoldSet, DriftFound, NeedsHelp:
		return true
	}
	return false
}

// Fact is one line of an app's history. Number is unique within the app.
type Fact struct {
	Number  int       `json:"number"`
	At      time.Time `json:"at"`
	Kind    FactKind  `json:"kind"`
	Release int       `json:"release,omitempty"`
	Phase   Phase     `json:"phase,omitempty"`
	Image   Image     `json:"image,omitzero"`
	Live    Color     `json:"live,omitempty"`
	By      string    `json:"by,omitempty"`
	Text    string    `json:"text"`
}

// Line is the text as a list shows it: what was refused says who had asked.
func (f Fact) Line() string {
	if f.Kind == Refused && f.By != "" {
		return f.Text + " (asked by " + f.By + ")"
	}
	return f.Text
}
