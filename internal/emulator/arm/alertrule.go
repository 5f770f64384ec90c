package arm

import (
	"net/http"
	"strings"
)

// AlertRule is a rule of Azure Monitor. Its id contains its kind: .../metricAlerts/name or
// .../scheduledQueryRules/name.
type AlertRule struct {
	ID       string
	Severity int
	Disabled bool
	Scopes   []string // resource ids
	Actions  []string // ids of action groups
}

// AddAlertRule adds a rule to the lists of alert rules.
func (e *Emulator) AddAlertRule(r AlertRule) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = append(e.rules, r)
}

// serveAlertRules lists the rules of a subscription or a resource group, or gets one.
func (e *Emulator) serveAlertRules(c call) answer {
	if c.method != http.MethodGet || c.rest != "" {
		return c.notAllowed()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	found := []any{}
	prefix := strings.ToLower("/subscriptions/" + c.subscription + "/")
	if c.group != "" {
		prefix += strings.ToLower("resourceGroups/" + c.group + "/")
	}
	for _, r := range e.rules {
		id := strings.ToLower(r.ID)
		if c.name != "" && id == strings.ToLower(c.raw) {
			return ok(r.resource())
		}
		if strings.HasPrefix(id, prefix) && strings.Contains(id, c.kind+"/") {
			found = append(found, r.resource())
		}
	}
	if c.name != "" {
		return c.notFound()
	}
	return ok(fields{"value": found})
}

func (r AlertRule) resource() fields {
	name := r.ID[strings.LastIndex(r.ID, "/")+1:]
	p := fields{"severity": r.Severity, "enabled": !r.Disabled, "scopes": r.Scopes, "evaluationFrequency": "PT1M", "windowSize": "PT5M", "description": ""}
	kind := "Microsoft.Insights/metricAlerts"
	if strings.Contains(strings.ToLower(r.ID), "/scheduledqueryrules/") {
		kind = "Microsoft.Insights/scheduledQueryRules"
		p["actions"] = fields{"actionGroups": r.Actions}
	} else {
		actions := []any{}
		for _, a := range r.Actions {
			actions = append(actions, fields{"actionGroupId": a, "webHookProperties": fields{}})
		}
		p["actions"], p["autoMitigate"] = actions, true
	}
	return fields{"id": r.ID, "name": name, "type": kind, "location": "global", "tags": fields{}, "properties": p}
}
