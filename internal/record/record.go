// Package record is the stored form of what the engine keeps: an app's record, its inbox
// entries and its history. The core's types carry no encoding; conversion is here alone.
// A handler keeps stored fields that it does not know, so that handlers of neighbouring
// schemas work on one record; see docs/decisions/0010.
package record

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf16"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// row is the record's row. State is the form of schema 1, which handlers of schema 1
// read and write; App is the present form. A row without App was last written by such a
// handler.
type row struct {
	Schema   int       `json:"schema"`
	State    stateV1   `json:"state"`
	Lease    lease     `json:"lease,omitzero"`
	Commit   string    `json:"commit,omitempty"`
	WakeAt   time.Time `json:"wakeAt,omitzero"`
	Checked  string    `json:"checked,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	App      *app      `json:"app,omitempty"`
}

type lease struct {
	Owner string    `json:"owner,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Fence int64     `json:"fence,omitempty"`
}

// app is the record since schema 2.
type app struct {
	Schema      int                  `json:"schema"`
	Name        string               `json:"name"`
	Known       bool                 `json:"known,omitempty"`
	Serving     serving              `json:"serving,omitzero"`
	Blue        color                `json:"blue,omitzero"`
	Green       color                `json:"green,omitzero"`
	Release     releaseForm          `json:"release,omitzero"`
	CheckRun    checkRun             `json:"checkRun,omitzero"`
	Releases    int                  `json:"releases,omitempty"`
	Good        []image              `json:"good,omitempty"`
	Waiting     image                `json:"waiting,omitzero"`
	WaitingBy   note                 `json:"waitingBy,omitzero"`
	LastPush    push                 `json:"lastPush,omitzero"`
	Newest      image                `json:"newest,omitzero"`
	Quarantined []quarantine         `json:"quarantined,omitempty"`
	Hold        note                 `json:"hold,omitzero"`
	Pause       note                 `json:"pause,omitzero"`
	Drift       drift                `json:"drift,omitzero"`
	Trouble     note                 `json:"trouble,omitzero"`
	Alarmed     string               `json:"alarmed,omitempty"`
	Help        help                 `json:"help,omitzero"`
	LastAlarm   string               `json:"lastAlarm,omitempty"`
	LastAlarmAt time.Time            `json:"lastAlarmAt,omitzero"`
	Fought      []time.Time          `json:"fought,omitempty"`
	Alert       pendingAlert         `json:"alert,omitzero"`
	Missing     []image              `json:"missing,omitempty"`
	Overtaken   int                  `json:"overtaken,omitempty"`
	Facts       int                  `json:"facts,omitempty"`
	Ran         map[string]time.Time `json:"ran,omitempty"`
	SavedAt     time.Time            `json:"savedAt,omitzero"`
}

type pendingAlert struct {
	Alert    alertFired `json:"alert,omitzero"`
	Color    string     `json:"color,omitempty"`
	Firing   []string   `json:"firing,omitempty"`
	LookedAt time.Time  `json:"lookedAt,omitzero"`
	Until    time.Time  `json:"until,omitzero"`
	Result   string     `json:"result,omitempty"`
	Seen     string     `json:"seen,omitempty"`
}

type serving struct {
	Color    string    `json:"color,omitempty"`
	Points   string    `json:"points,omitempty"`
	Image    image     `json:"image,omitzero"`
	Since    time.Time `json:"since,omitzero"`
	Release  int       `json:"release,omitempty"`
	RoutedAt time.Time `json:"routedAt,omitzero"`
	Previous target    `json:"previous,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Baked    bool      `json:"baked,omitempty"`
	Trusted  bool      `json:"trusted,omitempty"`
}

type target struct {
	Color    string  `json:"color,omitempty"`
	Image    image   `json:"image,omitzero"`
	Replicas []int32 `json:"replicas,omitempty"`
	Trusted  bool    `json:"trusted,omitempty"`
}

type color struct {
	Ordered  ordered  `json:"ordered,omitzero"`
	Observed observed `json:"observed,omitzero"`
	Checked  checked  `json:"checked,omitzero"`
	Retired  bool     `json:"retired,omitempty"`
	Standby  standby  `json:"standby,omitzero"`
	Suspect  note     `json:"suspect,omitzero"`
	Held     bool     `json:"held,omitempty"`
	Verified verified `json:"verified,omitzero"`
}

type verified struct {
	Image  image     `json:"image,omitzero"`
	Signer string    `json:"signer,omitempty"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

type checkRun struct {
	ID      string    `json:"id,omitempty"`
	Made    string    `json:"made,omitempty"`
	Release int       `json:"release,omitempty"`
	Color   string    `json:"color,omitempty"`
	Image   image     `json:"image,omitzero"`
	Since   time.Time `json:"since,omitzero"`
}

type standby struct {
	Image    image     `json:"image,omitzero"`
	Replicas []int32   `json:"replicas,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

type push struct {
	Image image     `json:"image,omitzero"`
	At    time.Time `json:"at,omitzero"`
}

type ordered struct {
	Image   image     `json:"image,omitzero"`
	Release int       `json:"release,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

type observed struct {
	Image    image     `json:"image,omitzero"`
	Replicas []int32   `json:"replicas,omitempty"`
	Ready    int32     `json:"ready,omitempty"`
	ReadyOf  []int32   `json:"readyOf,omitempty"`
	By       string    `json:"by,omitempty"`
	Needed   []int32   `json:"needed,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

type checked struct {
	Image image     `json:"image,omitzero"`
	At    time.Time `json:"at,omitzero"`
}

type releaseForm struct {
	ID          int       `json:"id,omitempty"`
	Phase       string    `json:"phase,omitempty"`
	Image       image     `json:"image,omitzero"`
	To          string    `json:"to,omitempty"`
	From        string    `json:"from,omitempty"`
	By          string    `json:"by,omitempty"`
	Actor       actor     `json:"actor,omitzero"`
	Why         string    `json:"why,omitempty"`
	Force       bool      `json:"force,omitempty"`
	Began       time.Time `json:"began,omitzero"`
	Since       time.Time `json:"since,omitzero"`
	Approved    bool      `json:"approved,omitempty"`
	Unconfirmed string    `json:"unconfirmed,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Cause       string    `json:"cause,omitempty"`
	Progress    progress  `json:"progress,omitzero"`
}

type progress struct {
	Detail      string        `json:"detail,omitempty"`
	Ready       int32         `json:"ready,omitempty"`
	ReadySince  time.Time     `json:"readySince,omitzero"`
	PullFailing time.Time     `json:"pullFailing,omitzero"`
	ChangedBy   string        `json:"changedBy,omitempty"`
	Stood       time.Duration `json:"stood,omitempty"`
	Operation   string        `json:"operation,omitempty"`
	Writes      time.Time     `json:"writes,omitzero"`
	DeniedAt    time.Time     `json:"deniedAt,omitzero"`
	BakeUntil   time.Time     `json:"bakeUntil,omitzero"`
	ProbedAt    time.Time     `json:"probedAt,omitzero"`
	Misses      int           `json:"misses,omitempty"`
	Short       int           `json:"short,omitempty"`
	Good        int           `json:"good,omitempty"`
	BadSince    time.Time     `json:"badSince,omitzero"`
	TargetSince time.Time     `json:"targetSince,omitzero"`
	Target      target        `json:"target,omitzero"`
	TargetReady bool          `json:"targetReady,omitempty"`
	Forced      bool          `json:"forced,omitempty"`
	Outcome     string        `json:"outcome,omitempty"`
}

type image struct {
	Digest   string    `json:"digest,omitempty"`
	Tag      string    `json:"tag,omitempty"`
	PushedAt time.Time `json:"pushedAt,omitzero"`
}

type help struct {
	Reason string    `json:"reason,omitempty"`
	Why    string    `json:"why,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// actor is who acted. Its text stands beside it as by, all that schemas before 5 have.
type actor struct {
	Claimed string `json:"claimed,omitempty"`
	Proven  string `json:"proven,omitempty"`
	Name    string `json:"name,omitempty"`
	Route   string `json:"route,omitempty"`
	Key     string `json:"key,omitempty"`
}

type note struct {
	By    string    `json:"by,omitempty"`
	Actor actor     `json:"actor,omitzero"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

type quarantine struct {
	Image image     `json:"image"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

type drift struct {
	From    string    `json:"from,omitempty"`
	Live    string    `json:"live,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Back    time.Time `json:"back,omitzero"`
	Watched bool      `json:"watched,omitempty"`
}

// Most is how many UTF-16 units the JSON of a record has at most: what a row of a table holds.
const Most = 15 * (32<<10 - 1)

// Encode writes a record. What Decode found in it that this version does not know is
// written again. Texts for people are cut where the record would be longer than Most;
// decisions never are.
func Encode(r engine.Record) ([]byte, error) {
	data, err := encode(r)
	for most := 512; err == nil && most > 0 && units(data) > Most; most /= 8 {
		r.State = r.State.Shortened(most)
		r.Preflight.Warnings = r.Preflight.Warnings[:min(len(r.Preflight.Warnings), most)]
		data, err = encode(r)
	}
	return data, err
}

// units is the length of a text in UTF-16.
func units(data []byte) (n int) {
	if len(data) <= Most {
		return len(data) // at least
	}
	for _, r := range string(data) {
		n += utf16.RuneLen(r)
	}
	return n
}

func encode(r engine.Record) ([]byte, error) {
	s := r.State
	to := row{
		Schema: 1, State: toV1(s), Lease: lease(r.Lease), Commit: r.Commit, WakeAt: r.WakeAt,
		Checked: r.Preflight.Config, Warnings: r.Preflight.Warnings,
		App: &app{
			Schema: r.Schema, Name: s.App, Known: s.Known, Serving: fromServing(s.Serving),
			Blue: fromColor(s.Blue), Green: fromColor(s.Green), Release: fromRelease(s.Release), CheckRun: fromCheckRun(s.CheckRun), Releases: s.Releases,
			Good: each(s.Good, fromImage), Waiting: image(s.Waiting), WaitingBy: fromNote(s.WaitingBy), Newest: image(s.Newest), LastPush: push{image(s.LastPush.Image), s.LastPush.At},
			Quarantined: each(s.Quarantined, fromQuarantine),
			Hold:        fromNote(s.Hold), Pause: fromNote(s.Pause), Drift: drift{string(s.Drift.From), string(s.Drift.Live), s.Drift.Detail, s.Drift.Since, s.Drift.Back, s.Drift.Watched},
			Trouble: fromNote(s.Trouble), Alarmed: string(s.Alarmed), Help: help{string(s.Help.Reason), s.Help.Why, s.Help.Since}, LastAlarm: string(s.LastAlarm), LastAlarmAt: s.LastAlarmAt, Fought: s.Fought, Alert: fromPending(s.Alert), Missing: each(s.Missing, fromImage), Overtaken: s.SupersededInARow, Facts: s.Facts, Ran: r.Ran, SavedAt: r.SavedAt,
		},
	}
	data, err := json.Marshal(to)
	if err != nil || r.Unknown == nil {
		return data, err
	}
	return mergeUnknown(data, r.Unknown)
}

// Decode reads a record of schema 1 or later.
func Decode(data []byte) (engine.Record, error) {
	var from row
	unknown, err := decode(data, &from)
	if err != nil {
		return engine.Record{}, fmt.Errorf("decode the record: %w", err)
	}
	r := engine.Record{
		Schema: from.Schema, Lease: engine.Lease(from.Lease), Commit: from.Commit, WakeAt: from.WakeAt,
		Preflight: engine.PreflightResult{Config: from.Checked, Warnings: from.Warnings}, Unknown: unknown,
	}
	if from.App == nil {
		r.State = from.State.state()
		return guessed(r), nil
	}
	a := from.App
	r.Schema, r.Ran, r.SavedAt = a.Schema, a.Ran, a.SavedAt
	r.State = release.State{
		App: a.Name, Known: a.Known, Serving: a.Serving.core(), Blue: a.Blue.core(), Green: a.Green.core(),
		Release: a.Release.core(), CheckRun: a.CheckRun.core(), Releases: a.Releases, Good: each(a.Good, image.core), Waiting: a.Waiting.core(), WaitingBy: a.WaitingBy.core(), Newest: a.Newest.core(), LastPush: release.Push{Image: a.LastPush.Image.core(), At: a.LastPush.At},
		Quarantined: each(a.Quarantined, quarantine.core), Hold: a.Hold.core(), Pause: a.Pause.core(),
		Drift: release.Drift{From: release.Color(a.Drift.From), Live: release.Color(a.Drift.Live), Detail: a.Drift.Detail, Since: a.Drift.Since, Back: a.Drift.Back, Watched: a.Drift.Watched}, Trouble: a.Trouble.core(), Alarmed: reason.Reason(a.Alarmed), Help: release.Help{Reason: reason.Reason(a.Help.Reason), Why: a.Help.Why, Since: a.Help.Since}, LastAlarm: reason.Reason(a.LastAlarm), LastAlarmAt: a.LastAlarmAt, Fought: a.Fought, Alert: a.Alert.core(), Missing: each(a.Missing, image.core), SupersededInARow: a.Overtaken, Facts: a.Facts,
	}
	if a.Schema < 4 {
		for c, state := range map[*color]*release.ColorState{&a.Blue: &r.State.Blue, &a.Green: &r.State.Green} {
			switch { // an earlier handler keeps what it does not know, and sets retired alone
			case !c.Retired:
				state.Standby = release.Standby{}
			case !state.Retired():
				state.Standby = c.retired()
			}
		}
		switch release.Color(a.Serving.Color) { // it may have sent traffic to a suspect color
		case release.Blue:
			r.State.Blue.Suspect = release.Note{}
		case release.Green:
			r.State.Green.Suspect = release.Note{}
		}
	}
	return guessed(r), nil
}

// guessed is a record of an earlier schema with what that did not record: in a switch
// traffic may have left, and what served was trusted.
func guessed(r engine.Record) engine.Record {
	if r.Schema == 0 || r.Schema >= 3 { // 0: nothing was stored yet
		return r
	}
	for _, t := range []*release.Target{&r.State.Serving.Previous, &r.State.Release.Progress.Target} {
		t.Trusted = t.Color != ""
	}
	r.State.Serving.Trusted = r.State.Serving.Color != ""
	if r.State.Release.Phase == release.Switching {
		r.State.Release.Progress.Writes = r.State.Release.Since
	}
	return r
}

func each[A, B any](list []A, convert func(A) B) []B {
	var out []B
	for _, a := range list {
		out = append(out, convert(a))
	}
	return out
}

func fromPending(p release.PendingAlert) pendingAlert {
	return pendingAlert{fromAlert(p.Alert), string(p.Color), p.Firing, p.LookedAt, p.Until, string(p.Result), p.Seen}
}

func (p pendingAlert) core() release.PendingAlert {
	return release.PendingAlert{
		Alert: p.Alert.core(), Color: release.Color(p.Color), Firing: p.Firing, LookedAt: p.LookedAt, Until: p.Until, Result: reason.Reason(p.Result), Seen: p.Seen,
	}
}

// fromActor leaves out what the text of the actor says.
func fromActor(a release.Actor) actor {
	if a == (release.Actor{Name: a.String()}) {
		return actor{}
	}
	return actor(a)
}

// core is the actor that a text speaks of: a handler of an earlier schema writes the text
// anew, and keeps the actor of the one before.
func (a actor) core(by string) release.Actor {
	if is := release.Actor(a); is.String() == by {
		return is
	}
	return release.Actor{Name: by}
}

func fromNote(n release.Note) note { return note{n.By.String(), fromActor(n.By), n.Why, n.Since} }
func (n note) core() release.Note {
	return release.Note{By: n.Actor.core(n.By), Why: n.Why, Since: n.Since}
}

func fromImage(i release.Image) image { return image(i) }
func (i image) core() release.Image   { return release.Image(i) }
func fromTarget(t release.Target) target {
	return target{string(t.Color), image(t.Image), t.Replicas, t.Trusted}
}
func (t target) core() release.Target {
	return release.Target{Color: release.Color(t.Color), Image: t.Image.core(), Replicas: t.Replicas, Trusted: t.Trusted}
}

func fromCheckRun(r release.CheckRun) checkRun {
	return checkRun{r.ID, r.Made, r.Release, string(r.Color), image(r.Image), r.Since}
}

func (r checkRun) core() release.CheckRun {
	return release.CheckRun{ID: r.ID, Made: r.Made, Release: r.Release, Color: release.Color(r.Color), Image: r.Image.core(), Since: r.Since}
}

func fromQuarantine(q release.Quarantine) quarantine {
	return quarantine{image(q.Image), q.Why, q.Since}
}

func (q quarantine) core() release.Quarantine {
	return release.Quarantine{Image: q.Image.core(), Why: q.Why, Since: q.Since}
}

func fromServing(s release.Serving) serving {
	return serving{string(s.Color), string(s.Points), image(s.Image), s.Since, s.Release, s.RoutedAt, fromTarget(s.Previous), s.Until, s.Baked, s.Trusted}
}

func (s serving) core() release.Serving {
	return release.Serving{
		Color: release.Color(s.Color), Points: release.Color(s.Points), Image: s.Image.core(), Since: s.Since, Release: s.Release, RoutedAt: s.RoutedAt,
		Previous: s.Previous.core(), Until: s.Until, Baked: s.Baked, Trusted: s.Trusted,
	}
}

// retired is the standby of a color that a handler of an earlier schema scaled down.
func (c color) retired() release.Standby {
	return release.Standby{Image: c.Observed.Image.core(), Replicas: make([]int32, max(1, len(c.Observed.Replicas))), Since: c.Observed.At}
}

func fromColor(c release.ColorState) color {
	return color{
		ordered{image(c.Ordered.Image), c.Ordered.Release, c.Ordered.At},
		observed{image(c.Observed.Image), c.Observed.Replicas, c.Observed.Ready, c.Observed.ReadyOf, c.Observed.By, c.Observed.Needed, c.Observed.At},
		checked{image(c.Checked.Image), c.Checked.At}, c.Retired(), standby{image(c.Standby.Image), c.Standby.Replicas, c.Standby.Since}, fromNote(c.Suspect), c.Held,
		verified{image(c.Verified.Image), c.Verified.Signer, c.Verified.Why, c.Verified.At},
	}
}

func (c color) core() release.ColorState {
	return release.ColorState{
		Ordered:  release.Ordered{Image: c.Ordered.Image.core(), Release: c.Ordered.Release, At: c.Ordered.At},
		Observed: release.Observed{Image: c.Observed.Image.core(), Replicas: c.Observed.Replicas, Ready: c.Observed.Ready, ReadyOf: c.Observed.ReadyOf, By: c.Observed.By, Needed: c.Observed.Needed, At: c.Observed.At},
		Checked:  release.Checked{Image: c.Checked.Image.core(), At: c.Checked.At},
		Verified: release.Verified{Image: c.Verified.Image.core(), Signer: c.Verified.Signer, Why: c.Verified.Why, At: c.Verified.At},
		Standby:  release.Standby{Image: c.Standby.Image.core(), Replicas: c.Standby.Replicas, Since: c.Standby.Since}, Suspect: c.Suspect.core(), Held: c.Held,
	}
}

func fromRelease(r release.Release) releaseForm {
	p := r.Progress
	return releaseForm{
		ID: r.ID, Phase: string(r.Phase), Image: image(r.Image), To: string(r.To), From: string(r.From), By: r.By.String(), Actor: fromActor(r.By), Why: r.Why,
		Force: r.Force, Began: r.Began, Since: r.Since, Approved: r.Approved, Unconfirmed: r.Unconfirmed, Reason: string(r.Reason), Cause: r.Cause,
		Progress: progress{
			Detail: p.Detail, Ready: p.Ready, ReadySince: p.ReadySince, PullFailing: p.PullFailing, ChangedBy: p.ChangedBy, Stood: p.Stood, Operation: p.Operation,
			Writes: p.Writes, DeniedAt: p.DeniedAt, Short: p.Short, Good: p.Good, BadSince: p.BadSince, TargetSince: p.TargetSince, Forced: p.Forced,
			BakeUntil: p.BakeUntil, ProbedAt: p.ProbedAt, Misses: p.Misses, Target: fromTarget(p.Target), TargetReady: p.TargetReady, Outcome: string(p.Outcome),
		},
	}
}

func (r releaseForm) core() release.Release {
	p := r.Progress
	return release.Release{
		ID: r.ID, Phase: release.Phase(r.Phase), Image: r.Image.core(), To: release.Color(r.To), From: release.Color(r.From), By: r.Actor.core(r.By), Why: r.Why,
		Force: r.Force, Began: r.Began, Since: r.Since, Approved: r.Approved, Unconfirmed: r.Unconfirmed, Reason: reason.Reason(r.Reason), Cause: r.Cause,
		Progress: release.Progress{
			Detail: p.Detail, Ready: p.Ready, ReadySince: p.ReadySince, PullFailing: p.PullFailing, ChangedBy: p.ChangedBy, Stood: p.Stood, Operation: p.Operation,
			Writes: p.Writes, DeniedAt: p.DeniedAt, Short: p.Short, Good: p.Good, BadSince: p.BadSince, TargetSince: p.TargetSince, Forced: p.Forced,
			BakeUntil: p.BakeUntil, ProbedAt: p.ProbedAt, Misses: p.Misses, Target: p.Target.core(), TargetReady: p.TargetReady, Outcome: release.Phase(p.Outcome),
		},
	}
}
