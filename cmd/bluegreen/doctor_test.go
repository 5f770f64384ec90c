package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/golden"
)

const (
	subscription  = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"
	controller    = subscription + "/resourceGroups/rg-bluegreen/providers/Microsoft.Web/sites/func-bluegreen"
	shopacr       = subscription + "/resourceGroups/rg-shop/providers/Microsoft.ContainerRegistry/registries/shopacr"
	registryTopic = subscription + "/resourceGroups/rg-shop/providers/Microsoft.EventGrid/systemTopics/registry-x"
	alertGroup    = subscription + "/resourceGroups/rg-bluegreen/providers/Microsoft.Insights/actionGroups/ag-bluegreen"
)

type object = map[string]any

// cloud is what az answers: by the path of a get, or by "account", "names" and "runtime" for its
// other commands. The shapes are those of Azure Resource Manager.
type cloud map[string]any

func (c cloud) list(kind string) string { return subscription + "/providers/" + kind }

// at leads to a property of a resource, by its path in the answer.
func at(v any, keys ...any) object {
	for _, key := range keys {
		switch k := key.(type) {
		case string:
			v = v.(object)[k]
		case int:
			v = v.([]any)[k]
		}
	}
	return v.(object)
}

func listed(values ...any) object { return object{"value": values} }

// azureIsWell is an installation as the templates make it.
func azureIsWell() cloud {
	var functions []any
	for _, name := range functionNames {
		functions = append(functions, object{"id": controller + "/functions/" + name, "name": "func-bluegreen/" + name, "type": "Microsoft.Web/sites/functions",
			"properties": object{"name": name, "isDisabled": false, "language": "custom"}})
	}
	c := cloud{
		"account": object{"environmentName": "AzureCloud", "id": strings.TrimPrefix(subscription, "/subscriptions/"), "isDefault": true, "name": "Shop", "state": "Enabled", "tenantId": "t", "user": object{"name": "ana@example.com", "type": "user"}},
		"names":   []any{"AzureWebJobsStorage__accountName", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId", "AZURE_CLIENT_ID", "BLUEGREEN_CONFIG"},
		"runtime": []any{},
	}
	c[c.list("Microsoft.Web/sites")] = listed(
		object{"id": subscription + "/resourceGroups/rg-other/providers/Microsoft.Web/sites/other", "name": "other", "kind": "app", "properties": object{"state": "Stopped", "hostNames": []any{"other.azurewebsites.net"}}},
		object{"id": controller, "name": "func-bluegreen", "kind": "functionapp,linux", "type": "Microsoft.Web/sites", "properties": object{
			"state": "Running", "defaultHostName": "func-bluegreen.azurewebsites.net", "hostNames": []any{"func-bluegreen.azurewebsites.net", "127.0.0.1"},
			"functionAppConfig": object{"runtime": object{"name": "custom", "version": "1.0"}},
		}})
	c[controller+"/functions"] = object{"value": functions, "nextLink": nil}
	c[controller+"/hostruntime/admin/host/status"] = object{"id": "func-bluegreen", "state": "Running", "version": "4.1037.0.0", "versionDetails": "4.1037.0+x", "processUptime": 5, "functionAppContentEditingState": "NotAllowed"}
	c[c.list("Microsoft.ContainerRegistry/registries")] = listed(object{"id": shopacr, "name": "shopacr", "location": "westeurope", "properties": object{"loginServer": "shopacr.azurecr.io", "provisioningState": "Succeeded"}})
	c[c.list("Microsoft.EventGrid/systemTopics")] = listed(object{"id": registryTopic, "name": "registry-x", "location": "westeurope", "properties": object{
		"provisioningState": "Succeeded", "source": strings.ToLower(shopacr), "topicType": "Microsoft.ContainerRegistry.Registries", "metricResourceId": "m"}})
	c[shopacr+"/providers/Microsoft.EventGrid/eventSubscriptions"] = listed()
	c[registryTopic+"/eventSubscriptions"] = listed(object{"id": registryTopic + "/eventSubscriptions/image-pushed-bluegreen", "name": "image-pushed-bluegreen", "properties": object{
		"provisioningState": "Succeeded", "topic": registryTopic, "eventDeliverySchema": "CloudEventSchemaV1_0",
		"destination": object{"endpointType": "AzureFunction", "properties": object{"resourceId": controller + "/functions/image-pushed", "maxEventsPerBatch": 1, "preferredBatchSizeInKilobytes": 64}},
		"filter": object{"includedEventTypes": []any{"Microsoft.ContainerRegistry.ImagePushed"}, "isSubjectCaseSensitive": false, "subjectBeginsWith": "", "subjectEndsWith": "", "advancedFilters": []any{
			object{"operatorType": "StringIn", "key": "data.target.repository", "values": []any{"team/cart", "Team/Shop"}},
			object{"operatorType": "IsNotNull", "key": "data.target.tag"},
			object{"operatorType": "StringNotBeginsWith", "key": "data.target.tag", "values": []any{"sha256-"}},
		}},
		"retryPolicy":                    object{"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
		"deadLetterWithResourceIdentity": object{"identity": object{"type": "SystemAssigned"}, "deadLetterDestination": object{"endpointType": "StorageBlob", "properties": object{"resourceId": "s", "blobContainerName": "dead-letters"}}},
	}})
	c[c.list("Microsoft.Insights/actionGroups")] = listed(
		object{"id": subscription + "/resourceGroups/rg-people/providers/microsoft.insights/actionGroups/people", "name": "people", "properties": object{"enabled": false, "emailReceivers": []any{object{"name": "ana"}}}},
		object{"id": alertGroup, "name": "ag-bluegreen", "location": "Global", "properties": object{"groupShortName": "bluegreen", "enabled": true, "webhookReceivers": []any{
			object{"name": "controller", "serviceUri": "https://func-bluegreen.azurewebsites.net/api/alert-fired", "useCommonAlertSchema": true, "useAadAuth": true, "objectId": "o", "identifierUri": "api://a", "tenantId": "t"},
		}, "azureFunctionReceivers": []any{}}})
	c[c.list("Microsoft.Insights/metricAlerts")] = listed(object{"id": subscription + "/resourceGroups/rg-bluegreen/providers/Microsoft.Insights/metricAlerts/shop-unhealthy", "name": "shop-unhealthy", "properties": object{
		"enabled": true, "severity": 2, "actions": []any{object{"actionGroupId": strings.ToLower(alertGroup), "webHookProperties": object{}}}}})
	c[c.list("Microsoft.Insights/scheduledQueryRules")] = listed(object{"id": "/x/y-clock-silent", "name": "bluegreen-clock-silent", "properties": object{"enabled": true, "actions": object{}}})
	c[c.list("Microsoft.AlertsManagement/prometheusRuleGroups")] = listed()
	return c
}

// installed puts an az first on the PATH of this process that answers with what is in the cloud, and
// as az does where nothing is.
func (c cloud) installed(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for key, answer := range c {
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(key)
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := `#!/bin/sh
echo "$*" >> "` + dir + `/calls"
case "$1" in
account) name=account ;;
functionapp) case "$*" in *"[].name"*) name=names ;; *) name=runtime ;; esac ;;
rest) name=$(printf %s "${5%%\?*}" | tr '/' '_') ;;
esac
if [ -f "` + dir + `/$name.json" ]; then exec cat "` + dir + `/$name.json"; fi
if [ "$1" = account ]; then echo "ERROR: Please run 'az login' to setup account." >&2; exit 1; fi
echo 'ERROR: Forbidden({"error":{"code":"AuthorizationFailed","message":"The client does not have authorization"}})' >&2
exit 1
`
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// TestTheDoctorAsksAzureOnceForAllApps: az takes some seconds to start.
func TestTheDoctorAsksAzureOnceForAllApps(t *testing.T) {
	azureIsWell().installed(t)
	log := filepath.Join(strings.Split(os.Getenv("PATH"), string(os.PathListSeparator))[0], "calls")
	asked := func(apps int) int {
		a := &azure{subscription: strings.TrimPrefix(subscription, "/subscriptions/"), site: webSite{ID: controller, Name: "func-bluegreen"}}
		for n := range apps {
			a.apps = append(a.apps, configured{name: fmt.Sprint("app-", n), registry: "shopacr.azurecr.io", repository: "team/shop", rules: []string{"shop-*"}})
		}
		for _, c := range a.events(t.Context()) {
			if c.State != api.CheckOK {
				t.Errorf("%+v", c)
			}
		}
		a.alerts(t.Context())
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n")
	}
	if one, many := asked(1), asked(20); one != many {
		t.Errorf("az is called %d times for one app, and %d times for 20", one, many)
	}
}

// TestTheDoctorOfManyApps prints what they have in common a few times, and goes on where the checks
// of one app are not answered.
func TestTheDoctorOfManyApps(t *testing.T) {
	s := newSite(t)
	t.Setenv("PATH", t.TempDir())
	s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name, app := strings.CutPrefix(r.URL.Path, "/api/apps/"); {
		case name == "app-7/doctor":
			api.WriteError(w, r, api.Errorf(http.StatusConflict, "refused", "not now"))
		case app:
			api.Write(w, http.StatusOK, api.Doctor{Checks: []api.Check{{Name: "gateway rights", Target: name, State: api.CheckProblem, Reason: "the identity lacks a right", Fix: "az role assignment create"}}})
		case r.URL.Path == "/api/health":
			h := api.Health{}
			for n := range 200 {
				h.Apps = append(h.Apps, api.AppHealth{Name: fmt.Sprint("app-", n)})
			}
			api.Write(w, http.StatusOK, h)
		default:
			api.Write(w, http.StatusOK, api.Doctor{})
		}
	}))
	r := s.run("doctor")
	s.expects(r, exitFailed, "PROBLEM    app-0, gateway rights (app-0/doctor): the identity lacks a right", "gateway rights: 194 more checks found the same (-o json has all): the identity lacks a right", "NOT KNOWN  app-7, doctor (app-7): ", "199 of 201 checks found a problem: gateway rights")
	if n := strings.Count(r.out, "\n"); n > 20 {
		t.Errorf("%d lines: %s", n, r.out)
	}
}

// TestAnAppThatIsNotAnsweredHidesNoCheckOfAzure of what all apps share, or of another app.
func TestAnAppThatIsNotAnsweredHidesNoCheckOfAzure(t *testing.T) {
	s := newSite(t)
	azureIsWell().installed(t)
	s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/apps/pay/configuration":
			api.WriteError(w, r, api.Errorf(http.StatusConflict, "refused", "not now"))
		case strings.HasSuffix(r.URL.Path, "/configuration"):
			api.Write(w, http.StatusOK, api.Configuration{Settings: []api.Setting{{Key: "image.registry", Value: "shopacr.azurecr.io"}, {Key: "image.repository", Value: "team/other"}}})
		case r.URL.Path == "/api/health":
			api.Write(w, http.StatusOK, api.Health{Apps: []api.AppHealth{{Name: "pay"}, {Name: "shop"}}})
		default:
			api.Write(w, http.StatusOK, api.Doctor{})
		}
	}))
	r := s.run("doctor")
	s.expects(r, exitFailed, "no subscription lets pushes to team/other through", "NOT KNOWN  all apps, azure (pay): its configuration cannot be read: ")
}

func (s *site) diagnosed(args ...string) (diagnosis, ran) {
	s.Helper()
	r := s.run(append([]string{"doctor", "shop", "-o", "json"}, args...)...)
	var d diagnosis
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		s.Fatalf("%v: %s%s", err, r.out, r.err)
	}
	return d, r
}

func TestAnInstallationThatIsWellPassesEveryCheck(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	azureIsWell().installed(t)
	r := s.run("doctor", "shop")
	s.expects(r, exitDone, "all 12 checks passed\n", "to test the action group, between releases: az rest --method post --uri '"+alertGroup+"/createNotifications?api-version=2023-01-01'")
	if strings.Contains(r.out, "PROBLEM") || strings.Contains(r.out, "NOT KNOWN") || strings.Contains(r.out, "WARNING") {
		t.Error(r.out)
	}
}

// TestTheDoctorNamesWhatIsMissingInAzure takes one part away at a time.
func TestTheDoctorNamesWhatIsMissingInAzure(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	const problem, warning, unknown = api.CheckProblem, api.CheckWarning, api.CheckUnknown
	sites, groups := "Microsoft.Web/sites", "Microsoft.Insights/actionGroups"
	self := func(c cloud) object { return at(c[c.list(sites)], "value", 1, "properties") }
	pushed := func(c cloud) object { return at(c[registryTopic+"/eventSubscriptions"], "value", 0, "properties") }
	group := func(c cloud) object { return at(c[c.list(groups)], "value", 1, "properties") }
	receiver := func(c cloud) object { return at(group(c), "webhookReceivers", 0) }
	metric := func(c cloud) object {
		return at(c[c.list("Microsoft.Insights/metricAlerts")], "value", 0, "properties")
	}
	function := func(name, of string) object {
		return object{"name": "controller", "functionAppResourceId": controller, "functionName": of, "httpTriggerUrl": "https://func-bluegreen.azurewebsites.net/api/" + of + "?code=s3cr3tkey", "useCommonAlertSchema": true}
	}
	for name, c := range map[string]struct {
		check       string
		state       api.CheckState
		reason, fix string
		take        func(c cloud)
	}{
		"not signed in":    {"azure", unknown, "Please run 'az login'", "az login", func(c cloud) { delete(c, "account") }},
		"another app":      {"azure", unknown, "has the host name 127.0.0.1", "az account set", func(c cloud) { self(c)["hostNames"] = []any{} }},
		"no right to list": {"azure", unknown, "AuthorizationFailed", "--role Reader", func(c cloud) { delete(c, c.list(sites)) }},

		"stopped": {"function app", problem, "the Function app is Stopped", "az functionapp start --resource-group rg-bluegreen --name func-bluegreen", func(c cloud) { self(c)["state"] = "Stopped" }},
		"runtime": {"function app", problem, `its runtime is "node"`, "runtime: { name: 'custom'", func(c cloud) { at(self(c), "functionAppConfig", "runtime")["name"] = "node" }},
		"runtime by settings": {"function app", problem, `FUNCTIONS_WORKER_RUNTIME is ""`, "FUNCTIONS_WORKER_RUNTIME=custom", func(c cloud) {
			delete(self(c), "functionAppConfig")
			c["runtime"] = []any{object{"name": "FUNCTIONS_EXTENSION_VERSION", "value": "~4"}}
		}},
		"extension version": {"function app", problem, `FUNCTIONS_EXTENSION_VERSION is "~3"`, "FUNCTIONS_EXTENSION_VERSION=~4", func(c cloud) {
			delete(self(c), "functionAppConfig")
			c["runtime"] = []any{object{"name": "FUNCTIONS_EXTENSION_VERSION", "value": "~3"}, object{"name": "FUNCTIONS_WORKER_RUNTIME", "value": "custom"}}
		}},
		"storage setting": {"function app", problem, "no setting names the storage account", "AzureWebJobsStorage__accountName=", func(c cloud) { c["names"] = []any{"AZURE_CLIENT_ID"} }},
		"client id":       {"function app", problem, "AZURE_CLIENT_ID is missing", "AZURE_CLIENT_ID=", func(c cloud) { c["names"] = []any{"AzureWebJobsStorage__accountName", "AzureWebJobsStorage__clientId"} }},
		"disabled function": {"function app", problem, "the function clock-tick is disabled", "AzureWebJobs.clock-tick.Disabled", func(c cloud) {
			at(c[controller+"/functions"], "value", slices.Index(functionNames, "clock-tick"), "properties")["isDisabled"] = true
		}},
		"no functions":        {"function app", problem, "the app has no function act, alert-fired", "scripts/publish.sh", func(c cloud) { c[controller+"/functions"] = listed() }},
		"settings unreadable": {"function app", unknown, "AuthorizationFailed", "--role Reader", func(c cloud) { delete(c, "names") }},

		"host unreachable":  {"host", unknown, "does not say how it is", "Website Contributor", func(c cloud) { delete(c, controller+"/hostruntime/admin/host/status") }},
		"host not running":  {"host", problem, "the host is Error, not Running", "az functionapp restart", func(c cloud) { at(c[controller+"/hostruntime/admin/host/status"])["state"] = "Error" }},
		"host with errors":  {"host", problem, "the host reports: no executable", "az webapp log tail", func(c cloud) { at(c[controller+"/hostruntime/admin/host/status"])["errors"] = []any{"no executable"} }},
		"host of version 3": {"host", problem, `version "3.1.0"`, "FUNCTIONS_EXTENSION_VERSION=~4", func(c cloud) { at(c[controller+"/hostruntime/admin/host/status"])["version"] = "3.1.0" }},

		"registry elsewhere": {"event subscription", unknown, "has no registry shopacr.azurecr.io", "az account set", func(c cloud) { c[c.list("Microsoft.ContainerRegistry/registries")] = listed() }},
		"system topic":       {"event subscription", problem, "the registry has no system topic", "az eventgrid system-topic create --name registry-shopacr --resource-group rg-shop --location westeurope --topic-type Microsoft.ContainerRegistry.Registries --source " + shopacr, func(c cloud) { c[c.list("Microsoft.EventGrid/systemTopics")] = listed() }},
		"system topic failed": {"event subscription", problem, "the system topic registry-x of the registry is Failed", "make azure-up", func(c cloud) {
			at(c[c.list("Microsoft.EventGrid/systemTopics")], "value", 0, "properties")["provisioningState"] = "Failed"
		}},
		"event subscription":  {"event subscription", problem, "no event subscription of the registry delivers to the function image-pushed", "scripts/events.sh", func(c cloud) { c[registryTopic+"/eventSubscriptions"] = listed() }},
		"subscription failed": {"event subscription", problem, "image-pushed-bluegreen is AwaitingManualAction", "scripts/events.sh", func(c cloud) { pushed(c)["provisioningState"] = "AwaitingManualAction" }},
		"another function": {"event subscription", problem, "delivers to functions/act, not to", "scripts/events.sh", func(c cloud) {
			at(pushed(c), "destination", "properties")["resourceId"] = controller + "/functions/act"
		}},
		"filter of repositories": {"event subscription", problem, "no subscription lets pushes to team/shop through: image-pushed-bluegreen has data.target.repository StringIn of [team/cart]", "scripts/events.sh", func(c cloud) { at(pushed(c), "filter", "advancedFilters", 0)["values"] = []any{"team/cart"} }},
		"filter of types": {"event subscription", problem, "does not include Microsoft.ContainerRegistry.ImagePushed", "scripts/events.sh", func(c cloud) {
			at(pushed(c), "filter")["includedEventTypes"] = []any{"Microsoft.ContainerRegistry.ImageDeleted"}
		}},
		"filter of subjects":       {"event subscription", problem, "wants subjects that begin with team/cart:", "scripts/events.sh", func(c cloud) { at(pushed(c), "filter")["subjectBeginsWith"] = "team/cart:" }},
		"dead letters":             {"event subscription", warning, "keeps no dead letters", "deadLetterWithResourceIdentity", func(c cloud) { delete(pushed(c), "deadLetterWithResourceIdentity") }},
		"subscriptions unreadable": {"event subscription", unknown, "AuthorizationFailed", "--role Reader", func(c cloud) { delete(c, registryTopic+"/eventSubscriptions") }},

		"action group":          {"action group", problem, "no action group of subscription", "scripts/entra.sh", func(c cloud) { c[c.list(groups)] = listed() }},
		"action group disabled": {"action group", problem, "the action group is disabled", "az monitor action-group update --resource-group rg-bluegreen --name ag-bluegreen --set enabled=true", func(c cloud) { group(c)["enabled"] = false }},
		"common alert schema":   {"action group", problem, "does not send the common alert schema", "useCommonAlertSchema: true", func(c cloud) { receiver(c)["useCommonAlertSchema"] = false }},
		"no token":              {"action group", problem, "calls /api/alert-fired without a token", "useAadAuth: true", func(c cloud) { receiver(c)["useAadAuth"] = false }},
		"no key":                {"action group", problem, "calls /api/alerts without a key", "--function-name alerts", func(c cloud) { receiver(c)["serviceUri"] = "https://func-bluegreen.azurewebsites.net/api/alerts" }},
		"another path": {"action group", problem, "calls /api/console, where", "serviceUri:", func(c cloud) {
			receiver(c)["serviceUri"] = "https://func-bluegreen.azurewebsites.net/api/console?code=s3cr3tkey"
		}},
		"receiver of a function": {"action group", problem, "calls the function alert-fired, not alerts", "let it call the function alerts", func(c cloud) {
			group(c)["webhookReceivers"] = []any{}
			group(c)["azureFunctionReceivers"] = []any{function("f", "alert-fired")}
		}},
		"no rule of the name": {"alert rules", problem, "has such a name", "bicep/modules/alerts.bicep", func(c cloud) { c[c.list("Microsoft.Insights/metricAlerts")] = listed() }},
		"rule disabled":       {"alert rules", problem, "the alert rule shop-unhealthy is disabled", "--set properties.enabled=true", func(c cloud) { metric(c)["enabled"] = false }},
		"rule without action": {"alert rules", problem, "does not use an action group of the app", alertGroup, func(c cloud) { metric(c)["actions"] = []any{} }},
		"one of two rules is silent": {"alert rules", warning, "the alert rule shop-errors does not use", alertGroup, func(c cloud) {
			c[c.list("Microsoft.Insights/scheduledQueryRules")] = listed(object{"id": "/x/shop-errors", "name": "shop-errors", "properties": object{"enabled": true, "actions": object{}}})
		}},
		"rules unreadable": {"alert rules", unknown, "AuthorizationFailed", "--role Reader", func(c cloud) { delete(c, c.list("Microsoft.Insights/metricAlerts")) }},
	} {
		t.Run(name, func(t *testing.T) {
			s.T = t
			azure := azureIsWell()
			c.take(azure)
			azure.installed(t)
			d, r := s.diagnosed()
			found := ""
			for _, check := range d.Checks {
				switch {
				case check.State == api.CheckOK:
				case check.Name == c.check && check.State == c.state && strings.Contains(check.Reason, c.reason) && strings.Contains(check.Fix, c.fix):
					found += check.Reason
				case check.Name != "alert rules": // which use the action group
					t.Errorf("%s, %s: %s\n\tfix: %s", check.State, check.Name, check.Reason, check.Fix)
				}
			}
			if found == "" {
				t.Errorf("not found: %s", r.out)
			}
			want := map[api.CheckState]int{problem: exitFailed, unknown: exitUnknown, warning: exitDone}[c.state]
			if r.code != want || strings.Contains(r.out+r.err, "s3cr3tkey") {
				t.Errorf("exit status %d, expected %d\n%s%s", r.code, want, r.out, r.err)
			}
		})
	}
}

func TestAFunctionReceiverWithAKeyIsWell(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	azure := azureIsWell()
	group := at(azure[azure.list("Microsoft.Insights/actionGroups")], "value", 1, "properties")
	group["webhookReceivers"] = []any{}
	group["azureFunctionReceivers"] = []any{object{"name": "controller", "functionAppResourceId": strings.ToUpper(controller), "functionName": "alerts", "httpTriggerUrl": "https://func-bluegreen.azurewebsites.net/api/alerts?code=s3cr3tkey", "useCommonAlertSchema": true}}
	azure.installed(t)
	r := s.run("doctor", "shop")
	s.expects(r, exitDone, "all 12 checks passed")
	if strings.Contains(r.out, "s3cr3tkey") {
		t.Error(r.out)
	}
}

func TestWithoutAzTheChecksOfAzureAreNotKnown(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	t.Setenv("PATH", t.TempDir())
	s.expects(s.run("doctor", "shop"), exitUnknown, "NOT KNOWN  all apps, azure (function app, host, event subscription, action group, alert rules): az is not installed",
		"fix: install Azure CLI", "7 of 8 checks passed", "bluegreen: 1 of 8 checks could not be made")
}

// TestWhatTheDoctorPrints: what is wrong comes first, each with its fix below it.
func TestWhatTheDoctorPrints(t *testing.T) {
	s := newSite(t)
	t.Setenv("PATH", t.TempDir())
	front := map[string]api.Doctor{
		"/api/doctor": {LastTick: noon.Add(-40e9), Checks: []api.Check{
			{Name: "configuration", Target: "bluegreen.yaml", State: api.CheckOK},
			{Name: "clock", Target: "management.azure.com", State: api.CheckUnknown, Reason: "what time it is there is not known: timeout"},
		}},
		"/api/apps/shop/doctor": {App: "shop", Checks: []api.Check{
			{Name: "workloads", Target: "blue: shop in namespace shop of cluster aks-blue", State: api.CheckWarning, Reason: "container app of Deployment shop has no readiness probe", Fix: "add readinessProbe"},
			{Name: "gateway rights", Target: "Application Gateway agw-shop", State: api.CheckProblem, Reason: "the identity lacks a right", Fix: "az role assignment create"},
			{Name: "registry", Target: "shopacr.azurecr.io/team/shop", State: api.CheckOK},
		}},
	}
	s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, ok := front[r.URL.Path]; ok {
			api.Write(w, http.StatusOK, d)
			return
		}
		api.WriteError(w, r, api.Errorf(http.StatusNotFound, "path", "nothing is at %s", r.URL.Path))
	}))
	s.now = noon
	var out strings.Builder
	for _, line := range []string{"doctor shop", "doctor shop -o json"} {
		r := s.run(words(line)...)
		fmt.Fprintf(&out, "$ bluegreen %s\n%s%s→ %d\n\n", line, r.out, r.err, r.code)
	}
	golden.Check(t, filepath.Join("testdata", "doctor.txt"), out.String())
	s.expects(s.run("doctor", "nope"), exitFailed, "nothing is at /api/apps/nope/doctor")
	s.url = "http://127.0.0.1:1"
	s.expects(s.run("doctor"), exitUnknown, "connection refused")
}

func TestTheNamesOfFunctionsAreThoseOfThePackage(t *testing.T) {
	found, err := filepath.Glob("../../*/function.json")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range found {
		names[filepath.Base(filepath.Dir(path))] = true
	}
	if got := slices.Sorted(maps.Keys(names)); !slices.Equal(got, functionNames) {
		t.Errorf("%v, not %v", functionNames, got)
	}
}

func TestACertificateIsRenewedInTime(t *testing.T) {
	s := &shell{now: func() time.Time { return noon }}
	if c := s.valid("bluegreen.example.com", noon.Add(15*24*time.Hour)); c.State != api.CheckOK {
		t.Errorf("%+v", c)
	}
	c := s.valid("bluegreen.example.com", noon.Add(13*24*time.Hour))
	if c.State != api.CheckWarning || !strings.Contains(c.Reason, "2026-12-07") || !strings.Contains(c.Fix, "--hostname bluegreen.example.com") {
		t.Errorf("%+v", c)
	}
}
