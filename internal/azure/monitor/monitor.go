// Package monitor reads the posts of an Azure Monitor action group: alerts in the common
// alert schema, of every kind. The fields that identify an alert must be valid; the fields
// that only describe it are read as far as possible, because an odd field must not
// lose an alert (https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema).
package monitor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Alert is one call of an action group.
type Alert struct {
	// ID is the alertId, lower case: the same in each call about the alert, Fired or Resolved.
	ID string
	// Names are the names of the alert's rule: alertRule, and where they differ the rule
	// without its Prometheus group, the Prometheus alertname, and the last part of RuleID.
	Names    []string
	RuleID   string // "" in older payloads
	Severity string // "Sev0" to "Sev4"
	// Fired is false when the alert was resolved.
	Fired bool
	// At is the end of the time that the alert measured; where it names none, when it fired. A
	// log alert fires minutes after its data. Zero when neither can be read with its zone.
	At      time.Time
	Service string // monitoringService, such as Platform or Prometheus
	// Costs is set for an alert of a budget, which is not about what serves users.
	Costs bool
	// Summary is the measurement on one line.
	Summary    string
	Dimensions []Dimension
	Custom     map[string]string
	Targets    []string // resource ids, usually lower case
	Items      []string // configurationItems: names of resources, such as a cluster
	// Test is set for the sample alerts that the portal sends to test an action group.
	Test bool
}

// Rule is the name of the alert's rule.
func (a Alert) Rule() string { return a.Names[0] }

// Dimension is a dimension that a metric or log alert is split by, a label of a Prometheus
// alert, or a label that its PromQL expression asks for. One name may be there more than once.
type Dimension struct{ Name, Value string }

// LegacySchema is the error of an alert that is not in the common alert schema.
type LegacySchema struct{ SchemaID string }

func (l *LegacySchema) Error() string {
	return fmt.Sprintf("the alert came in the schema %q: turn the common alert schema on for this receiver of the action group", cut(l.SchemaID, 100))
}

// word reads text, a number or a truth value as text, and anything else as none: which
// of them a field is differs between the monitoring services.
type word string

// UnmarshalJSON implements json.Unmarshaler; it never fails.
func (w *word) UnmarshalJSON(data []byte) error {
	var text string
	switch {
	case json.Unmarshal(data, &text) == nil:
		*w = word(text)
	case len(data) > 0 && strings.IndexByte("{[", data[0]) < 0:
		*w = word(data)
	}
	return nil
}

type payload struct {
	SchemaID word `json:"schemaId"`
	Data     struct {
		Essentials essentials      `json:"essentials"`
		Context    json.RawMessage `json:"alertContext"`
		Custom     json.RawMessage `json:"customProperties"`
	} `json:"data"`
}

type essentials struct {
	AlertID     word   `json:"alertId"`
	Rule        word   `json:"alertRule"`
	RuleID      word   `json:"alertRuleID"`
	Severity    word   `json:"severity"`
	Condition   word   `json:"monitorCondition"`
	Service     word   `json:"monitoringService"`
	Targets     []word `json:"alertTargetIDs"`
	Items       []word `json:"configurationItems"`
	Fired       word   `json:"firedDateTime"`
	Description word   `json:"description"`
}

// maxID keeps an alert's id usable as a key.
const maxID = 300

// Decode reads the body of a call. Every error means that the same bytes can never be
// read: *LegacySchema, or one that names the missing field.
func Decode(body []byte) (Alert, error) {
	var p payload
	var wrong *json.UnmarshalTypeError
	if err := lenient(body, &p); errors.As(err, &wrong) {
		return Alert{}, errors.New("the body is not a JSON object: it is not an alert of Azure Monitor")
	} else if err != nil {
		return Alert{}, fmt.Errorf("the body is not JSON: %w", err)
	}
	var c context
	_ = lenient(p.Data.Context, &c) // it only describes: unreadable parts are left out
	e := p.Data.Essentials
	if e.costs() {
		e = e.ofBudget(c)
	}
	switch {
	case p.SchemaID == "":
		return Alert{}, errors.New("the body has no schemaId: it is not an alert in the common alert schema of Azure Monitor; turn that schema on for this receiver of the action group")
	case !strings.EqualFold(string(p.SchemaID), "azureMonitorCommonAlertSchema"):
		return Alert{}, &LegacySchema{string(p.SchemaID)}
	case e.AlertID == "":
		return Alert{}, errors.New("data.essentials.alertId is missing: a repeated alert cannot be recognized without it")
	case len(e.AlertID) > maxID || strings.ContainsFunc(string(e.AlertID), unprintable):
		return Alert{}, fmt.Errorf("data.essentials.alertId is not the id of an alert: at most %d printable ASCII characters", maxID)
	case e.Rule == "":
		return Alert{}, errors.New("data.essentials.alertRule is missing: the app that the alert is about is unknown without it")
	case !strings.EqualFold(string(e.Condition), "Fired") && !strings.EqualFold(string(e.Condition), "Resolved"):
		return Alert{}, fmt.Errorf("data.essentials.monitorCondition is %q, should be Fired or Resolved", cut(string(e.Condition), 50))
	}
	return e.alert(c, p.Data.Custom), nil
}

// costs reports whether an alert comes from a budget of Cost Management.
func (e essentials) costs() bool { return strings.EqualFold(string(e.Service), "CostAlerts") }

// ofBudget fills in what an alert of a budget has elsewhere, or not at all: its rule is the budget.
func (e essentials) ofBudget(c context) essentials {
	e.Rule = cmp.Or(e.Rule, c.AlertData.BudgetName, "budget")
	e.Condition = cmp.Or(e.Condition, "Fired")
	return e
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// lenient decodes the fields that have the expected type and leaves out the rest. Its error
// means that the text is not a JSON object.
func lenient(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return nil
	}
	return err
}

func (e essentials) alert(c context, custom json.RawMessage) Alert {
	a := Alert{
		ID: strings.ToLower(string(e.AlertID)), RuleID: string(e.RuleID), Severity: string(e.Severity), Service: string(e.Service),
		Fired: strings.EqualFold(string(e.Condition), "Fired"), Costs: e.costs(), Custom: map[string]string{},
		At: cmp.Or(c.measured(), when(e.Fired)), Targets: texts(e.Targets), Items: texts(e.Items, c.Affected),
	}
	a.Dimensions = c.dimensions()
	if c.Condition != nil {
		properties(c.Properties, a.Custom)
	}
	properties(custom, a.Custom)
	a.Names = names(e, c)
	a.Summary = summary(e, c)
	a.Test = strings.HasPrefix(a.ID, dummy)
	return a
}

func texts(lists ...[]word) (all []string) {
	for _, w := range slices.Concat(lists...) {
		all = append(all, string(w))
	}
	return all
}

// when reads a time in one of the forms; zero when it has no zone, or a year outside the range
// that can be saved as JSON.
func when(text word, forms ...string) time.Time {
	for _, form := range append(forms, time.RFC3339Nano) {
		if at, err := time.Parse(form, string(text)); err == nil && at.Year() >= 2000 && at.Year() < 9999 {
			return at.UTC()
		}
	}
	return time.Time{}
}

// properties adds the custom properties of a rule to a map; null and lists have none.
func properties(text json.RawMessage, into map[string]string) {
	var found map[string]word
	if json.Unmarshal(text, &found) != nil {
		return
	}
	for name, value := range found {
		into[name] = string(value)
	}
}

func names(e essentials, c context) []string {
	list := []string{string(e.Rule)}
	add := func(name string) {
		if name != "" && !slices.ContainsFunc(list, func(known string) bool { return strings.EqualFold(known, name) }) {
			list = append(list, name)
		}
	}
	last := func(path string) string { return path[strings.LastIndex(path, "/")+1:] }
	if c.prometheus() {
		add(last(string(e.Rule)))
		add(string(c.Labels["alertname"]))
	} else {
		add(last(string(e.RuleID)))
	}
	return list
}

// dummy begins the ids of the samples that "Test action group" in the portal sends: Azure's
// subscription for them. Names, groups and custom properties are anyone's own.
const dummy = "/subscriptions/11111111-1111-1111-1111-111111111111/"
