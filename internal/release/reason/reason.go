// Package reason names why the core decided as it did. A reason is data: it is stored with
// the decision, compared by programs and given out by the API. Its wording is in
// release/text.go and may change at any time.
package reason

// Reason names why something was decided. The text is stable.
type Reason string

const (
	// What became of an image.
	Started           Reason = "started"
	Waits             Reason = "waits"
	Quarantined       Reason = "quarantined"
	AlreadyLive       Reason = "already-live"
	AlreadyReleasing  Reason = "already-releasing"
	AlreadyWaiting    Reason = "already-waiting"
	AlreadyTried      Reason = "already-tried"
	Older             Reason = "older"
	Superseded        Reason = "superseded"
	ReleaseUnderway   Reason = "release-underway"
	ManySuperseded    Reason = "many-superseded"
	Paused            Reason = "paused"
	Held              Reason = "held"
	Drifted           Reason = "drifted"
	TakenFromQueue    Reason = "waited-and-quarantined"
	ChangedInMidst    Reason = "changed-outside"
	CanceledForReturn Reason = "canceled-for-return"

	// How a release goes on.
	RolledOut         Reason = "rolled-out"
	RolloutFailed     Reason = "rollout-failed"
	PullFailed        Reason = "pull-failed"
	RolloutTimedOut   Reason = "rollout-timed-out"
	ChecksPassed      Reason = "checks-passed"
	ChecksFailed      Reason = "checks-failed"
	ChecksTimedOut    Reason = "checks-timed-out"
	ChecksOfOther     Reason = "checks-of-another-image"
	CheckAgain        Reason = "check-again"
	AwaitsResume      Reason = "awaits-resume"
	AwaitsApproval    Reason = "awaits-approval"
	Approved          Reason = "approved"
	GatePromoted      Reason = "gate-promoted"
	GateCanceled      Reason = "gate-canceled"
	Forced            Reason = "forced"
	Switched          Reason = "switched"
	SwitchDenied      Reason = "switch-denied"
	SwitchTimedOut    Reason = "switch-timed-out"
	BakeEnded         Reason = "bake-ended"
	BakeEndedEarly    Reason = "bake-ended-early"
	BakeExtended      Reason = "bake-extended"
	ProbesFailed      Reason = "probes-failed"
	ScaledDown        Reason = "scaled-down"
	Returning         Reason = "returning"
	Returned          Reason = "returned"
	ReturnBlocked     Reason = "return-blocked"
	TargetNotReady    Reason = "rollback-target-not-ready"
	NothingBefore     Reason = "nothing-served-before"
	TargetUnhealthy   Reason = "rollback-target-unhealthy"
	HoldAfterRollback Reason = "hold-after-rollback"

	// What became of an alert.
	Alert               Reason = "alert"
	AlertOfTarget       Reason = "alert-of-rollback-target"
	AlertOfIdle         Reason = "alert-of-idle-color"
	AlertWhileReturning Reason = "alert-while-returning"
	AlertBeforeSwitch   Reason = "alert-before-switch"
	AlertOutOfWindow    Reason = "alert-after-window"
	AlertNoRelease      Reason = "alert-without-release"
	AlertNoTarget       Reason = "alert-without-rollback-target"
	AlertInDrift        Reason = "alert-in-drift"

	// What became of a command.
	RolledBack       Reason = "rolled-back"
	AlreadyReturning Reason = "already-returning"
	PausedNow        Reason = "paused-now"
	Resumed          Reason = "resumed"
	Canceled         Reason = "canceled"
	WaitingCanceled  Reason = "waiting-canceled"
	Unquarantined    Reason = "released-from-quarantine"
	NoSuchCommand    Reason = "no-such-command"
	NotBaking        Reason = "not-baking"
	OutOfRange       Reason = "out-of-range"
	NotTheRelease    Reason = "not-the-present-release"
	NothingToPromote Reason = "nothing-to-promote"
	NothingToResume  Reason = "nothing-to-resume"
	NothingToCancel  Reason = "nothing-to-cancel"
	NothingThere     Reason = "nothing-on-color"
	NoTarget         Reason = "no-rollback-target"
	NotQuarantined   Reason = "not-quarantined"
	NotServed        Reason = "no-traffic-yet"
	PromoteOrCancel  Reason = "promote-or-cancel-first"
	RollBackInstead  Reason = "roll-back-instead"
	IsScaledDown     Reason = "is-scaled-down"
	AmbiguousGateway Reason = "ambiguous-gateway"

	// What was seen.
	TakenOver       Reason = "taken-over"
	TakenOverEmpty  Reason = "taken-over-empty"
	DriftEnded      Reason = "drift-ended"
	GatewayUnderway Reason = "gateway-underway"
	LiveChanged     Reason = "live-color-changed"

	// What happened to an entry of the inbox that the core did not decide.
	Noted      Reason = "noted"
	Unreadable Reason = "unreadable"
	Unrecorded Reason = "unrecorded" // decided by a version that stored the text only
)
