package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bluegreen/internal/release"
)

var (
	// ErrChanged means that the record was changed by another worker since it was
	// loaded: load again, decide again. Nothing of the commit was written.
	ErrChanged = errors.New("the record was changed by another worker")
	// ErrNotFound means that the thing asked for does not exist.
	ErrNotFound = errors.New("not found")
	// ErrFenced means that a newer worker has already acted. Adapters return it as a Fenced.
	ErrFenced = errors.New("a newer worker has acted for this app")
	// ErrBusy means that the gateway is being changed by another operation: begin again soon, from a fresh read.
	ErrBusy = errors.New("the gateway is being changed by another operation")
	// ErrDenied means that trying again cannot help until an operator fixes something;
	// the wrapping error says what.
	ErrDenied = errors.New("denied")
	// ErrNotPushed means that the registry does not have an image under the tag that an event names.
	ErrNotPushed = errors.New("the image is not in the registry under this tag")
	// ErrNotVerified means that no signature of an image is one that the configuration wants.
	// Adapters return it as an Unverified.
	ErrNotVerified = errors.New("not verified")
	// ErrOversized means that something is larger than what is read of it.
	ErrOversized = errors.New("larger than what is read")
	// ErrRefused means that a receiver has read a message and takes it at no time.
	ErrRefused = errors.New("the receiver does not take this message")
	// ErrNotAnImage means that a manifest is not a container image, for instance a Helm chart.
	ErrNotAnImage = errors.New("not a container image")
)

// Fenced is the ErrFenced of an object that holds a higher fence than the writer's.
type Fenced struct{ Held int64 }

func (f Fenced) Error() string { return fmt.Sprintf("%v: the fence %d is held", ErrFenced, f.Held) }

func (f Fenced) Unwrap() error { return ErrFenced }

// Unverified is the ErrNotVerified of an image. Why names each rule that is not met, and what was
// found instead.
type Unverified struct{ Why string }

func (u Unverified) Error() string { return u.Why }

func (u Unverified) Unwrap() error { return ErrNotVerified }

// Store keeps records, inboxes and history, one consistent partition per app.
type Store interface {
	// Load reads the record, the pending inbox (oldest first) and the channels of an app, by
	// name, in one consistent-enough view: the record's version decides any Commit. An app
	// never seen yields a Snapshot with an empty Version and a zero Record.
	Load(ctx context.Context, app string) (Snapshot, error)
	// Commit replaces the record that from was loaded with, takes the consumed entries
	// off the inbox with their decisions, appends the facts to the history and begins the
	// channels: all or nothing, durable when it returns. It fails with ErrChanged when the
	// record is not at from.Version any more, or a channel has begun. Any other error
	// leaves open whether it was done: load again. The returned snapshot holds the new
	// version; its inbox is from's without the consumed entries, its channels are from's and
	// those that were begun, these without a version.
	// At most 30 entries, 20 facts and 10 channels.
	Commit(ctx context.Context, from Snapshot, c Change) (Snapshot, error)
	// Accept puts an entry into the app's inbox, durably, unless an entry with its ID was
	// ever accepted (within the last 30 days). It reports whether it was new.
	Accept(ctx context.Context, app string, e Entry) (bool, error)
	// Accepted returns an entry by ID with its decision; ErrNotFound when never accepted.
	Accepted(ctx context.Context, app, id string) (Entry, error)
	// History returns at most limit facts, newest first, with numbers below before
	// (before 0: from the newest).
	History(ctx context.Context, app string, limit, before int) ([]release.Fact, error)
	// ListDue lists the due rows of all apps that have one, in no order.
	ListDue(ctx context.Context) ([]Due, error)
	// Due returns the due row of an app; a zero one where it has none.
	Due(ctx context.Context, app string) (Due, error)
	// Mark makes an app due at once, whether it has a row or not, and returns the row's new
	// version: no other mark and no row has it.
	Mark(ctx context.Context, app string) (version string, err error)
	// Settle saves each row, one for an app, that is still at its Version; it is not marked then.
	// It leaves the others as they are: they were marked, or settled by another process. After
	// an error some may be saved.
	Settle(ctx context.Context, rows []Due) error
	// Forget deletes each row, one for an app, that is still at its Version.
	Forget(ctx context.Context, rows []Due) error
	// Ticked keeps when the clock last ticked, and LastTick returns it; zero when it never did.
	Ticked(ctx context.Context, at time.Time) error
	LastTick(ctx context.Context) (time.Time, error)
	// Advance saves how far a channel of an app is, and returns it with its new version.
	// It fails with ErrChanged when the channel is not at c.Version any more; after any
	// other error it may be saved.
	Advance(ctx context.Context, app string, c Progress) (Progress, error)
	// Sweep deletes accepted entries, history and what is left of an Outbox, older than before.
	Sweep(ctx context.Context, app string, before time.Time) error
}

// Snapshot is what Load saw. Only Stores fill Version.
type Snapshot struct {
	App     string
	Version string
	Record  Record
	Inbox   []Entry
	// Channels is how far each channel is that ever began.
	Channels []Progress
	// Outbox is the number of the first fact that an earlier version of bluegreen, which
	// kept what the topic did not have yet in rows of its own, has left there; 0 for none.
	Outbox int
}

// Due is when a tick is to look after an app. See docs/decisions/0038.
type Due struct {
	App     string
	Version string // only Stores fill it
	// Marked is set from a mark until the row is settled: the app is to be loaded at once.
	Marked bool
	// At is when the app is to be loaded.
	At time.Time
	// Config is the fingerprint of the configuration that the row was settled with, and Commit
	// the mark of the commit that the record then was from.
	Config, Commit string
	// Glances are those of periodic tasks by their name.
	Glances map[string]Glance
}

// Glance is the last run of a periodic task that saw what the record has decided on: when, and
// the hash of what it saw. From Until on the task runs with the record; zero for never.
type Glance struct {
	At    time.Time
	Saw   string
	Until time.Time
}

// Progress is how far one channel of an app is in its history. Name is printable, at most 40
// bytes.
type Progress struct {
	Name    string
	Version string // only Stores fill it
	// Done is the number of the last fact that needs nothing more: it was delivered, is none
	// that the channel reports, or was given up.
	Done int
	// Until is the end of the claim of the process that delivers; zero without one.
	Until time.Time
	// Failing is since when the channel has failed, Why the last error, Tries how often in a
	// row, and Next when it is tried again; zero while it works.
	Failing time.Time
	Why     string
	Tries   int
	Next    time.Time
	// GivenUp counts the facts that were never delivered.
	GivenUp int
}

// String says how a channel that fails does so.
func (p Progress) String() string {
	return fmt.Sprintf("the channel %s has failed since %s, the next try is at %s: %s",
		p.Name, p.Failing.UTC().Format("15:04 UTC on 2 Jan"), p.Next.UTC().Format("15:04 UTC"), p.Why)
}

// Record is an app's saved state.
type Record struct {
	// Schema is the form that the record was last written in; see the
	// constant schema.
	Schema int
	State  release.State
	Lease  Lease
	// Commit is the mark of the commit that wrote this record; each commit has its own.
	Commit string
	// WakeAt is when the app is next to be worked on; a wake-up for it has been sent.
	WakeAt    time.Time
	Preflight PreflightResult
	// Ran is when each periodic task last ran, by its name.
	Ran map[string]time.Time
	// SavedAt is when the record was saved last. It never goes back, whatever the clocks of
	// workers show.
	SavedAt time.Time
	// Unknown are stored fields that this version does not know, opaque to all but the
	// encoding, which writes them again.
	Unknown any
}

// PreflightResult says which configuration the resources were checked for, by its
// fingerprint, and the warnings.
type PreflightResult struct {
	Config   string
	Warnings []string
}

// Lease says who acts for the app. Fence grows with each claim.
type Lease struct {
	Owner string
	Until time.Time
	Fence int64
}

// Entry is an accepted event. ID is the event's own identity, printable, at most 400
// bytes. Decision is zero while it is pending.
type Entry struct {
	ID       string
	Event    release.Event
	At       time.Time
	Decision release.Decision
	// Unreadable is set instead of Event when a store holds an event that this version
	// cannot read.
	Unreadable *Unreadable
}

// Unreadable is a stored event as it is, and why it cannot be read.
type Unreadable struct {
	Kind  string
	Event json.RawMessage
	Why   string
}

// Change is what one Commit writes. Consumed entries carry their decisions. Begun are the
// channels that were not there.
type Change struct {
	Record   Record
	Consumed []Entry
	Facts    []release.Fact
	Begun    []Progress
}

// Wakeups brings a worker to an app.
type Wakeups interface {
	// Wake makes the app be worked on at the given time or soon after, at least once in
	// the ordinary case; the clock tick covers for one that is lost.
	Wake(ctx context.Context, app string, at time.Time) error
}

// Gateway moves one app's traffic.
type Gateway interface {
	// Live reads what the gateway's configuration points at.
	Live(ctx context.Context) (Reading, error)
	// Switch begins to point every reference of the app at the color: it reads afresh, or writes
	// only if nothing was changed since the last read, changes only those references and writes once, also when they already point there
	// (only a write ensures that no other write is still on its way). It returns the
	// running operation, or one that is Done. Errors: ErrBusy, ErrDenied, ErrFenced; any other
	// leaves open whether the write was done. The context's deadline is when the lease
	// makes the write unsafe: nothing is sent after it.
	Switch(ctx context.Context, to release.Color, fence int64) (Operation, error)
	// Poll looks at a running operation by its token, from any process, without waiting.
	// An operation that ended otherwise than well is Lost, with the reason in Detail.
	Poll(ctx context.Context, token string) (Operation, error)
	// Health is the gateway's own view of a color's backends.
	Health(ctx context.Context, c release.Color) (Health, error)
}

// Reading is what a gateway points at. Live is "" when that is not exactly one color;
// Detail then names each reference and what it points at.
type Reading struct {
	Live   release.Color
	Detail string
	// Underway is set while the gateway carries out a write, by whomever: users may still
	// meet what was there before.
	Underway bool
	// Warnings are what is wrong although Live is right, for instance a gateway that is
	// stopped: each a sentence with its correction. Detail has them too.
	Warnings []string
	// Lag is for how long after its end a change may still be unknown to users' resolvers.
	Lag time.Duration
}

// Operation is a gateway change. Token is opaque and at most 8 KiB. Denied is set with Lost
// when only an operator can fix the cause, which Detail names.
type Operation struct {
	Token  string
	Done   bool
	Lost   bool
	Denied bool
	Detail string
}

// Health is a gateway's view of a color. Unknown is set when the gateway does not report it.
type Health struct {
	Healthy bool
	Unknown bool
	Detail  string
}

// Workloads runs one app's colors. Several Deployments of a color count as one.
type Workloads interface {
	// Observe reports how far the color is towards running the image (a zero digest: whatever
	// it runs) with every wanted replica ready. While the status is Progressing or PullFailing
	// it waits up to wait for it to change. An unreachable cluster is an error. With a wait, what is
	// reported may come from a watch, and be as old as that is late; without, it is read afresh.
	Observe(ctx context.Context, c release.Color, i release.Image, wait time.Duration) (Workload, error)
	// Deploy makes the color ask for the order's image and size; what is so already is left
	// alone, so that repeating it changes nothing. Even then an order with a lower fence is
	// refused from now on. Errors: ErrFenced, ErrDenied.
	Deploy(ctx context.Context, o Order) error
	// Scale sets the size of every Deployment of the color, fenced as Deploy is. Errors:
	// ErrFenced, ErrDenied.
	Scale(ctx context.Context, c release.Color, replicas int32, fence int64) error
}

// Workload is what a color runs. Running is the image of its pod templates; where they name
// only a tag, the digest is that of its pods, and empty when they have none or differ. Where they
// name a digest, its tag is that of the image asked for, if that is the same; Noted is then a tag that
// is written there, by anyone who may write there.
// Matches is set when that is the image asked for and no Deployment is below the size that
// its color's order last asked for. A color with a Deployment that is gone is Broken, with
// no size and no ready pod there; it is no error.
type Workload struct {
	Status   release.Rollout
	Matches  bool
	Running  release.Image
	Noted    string
	Replicas []int32 // wanted, per Deployment in configured order
	Ready    int32
	ReadyOf  []int32 // per Deployment
	Detail   string  // with the pods' own reasons
	// ChangedBy is the field manager that last set image or size, where that was not
	// bluegreen; "" otherwise, and where it is not known.
	ChangedBy string
}

// Order asks for an image on a color. A zero digest keeps the image and only sets the size.
// Each Deployment gets the largest of: Size (by position), the minimum of its
// HorizontalPodAutoscaler, and 1. One that is larger is left so unless Shrink is set.
type Order struct {
	Color  release.Color
	Image  release.Image
	Size   []int32
	Shrink bool
	Fence  int64
}

// Autoscaled is the extra ability of Workloads to keep an autoscaler from shrinking a color
// while a release deploys to it.
type Autoscaled interface {
	// HoldSize raises the minimum of each autoscaler of the color to the size that its
	// Deployment has now, at most the maximum, and notes what it was. Repeating it keeps that
	// note and follows a larger size. It is not held when
	// the right to change one is missing, or when another controller would put the minimum
	// back; why says which, in words. Nor is it held when the color has no active autoscaler;
	// why is then "". Errors: ErrFenced, and what may pass.
	HoldSize(ctx context.Context, c release.Color, fence int64) (held bool, why string, err error)
	// FreeSize puts back what HoldSize raised, unless it was changed outside bluegreen since.
	// Nothing to put back is no error. Errors: ErrFenced, ErrDenied.
	FreeSize(ctx context.Context, c release.Color, fence int64) error
}

// Registry knows the images of one app's repository.
type Registry interface {
	// Resolve returns the image that a tag or a digest ("sha256:…") names. Errors:
	// ErrNotFound, ErrNotAnImage.
	Resolve(ctx context.Context, ref string) (release.Image, error)
	// Newest lists images that the app's tag policy admits, newest first, at most limit.
	Newest(ctx context.Context, limit int) ([]release.Image, error)
}

// Signatures knows who signed the images of one app's repository.
type Signatures interface {
	// Verify returns who signed the image of a digest, as the rules of the configuration want
	// it: the evidence, in one line. Errors: ErrNotVerified, as an Unverified; another signature
	// may come later. Any other error means that it is not known.
	Verify(ctx context.Context, digest string) (signer string, err error)
}

// Check finds out whether a color, or what users get, is as it should be. HTTP requests,
// Jobs and the gateway's own view of health are checks. A check that is listed several
// times in a row must pass as often; its type is comparable, so that this is seen.
type Check interface {
	// Run makes the check once, in bounded time. It may be repeated, by any worker.
	Run(ctx context.Context, s Subject) Result
}

// Subject is what a check is about. For a Maker, Run is the random name of this run, and Made what it
// made for it, as far as that is recorded.
type Subject struct {
	Release int
	Color   release.Color
	Image   release.Image
	Run     string
	Made    string
}

// Result is what a check found. Detail says in words what was wrong, or what was not seen.
// Made is set when the check has made something just now: nothing that it finds is believed
// before that is recorded. Again is set when what it made is gone, or may not be its own: the
// check needs another run. Signer is who signed the image, where the check is of that; Unsigned
// is set where no signature counts.
type Result struct {
	Verdict  release.Verdict
	Detail   string
	Made     string
	Again    bool
	Signer   string
	Unsigned bool
}

// Maker is the extra ability of a Check that makes something in a cluster for each run, such as
// a Job.
type Maker interface {
	// End deletes what was made for a run. That it is gone is no error.
	End(ctx context.Context, s Subject) error
}

// Sourced is the extra ability of a Registry to say what an image was built from.
type Sourced interface {
	// Source reads that of the image's own annotations or labels; empty where it has none.
	// Errors: ErrNotFound, ErrNotAnImage.
	Source(ctx context.Context, digest string) (Source, error)
}

// Source is where an image says that it comes from: the address of a repository, and a
// revision in it. Whoever pushes an image decides what it says.
type Source struct{ URL, Revision string }

// Notifier delivers what became of releases to one receiver.
type Notifier interface {
	// Notify delivers a message, in the time of the context. The same message may come
	// again, also to another process, and has the same identity then. Errors: ErrRefused, where the
	// receiver takes this message at no time; a Later, where it names the time.
	Notify(ctx context.Context, m Message) error
}

// Message is a fact, and how its app is at the time of the message. Link leads to the page of
// the app, "" where its address is not known.
type Message struct {
	App    string
	Fact   release.Fact
	Status release.Status
	Colors []release.ColorText
	Link   string
}

// Later is an error of a receiver that wants no message for some time.
type Later struct {
	Err   error
	After time.Duration
}

func (l Later) Error() string { return l.Err.Error() }

func (l Later) Unwrap() error { return l.Err }

// Preflight is the extra ability of an adapter to find out before its first use whether the
// resources that the configuration names exist and may be used.
type Preflight interface {
	// Preflight returns one finding for each problem. An error means that it is unknown
	// whether there are any.
	Preflight(ctx context.Context) ([]Finding, error)
}

// Certified is the extra ability of a Check to say until when the certificate is valid that its
// server shows.
type Certified interface {
	// Certificate returns the zero time where the server shows none.
	Certificate(ctx context.Context, s Subject) (until time.Time, err error)
}

// ByColor is the extra ability of Workloads to be checked one color at a time, so that trouble
// with one cluster hides nothing of the other.
type ByColor interface {
	// Place says where a color runs.
	Place(c release.Color) string
	// Reach finds what would keep the cluster of a color from being reached again.
	Reach(ctx context.Context, c release.Color) ([]Finding, error)
	// PreflightOf is what Preflight finds of a color.
	PreflightOf(ctx context.Context, c release.Color) ([]Finding, error)
}

// Entitled is the extra ability of an adapter to find out which rights it lacks that are needed
// at a write only.
type Entitled interface {
	// Lacking returns one finding for each right. An error means that it is unknown whether
	// there are any.
	Lacking(ctx context.Context) ([]Finding, error)
}

// Finding is one problem that a Preflight found. A release cannot start unless it is only a
// Warning.
type Finding struct {
	// Text is one sentence: the cause, a colon, and the command, permission or setting that
	// fixes it. Where Fix is set, it is the cause alone.
	Text    string
	Fix     string
	Warning bool
}

// ObjectID stands in a fix for the object id of the app's identity.
const ObjectID = "OBJECT-ID"

// Parts are the cause and the fix.
func (f Finding) Parts() (cause, fix string) {
	if f.Fix != "" {
		return f.Text, f.Fix
	}
	cause, fix, _ = strings.Cut(f.Text, ": ")
	return cause, fix
}

// Denied makes a finding of an ErrDenied. What says where it came up is left out before the cause.
func Denied(err error) Finding {
	var plain interface{ Cause() string }
	if errors.As(err, &plain) {
		return Finding{Text: plain.Cause()}
	}
	_, cause, found := strings.Cut(err.Error(), ErrDenied.Error()+": ")
	if !found {
		cause = err.Error()
	}
	return Finding{Text: cause}
}
