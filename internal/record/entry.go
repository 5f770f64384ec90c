package record

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// The kinds of stored events.
const (
	kindPush    = "image-pushed"
	kindAlert   = "alert-fired"
	kindCommand = "command"

	kindResolved = "alert-resolved"
)

// entry is an accepted event. Decision is "kind: text", as schema 1 has it, and Decided
// the same as data.
type entry struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Event    json.RawMessage `json:"event"`
	At       time.Time       `json:"at"`
	Decision string          `json:"decision,omitempty"`
	Decided  *decided        `json:"decided,omitempty"`
}

type decided struct {
	Kind    string `json:"kind"`
	Reason  string `json:"reason"`
	Release int    `json:"release,omitempty"`
	Text    string `json:"text"`
}

type imagePushed struct {
	Image image `json:"image"`
}

type alertFired struct {
	ID       string    `json:"id"`
	Rule     string    `json:"rule"`
	Severity string    `json:"severity,omitempty"`
	Summary  string    `json:"summary,omitempty"`
	At       time.Time `json:"firedAt,omitzero"`
	Color    string    `json:"color,omitempty"`
	By       string    `json:"by,omitempty"`
	Actor    actor     `json:"actor,omitzero"`

	Corroborate bool `json:"corroborate,omitempty"`
}

func fromAlert(a release.AlertFired) alertFired {
	return alertFired{a.ID, a.Rule, a.Severity, a.Summary, a.At, string(a.Color), a.By.String(), fromActor(a.By), a.Corroborate}
}

func (a alertFired) core() release.AlertFired {
	return release.AlertFired{
		ID: a.ID, Rule: a.Rule, Severity: a.Severity, Summary: a.Summary, At: a.At, Color: release.Color(a.Color), By: a.Actor.core(a.By), Corroborate: a.Corroborate,
	}
}

type alertResolved struct {
	ID    string `json:"id"`
	Rule  string `json:"rule"`
	By    string `json:"by,omitempty"`
	Actor actor  `json:"actor,omitzero"`
}

type commanded struct {
	Command string `json:"command"`
	By      string `json:"by"`
	Actor   actor  `json:"actor,omitzero"`
	Why     string `json:"why,omitempty"`
	Image   image  `json:"image,omitzero"`
	Digest  string `json:"digest,omitempty"`
	Tag     string `json:"tag,omitempty"`
	To      string `json:"to,omitempty"`
	Force   bool   `json:"force,omitempty"`
	For     string `json:"for,omitempty"` // as 30m0s
}

// EncodeEntry writes an inbox entry.
func EncodeEntry(e engine.Entry) ([]byte, error) {
	kind, event, err := fromEvent(e)
	if err != nil {
		return nil, err
	}
	out := entry{ID: e.ID, Kind: kind, Event: event, At: e.At}
	if d := e.Decision; !d.IsZero() {
		out.Decision = string(d.Kind) + ": " + d.Text
		out.Decided = &decided{string(d.Kind), string(d.Reason), d.Release, d.Text}
	}
	return json.Marshal(out)
}

// DecodeEntry reads an inbox entry. An event that this version cannot read is an
// engine.Unreadable, so that the entry can be decided and hides no other.
func DecodeEntry(data []byte) (engine.Entry, error) {
	var from entry
	if err := json.Unmarshal(data, &from); err != nil {
		return engine.Entry{}, fmt.Errorf("decode an entry: %w", err)
	}
	e := engine.Entry{ID: from.ID, At: from.At}
	var err error
	if e.Event, err = from.event(); err != nil {
		e.Event, e.Unreadable = nil, &engine.Unreadable{Kind: from.Kind, Event: from.Event, Why: err.Error()}
	}
	switch d := from.Decided; {
	case d != nil:
		e.Decision = release.Decision{Kind: release.FactKind(d.Kind), Reason: reason.Reason(d.Reason), Release: d.Release, Text: d.Text}
	case from.Decision != "":
		e.Decision = decisionV1(from.Decision)
	}
	return e, nil
}

// decisionV1 reads a decision as a handler of schema 1 stores it: as text, which for a
// release that was started begins with its number.
func decisionV1(stored string) release.Decision {
	kind, text, _ := strings.Cut(stored, ": ")
	d := release.Decision{Kind: release.FactKind(kind), Reason: reason.Unrecorded, Text: text}
	if number, _, ok := strings.Cut(strings.TrimPrefix(text, "release "), ":"); ok && d.Kind == release.ReleaseStarted {
		d.Release, _ = strconv.Atoi(number) // 0 where it is another text
	}
	return d
}

func fromEvent(e engine.Entry) (kind string, data json.RawMessage, err error) {
	if e.Unreadable != nil {
		return e.Unreadable.Kind, e.Unreadable.Event, nil
	}
	var event any
	switch v := e.Event.(type) {
	case release.ImagePushed:
		kind, event = kindPush, imagePushed{image(v.Image)} // Beside is known at the decision only
	case release.AlertFired:
		kind, event = kindAlert, fromAlert(v)
	case release.AlertResolved:
		kind, event = kindResolved, alertResolved{v.ID, v.Rule, v.By.String(), fromActor(v.By)}
	case release.Commanded:
		c := commanded{Command: string(v.Command), By: v.By.String(), Actor: fromActor(v.By), Why: v.Why, Image: image(v.Image), Digest: v.Digest, Tag: v.Tag, To: string(v.To), Force: v.Force}
		if v.For != 0 {
			c.For = v.For.String()
		}
		kind, event = kindCommand, c
	default:
		return "", nil, fmt.Errorf("encode entry %s: an event of type %T cannot be stored", e.ID, e.Event)
	}
	data, err = json.Marshal(event)
	return kind, data, err
}

func (e entry) event() (release.Event, error) {
	switch e.Kind {
	case kindPush:
		var v imagePushed
		err := json.Unmarshal(e.Event, &v)
		return release.ImagePushed{Image: v.Image.core()}, err
	case kindAlert:
		var v alertFired
		err := json.Unmarshal(e.Event, &v)
		return v.core(), err
	case kindResolved:
		var v alertResolved
		err := json.Unmarshal(e.Event, &v)
		return release.AlertResolved{ID: v.ID, Rule: v.Rule, By: v.Actor.core(v.By)}, err
	case kindCommand:
		return e.command()
	}
	return nil, fmt.Errorf("no event of kind %q is known", e.Kind)
}

func (e entry) command() (release.Event, error) {
	var v commanded
	if err := json.Unmarshal(e.Event, &v); err != nil {
		return nil, err
	}
	c := release.Commanded{
		Command: release.Command(v.Command), By: v.Actor.core(v.By), Why: v.Why, Image: v.Image.core(), Digest: v.Digest, Tag: v.Tag, To: release.Color(v.To), Force: v.Force,
	}
	var err error
	if v.For != "" {
		c.For, err = time.ParseDuration(v.For)
	}
	return c, err
}

// fact is a row of the history.
type fact struct {
	Number    int       `json:"number"`
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Reason    string    `json:"reason,omitempty"`
	Release   int       `json:"release,omitempty"`
	Phase     string    `json:"phase,omitempty"`
	Image     image     `json:"image,omitzero"`
	Live      string    `json:"live,omitempty"`
	By        string    `json:"by,omitempty"`
	Actor     actor     `json:"actor,omitzero"`
	Began     actor     `json:"began,omitzero"`
	Text      string    `json:"text"`
	Took      string    `json:"took,omitempty"` // as 1m30s
	Detail    string    `json:"detail,omitempty"`
	Operation string    `json:"operation,omitempty"`
}

func fromFact(f release.Fact) fact {
	out := fact{
		Number: f.Number, At: f.At, Kind: string(f.Kind), Reason: string(f.Reason), Release: f.Release, Phase: string(f.Phase),
		Image: image(f.Image), Live: string(f.Live), By: f.By.String(), Actor: fromActor(f.By), Began: actor(f.Began), Text: f.Text, Detail: f.Detail, Operation: f.Operation,
	}
	if f.Took != 0 {
		out.Took = f.Took.String()
	}
	return out
}

func (f fact) core() (release.Fact, error) {
	out := release.Fact{
		Number: f.Number, At: f.At, Kind: release.FactKind(f.Kind), Reason: reason.Reason(f.Reason), Release: f.Release, Phase: release.Phase(f.Phase),
		Image: f.Image.core(), Live: release.Color(f.Live), By: f.Actor.core(f.By), Began: release.Actor(f.Began), Text: f.Text, Detail: f.Detail, Operation: f.Operation,
	}
	if f.Reason == "" {
		out.Reason = reason.Unrecorded
	}
	var err error
	if f.Took != "" {
		out.Took, err = time.ParseDuration(f.Took)
	}
	return out, err
}

// EncodeFact writes a row of the history.
func EncodeFact(f release.Fact) ([]byte, error) { return json.Marshal(fromFact(f)) }

// DecodeFact reads a row of the history.
func DecodeFact(data []byte) (release.Fact, error) {
	var f fact
	if err := json.Unmarshal(data, &f); err != nil {
		return release.Fact{}, fmt.Errorf("decode a fact: %w", err)
	}
	return f.core()
}

// DecodeFacts reads a row of the outbox, which versions before schema 5 write.
func DecodeFacts(data []byte) ([]release.Fact, error) {
	var stored []fact
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("decode facts: %w", err)
	}
	var facts []release.Fact
	for _, f := range stored {
		core, err := f.core()
		if err != nil {
			return nil, fmt.Errorf("decode facts: %w", err)
		}
		facts = append(facts, core)
	}
	return facts, nil
}
