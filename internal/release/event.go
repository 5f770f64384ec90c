package release

import (
	"slices"
	"strings"
	"time"

	"bluegreen/internal/release/reason"
)

// Event is something that happened. Events from outside (ImagePushed, AlertFired,
// Commanded) always yield at least one fact; observations yield facts only when they
// change something.
type Event interface{ event() }

// ImagePushed says that the registry received an image that the app's tag policy admits.
// Beside are other pushes that are not decided yet. What was decided as the same push
// before yields no fact.
type ImagePushed struct {
	Image  Image
	Beside []Image
}

// AlertFired says that a monitoring rule that the app's configuration names has fired.
type AlertFired struct {
	ID       string
	Rule     string
	Severity string
	Summary  string
	// At is the end of the time that the alert measured, or when it came where it names none.
	At time.Time
	// Color is set when the alert itself names a color, for instance by its backend pool.
	Color Color
	// Corroborate is set when the alert alone moves no traffic: a look at the live color must
	// agree.
	Corroborate bool
	// By is who sent it.
	By Actor
}

// Commanded says that an operator gave a command; see Commands for what each one takes.
type Commanded struct {
	Command Command
	By      Actor
	Why     string
	Image   Image
	Digest  string
	Tag     string
	To      Color
	Force   bool
	For     time.Duration
}

// Looked says what the gateway was seen to point at. At is when that was so, where it is not
// now. Live is "" when the rules point at neither color, or not all at the same; Detail then
// says what they point at. Underway is set while an accepted write has not ended, and users may
// meet what was there before; Lag is for how long resolvers follow after its end. Unseen is why
// the public address does not show users on that color, "" when it does or was not asked. Blue
// and Green are what the colors were seen to run; nil when that was not looked at, or could not
// be seen.
type Looked struct {
	At          time.Time
	Live        Color
	Detail      string
	Underway    bool
	Lag         time.Duration
	Unseen      string
	Warnings    []string // what is wrong although Live is right, a sentence each
	Blue, Green *Observed
}

// ColorSeen says what a color was seen to run, beside what a step is about.
type ColorSeen struct {
	Color Color
	Seen  Observed
}

// DeployCleared says that the gateway was read and sends no traffic to the color that a
// release is to be deployed to. The first order to the color goes out after it is saved.
// Holds is set where autoscalers can be kept from shrinking it.
type DeployCleared struct {
	Release int
	Color   Color
	Holds   bool
}

// Rollout is the state of a color's workload.
type Rollout string

const (
	Progressing Rollout = "progressing"
	PullFailing Rollout = "pull-failing" // no pod can pull the image; may pass
	Complete    Rollout = "complete"
	Broken      Rollout = "broken" // waiting cannot fix it
)

// RolloutObserved says how far the rollout of a release is. With Complete, Held is set when
// no autoscaler can make the color smaller, and Unheld is why one can; neither without one.
type RolloutObserved struct {
	Release int
	Color   Color
	Status  Rollout
	Seen    Observed
	Detail  string
	Held    bool
	Unheld  string
}

// Verdict is the outcome of a check, or of all checks, so far.
type Verdict string

const (
	Undecided Verdict = "undecided" // not passed yet; trying again may change it
	Passed    Verdict = "passed"
	Refuted   Verdict = "refuted" // trying again cannot change it
	Unknown   Verdict = "unknown" // the check could not be made; never counted as passed
)

// ChecksBegun names a new run of the checks on the idle color, at random: what a check makes in
// the cluster has that name, and no other writer can have it ready.
type ChecksBegun struct {
	Release int
	Color   Color
	Run     string
}

// ChecksEnded says that what a run of the checks made is not needed any more, and was deleted
// where that could be done.
type ChecksEnded struct{ Run string }

// ChecksObserved says what the checks on the idle color found in a run. Made identifies what
// they have made for it; "" for nothing new. Seen is what the color ran when they began; nil
// when it was not looked at. Signer is who signed the image, where that is known and asked for;
// Unsigned is set where no signature counts, as Detail says.
type ChecksObserved struct {
	Release  int
	Color    Color
	Run      string
	Made     string
	Verdict  Verdict
	Seen     *Observed
	Detail   string
	Signer   string
	Unsigned bool
}

// Routing is the state of a gateway operation.
type Routing string

const (
	Underway  Routing = "underway"
	Clear     Routing = "clear"     // the color can carry the traffic: the write may follow
	Confirmed Routing = "confirmed" // read back, and seen on the data path
	Lost      Routing = "lost"      // superseded, failed or unknown: to be begun again from a fresh read
	Denied    Routing = "denied"    // the gateway refuses until an operator fixes something
)

// RouteObserved says how a gateway operation towards To is doing. Live is what the
// gateway pointed at when it was last read, "" when that is not known. Unconfirmed is, with
// Clear, why the checks of the public address fail before any traffic has moved. Rival is
// set when another writer's change took the place of the operation; Failing when the gateway
// has moved and the public address fails.
type RouteObserved struct {
	Release     int
	To          Color
	Status      Routing
	Operation   string
	Live        Color
	Unconfirmed string
	Rival       bool
	Failing     bool
	Detail      string
}

// TargetObserved says whether the rollback target can take the traffic. Hopeless is set
// while it runs its image and has no ready pod; Broken when its pods say that waiting does
// not help; Unmoved when the gateway was read and is at rest with the traffic where it was.
type TargetObserved struct {
	Release  int
	Color    Color
	Ready    bool
	Hopeless bool
	Broken   bool
	Unmoved  bool
	Detail   string
}

// Probed says how the live color, Color, and the rollback target looked, during the bake or
// because of an alert. Live and Target are what they were seen to run; nil when that could not
// be seen, or was not looked at. Checks is the verdict at the public address: Passed, Refuted,
// Unknown where none could be made, or "" where none is configured. Health is that of the
// gateway on the live color, "" when it was not asked. The details are words for people.
type Probed struct {
	Release      int
	Color        Color
	Health       Verdict
	Live, Target *Observed
	Checks       Verdict
	Warnings     []string // of the gateway, as in Looked
	Detail       string
	TargetDetail string
}

// SizeFreed says that the size of a color is not held any more, or, with Denied, why it
// cannot be freed.
type SizeFreed struct {
	Color  Color
	Denied string
}

// RegistryAsked says which of the images that State.Needs names the registry lacks and has.
// Of one that is in neither list it is not known.
type RegistryAsked struct{ Lacks, Has []Image }

// StepFailed says that a step failed for a reason that may pass.
type StepFailed struct{ Detail string }

// FenceRaised says that an object held a higher fence than the worker that has the app: it was
// changed outside bluegreen.
type FenceRaised struct{ Detail string }

// Ticked says that time has passed.
type Ticked struct{}

func (ImagePushed) event()     {}
func (AlertFired) event()      {}
func (Commanded) event()       {}
func (Looked) event()          {}
func (ColorSeen) event()       {}
func (DeployCleared) event()   {}
func (RolloutObserved) event() {}
func (ChecksBegun) event()     {}
func (ChecksEnded) event()     {}
func (ChecksObserved) event()  {}
func (RouteObserved) event()   {}
func (TargetObserved) event()  {}
func (Probed) event()          {}
func (SizeFreed) event()       {}
func (RegistryAsked) event()   {}
func (StepFailed) event()      {}
func (FenceRaised) event()     {}
func (Ticked) event()          {}

// FactKind names what a fact is about.
type FactKind string

const (
	ReleaseStarted   FactKind = "release-started"
	ReleaseSwitched  FactKind = "release-switched"
	ReleaseCompleted FactKind = "release-completed"
	ReleaseFailed    FactKind = "release-failed"
	ReleaseReturned  FactKind = "release-returned"
	HoldSet          FactKind = "hold-set"
	DriftFound       FactKind = "drift-found"
	Advanced         FactKind = "advanced"   // a release or a color changed
	Decided          FactKind = "decided"    // a decision that changes no phase
	Refused          FactKind = "refused"    // a command was refused
	Dropped          FactKind = "dropped"    // an event led to nothing, and says why
	NeedsHelp        FactKind = "needs-help" // an operator should look
)

// FactKinds are all kinds.
var FactKinds = []FactKind{
	ReleaseStarted, ReleaseSwitched, ReleaseCompleted, ReleaseFailed, ReleaseReturned, HoldSet, DriftFound, Advanced, Decided, Refused, Dropped, NeedsHelp,
}

// PublishedKinds are the kinds of facts that channels report.
func PublishedKinds() []FactKind {
	return []FactKind{ReleaseStarted, ReleaseSwitched, ReleaseCompleted, ReleaseFailed, ReleaseReturned, HoldSet, DriftFound, NeedsHelp}
}

// Published reports whether facts of this kind are published as outcomes.
func (k FactKind) Published() bool { return slices.Contains(PublishedKinds(), k) }

// Fact is one line of an app's history. Number is unique within the app. Text is for
// people; programs read Kind and Reason. Took is how long the phase that ended lasted, and
// Detail what was last seen in it; both only where a phase ended.
type Fact struct {
	Number  int
	At      time.Time
	Kind    FactKind
	Reason  reason.Reason
	Release int
	Phase   Phase
	Image   Image
	Live    Color
	By      Actor // who gave the command, or sent the alert, that led to it
	Began   Actor // who began the release
	Text    string
	Took    time.Duration
	Detail  string
	// Operation is the gateway's operation of the phase that ended.
	Operation string
}

// Line is the text as a list shows it, with who gave the command or sent the alert.
func (f Fact) Line() string {
	switch by := f.By.String(); {
	case by == "" || strings.Contains(f.Text, by):
		return f.Text
	case f.Kind == Refused:
		return f.Text + " (asked by " + by + ")"
	default:
		return f.Text + " (by " + by + ")"
	}
}

// Decision is what became of an event from outside: the first fact that it led to.
type Decision struct {
	Kind    FactKind
	Reason  reason.Reason
	Release int
	Text    string
}

// IsZero reports whether the event is not decided yet.
func (d Decision) IsZero() bool { return d.Kind == "" }

// DecisionOf returns what became of an event that led to the facts. That it ended another
// release first is not the decision.
func DecisionOf(e Event, facts []Fact) Decision {
	for _, f := range facts {
		if f.Reason != reason.Superseded && f.Reason != reason.CanceledForReturn && f.Reason != reason.TakenBack {
			return Decision{Kind: f.Kind, Reason: f.Reason, Release: f.Release, Text: f.Text}
		}
	}
	if _, ok := e.(ImagePushed); ok {
		return Decision{Kind: Dropped, Reason: reason.SamePush, Text: "it is the push that was decided before"}
	}
	return Decision{Kind: Decided, Reason: reason.Noted, Text: "noted"}
}
