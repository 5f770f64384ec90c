// Package api is the HTTP API as its callers see it: what is asked, what is answered,
// and a client. A changing request carries an Idempotency-Key: repeating it with the same
// key does nothing a second time and returns its progress. That header, and a JSON body,
// are also what a form on a foreign web page cannot send.
package api

import (
	"time"

	"bluegreen/internal/release"
)

// KeyHeader carries the idempotency key of a changing request: 1 to 128 letters, digits
// and . _ : ~ - in any order, chosen by the caller.
const KeyHeader = "Idempotency-Key"

// MaxBody bounds the body of a request, in bytes.
const MaxBody = 64 << 10

// Commands are the changing requests, in the order in which they are listed.
func Commands() []release.Command {
	return []release.Command{
		release.Switch, release.DeployImage, release.Promote, release.Rollback,
		release.PauseReleases, release.ResumeReleases, release.Cancel, release.ReleaseQuarantine,
	}
}

// App is what is known of one app.
type App struct {
	Name  string        `json:"name"`
	Phase release.Phase `json:"phase,omitempty"`
	// Sentence says what the app is doing, since when, until when, and what comes next.
	Sentence string        `json:"sentence"`
	Live     release.Color `json:"live,omitempty"`
	Colors   Colors        `json:"colors"`
	// Release is the one under way, or else the last one.
	Release     *Release             `json:"release,omitempty"`
	Waiting     *release.Image       `json:"waiting,omitempty"`
	Hold        *release.Note        `json:"hold,omitempty"`
	Pause       *release.Note        `json:"pause,omitempty"`
	Drift       *release.Drift       `json:"drift,omitempty"`
	Trouble     *release.Note        `json:"trouble,omitempty"`
	Quarantined []release.Quarantine `json:"quarantined,omitempty"`
	// Problems keep the app from being served, or will once they matter.
	Problems []string `json:"problems,omitempty"`
	// Pending counts accepted events that are not decided yet.
	Pending   int       `json:"pending,omitempty"`
	Busy      bool      `json:"busy"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	WakeAt    time.Time `json:"wakeAt,omitzero"`
}

// Colors are both colors of an app.
type Colors struct {
	Blue  Color `json:"blue"`
	Green Color `json:"green"`
}

// Role is what a color is for now.
type Role string

const (
	Live           Role = "live"
	RollbackTarget Role = "rollback-target"
	Idle           Role = "idle"
)

// Color is what is known of one color.
type Color struct {
	Role     Role          `json:"role"`
	Image    release.Image `json:"image,omitzero"`
	Replicas []int32       `json:"replicas,omitempty"` // last seen, per Deployment
	Verified bool          `json:"verified"`
	Retired  bool          `json:"retired"`
}

// Release is one image on its way to one color, or how that ended.
type Release struct {
	ID         int           `json:"id"`
	Phase      release.Phase `json:"phase"`
	Image      release.Image `json:"image,omitzero"`
	To         release.Color `json:"to"`
	From       release.Color `json:"from,omitempty"`
	By         string        `json:"by,omitempty"`
	Why        string        `json:"why,omitempty"`
	Force      bool          `json:"force,omitempty"`
	Approved   bool          `json:"approved,omitempty"`
	Began      time.Time     `json:"began,omitzero"`
	Since      time.Time     `json:"since,omitzero"` // of the phase
	SwitchedAt time.Time     `json:"switchedAt,omitzero"`
	EndedAt    time.Time     `json:"endedAt,omitzero"`
	Cause      string        `json:"cause,omitempty"`
	Detail     string        `json:"detail,omitempty"`
}

// Apps answers GET apps.
type Apps struct {
	Apps []App `json:"apps"`
	// Problems keep the whole configuration from being used; there are no apps then.
	Problems []string `json:"problems,omitempty"`
}

// History answers GET apps/{app}/history, newest first. Before, where it is not 0, asks
// for the facts that follow.
type History struct {
	App      string         `json:"app"`
	Sentence string         `json:"sentence,omitempty"`
	Facts    []release.Fact `json:"facts"`
	Before   int            `json:"before,omitempty"`
}

// Health answers GET health: the configuration as it was read, without any other request.
type Health struct {
	Status string      `json:"status"` // "ok", or "problems" when an app is not served
	Apps   []AppHealth `json:"apps"`
	// Problems keep the whole configuration from being used; there are no apps then.
	Problems []string `json:"problems,omitempty"`
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
	// Image is for deploy: a tag, or a digest "sha256:…".
	Image string `json:"image,omitempty"`
	// Digest is for release-quarantine, and binds promote.
	Digest string `json:"digest,omitempty"`
	// To and Force are for switch.
	To    release.Color `json:"to,omitempty"`
	Force bool          `json:"force,omitempty"`
	// Wait makes the answer come when the outcome is known, or after 200 s.
	Wait bool `json:"wait,omitempty"`
}

// Outcome says how far a changing request is.
type Outcome string

const (
	// Pending: accepted, and will be decided. Underway: decided, and not come to its end.
	Pending  Outcome = "pending"
	Underway Outcome = "underway"
	// NeedsPromote: the release waits for the command promote.
	NeedsPromote Outcome = "needs-promote"
	// Done: it is as was asked. Failed: it was tried and is not as was asked.
	Done   Outcome = "done"
	Failed Outcome = "failed"
)

// Final reports whether waiting longer changes nothing.
func (o Outcome) Final() bool { return o == Done || o == Failed || o == NeedsPromote }

// Answer answers a changing request that was not refused. The status is 202 while the
// outcome is Pending or Underway, and 200 otherwise.
type Answer struct {
	// ID identifies the accepted request; it contains the idempotency key.
	ID       string  `json:"id"`
	Outcome  Outcome `json:"outcome"`
	Decision string  `json:"decision,omitempty"`
	Sentence string  `json:"sentence"`
	App      App     `json:"app"`
}
