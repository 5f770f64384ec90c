package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"bluegreen/internal/api"
	"bluegreen/internal/config"
)

const groupsVersion = "2023-01-01"

type actionGroup = named[struct {
	Enabled          bool
	WebhookReceivers []struct {
		Name, ServiceURI                 string
		UseCommonAlertSchema, UseAadAuth bool
	}
	AzureFunctionReceivers []struct {
		Name, FunctionAppResourceID, FunctionName string
		UseCommonAlertSchema                      bool
	}
}]

// alerts examines the action groups that lead to the app, and the rules that the configuration
// names. try are the commands that test the groups.
func (a *azure) alerts(ctx context.Context) (checks []api.Check, try []string) {
	if !slices.ContainsFunc(a.apps, func(c configured) bool { return len(c.rules) > 0 }) {
		return nil, nil
	}
	v := verdicts{name: "action group"}
	groups, err := list[actionGroup](ctx, a, "Microsoft.Insights/actionGroups", groupsVersion)
	if err != nil {
		v.unread(a, a.site.Name, err)
		return v.checks, nil
	}
	var ours []string
	for _, g := range groups {
		if a.receives(&v, g) {
			ours = append(ours, g.ID)
			try = append(try, testOf(g.ID))
			v.sound(g.Name)
		}
	}
	if len(ours) == 0 {
		v.add(api.CheckProblem, a.site.Name, "scripts/entra.sh, then make azure-up, which deploys bicep/modules/action-group.bicep", "no action group of subscription %s leads to %s: no alert returns traffic", a.subscription, a.site.Name)
	}
	return append(v.checks, a.rules(ctx, ours)...), try
}

// testOf is the command by which an action group sends a test alert. The receivers are read by the
// command itself: the URL of one may hold a key.
func testOf(id string) string {
	return fmt.Sprintf(`az rest --method post --uri '%s/createNotifications?api-version=%s' --body "$(az rest --method get --uri '%[1]s?api-version=%[2]s' --query "{alertType: 'metricstaticthreshold', webhookReceivers: properties.webhookReceivers, azureFunctionReceivers: properties.azureFunctionReceivers}" --output json)"`, id, groupsVersion)
}

// receives reports whether an action group leads to the app, and examines how.
func (a *azure) receives(v *verdicts, g actionGroup) (ours bool) {
	const fix = "make azure-up, which deploys bicep/modules/action-group.bicep"
	common := func(receiver string, on bool) {
		ours = true
		if !on {
			v.add(api.CheckProblem, g.Name, fix+", whose line is useCommonAlertSchema: true", "the receiver %s of the action group does not send the common alert schema, which alone is read", receiver)
		}
	}
	for _, r := range g.Properties.WebhookReceivers {
		at, err := url.Parse(r.ServiceURI)
		if err != nil || !a.site.serves(at.Hostname()) {
			continue
		}
		common(r.Name, r.UseCommonAlertSchema)
		switch path := strings.TrimSuffix(strings.ToLower(at.Path), "/"); {
		case path == "/api/alert-fired" && !r.UseAadAuth:
			v.add(api.CheckProblem, g.Name, fix+", whose line is useAadAuth: true; or let it call /api/alerts with a key of the function alerts", "the receiver %s calls /api/alert-fired without a token of Entra, and is refused", r.Name)
		case path == "/api/alerts" && at.Query().Get("code") == "":
			v.add(api.CheckProblem, g.Name, "put the key of the function alerts behind ?code=: az functionapp function keys list --resource-group "+a.site.group()+" --name "+a.site.Name+" --function-name alerts", "the receiver %s calls /api/alerts without a key, and is refused", r.Name)
		case path != "/api/alert-fired" && path != "/api/alerts":
			v.add(api.CheckProblem, g.Name, fix+", whose line is serviceUri: 'https://${hostName}/api/alert-fired'", "the receiver %s calls %s, where alerts are not taken", r.Name, at.Path)
		}
	}
	for _, r := range g.Properties.AzureFunctionReceivers {
		if !strings.EqualFold(r.FunctionAppResourceID, a.site.ID) {
			continue
		}
		common(r.Name, r.UseCommonAlertSchema)
		if r.FunctionName != "alerts" {
			v.add(api.CheckProblem, g.Name, "let it call the function alerts, or deploy bicep/modules/action-group.bicep", "the receiver %s calls the function %s, not alerts, which takes alerts with a key", r.Name, r.FunctionName)
		}
	}
	if ours && !g.Properties.Enabled {
		v.add(api.CheckProblem, g.Name, "az monitor action-group update --resource-group "+groupOf(g.ID)+" --name "+g.Name+" --set enabled=true", "the action group is disabled")
	}
	return ours
}

// alertRule is what an alert rule of each kind has in common.
type alertRule struct {
	id, name string
	enabled  bool
	groups   []string
}

// alertRules are those of the subscription.
func (a *azure) alertRules(ctx context.Context) (all []alertRule, err error) {
	metric, err := list[named[struct {
		Enabled bool
		Actions []struct{ ActionGroupID string }
	}]](ctx, a, "Microsoft.Insights/metricAlerts", "2018-03-01")
	if err != nil {
		return nil, err
	}
	for _, m := range metric {
		rule := alertRule{id: m.ID, name: m.Name, enabled: m.Properties.Enabled}
		for _, action := range m.Properties.Actions {
			rule.groups = append(rule.groups, action.ActionGroupID)
		}
		all = append(all, rule)
	}
	logs, err := list[named[struct {
		Enabled *bool
		Actions struct{ ActionGroups []string }
	}]](ctx, a, "Microsoft.Insights/scheduledQueryRules", "2023-12-01")
	if err != nil {
		return nil, err
	}
	for _, l := range logs {
		all = append(all, alertRule{l.ID, l.Name, l.Properties.Enabled == nil || *l.Properties.Enabled, l.Properties.Actions.ActionGroups})
	}
	prometheus, err := list[named[struct {
		Enabled *bool
		Rules   []struct {
			Alert   string
			Enabled *bool
			Actions []struct{ ActionGroupID string }
		}
	}]](ctx, a, "Microsoft.AlertsManagement/prometheusRuleGroups", "2023-03-01")
	if err != nil {
		return nil, err
	}
	for _, p := range prometheus {
		for _, r := range p.Properties.Rules {
			on := (p.Properties.Enabled == nil || *p.Properties.Enabled) && (r.Enabled == nil || *r.Enabled)
			rule := alertRule{id: p.ID, name: p.Name + "/" + r.Alert, enabled: on}
			for _, action := range r.Actions {
				rule.groups = append(rule.groups, action.ActionGroupID)
			}
			if r.Alert != "" { // the others record
				all = append(all, rule)
			}
		}
	}
	return all, nil
}

// rules examines the rules that each app watches: each entry needs one that can reach the app.
func (a *azure) rules(ctx context.Context, groups []string) []api.Check {
	v := verdicts{name: "alert rules"}
	all, err := a.alertRules(ctx)
	if err != nil {
		v.unread(a, a.site.Name, err)
		return v.checks
	}
	for _, app := range a.apps {
		for _, pattern := range app.rules {
			a.ruleOf(&v, app.name+", rule "+pattern, pattern, all, groups)
		}
	}
	return v.checks
}

func (a *azure) ruleOf(v *verdicts, target, pattern string, all []alertRule, groups []string) {
	watches := config.App{Behavior: config.Behavior{Alerts: []config.Alert{{Rule: pattern}}}}
	var off, silent []string
	reached := false
	for _, rule := range all {
		_, watched := watches.Watches("", rule.name, rule.name[strings.LastIndex(rule.name, "/")+1:])
		leads := slices.ContainsFunc(rule.groups, func(g string) bool {
			return slices.ContainsFunc(groups, func(own string) bool { return strings.EqualFold(own, g) })
		})
		switch {
		case !watched:
		case !rule.enabled:
			off = append(off, rule.id)
		case !leads:
			silent = append(silent, rule.id)
		default:
			reached = true
		}
	}
	state := api.CheckWarning
	if !reached {
		state = api.CheckProblem
	}
	for _, id := range off {
		v.add(state, target, "az resource update --ids "+id+" --set properties.enabled=true", "the alert rule %s is disabled", id[strings.LastIndex(id, "/")+1:])
	}
	for _, id := range silent {
		v.add(state, target, "give it the action group "+cmp.Or(strings.Join(groups, " or "), "of bicep/modules/action-group.bicep")+", which is the line actionGroupId: of bicep/modules/alerts.bicep", "the alert rule %s does not use an action group of the app", id[strings.LastIndex(id, "/")+1:])
	}
	if !reached && len(off)+len(silent) == 0 {
		v.add(api.CheckProblem, target, "name one in watched of bicep/controller.bicepparam, which deploys bicep/modules/alerts.bicep, or correct alerts in bluegreen.yaml", "no alert rule of subscription %s has such a name: no alert returns the app's traffic", a.subscription)
	}
	v.sound(target)
}
