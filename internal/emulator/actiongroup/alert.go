package actiongroup

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	subscription = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"
	group        = subscription + "/resourceGroups/rg-lab"
)

// NewID returns the id of a new alert.
func NewID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return fmt.Sprintf("%s/providers/Microsoft.AlertsManagement/alerts/%x-%x-%x-%x-%x", subscription, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Alert has the fields that all payloads share. Only Rule is required.
type Alert struct {
	ID       string // a new one for each payload when ""
	Rule     string
	Severity string // Sev1 by default
	Resolved bool
	FiredAt  time.Time         // now by default
	Until    time.Time         // end of the measured window; FiredAt by default
	Custom   map[string]string // nil is sent as null
	Target   string            // resource id; an Application Gateway by default
}

func (a Alert) filled() Alert {
	if a.ID == "" {
		a.ID = NewID()
	}
	if a.Severity == "" {
		a.Severity = "Sev1"
	}
	if a.FiredAt.IsZero() {
		a.FiredAt = time.Now()
	}
	if a.Until.IsZero() {
		a.Until = a.FiredAt
	}
	if a.Target == "" {
		a.Target = group + "/providers/Microsoft.Network/applicationGateways/agw-lab"
	}
	return a
}

// payload wraps a context in the common alert schema.
func (a Alert) payload(signal, service string, context any, more map[string]any) []byte {
	a = a.filled()
	target := strings.ToLower(a.Target)
	essentials := map[string]any{
		"alertId": a.ID, "alertRule": a.Rule, "severity": a.Severity, "signalType": signal, "monitorCondition": "Fired",
		"monitoringService": service, "alertTargetIDs": []string{target}, "configurationItems": []string{target[strings.LastIndex(target, "/")+1:]},
		"originAlertId": "origin_" + a.Rule, "firedDateTime": a.FiredAt.UTC().Format(time.RFC3339Nano), "description": "",
		"essentialsVersion": "1.0", "alertContextVersion": "1.0",
	}
	if a.Resolved {
		essentials["monitorCondition"] = "Resolved"
		essentials["resolvedDateTime"] = a.FiredAt.Add(5 * time.Minute).UTC().Format(time.RFC3339Nano)
	}
	for name, value := range more {
		essentials[name] = value
	}
	body, err := json.Marshal(map[string]any{
		"schemaId": "azureMonitorCommonAlertSchema",
		"data":     map[string]any{"essentials": essentials, "alertContext": context, "customProperties": a.Custom},
	})
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return body
}

type dimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Metric is a metric alert on the 5xx answers of a backend pool.
func (a Alert) Metric(pool string, value, threshold float64) []byte {
	a = a.filled()
	return a.payload("Metric", "Platform", map[string]any{
		"properties": nil, "conditionType": "SingleResourceMultipleMetricCriteria",
		"condition": map[string]any{
			"windowSize": "PT5M",
			"allOf": []any{map[string]any{
				"metricName": "BackendResponseStatus", "metricNamespace": "Microsoft.Network/applicationGateways", "operator": "GreaterThan",
				"threshold": fmt.Sprint(threshold), "timeAggregation": "Total", "metricValue": value, "webTestName": nil,
				"dimensions": []dimension{{"BackendPool", pool}, {"HttpStatusGroup", "5xx"}},
			}},
			"windowStartTime": a.Until.Add(-5 * time.Minute), "windowEndTime": a.Until,
		},
	}, map[string]any{
		"alertRuleID":        group + "/providers/microsoft.insights/metricAlerts/" + a.Rule,
		"targetResourceType": "microsoft.network/applicationgateways", "resourceGroupName": "rg-lab",
	})
}

// Log is a log search alert split by one column.
func (a Alert) Log(column, value string, count float64) []byte {
	a = a.filled()
	return a.payload("Log", "Log Alerts V2", map[string]any{
		"properties": map[string]any{}, "conditionType": "LogQueryCriteria",
		"condition": map[string]any{
			"windowSize": "PT5M",
			"allOf": []any{map[string]any{
				"searchQuery":         "AppRequests | where Success == false | summarize count() by " + column,
				"metricMeasureColumn": nil, "targetResourceTypes": "['Microsoft.OperationalInsights/workspaces']",
				"operator": "GreaterThan", "threshold": "0", "timeAggregation": "Count", "metricValue": count,
				"dimensions":            []dimension{{column, value}},
				"failingPeriods":        map[string]int{"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
				"linkToSearchResultsUI": "https://portal.azure.com/#search",
			}},
			"windowStartTime": a.Until.Add(-5 * time.Minute), "windowEndTime": a.Until,
		},
	}, nil)
}

// Share is a log search alert on the share of failed requests of a backend pool, in percent.
func (a Alert) Share(pool string, percent, tolerated float64) []byte {
	a = a.filled()
	return a.payload("Log", "Log Alerts V2", map[string]any{
		"properties": nil, "conditionType": "LogQueryCriteria",
		"condition": map[string]any{
			"windowSize": "PT5M",
			"allOf": []any{map[string]any{
				"searchQuery":         `AGWAccessLogs | where BackendPoolName =~ "` + pool + `" | summarize Requests = count(), Bad = countif(HttpStatus >= 500) by BackendPool = BackendPoolName | where Requests >= 100 | project BackendPool, PercentFailed = 100.0 * Bad / Requests`,
				"metricMeasureColumn": "PercentFailed", "targetResourceTypes": "['Microsoft.Network/applicationGateways']",
				"operator": "GreaterThan", "threshold": fmt.Sprint(tolerated), "timeAggregation": "Maximum", "metricValue": percent,
				"dimensions":            []dimension{{"BackendPool", pool}},
				"failingPeriods":        map[string]int{"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
				"linkToSearchResultsUI": "https://portal.azure.com/#search",
			}},
			"windowStartTime": a.Until.Add(-5 * time.Minute), "windowEndTime": a.Until,
		},
	}, map[string]any{"targetResourceType": "microsoft.network/applicationgateways"})
}

// LogV1 is an alert of a log search rule of the API before 2020-05-01, split by one column. Its
// times have no zone, and its dimensions lie beside the search.
func (a Alert) LogV1(column, value string, count float64) []byte {
	a = a.filled()
	const form = "1/2/2006 3:04:05 PM"
	return a.payload("Log", "Log Analytics", map[string]any{
		"SearchQuery":                "requests | where success == false | summarize AggregatedValue = count() by bin(timestamp, 5m), " + column,
		"SearchIntervalStartTimeUtc": a.Until.UTC().Add(-15 * time.Minute).Format(form), "SearchIntervalEndtimeUtc": a.Until.UTC().Format(form),
		"ResultCount": count, "Threshold": 0, "Operator": "Greater Than", "AlertType": "Metric measurement", "SearchIntervalDurationMin": "15",
		"AffectedConfigurationItems": []string{}, "Dimensions": []dimension{{column, value}}, "IncludedSearchResults": "False",
	}, map[string]any{"configurationItems": []string{}})
}

// PromQL is a query-based metric alert, whose dimensions are an object.
func (a Alert) PromQL(query string, dimensions map[string]string) []byte {
	a = a.filled()
	return a.payload("Metric", "Platform", map[string]any{
		"properties": nil, "conditionType": "PromQLCriteria",
		"condition": map[string]any{
			"windowSize": nil,
			"allOf":      []any{map[string]any{"criterionType": "StaticThresholdCriterion", "query": query, "metricValue": 12.5, "dimensions": dimensions}},
		},
	}, nil)
}

// Budget is an alert of Cost Management: rule, severity and targets are null in it.
func Budget() []byte {
	a := Alert{ID: subscription + "/providers/Microsoft.CostManagement/alerts/lab-budget"}
	return a.payload("", "CostAlerts", map[string]any{
		"AlertCategory": "budgets",
		"AlertData":     map[string]string{"ThresholdType": "Actual", "BudgetType": "Cost", "BudgetThreshold": "$50.00", "BudgetName": "lab-budget", "SpentAmount": "$111.00"},
	}, map[string]any{
		"alertRule": nil, "severity": nil, "signalType": nil, "monitorCondition": nil, "alertTargetIDs": nil,
		"configurationItems": []string{"budgets"}, "originAlertId": nil,
	})
}

// Activity is an activity log alert about an operation on the gateway.
func (a Alert) Activity() []byte {
	return a.payload("Activity Log", "Activity Log - Administrative", map[string]any{
		"authorization": map[string]string{"action": "Microsoft.Network/applicationGateways/write", "scope": group},
		"channels":      "Operation", "claims": `{"aud":"https://management.azure.com/"}`, "caller": "somebody@example.com",
		"eventSource": "Administrative", "level": "Informational", "operationName": "Microsoft.Network/applicationGateways/write",
		"status": "Succeeded", "subStatus": "",
	}, nil)
}

// ServiceHealth is an alert about an incident of Azure; channels, eventSource and level
// are numbers in it, and its own status is not the alert's.
func (a Alert) ServiceHealth() []byte {
	return a.payload("Activity Log", "ServiceHealth", map[string]any{
		"authorization": nil, "channels": 1, "claims": nil, "caller": nil, "eventSource": 2, "level": 3,
		"operationName": "Microsoft.ServiceHealth/incident/action", "status": "Resolved", "subStatus": nil, "ResourceType": nil,
		"properties": map[string]string{
			"title": "Network trouble", "service": "Application Gateway", "region": "West Europe", "communication": "<p>We look into it.</p>",
			"incidentType": "Incident", "trackingId": "XXXX-000", "impactedServices": `[{"ServiceName":"Application Gateway"}]`, "stage": "Active", "isHIR": "false",
		},
	}, nil)
}

// Prometheus is an alert of a managed Prometheus rule group; Rule is the rule within it.
func (a Alert) Prometheus(ruleGroup string, labels map[string]string) []byte {
	all := map[string]string{"alertname": a.Rule, "cluster": "aks-lab"}
	for name, value := range labels {
		all[name] = value
	}
	return a.payload("Metric", "Prometheus", map[string]any{
		"interval": "PT1M", "expression": `sum(rate(http_requests_total{code=~"5.."}[2m])) > 5`, "expressionValue": "12.7m", "for": "PT2M",
		"labels": all, "annotations": map[string]string{"runbook": "https://example.com/runbook"},
		"ruleGroup": group + "/providers/Microsoft.AlertsManagement/prometheusRuleGroups/" + ruleGroup,
	}, map[string]any{"alertRule": ruleGroup + "/" + a.Rule})
}

// PortalTest is a sample as "Test action group" in the portal sends it.
func PortalTest() []byte {
	const dummy = "/subscriptions/11111111-1111-1111-1111-111111111111"
	a := Alert{
		ID: dummy + "/providers/Microsoft.AlertsManagement/alerts/12345678-1234-1234-1234-1234567890ab", Rule: "test-metricAlertRule", Severity: "Sev3",
		Custom: map[string]string{"Key1": "Value1", "Key2": "Value2"},
		Target: dummy + "/resourcegroups/test-RG/providers/Microsoft.Storage/storageAccounts/test-storageAccount",
	}
	return a.Metric("test-pool", 1, 0)
}

// Legacy is a metric alert of a receiver without the common alert schema.
func Legacy() []byte {
	return []byte(`{"schemaId":"AzureMonitorMetricAlert","data":{"version":"2.0","properties":null,"status":"Activated",
"context":{"timestamp":"2026-09-01T09:31:02Z","id":"` + group + `/providers/microsoft.insights/metricAlerts/old","name":"old","condition":{"windowSize":"PT5M","allOf":[]}}}}`)
}
