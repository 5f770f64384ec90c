package infra_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bluegreen/internal/release"
)

const (
	metricRules = "Microsoft.Insights/metricAlerts"
	logRules    = "Microsoft.Insights/scheduledQueryRules"
)

func (c *deployment) alertRules() []resource { return append(c.of(metricRules), c.logRules()...) }

// logRules are the rules that search the log of a gateway.
func (c *deployment) logRules() []resource {
	return slices.DeleteFunc(c.of(logRules), func(r resource) bool { return strings.HasSuffix(r.name, clockSilent) })
}

// criteria are the conditions of an alert rule.
func (r resource) criteria() []map[string]any {
	return list(map[string]any{"properties": r.body["properties"].(map[string]any)["criteria"]}, "allOf")
}

// TestTheAlertsMatchTheAppAndTheDeployedGateways: an alert of another name is of no app, and a
// rule about a pool that does not exist never fires.
func TestTheAlertsMatchTheAppAndTheDeployedGateways(t *testing.T) {
	each(t, func(t *testing.T, file string, params map[string]any, _ release.Color) {
		c := setup(t, file, params)
		app, rules := c.configured(), c.alertRules()
		if len(rules) == 0 {
			t.Error("there are no alert rules")
		}
		for _, rule := range rules {
			severity := "Sev" + c.text(c.entry, rule.body["properties"].(map[string]any)["severity"])
			if _, watched := app.Watches(severity, rule.name); !watched {
				t.Errorf("bluegreen.yaml does not watch %s of %s", rule.name, severity)
			}
			looksAt(t, c, rule)
		}
	})
}

// looksAt checks what a rule is about: pools are called by their names, with settings
// POOL~SETTINGS.
func looksAt(t *testing.T, c *deployment, rule resource) {
	t.Helper()
	p := rule.body["properties"].(map[string]any)
	g, made := c.withID(p["scopes"].([]any)[0].(string))
	if !made {
		t.Errorf("%s is about %v, which is not made", rule.name, p["scopes"])
	}
	known := map[string][]any{}
	for _, pool := range list(g.body, "backendAddressPools") {
		known["BackendPool"] = append(known["BackendPool"], pool["name"])
		for _, s := range list(g.body, "backendHttpSettingsCollection") {
			known["BackendSettingsPool"] = append(known["BackendSettingsPool"], pool["name"].(string)+"~"+s["name"].(string))
		}
	}
	for _, limit := range rule.criteria() {
		if query, _ := limit["query"].(string); query != "" {
			if name := poolOf.FindStringSubmatch(query); name != nil && !slices.Contains(known["BackendPool"], any(name[1])) {
				t.Errorf("%s looks at pool %s, which gateway %s does not have", rule.name, name[1], g.name)
			}
			continue
		}
		for _, d := range list(map[string]any{"properties": limit}, "dimensions") {
			for _, value := range d["values"].([]any) {
				if !slices.Contains(known[d["name"].(string)], value) {
					t.Errorf("%s looks at %s %s, which gateway %s does not have", rule.name, d["name"], value, g.name)
				}
			}
		}
	}
}

var poolOf = regexp.MustCompile(`BackendPoolName =~ "([^"]+)"`)

// caused are the metrics that anyone changes with requests of their own.
var caused = regexp.MustCompile(`ResponseStatus|FailedRequests|Latency|LastByte|FirstByte|TotalTime|Throughput|CurrentConnections`)

// TestRequestsOfOutsidersFireNoRuleOfTheirOwn evaluates the rules on access logs: a URL that fails
// fires none, a version that fails fires the rules of its pool.
func TestRequestsOfOutsidersFireNoRuleOfTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, file string, params map[string]any, _ release.Color) {
		c := setup(t, file, params)
		for _, r := range c.of(metricRules) {
			for _, limit := range r.criteria() {
				if metric := limit["metricName"].(string); caused.MatchString(metric) {
					t.Errorf("%s fires by %s, which counts what anyone asks for", r.name, metric)
				}
			}
		}
		rules := c.logRules()
		for _, color := range []string{"blue", "green"} {
			if !slices.ContainsFunc(rules, func(r resource) bool { return strings.HasSuffix(r.name, color+"-backend-5xx") }) {
				t.Errorf("there is no rule on the failed requests of %s", color)
			}
		}
		for _, r := range rules {
			judged(t, r)
		}
	})
}

// judged holds a rule on a share against access logs.
func judged(t *testing.T, r resource) {
	t.Helper()
	pool, other := "pool-of-another-app", "pool-other"
	limit := r.criteria()[0]
	ofPool := poolOf.FindStringSubmatch(limit["query"].(string))
	if ofPool != nil {
		pool = ofPool[1]
	}
	good := access{"BackendPoolName": pool, "HttpStatus": 200.0, "ServerResponseLatency": 0.1}
	bad := access{"BackendPoolName": pool, "HttpStatus": 502.0, "ServerResponseLatency": 30.0}
	elsewhere := access{"BackendPoolName": other, "HttpStatus": 502.0, "ServerResponseLatency": 30.0}
	for name, test := range map[string]struct {
		log   []access
		fires bool
	}{
		"one URL that fails, at night":   {slices.Repeat([]access{bad}, 50), false},
		"one URL that fails, by day":     {append(slices.Repeat([]access{good}, 2000), slices.Repeat([]access{bad}, 80)...), false},
		"a version that fails":           {append(slices.Repeat([]access{good}, 100), slices.Repeat([]access{bad}, 100)...), true},
		"a version that fails for all":   {slices.Repeat([]access{bad}, 200), true},
		"another pool that fails":        {append(slices.Repeat([]access{good}, 200), slices.Repeat([]access{elsewhere}, 200)...), ofPool == nil},
		"another pool that covers it up": {append(slices.Repeat([]access{bad}, 200), slices.Repeat([]access{{"BackendPoolName": other, "HttpStatus": 200.0, "ServerResponseLatency": 0.1}}, 5000)...), ofPool != nil},
		"nothing":                        {nil, false},
	} {
		fires := false
		for _, row := range kusto(t, limit["query"].(string), test.log) {
			fires = fires || row[limit["metricMeasureColumn"].(string)].(float64) > float64(limit["threshold"].(int))
			for _, d := range list(map[string]any{"properties": limit}, "dimensions") {
				if value, _ := row[d["name"].(string)].(string); !strings.EqualFold(value, pool) {
					t.Errorf("%s: its alert names %s %q, not %s", r.name, d["name"], value, pool)
				}
			}
		}
		if fires != test.fires {
			t.Errorf("%s fires %v with %s", r.name, fires, name)
		}
	}
}

// access is a row of a log.
type access map[string]any

var (
	counts   = regexp.MustCompile(`(\w+) = count(?:if)?\(([^()]*)\)`)
	compared = regexp.MustCompile(`^(?:(\d+) \* )?(\w+) (=~|>=|>) (?:"([^"]*)"|(\d+))$`)
	ratio    = regexp.MustCompile(`^(\w+) = ([0-9.]+) \* (\w+) / (\w+)$`)
)

// kusto is the result of a query of the few operators that the rules use.
func kusto(t *testing.T, query string, rows []access) []access {
	t.Helper()
	steps := strings.Split(query, " | ")
	if steps[0] != "AGWAccessLogs" {
		t.Fatalf("%q begins with an unknown table", query)
	}
	for _, step := range steps[1:] {
		operator, rest, _ := strings.Cut(step, " ")
		switch operator {
		case "where":
			is := condition(t, rest)
			rows = slices.DeleteFunc(slices.Clone(rows), func(a access) bool { return !is(a) })
		case "summarize":
			rows = summarized(t, rest, rows)
		case "project":
			for n, a := range rows {
				rows[n] = a.projected(t, rest)
			}
		default:
			t.Fatalf("%q has the unknown operator %q", query, operator)
		}
	}
	return rows
}

func condition(t *testing.T, text string) func(access) bool {
	found := compared.FindStringSubmatch(text)
	switch {
	case text == "":
		return func(access) bool { return true }
	case found == nil:
		t.Fatalf("the condition %q is not understood", text)
	case found[3] == "=~":
		return func(a access) bool { return strings.EqualFold(a[found[2]].(string), found[4]) }
	}
	times, limit := 1.0, number(t, found[5])
	if found[1] != "" {
		times = number(t, found[1])
	}
	return func(a access) bool {
		value := times * a[found[2]].(float64)
		return value > limit || found[3] == ">=" && value == limit
	}
}

// summarized groups by a column, or not at all: then there is one row whatever there was.
func summarized(t *testing.T, text string, rows []access) (out []access) {
	sums, by, grouped := strings.Cut(text, " by ")
	key, column, _ := strings.Cut(by, " = ")
	groups := map[string][]access{}
	for _, a := range rows {
		group, _ := a[column].(string)
		groups[group] = append(groups[group], a)
	}
	if !grouped && len(rows) == 0 {
		groups[""] = nil
	}
	for group, members := range groups {
		row := access{key: group}
		for _, sum := range counts.FindAllStringSubmatch(sums, -1) {
			is, n := condition(t, sum[2]), 0.0
			for _, a := range members {
				if is(a) {
					n++
				}
			}
			row[sum[1]] = n
		}
		out = append(out, row)
	}
	return out
}

func (a access) projected(t *testing.T, columns string) access {
	out := access{}
	for _, column := range strings.Split(columns, ", ") {
		if found := ratio.FindStringSubmatch(column); found != nil {
			out[found[1]] = number(t, found[2]) * a[found[3]].(float64) / a[found[4]].(float64)
			continue
		}
		if a[column] == nil {
			t.Fatalf("there is no column %q in %s", column, fmt.Sprint(a))
		}
		out[column] = a[column]
	}
	return out
}

func number(t *testing.T, text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
