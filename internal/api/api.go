// Package api is the HTTP API as its callers see it: what is asked, what is answered,
// and a client. A changing request carries an Idempotency-Key: repeating it with the same
// key does nothing a second time and returns its progress. That header, and a JSON body,
// are also what a form on a foreign web page cannot send.
package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// KeyHeader carries the idempotency key of a changing request: 1 to 128 letters, digits
// and . _ : ~ - in any order, chosen by the caller.
const KeyHeader = "Idempotency-Key"

// MaxBody bounds the body of a request, in bytes.
const MaxBody = 64 << 10

// App is what is known of one app.
type App struct {
	Name  string        `json:"name"`
	Phase release.Phase `json:"phase,omitempty"`
	// Status says what the app is doing, until when, what comes next, and what needs a person.
	Status Status        `json:"status"`
	Live   release.Color `json:"live,omitempty"`
	Colors Colors        `json:"colors"`
	// Release is the one under way, or else the last one.
	Release     *Release     `json:"release,omitempty"`
	Waiting     *Image       `json:"waiting,omitempty"`
	Hold        *Note        `json:"hold,omitempty"`
	Pause       *Note        `json:"pause,omitempty"`
	Drift       *Drift       `json:"drift,omitempty"`
	Trouble     *Note        `json:"trouble,omitempty"`
	Quarantined []Quarantine `json:"quarantined,omitempty"`
	// RollbackTarget is where a rollback returns traffic to; none when there is no such color.
	RollbackTarget *Target `json:"rollbackTarget,omitempty"`
	// Good are the last images whose bake ended well, newest first.
	Good []Image `json:"good,omitempty"`
	// Problems keep the app from being served, or will once they matter.
	Problems []string `json:"problems,omitempty"`
	// Channels are the receivers of outcomes.
	Channels []Channel `json:"channels,omitempty"`
	// Pending counts accepted events that are not decided yet.
	Pending int  `json:"pending,omitempty"`
	Busy    bool `json:"busy"`
	// UpdatedAt is when the record was saved last; it never goes back.
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	WakeAt    time.Time `json:"wakeAt,omitzero"`
	// LiveSince is since when the live color has served, Baked whether its bake ended well.
	LiveSince time.Time `json:"liveSince,omitzero"`
	Baked     bool      `json:"baked"`
}

// Status says in short parts, for people, what an app is doing; a part with nothing to say is
// missing. Times are given as seen from the moment of the answer.
type Status struct {
	Standing release.Standing `json:"standing"`
	Headline string           `json:"headline"` // at most 120 characters
	Needs    []Need           `json:"needsYou,omitempty"`
	Live     string           `json:"live,omitempty"`
	Doing    string           `json:"doing,omitempty"`
	Until    string           `json:"until,omitempty"`
	Rollback string           `json:"rollback,omitempty"`
	Held     []string         `json:"held,omitempty"`
	Trouble  string           `json:"trouble,omitempty"`
	Next     string           `json:"next,omitempty"`
}

// Need is something that only a person can decide or fix, and what helps, the safest first.
type Need struct {
	Why   string   `json:"why"`
	Helps []Remedy `json:"helps,omitempty"`
}

// Remedy is a command that helps, as a command line and by name and fields, and what it does
// here.
type Remedy struct {
	Command string            `json:"command"`
	Does    string            `json:"does"`
	Name    release.Command   `json:"name"`
	Fields  map[string]string `json:"fields,omitempty"`
}

// Part is one labelled line of a status.
type Part struct{ Label, Text string }

// Parts are the lines of a status that have a text, in the order of reading. A
// command that helps stands below its need, without a label.
func (s Status) Parts() (parts []Part) {
	for _, n := range s.Needs {
		parts = append(parts, Part{"NEEDS YOU", n.Why})
		for _, r := range n.Helps {
			parts = append(parts, Part{"", r.Command + "   # " + r.Does})
		}
	}
	parts = append(parts, Part{"LIVE", s.Live}, Part{"DOING", s.Doing}, Part{"UNTIL", s.Until}, Part{"ROLLBACK", s.Rollback})
	for _, h := range s.Held {
		parts = append(parts, Part{"HELD", h})
	}
	parts = append(parts, Part{"TROUBLE", s.Trouble}, Part{"NEXT", s.Next})
	return slices.DeleteFunc(parts, func(p Part) bool { return p.Text == "" })
}

// String is the headline, and below it the labelled parts.
func (s Status) String() string {
	text := s.Headline
	for _, p := range s.Parts() {
		text += fmt.Sprintf("\n  %-9s %s", p.Label, p.Text)
	}
	return text
}

// Channel is a receiver of outcomes. Behind counts the facts of the history, outcomes or not, that
// come after the last one that it needs nothing more of.
type Channel struct {
	Name         string    `json:"name"`
	Behind       int       `json:"behind"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	Why          string    `json:"why,omitempty"`
	NextTry      time.Time `json:"nextTry,omitzero"`
	GivenUp      int       `json:"givenUp,omitempty"` // outcomes that it never got
}

// Colors are both colors of an app.
type Colors struct {
	Blue  Color `json:"blue"`
	Green Color `json:"green"`
}

// Role is the part that a color plays now.
type Role string

const (
	Live           Role = "live"
	RollbackTarget Role = "rollback-target"
	Idle           Role = "idle"
)

// Color is what is known of one color. Image is what it is taken to run: what was seen at
// SeenAt, or what was ordered since.
type Color struct {
	Role     Role      `json:"role,omitempty"` // none where the app cannot be read
	Image    Image     `json:"image,omitzero"`
	Ordered  Image     `json:"ordered,omitzero"`   // last asked for by bluegreen
	Observed Image     `json:"observed,omitzero"`  // last seen
	Replicas []int32   `json:"replicas,omitempty"` // wanted when last seen, per Deployment
	Ready    int32     `json:"ready"`              // pods, when last seen
	Needed   []int32   `json:"needed,omitempty"`   // replicas when all of its pods were last ready
	SeenAt   time.Time `json:"seenAt,omitzero"`
	Checked  bool      `json:"checked"` // what was last seen has passed the checks
	// Signer is who signed what was last seen, where a signature was asked for and verified.
	Signer  string `json:"signer,omitempty"`
	Retired bool   `json:"retired"`
	// Suspect is set after a failover on the color that traffic left.
	Suspect *Note `json:"suspect,omitempty"`
}

// Image is one image of the app's repository.
type Image struct {
	Digest   string    `json:"digest,omitempty"`
	Tag      string    `json:"tag,omitempty"`
	PushedAt time.Time `json:"pushedAt,omitzero"`
}

// String is the image's tag with a short digest.
func (i Image) String() string { return release.Image(i).String() }

// Target is a color as it served.
type Target struct {
	Color    release.Color `json:"color"`
	Image    Image         `json:"image,omitzero"`
	Replicas []int32       `json:"replicas,omitempty"`
	Until    time.Time     `json:"until,omitzero"` // alerts return traffic to it before
}

// Actor is who gave a command or sent an alert.
type Actor struct {
	Claimed string `json:"claimed,omitempty"` // by the request, and not proven
	Proven  string `json:"proven,omitempty"`  // object id or application id of the token
	Name    string `json:"name,omitempty"`    // in the token
	Route   string `json:"route,omitempty"`   // the function that the request came through
	Key     string `json:"key,omitempty"`     // the first 8 hexadecimal digits of the function key's SHA-256
}

// Note is who did something, why, and when.
type Note struct {
	By    string    `json:"by,omitempty"` // the actor for people
	Actor Actor     `json:"actor,omitzero"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// Quarantine is a digest that does not go live by itself.
type Quarantine struct {
	Image Image     `json:"image"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// Drift says that the gateway was changed outside bluegreen.
type Drift struct {
	Live   release.Color `json:"live,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Since  time.Time     `json:"since,omitzero"`
}

// Decision is what became of a request: kind and reason for programs, text for people.
type Decision struct {
	Kind    release.FactKind `json:"kind"`
	Reason  reason.Reason    `json:"reason"`
	Release int              `json:"release,omitempty"`
	Text    string           `json:"text"`
}

// Fact is one line of the history. Took, in seconds, Detail and Operation are of the phase
// that ended with it.
type Fact struct {
	Number    int              `json:"number"`
	At        time.Time        `json:"at"`
	Kind      release.FactKind `json:"kind"`
	Reason    reason.Reason    `json:"reason"`
	Release   int              `json:"release,omitempty"`
	Phase     release.Phase    `json:"phase,omitempty"`
	Image     Image            `json:"image,omitzero"`
	Live      release.Color    `json:"live,omitempty"`
	By        string           `json:"by,omitempty"` // the actor for people
	Actor     Actor            `json:"actor,omitzero"`
	Began     Actor            `json:"began,omitzero"` // who began the release
	Text      string           `json:"text"`
	Line      string           `json:"line"` // the text as a list shows it
	Took      float64          `json:"took,omitempty"`
	Detail    string           `json:"detail,omitempty"`
	Operation string           `json:"operation,omitempty"`
}

// Release is one image on its way to one color, or how that ended.
type Release struct {
	ID         int           `json:"id"`
	Phase      release.Phase `json:"phase"`
	Image      Image         `json:"image,omitzero"`
	To         release.Color `json:"to"`
	From       release.Color `json:"from,omitempty"`
	By         string        `json:"by,omitempty"` // who began it, for people
	Actor      Actor         `json:"actor,omitzero"`
	Why        string        `json:"why,omitempty"`
	Force      bool          `json:"force,omitempty"`
	Approved   bool          `json:"approved,omitempty"`
	Began      time.Time     `json:"began,omitzero"`
	Since      time.Time     `json:"since,omitzero"` // of the phase
	SwitchedAt time.Time     `json:"switchedAt,omitzero"`
	EndedAt    time.Time     `json:"endedAt,omitzero"`
	BakeUntil  time.Time     `json:"bakeUntil,omitzero"`
	LookedAt   time.Time     `json:"lookedAt,omitzero"`  // in the bake: the last look
	GoodLooks  int           `json:"goodLooks,omitzero"` // in a row
	Misses     int           `json:"misses,omitzero"`    // failed checks in a row
	Reason     reason.Reason `json:"reason,omitempty"`   // why it returns or has ended
	Cause      string        `json:"cause,omitempty"`    // the same in words
	Detail     string        `json:"detail,omitempty"`
}

// Apps answers GET apps: a page of them, by name.
type Apps struct {
	Apps []App `json:"apps"`
	// Next is the address of the page that follows; none on the last one.
	Next string `json:"next,omitempty"`
	// LastTick is when the clock last ticked, which it does every minute. Silence says what is
	// wrong where that is too long ago.
	LastTick time.Time `json:"lastTick,omitzero"`
	Silence  string    `json:"silence,omitempty"`
	// Problems keep the whole configuration from being used; the apps, if any, are those of the
	// last good one.
	Problems []string `json:"problems,omitempty"`
}

// History answers GET apps/{app}/history: a page of it, the newest first. Before and Next, where
// there are older facts, ask for those.
type History struct {
	App      string `json:"app"`
	Headline string `json:"headline,omitempty"`
	Facts    []Fact `json:"facts"`
	Before   int    `json:"before,omitempty"`
	Next     string `json:"next,omitempty"` // address of the page that follows
}

// Health answers GET health.
type Health struct {
	// Needs is what only a person can decide or fix, in all apps; none unless it is asked for.
	Needs []AppNeed `json:"needs,omitzero"`
	// Unread is how many apps were not read in time: what they need is not known.
	Unread int `json:"unread,omitempty"`
	// Status is "ok", or "problems" when an app is not served with its configuration.
	Status string      `json:"status"`
	Apps   []AppHealth `json:"apps"`
	// Problems keep the whole configuration from being used; the apps, if any, are those of the
	// last good one.
	Problems []string `json:"problems,omitempty"`
}

// AppNeed is a need of an app.
type AppNeed struct {
	App string `json:"app"`
	Need
}

// AppHealth says what keeps an app from being served; nothing when it is.
type AppHealth struct {
	Name     string   `json:"name"`
	Problems []string `json:"problems,omitempty"`
}

// Request is the body of a changing request.
type Request struct {
	Why string `json:"why,omitempty"`
	By  string `json:"by,omitempty"` // the claimed name, for callers that are not signed in
	// Image is for deploy: a tag, a digest "sha256:…", or the beginning of a known one.
	Image string `json:"image,omitempty"`
	// Digest is for release-quarantine, and binds promote.
	Digest string `json:"digest,omitempty"`
	// Tag is for forget.
	Tag string `json:"tag,omitempty"`
	// To is a color for switch, and a version for rollback; Force is for these and failover.
	To    string `json:"to,omitempty"`
	Force bool   `json:"force,omitempty"`
	// For is for extend: a duration such as 30m.
	For string `json:"for,omitempty"`
	// Wait keeps the answer back until that is reached, or for 200 s. Without it the answer comes
	// with the decision.
	Wait Wait `json:"wait,omitempty"`
}

// Wait is what a caller waits for besides the decision. It is sent as text, or as true, which
// stands for Completed.
type Wait string

const (
	WaitSwitched  Wait = "switched"  // traffic has moved; a bake may still return it
	WaitCompleted Wait = "completed" // nothing is left to come, the bake included
)

// UnmarshalJSON implements json.Unmarshaler. It takes any text: Valid judges it.
func (w *Wait) UnmarshalJSON(data []byte) error {
	var yes bool
	if json.Unmarshal(data, &yes) == nil {
		if *w = ""; yes {
			*w = WaitCompleted
		}
		return nil
	}
	return json.Unmarshal(data, (*string)(w))
}

// Valid reports whether a caller can wait for that.
func (w Wait) Valid() bool { return w == "" || w == WaitSwitched || w == WaitCompleted }

// Over reports whether a caller that waits for w has its answer with an outcome.
func (w Wait) Over(o Outcome) bool {
	switch w {
	case "":
		return o != Pending
	case WaitSwitched:
		return o.Final() || o == Switched
	}
	return o.Final()
}

// Outcome says how far a changing request is.
type Outcome = release.Outcome

const (
	Pending      = release.OutcomePending
	Underway     = release.OutcomeUnderway
	NeedsPromote = release.OutcomeNeedsPromote
	Switched     = release.OutcomeSwitched
	Done         = release.OutcomeDone
)

// Answer answers a changing request that was neither refused nor failed, which are errors. The
// status is 200 once what the caller waits for is reached, and 202 before: without Wait, 202 says
// that the request is not decided yet.
type Answer struct {
	// ID identifies the accepted request; it contains the idempotency key.
	ID       string    `json:"id"`
	Outcome  Outcome   `json:"outcome"`
	Text     string    `json:"text"`               // the outcome in a sentence
	Decision *Decision `json:"decision,omitempty"` // none while the outcome is pending
	App      App       `json:"app"`
}
