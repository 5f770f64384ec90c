package scripts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const authorization = scope + "/providers/Microsoft.Authorization/"

// deployed is an environment in Azure: one identity with three kinds of roles, one of them on
// a registry in another group, and the records of its deployments.
func deployed() []answer {
	assignment := func(scope, role string) map[string]any {
		return map[string]any{"id": scope + "/a-" + role, "properties": map[string]any{"roleDefinitionId": authorization + "roleDefinitions/" + role}}
	}
	role := func(id, kind, name string) answer {
		return answer{when: "rest --method get --url " + authorization + "roleDefinitions/" + id, print: text(map[string]any{"properties": map[string]any{"type": kind, "roleName": name}})}
	}
	operations := func(ids ...string) string {
		var list []any
		for _, id := range ids {
			list = append(list, map[string]any{"properties": map[string]any{"targetResource": map[string]any{"id": id, "resourceType": "Microsoft.Resources/deployments"}}})
		}
		group := map[string]any{"id": scope + "/resourceGroups/rg-bluegreen", "resourceType": "Microsoft.Resources/resourceGroups"}
		return text(append(list, map[string]any{"properties": map[string]any{"targetResource": group}}, map[string]any{"properties": map[string]any{}}))
	}
	answers := []answer{
		{when: "identity list --resource-group rg-bluegreen", print: "principal-1"},
		{when: "rest --method get --url " + authorization + "roleAssignments?api-version=2022-04-01&%24filter=principalId%20eq%20%27principal-1%27", print: text(map[string]any{
			"value": []any{assignment("/registry", "pull"), assignment("/gateway", "gateway"), assignment("/subnet", "gateway"), assignment("/other", "other")},
		})},
		role("pull", "BuiltInRole", "AcrPull"), role("gateway", "CustomRole", "bluegreen shop gateway x"), role("other", "CustomRole", "bluegreener"),
		{when: "deployment operation sub list --name bluegreen-bluegreen ", print: operations(
			scope+"/resourceGroups/rg-bluegreen/providers/Microsoft.Resources/deployments/shop-controller", scope+"/providers/Microsoft.Resources/deployments/shop-roles")},
		{when: "deployment operation sub list --name shop-roles ", print: operations(
			scope+"/resourceGroups/RG-bluegreen/providers/Microsoft.Resources/deployments/shop-grant-storage", scope+"/resourceGroups/rg-registry/providers/Microsoft.Resources/deployments/shop-grant-registry")},
		{when: "eventgrid system-topic event-subscription delete --resource-group rg-registry --system-topic-name registry-shop --name image-pushed-shop-x1 --yes"},
		{when: "eventgrid system-topic list --resource-group rg-registry", print: text([]any{systemTopic("bluegreen")})},
		{when: "eventgrid system-topic event-subscription list --resource-group rg-registry --system-topic-name registry-shop", print: subscribed("image-pushed-shop-x1")},
		{when: "eventgrid system-topic delete --resource-group rg-registry --name registry-shop --yes"},
		{when: "network traffic-manager profile list --resource-group rg-bluegreen", print: text([]any{map[string]any{"dnsConfig": map[string]any{"fqdn": "tm-shop.trafficmanager.net"}}})},
		{when: "network public-ip list --resource-group rg-bluegreen", print: text([]any{
			map[string]any{"dnsSettings": map[string]any{"fqdn": "agw-shop.westeurope.cloudapp.azure.com"}}, map[string]any{"name": "pip-nat"},
		})},
		{when: "monitor log-analytics workspace list --resource-group rg-bluegreen", print: "log-shop"},
		{when: "monitor log-analytics workspace delete --resource-group rg-bluegreen --workspace-name log-shop --force true --yes"},
		{when: "group delete --name rg-bluegreen --yes"},
		{when: "keyvault list --resource-group rg-bluegreen", print: "kv-shop"},
		{when: "keyvault purge --name kv-shop"},
		record,
	}
	return append(append(answers, entra()...), answer{when: "rest --method delete"})
}

// systemTopic is that of the registry, with its tag.
func systemTopic(creator string) map[string]any {
	return map[string]any{"name": "registry-shop", "id": scope + "/resourceGroups/rg-registry/providers/Microsoft.EventGrid/systemTopics/registry-shop", "tags": map[string]string{"created-by": creator}}
}

// subscribed are subscriptions to that topic; their events go to the app of this environment.
func subscribed(names ...string) string {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name, "destination": map[string]any{"endpointType": "AzureFunction", "resourceId": site + "/functions/image-pushed"}})
	}
	return text(list)
}

func changes(w *env) []string {
	return w.asked("az", "rest --method delete", "eventgrid system-topic delete", "eventgrid system-topic event-subscription delete", "group delete", "ad app delete", "keyvault purge", "monitor log-analytics workspace delete")
}

func TestNothingIsDeletedWithoutTheNameOfTheGroup(t *testing.T) {
	for _, typed := range []string{"", "y\n", "bluegreen\n", "rg-bluegree"} {
		w := newEnv(t)
		w.azure(deployed()...)
		w.stops(w.runWith(typed, "azure-down.sh"), "nothing was deleted")
		if deleted := changes(w); deleted != nil {
			t.Error(deleted)
		}
	}
	w := newEnv(t)
	w.set("CONFIRM", "rg-bluegreen")
	w.azure(answer{when: "group exists", print: "false"})
	w.stops(w.run("azure-down.sh"), "has no resource group rg-bluegreen: nothing was deleted")
}

// TestTheNamesThatBecomeFreeAreListed before anything is deleted: a record that still points at
// one leads users to whoever takes it next.
func TestTheNamesThatBecomeFreeAreListed(t *testing.T) {
	for _, args := range [][]string{nil, {"elsewhere"}} {
		w := newEnv(t)
		w.azure(deployed()...)
		r := w.run("azure-down.sh", args...)
		w.stops(r, "nothing was deleted")
		if !strings.Contains(r.err, "anybody can take the names agw-shop.westeurope.cloudapp.azure.com tm-shop.trafficmanager.net: delete the DNS records that point at them first") {
			t.Error(r.err)
		}
	}
}

func TestOnlyTheDeployedResourcesAreDeleted(t *testing.T) {
	remove := func(id, version string) string {
		return fmt.Sprintf("rest --method delete --url %s?api-version=%s --output json", id, version)
	}
	anywhere := []string{
		remove("/gateway/a-gateway", "2022-04-01"), remove("/other/a-other", "2022-04-01"),
		remove("/registry/a-pull", "2022-04-01"), remove("/subnet/a-gateway", "2022-04-01"),
		remove(authorization+"roleDefinitions/gateway", "2022-04-01"),
		"eventgrid system-topic event-subscription delete --resource-group rg-registry --system-topic-name registry-shop --name image-pushed-shop-x1 --yes --output none",
		"eventgrid system-topic delete --resource-group rg-registry --name registry-shop --yes --output none",
		"ad app delete --id " + registered,
	}
	all := slices.Concat(anywhere, []string{
		"monitor log-analytics workspace delete --resource-group rg-bluegreen --workspace-name log-shop --force true --yes --output none",
		"group delete --name rg-bluegreen --yes --output none",
		remove(scope+"/providers/Microsoft.Resources/deployments/bluegreen-bluegreen", "2025-04-01"),
		remove(scope+"/providers/Microsoft.Resources/deployments/shop-roles", "2025-04-01"),
		remove(scope+"/resourceGroups/rg-registry/providers/Microsoft.Resources/deployments/bluegreen-bluegreen-events", "2025-04-01"),
		remove(scope+"/resourceGroups/rg-registry/providers/Microsoft.Resources/deployments/shop-grant-registry", "2025-04-01"),
		"keyvault purge --name kv-shop --output none",
	})
	w := newEnv(t)
	w.azure(deployed()...)
	r := w.runWith("rg-bluegreen\n", "azure-down.sh")
	w.prints(r, "")
	if before, _, asked := strings.Cut(r.err, "Type rg-bluegreen to continue"); !asked || !strings.Contains(before, "deletes the logs of log-shop for good") {
		t.Errorf("the workspace is deleted for good, and the question does not name it: %s", r.err)
	}
	if diff := cmp.Diff(all, changes(w)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	// Before azd down, which deletes the group itself.
	w = newEnv(t)
	w.set("CONFIRM", "rg-bluegreen")
	w.azure(deployed()...)
	r = w.run("azure-down.sh", "elsewhere")
	w.prints(r, "")
	if strings.Contains(r.err, "for good") {
		t.Errorf("azd down deletes the workspace, with --purge for good: %s", r.err)
	}
	if diff := cmp.Diff(anywhere, changes(w)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestASystemTopicIsKeptForOthers: Azure allows one for each registry, so other environments and
// other subscribers may use it.
func TestASystemTopicIsKeptForOthers(t *testing.T) {
	const setting = "rest --method delete --url " + scope + "/resourceGroups/rg-registry/providers/Microsoft.EventGrid/systemTopics/registry-shop/providers/Microsoft.Insights/diagnosticSettings/image-pushed-shop-x1"
	for name, c := range map[string]struct {
		topic       []any
		left        []string
		reason      string
		unsubscribe bool
		setting     bool
	}{
		"of another environment": {[]any{systemTopic("bluegreen")}, []string{"image-pushed-shop-x2"}, "it has the subscriptions image-pushed-shop-x2", true, true},
		"that existed before":    {[]any{systemTopic("")}, nil, "bluegreen did not create it", true, false},
		"that is gone":           {[]any{}, nil, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.set("CONFIRM", "rg-bluegreen")
			w.azure(append([]answer{
				{when: "eventgrid system-topic list", print: text(c.topic)},
				{when: "eventgrid system-topic event-subscription list", print: subscribed(append(c.left, "image-pushed-shop-x1")...)},
			}, deployed()...)...)
			r := w.run("azure-down.sh")
			w.prints(r, "")
			if !strings.Contains(r.err, c.reason) {
				t.Errorf("no %q in\n%s", c.reason, r.err)
			}
			if calls := w.asked("az", "eventgrid system-topic delete"); calls != nil {
				t.Error(calls)
			}
			if calls := w.asked("az", "eventgrid system-topic event-subscription delete"); (len(calls) == 1) != c.unsubscribe {
				t.Error(calls)
			}
			if calls := w.asked("az", setting); (len(calls) == 1) != c.setting {
				t.Error(calls)
			}
		})
	}
}

// TestASubscriptionOfAnotherAppIsKept, also if the record of the deployment names it.
func TestASubscriptionOfAnotherAppIsKept(t *testing.T) {
	w := newEnv(t)
	w.set("CONFIRM", "rg-bluegreen")
	theirs := strings.ReplaceAll(subscribed("image-pushed-shop-x1"), "rg-bluegreen", "rg-production")
	w.azure(append([]answer{{when: "eventgrid system-topic event-subscription list", print: theirs}}, deployed()...)...)
	r := w.run("azure-down.sh")
	w.prints(r, "")
	if calls := w.asked("az", "eventgrid system-topic event-subscription delete", "eventgrid system-topic delete"); calls != nil || !strings.Contains(r.err, "its events go to an app outside rg-bluegreen") {
		t.Errorf("%v\n%s", calls, r.err)
	}
}

// TestAGroupOfAnotherEnvironmentIsNotDeleted: it may have been there before.
func TestAGroupOfAnotherEnvironmentIsNotDeleted(t *testing.T) {
	for _, tags := range []any{nil, map[string]any{"azd-env-name": "production"}} {
		w := newEnv(t)
		w.set("CONFIRM", "rg-bluegreen")
		w.azure(append([]answer{{when: "group show", print: text(map[string]any{"location": "westeurope", "tags": tags})}}, deployed()...)...)
		w.stops(w.run("azure-down.sh"), "resource group rg-bluegreen is not of the environment bluegreen: nothing was deleted")
		if deleted := changes(w); deleted != nil {
			t.Error(deleted)
		}
	}
}

func TestResourcesThatCannotBeDeletedDoNotStopTheRest(t *testing.T) {
	w := newEnv(t)
	w.set("CONFIRM", "rg-bluegreen")
	w.azure(append([]answer{
		{when: "rest --method delete --url " + authorization + "roleDefinitions/gateway", fail: "RoleDefinitionHasAssignments"},
		{when: "ad app delete", fail: "Insufficient privileges"},
		{when: "keyvault purge", fail: "PurgeProtection"},
		{when: "monitor log-analytics workspace delete", fail: "ScopeLocked"},
	}, deployed()...)...)
	r := w.run("azure-down.sh")
	w.prints(r, "")
	for _, message := range []string{"custom role bluegreen shop gateway x stays", "app registration bluegreen-alerts-bluegreen remains", "Key Vault kv-shop is deleted but reserves its name", "workspace log-shop keeps its name for 14 days", "rg-bluegreen is deleted"} {
		if !strings.Contains(r.err, message) {
			t.Errorf("no %q in\n%s", message, r.err)
		}
	}
}

func TestADeploymentThatFailedCanBeDeleted(t *testing.T) {
	w := newEnv(t)
	w.set("CONFIRM", "rg-bluegreen")
	w.azure(append([]answer{{when: "deployment sub show", print: "null"}}, deployed()...)...)
	w.prints(w.run("azure-down.sh"), "")
	if calls := w.asked("az", "group delete", "eventgrid", "ad app"); len(calls) != 1 {
		t.Error(calls)
	}
}

func TestAFailureStopsTheScript(t *testing.T) {
	for _, when := range []string{"identity list", "rest --method delete --url /registry", "group delete"} {
		w := newEnv(t)
		w.set("CONFIRM", "rg-bluegreen")
		w.azure(append([]answer{{when: when, fail: "AuthorizationFailed"}}, deployed()...)...)
		w.stops(w.run("azure-down.sh"), "AuthorizationFailed")
	}
}
