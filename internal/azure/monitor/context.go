package monitor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// context holds the data that monitoring services send besides the essentials; each service
// fills a part.
type context struct {
	ConditionType word            `json:"conditionType"`
	Condition     *condition      `json:"condition"`  // metric and log alerts
	Properties    json.RawMessage `json:"properties"` // custom of those, the incident of service health
	// Prometheus
	Expression      word            `json:"expression"`
	ExpressionValue word            `json:"expressionValue"`
	Labels          map[string]word `json:"labels"`
	// activity log
	OperationName word `json:"operationName"`
	Status        word `json:"status"`
	Caller        word `json:"caller"`
	Happened      word `json:"eventTimestamp"`
	// log search rules of the API before 2020-05-01
	SearchQuery word       `json:"SearchQuery"`
	SearchEnd   word       `json:"SearchIntervalEndtimeUtc"`
	ResultCount word       `json:"ResultCount"`
	Threshold   word       `json:"Threshold"`
	Dimensions  dimensions `json:"Dimensions"`
	Affected    []word     `json:"AffectedConfigurationItems"`
	// budgets
	AlertData struct {
		BudgetName word `json:"BudgetName"`
	} `json:"AlertData"`
}

// dimensions reads what an alert is split by: a list of names with values, or an object.
type dimensions []Dimension

// UnmarshalJSON implements json.Unmarshaler; it never fails.
func (d *dimensions) UnmarshalJSON(data []byte) error {
	var list []struct{ Name, Value word }
	var object map[string]word
	*d = nil
	if json.Unmarshal(data, &object) == nil {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			*d = append(*d, Dimension{name, string(object[name])})
		}
	} else if json.Unmarshal(data, &list) == nil {
		for _, one := range list {
			*d = append(*d, Dimension{string(one.Name), string(one.Value)})
		}
	}
	return nil
}

type condition struct {
	Window word        `json:"windowSize"`
	End    word        `json:"windowEndTime"`
	AllOf  []criterion `json:"allOf"`
}

type criterion struct {
	Metric      word       `json:"metricName"`
	SearchQuery word       `json:"searchQuery"`
	Measure     word       `json:"metricMeasureColumn"` // of a log search
	WebTest     word       `json:"webTestName"`
	Operator    word       `json:"operator"`
	Threshold   word       `json:"threshold"`
	Value       word       `json:"metricValue"`
	Query       word       `json:"query"` // PromQL
	Dimensions  dimensions `json:"dimensions"`
}

func (c context) prometheus() bool { return c.Expression != "" || c.Labels != nil }

// measured is the end of what was measured, or when it happened; zero when that is not sent.
func (c context) measured() time.Time {
	if c.Condition != nil {
		return when(c.Condition.End)
	}
	return cmp.Or(when(c.SearchEnd, "1/2/2006 3:04:05 PM"), when(c.Happened)) // the first is in UTC by its name
}

// asked finds the labels that a PromQL expression asks for by their whole value.
var asked = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"([^"\\]*)"`)

func (c context) dimensions() []Dimension {
	var list []Dimension
	add := func(d Dimension) {
		if d.Name != "" && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	queries := string(c.Expression)
	if c.Condition != nil {
		for _, one := range c.Condition.AllOf {
			for _, d := range one.Dimensions {
				add(d)
			}
			queries += " " + string(one.Query)
		}
	}
	for _, d := range c.Dimensions {
		add(d)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		add(Dimension{name, string(c.Labels[name])})
	}
	for _, found := range asked.FindAllStringSubmatch(queries, -1) {
		add(Dimension{found[1], found[2]})
	}
	return list
}

// summary is the measurement on one line of bounded length.
func summary(e essentials, c context) string {
	text := ""
	var incident struct {
		Title   word `json:"title"`
		Service word `json:"service"`
		Region  word `json:"region"`
	}
	switch {
	case c.Condition != nil && len(c.Condition.AllOf) > 0:
		var parts []string
		for _, one := range c.Condition.AllOf {
			parts = append(parts, one.summary(c.ConditionType))
		}
		text = strings.Join(parts, " and ")
		if c.Condition.Window != "" {
			text += " in " + span(string(c.Condition.Window))
		}
	case c.SearchQuery != "":
		text = criterion{SearchQuery: c.SearchQuery, Value: c.ResultCount, Threshold: c.Threshold, Dimensions: c.Dimensions}.summary("")
	case c.prometheus():
		text = c.prometheusSummary(string(e.Rule))
	case strings.EqualFold(string(e.Service), "ServiceHealth") && lenient(c.Properties, &incident) == nil && incident.Title != "":
		text = fmt.Sprintf("%s (%s)", incident.Title, join(" in ", incident.Service, incident.Region))
	case c.OperationName != "":
		text = fmt.Sprintf("%s: %s", c.OperationName, join(", by ", c.Status, c.Caller))
	case e.Description != "":
		text = string(e.Description)
	default:
		text = "alert rule " + string(e.Rule)
	}
	return cut(strings.Join(strings.Fields(text), " "), 300)
}

// summary is for instance "5xx answers of pool-green: 57, threshold 20".
func (c criterion) summary(conditionType word) string {
	what, of := string(c.Metric), []string(nil)
	switch {
	case c.WebTest != "":
		what = "web test " + string(c.WebTest)
	case what == "" && c.Measure != "":
		what = string(c.Measure)
	case what == "" && c.SearchQuery != "":
		what = "log search"
	case what == "" && c.Query != "":
		what = "query"
	}
	for _, d := range c.Dimensions {
		switch {
		case d.Name == "":
		case d.Name == "HttpStatusGroup" && strings.HasSuffix(what, "ResponseStatus"):
			what = d.Value + " answers"
		case d.Name == "BackendPool" || d.Name == "BackendSettingsPool":
			of = append(of, d.Value)
		default:
			of = append(of, join(" ", word(d.Name), word(d.Value)))
		}
	}
	if len(of) > 0 {
		what += " of " + strings.Join(of, ", ")
	}
	value := "no value"
	if c.Value != "" {
		value = number(string(c.Value))
	}
	switch {
	case strings.Contains(string(conditionType), "Dynamic"): // its threshold means nothing
		return fmt.Sprintf("%s: %s, not what is usual", what, value)
	case c.Threshold != "":
		return fmt.Sprintf("%s: %s, threshold %s", what, value, number(string(c.Threshold)))
	}
	return fmt.Sprintf("%s: %s", what, value)
}

func (c context) prometheusSummary(rule string) string {
	text := "value " + number(string(c.ExpressionValue))
	if c.ExpressionValue == "" {
		text = "no value"
	}
	if c.Expression != "" {
		text += " of " + cut(string(c.Expression), 150)
	}
	var of []string
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if name != "alertname" {
			of = append(of, name+" "+string(c.Labels[name]))
		}
	}
	if len(of) > 0 {
		text += " (" + strings.Join(of, ", ") + ")"
	}
	return rule + ": " + text
}

func join(with string, a, b word) string {
	if a == "" || b == "" {
		return string(a + b)
	}
	return string(a) + with + string(b)
}

var (
	quantity = regexp.MustCompile(`^([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([numkKMGTPE]|µ|Ki|Mi|Gi|Ti)?$`)
	suffixes = map[string]float64{
		"": 1, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
	}
)

// number writes a number as a short decimal. Prometheus alerts may carry a suffix: 12.7m is
// 0.0127. Other texts stay as they are.
func number(text string) string {
	found := quantity.FindStringSubmatch(text)
	if found == nil {
		return cut(text, 40)
	}
	f, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return cut(text, 40)
	}
	f *= suffixes[found[2]]
	if math.Abs(f) >= 1e-4 && math.Abs(f) < 1e15 {
		f = math.Round(f*1e6) / 1e6
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

// span writes an ISO 8601 duration as PT1H30M in the short form, 1h30m.
func span(iso string) string {
	return strings.ToLower(strings.NewReplacer("P", "", "T", "").Replace(cut(iso, 20)))
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
