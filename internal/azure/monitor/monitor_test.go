package monitor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/emulator/actiongroup"

	"github.com/google/go-cmp/cmp"
)

const alertID = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/providers/Microsoft.AlertsManagement/alerts/6c1d2a7e-0000-4b1e-9a53-8d1a6f4f0001"

// metric is written by hand, key by key as Azure documents it.
const metric = `{"schemaId":"azureMonitorCommonAlertSchema","data":{
 "essentials":{
  "alertId":"` + alertID + `",
  "alertRule":"bg-checkout-5xx","alertRuleID":"/subscriptions/0b9f/resourceGroups/rg-shop-prod/providers/microsoft.insights/metricAlerts/bg-checkout-5xx",
  "severity":"Sev1","signalType":"Metric","monitorCondition":"Fired","monitoringService":"Platform",
  "alertTargetIDs":["/subscriptions/0b9f/resourcegroups/rg-shop-prod/providers/microsoft.network/applicationgateways/agw-shop"],
  "configurationItems":["agw-shop"],"originAlertId":"0b9f_rg-shop-prod_-1234567890",
  "firedDateTime":"2026-09-01T09:31:02.118Z","description":"checkout 5xx after release",
  "essentialsVersion":"1.0","alertContextVersion":"1.0"},
 "alertContext":{"properties":null,"conditionType":"SingleResourceMultipleMetricCriteria",
  "condition":{"windowSize":"PT5M","allOf":[
    {"metricName":"BackendResponseStatus","metricNamespace":"Microsoft.Network/applicationGateways","operator":"GreaterThan",
     "threshold":"20","timeAggregation":"Total",
     "dimensions":[{"name":"BackendPool","value":"pool-green"},{"name":"HttpStatusGroup","value":"5xx"}],
     "metricValue":57.0,"webTestName":null}],
   "windowStartTime":"2026-09-01T09:24:00Z","windowEndTime":"2026-09-01T09:29:00Z"}},
 "customProperties":{"bluegreen.app":"checkout"}}}`

func TestAMetricAlertIsReadWhole(t *testing.T) {
	got, err := monitor.Decode([]byte(metric))
	if err != nil {
		t.Fatal(err)
	}
	want := monitor.Alert{
		ID: strings.ToLower(alertID), Names: []string{"bg-checkout-5xx"}, Severity: "Sev1", Fired: true, Service: "Platform",
		RuleID:     "/subscriptions/0b9f/resourceGroups/rg-shop-prod/providers/microsoft.insights/metricAlerts/bg-checkout-5xx",
		At:         time.Date(2026, 9, 1, 9, 29, 0, 0, time.UTC),
		Summary:    "5xx answers of pool-green: 57, threshold 20 in 5m",
		Dimensions: []monitor.Dimension{{"BackendPool", "pool-green"}, {"HttpStatusGroup", "5xx"}},
		Custom:     map[string]string{"bluegreen.app": "checkout"},
		Targets:    []string{"/subscriptions/0b9f/resourcegroups/rg-shop-prod/providers/microsoft.network/applicationgateways/agw-shop"},
		Items:      []string{"agw-shop"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKindOfAlertHasASummary(t *testing.T) {
	a := actiongroup.Alert{Rule: "GreenErrors"}
	edit := func(pairs ...string) []byte { return []byte(strings.NewReplacer(pairs...).Replace(metric)) }
	tests := []struct {
		name    string
		body    []byte
		summary string
		names   []string
	}{
		{"log", a.Log("AppRoleName", "checkout", 3), "log search of AppRoleName checkout: 3, threshold 0 in 5m", nil},
		{"activity", a.Activity(), "Microsoft.Network/applicationGateways/write: Succeeded, by somebody@example.com", nil},
		{"service health", a.ServiceHealth(), "Network trouble (Application Gateway in West Europe)", nil},
		{"prometheus", a.Prometheus("bg-checkout", map[string]string{"namespace": "checkout"}),
			`bg-checkout/GreenErrors: value 0.0127 of sum(rate(http_requests_total{code=~"5.."}[2m])) > 5 (cluster aks-lab, namespace checkout)`,
			[]string{"bg-checkout/GreenErrors", "GreenErrors"}},
		{"no value", edit("57.0", "null"), "5xx answers of pool-green: no value, threshold 20 in 5m", nil},
		{"numbers as text and text as numbers", edit("57.0", `"57"`, `"20"`, "20"), "5xx answers of pool-green: 57, threshold 20 in 5m", nil},
		{"pool and setting", edit("BackendPool", "BackendSettingsPool", "BackendResponseStatus", "FailedRequests", "pool-green", "pool-green~set", `{"name":"HttpStatusGroup","value":"5xx"}`, `{}`),
			"FailedRequests of pool-green~set: 57, threshold 20 in 5m", nil},
		{"share of a log", a.Share("shop-green", 12.5, 5), "PercentFailed of shop-green: 12.5, threshold 5 in 5m", nil},
		{"log of the old API", a.LogV1("Host", "checkout", 3), "log search of Host checkout: 3, threshold 0", nil},
		{"query", a.PromQL("up < 1", map[string]string{"pod": "checkout-1", "namespace": "checkout"}), "query of namespace checkout, pod checkout-1: 12.5", nil},
		{"several resources", edit("SingleResource", "MultipleResource"), "5xx answers of pool-green: 57, threshold 20 in 5m", nil},
		{"dynamic threshold", edit("SingleResourceMultipleMetricCriteria", "DynamicThresholdCriteria"), "5xx answers of pool-green: 57, not what is usual in 5m", nil},
		{"web test", edit(`"webTestName":null`, `"webTestName":"front page"`, `{"name":"BackendPool","value":"pool-green"},{"name":"HttpStatusGroup","value":"5xx"}`, ""),
			"web test front page: 57, threshold 20 in 5m", nil},
		{"no context", edit(`"alertContext":{`, `"alertContext":null,"other":{`), "checkout 5xx after release", nil},
		{"odd context", edit(`"allOf":[`, `"allOf":{},"other":[`), "checkout 5xx after release", nil},
		{"odd dimensions", edit(`"dimensions":[`, `"dimensions":3,"other":[`), "BackendResponseStatus: 57, threshold 20 in 5m", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := monitor.Decode(test.body)
			if err != nil || !got.Fired || got.Test || got.Summary != test.summary {
				t.Errorf("error %v, fired %v\ngot  %s\nwant %s", err, got.Fired, got.Summary, test.summary)
			}
			if test.names != nil && !cmp.Equal(test.names, got.Names) {
				t.Errorf("names %q, want %q", got.Names, test.names)
			}
		})
	}
}

// TestTheTimeOfAnAlertIsTheEndOfWhatItMeasured: it counts from when the data were, and a time
// without a zone is no time.
func TestTheTimeOfAnAlertIsTheEndOfWhatItMeasured(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	edit := func(pairs ...string) []byte { return []byte(strings.NewReplacer(pairs...).Replace(metric)) }
	fired, until := at("2026-09-01T09:31:02.118Z"), at("2026-09-01T09:28:59Z")
	late := actiongroup.Alert{Rule: "r", FiredAt: fired, Until: until}
	tests := []struct {
		name string
		body []byte
		want time.Time
	}{
		{"metric", late.Metric("p", 1, 0), until},
		{"log", late.Log("c", "v", 1), until},
		{"log of the old API", late.LogV1("c", "v", 1), until},
		{"old API, as RFC 3339", []byte(strings.Replace(string(late.LogV1("c", "v", 1)), "9/1/2026 9:28:59 AM", "2026-09-01T09:28:59Z", 1)), until},
		{"prometheus", late.Prometheus("g", nil), fired},
		{"activity log", []byte(strings.Replace(string(late.Activity()), `"channels":`, `"eventTimestamp":"2026-09-01T11:28:59+02:00","channels":`, 1)), until},
		{"offset", edit("2026-09-01T09:29:00Z", "2026-09-01T11:29:00.5+02:00"), at("2026-09-01T09:29:00.5Z")},
		{"window without zone", edit("2026-09-01T09:29:00Z", "2026-09-01T09:29:00"), fired},
		{"no zone at all", edit("2026-09-01T09:29:00Z", "2026-09-01T09:29:00", "2026-09-01T09:31:02.118Z", "2026-09-01T09:31:02"), time.Time{}},
		{"year 1", edit("2026-09-01T09:29:00Z", "0001-01-01T00:00:00Z"), fired},
		{"no time", edit(`"windowEndTime"`, `"other"`, `"firedDateTime"`, `"other"`), time.Time{}},
	}
	for _, test := range tests {
		if got, err := monitor.Decode(test.body); err != nil || !got.At.Equal(test.want) {
			t.Errorf("%s: %s, error %v, want %s", test.name, got.At, err, test.want)
		}
	}
}

// TestDimensionsAreReadInEveryFormThatServicesSend: beside the search, as an object, as labels, and
// as what a PromQL expression asks for.
func TestDimensionsAreReadInEveryFormThatServicesSend(t *testing.T) {
	a := actiongroup.Alert{Rule: "r"}
	tests := []struct {
		name string
		body []byte
		want []monitor.Dimension
	}{
		{"log of the old API", a.LogV1("ClusterName", "aks-green", 1), []monitor.Dimension{{"ClusterName", "aks-green"}}},
		{"object", a.PromQL("up", map[string]string{"cluster": "aks-green", "app": "x"}), []monitor.Dimension{{"app", "x"}, {"cluster", "aks-green"}}},
		{"expression", []byte(strings.Replace(string(a.Prometheus("g", nil)), `{code=~\"5..\"}`, `{code=~\"5..\", color = \"green\", zone!=\"1\"}`, 1)),
			[]monitor.Dimension{{"alertname", "r"}, {"cluster", "aks-lab"}, {"color", "green"}}},
		{"query", a.PromQL(`errors{namespace="shop"} > 1`, nil), []monitor.Dimension{{"namespace", "shop"}}},
	}
	for _, test := range tests {
		got, err := monitor.Decode(test.body)
		if diff := cmp.Diff(test.want, got.Dimensions); err != nil || diff != "" {
			t.Errorf("%s: error %v, %s", test.name, err, diff)
		}
	}
	items, err := monitor.Decode([]byte(strings.Replace(string(a.LogV1("c", "v", 1)), `"AffectedConfigurationItems":[]`, `"AffectedConfigurationItems":["aks-green"]`, 1)))
	if err != nil || !cmp.Equal(items.Items, []string{"aks-green"}) {
		t.Errorf("items %q, error %v", items.Items, err)
	}
}

func TestABudgetIsNotAboutTraffic(t *testing.T) {
	for name, body := range map[string]string{
		"as documented": string(actiongroup.Budget()),
		"fired":         strings.Replace(string(actiongroup.Budget()), `"monitorCondition":null`, `"monitorCondition":"Fired"`, 1),
	} {
		a, err := monitor.Decode([]byte(body))
		if err != nil || !a.Costs || a.Rule() != "lab-budget" {
			t.Errorf("%s: %+v, error %v", name, a, err)
		}
	}
	if a, err := monitor.Decode([]byte(metric)); err != nil || a.Costs {
		t.Errorf("a metric alert is taken for one of a budget: error %v", err)
	}
}

func TestOnlyTheMonitorConditionDecidesWhetherAnAlertIsOver(t *testing.T) {
	resolved, err := monitor.Decode(actiongroup.Alert{ID: alertID, Rule: "r", Resolved: true}.Metric("pool-green", 0, 20))
	if err != nil || resolved.Fired || resolved.ID != strings.ToLower(alertID) {
		t.Errorf("resolved: %+v, error %v", resolved, err)
	}
	health, err := monitor.Decode(actiongroup.Alert{Rule: "r"}.ServiceHealth()) // the incident's own status is Resolved
	if err != nil || !health.Fired {
		t.Errorf("service health: fired %v, error %v", health.Fired, err)
	}
}

func TestThePortalsTestsAreKnown(t *testing.T) {
	a, err := monitor.Decode(actiongroup.PortalTest())
	if err != nil || !a.Test {
		t.Errorf("test %v, error %v", a.Test, err)
	}
	for _, real := range []actiongroup.Alert{
		{Rule: "test-env-5xx"},
		{Rule: "test-env-5xx", Custom: map[string]string{"Key1": "Value1"}},
		{Rule: "test-env-5xx", Target: "/subscriptions/aaaaaaaa-0000-0000-0000-000000000000/resourceGroups/test-RG/providers/Microsoft.Storage/storageAccounts/s"},
		{Rule: "test-env-5xx", Target: "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/s"},
		{Rule: "test-env-5xx", Target: "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/s"},
	} {
		if a, err := monitor.Decode(real.Metric("pool-green", 1, 0)); err != nil || a.Test {
			t.Errorf("%+v is taken for a test: %v", real, err)
		}
	}
}

func TestCustomPropertiesComeFromEitherPlace(t *testing.T) {
	for name, body := range map[string]string{
		"custom properties": metric,
		"the context":       strings.NewReplacer(`"properties":null`, `"properties":{"bluegreen.app":"checkout"}`, `{"bluegreen.app":"checkout"}}}`, `null}}`).Replace(metric),
		"both":              strings.Replace(metric, `"properties":null`, `"properties":{"bluegreen.app":"old"}`, 1),
	} {
		a, err := monitor.Decode([]byte(body))
		if err != nil || a.Custom["bluegreen.app"] != "checkout" {
			t.Errorf("%s: %v, error %v", name, a.Custom, err)
		}
	}
	for _, odd := range []string{"null", "[]", `"text"`, "{}"} {
		if _, err := monitor.Decode([]byte(strings.Replace(metric, `{"bluegreen.app":"checkout"}`, odd, 1))); err != nil {
			t.Errorf("%s: %v", odd, err)
		}
	}
}

func TestABodyThatIsNoAlertIsRefusedWithItsReason(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(metric, old, new, 1) }
	tests := []struct{ name, body, want string }{
		{"empty", ``, "the body is not JSON: unexpected end of JSON input"},
		{"malformed", `{"schemaId":`, "the body is not JSON: unexpected end of JSON input"},
		{"list", `[]`, "the body is not a JSON object: it is not an alert of Azure Monitor"},
		{"no schema", `{}`, "the body has no schemaId: it is not an alert in the common alert schema of Azure Monitor; turn that schema on for this receiver of the action group"},
		{"null", `null`, "the body has no schemaId: it is not an alert in the common alert schema of Azure Monitor; turn that schema on for this receiver of the action group"},
		{"legacy metric", string(actiongroup.Legacy()), `the alert came in the schema "AzureMonitorMetricAlert": turn the common alert schema on for this receiver of the action group`},
		{"legacy activity log", `{"schemaId":"Microsoft.Insights/activityLogs","data":{"status":"Activated"}}`, `the alert came in the schema "Microsoft.Insights/activityLogs": turn the common alert schema on for this receiver of the action group`},
		{"no id", edit(alertID, ""), "data.essentials.alertId is missing: a repeated alert cannot be recognized without it"},
		{"odd id", edit(alertID, "a\\nb"), "data.essentials.alertId is not the id of an alert: at most 300 printable ASCII characters"},
		{"long id", edit(alertID, strings.Repeat("a", 301)), "data.essentials.alertId is not the id of an alert: at most 300 printable ASCII characters"},
		{"no rule", edit(`"alertRule":"bg-checkout-5xx",`, ""), "data.essentials.alertRule is missing: the app that the alert is about is unknown without it"},
		{"data of another shape", `{"schemaId":"azureMonitorCommonAlertSchema","data":[1]}`, "data.essentials.alertId is missing: a repeated alert cannot be recognized without it"},
		{"condition", edit(`"Fired"`, `"Activated"`), `data.essentials.monitorCondition is "Activated", should be Fired or Resolved`},
		{"no condition", edit(`"monitorCondition":"Fired",`, ""), `data.essentials.monitorCondition is "", should be Fired or Resolved`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := monitor.Decode([]byte(test.body))
			if err == nil || err.Error() != test.want {
				t.Errorf("read %+v\ngot  %v\nwant %s", a, err, test.want)
			}
			var legacy *monitor.LegacySchema
			if errors.As(err, &legacy) != strings.HasPrefix(test.name, "legacy") {
				t.Errorf("legacy: %v", legacy)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	a := actiongroup.Alert{Rule: "r", Custom: map[string]string{"app": "x"}}
	for _, seed := range [][]byte{
		[]byte(metric), a.Metric("p", 1, 2), a.Log("c", "v", 3), a.Share("p", 12.5, 5), a.Activity(), a.ServiceHealth(), a.Prometheus("g", nil),
		a.LogV1("c", "v", 3), a.PromQL("up", map[string]string{"a": "b"}), actiongroup.Budget(), actiongroup.PortalTest(), actiongroup.Legacy(), []byte(`null`), []byte(`{"schemaId":"azureMonitorCommonAlertSchema","data":{"essentials":null}}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := monitor.Decode(body)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if a.ID == "" || len(a.ID) > 300 || len(a.Names) == 0 || a.Rule() == "" || strings.ContainsAny(a.Summary, "\n\r") || len([]rune(a.Summary)) > 301 {
			t.Fatalf("%+v", a)
		}
	})
}
