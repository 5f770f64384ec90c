package scripts_test

import (
	"maps"
	"strings"
	"testing"
)

// refused checks that nothing is deployed, for a reason that is known before anything is
// written.
func (w *env) refused(why string) {
	w.Helper()
	w.stops(w.run("infra.sh"), why)
	if calls := w.asked("az", "deployment sub create", "deployment sub what-if", "ad app create", "ad app list"); calls != nil {
		w.Error(calls)
	}
}

// deploys is an az that would deploy.
var deploys = []answer{greenIsLive, {when: "deployment sub create", print: "deployed"}, {when: "deployment sub what-if", print: "shown"}}

func TestAnOldAzIsRefusedBeforeAnythingIsDone(t *testing.T) {
	for _, version := range []string{"2.45.0", "2.52.9", "2.6.0"} {
		w := newEnv(t)
		w.azure(append([]answer{{when: "version", print: version}}, deploys...)...)
		w.refused("az is " + version + ", and a parameter file needs 2.53.0 or newer")
		w.stops(w.run("infra.sh", "what-if"), "az is "+version)
		w.azure(record, answer{when: "version", print: version}, answer{when: "functionapp function show"})
		w.stops(w.run("events.sh"), "az is "+version)
	}
}

// TestAnExistingGroupIsNotTakenOver: its tags would be replaced, and azure-down deletes all of it.
func TestAnExistingGroupIsNotTakenOver(t *testing.T) {
	for _, tags := range []any{nil, map[string]any{}, map[string]any{"azd-env-name": "production"}} {
		w := newEnv(t)
		w.azure(append([]answer{{when: "group show --name rg-bluegreen", print: text(map[string]any{"location": "westeurope", "tags": tags})}}, deploys...)...)
		w.refused("resource group rg-bluegreen is not of the environment bluegreen: set RESOURCE_GROUP to the name of a new one")
	}
	w := newEnv(t)
	w.azure(append([]answer{{when: "group show", print: text(map[string]any{"location": "northeurope", "tags": map[string]any{"azd-env-name": "bluegreen"}})}}, deploys...)...)
	w.refused("resource group rg-bluegreen is in northeurope: set AZURE_LOCATION to that")
	w.azure(append([]answer{{when: "group exists", print: "false"}, {when: "deployment sub show --name bluegreen-bluegreen --query location", print: "northeurope"}}, deploys...)...)
	w.refused("the deployment bluegreen-bluegreen is in northeurope")
}

// resource is an id in the subscription of az.
func resourceID(kind, name string) string {
	return scope + "/resourceGroups/rg-shop/providers/" + kind + "/" + name
}

func TestMistakesInTheParametersNameTheSetting(t *testing.T) {
	good := map[string]any{
		"workspaceId":         resourceID("Microsoft.OperationalInsights/workspaces", "log"),
		"registry":            map[string]any{"id": resourceID("Microsoft.ContainerRegistry/registries", "shopacr")},
		"clusterIds":          []any{resourceID("Microsoft.ContainerService/managedClusters", "aks")},
		"applicationGateways": []any{map[string]any{"id": resourceID("Microsoft.Network/applicationGateways", "agw"), "subnetId": resourceID("Microsoft.Network/virtualNetworks", "vnet/subnets/gateway"), "publicIpIds": []any{}}},
		"trafficManagerId":    "", "operatorId": "", "alertApp": "", "alertAppObjectId": "", "tags": map[string]any{"azd-env-name": "bluegreen", "costId": "4711"},
	}
	const guid = "c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e"
	for why, wrong := range map[string]map[string]any{
		`clusterIds is empty`: {"clusterIds": []any{}},
		`clusterIds[0] is "aks-blue", which is no resource id`:        {"clusterIds": []any{"aks-blue"}},
		`workspaceId is "", which is no resource id`:                  {"workspaceId": ""},
		`registry.id is "shopacr.azurecr.io", which is no`:            {"registry": map[string]any{"id": "shopacr.azurecr.io"}},
		`applicationGateways[0].publicIpIds[0] is "", which is no`:    {"applicationGateways": []any{map[string]any{"publicIpIds": []any{""}}}},
		`trafficManagerId is "tm", which is no resource id`:           {"trafficManagerId": "tm"},
		`registry.id is not in subscription ` + subscription:          {"registry": map[string]any{"id": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/x"}},
		`operatorId is "me@example.com", which is no object id`:       {"operatorId": "me@example.com"},
		`alertAppObjectId (BLUEGREEN_ALERT_APP_OBJECT_ID) is missing`: {"alertApp": guid},
		`alertApp is "alerts", which is no`:                           {"alertApp": "alerts", "alertAppObjectId": guid},
		`groupName is rg-other, RESOURCE_GROUP is rg-bluegreen`:       {"groupName": "rg-other"},
		`name is shop, BLUEGREEN_NAME is bluegreen`:                   {"name": "shop"},
		`tags has no azd-env-name with the value bluegreen`:           {"tags": map[string]any{}},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			with := maps.Clone(good)
			maps.Copy(with, wrong)
			w := newEnv(t)
			w.set("BLUEGREEN_SETUP", "controller")
			w.azure(append([]answer{parameters(with)}, deploys...)...)
			w.refused("bicep/controller.bicepparam: " + why)
		})
	}
	w := newEnv(t)
	w.set("BLUEGREEN_SETUP", "controller")
	w.azure(append([]answer{parameters(good)}, deploys...)...)
	w.prints(w.run("infra.sh"), "deployed")
	w = newEnv(t)
	w.azure(append([]answer{{when: "bicep build-params", fail: "Error BCP338: BLUEGREEN_SSH_PUBLIC_KEY"}}, deploys...)...)
	w.refused("Error BCP338: BLUEGREEN_SSH_PUBLIC_KEY")
}

// TestAServicePrincipalIsNotTakenForAUser: azd hands on AZURE_PRINCIPAL_ID, and no type.
func TestAServicePrincipalIsNotTakenForAUser(t *testing.T) {
	w := newEnv(t)
	w.set("AZURE_PRINCIPAL_ID", "object-1")
	w.azure(append([]answer{account("AzureCloud", "servicePrincipal")}, deploys...)...)
	w.refused("set AZURE_PRINCIPAL_TYPE to ServicePrincipal, Group or User")
	w.set("AZURE_PRINCIPAL_TYPE", "Robot")
	w.refused(`AZURE_PRINCIPAL_TYPE "Robot": use ServicePrincipal, Group or User`)
	w.set("AZURE_PRINCIPAL_TYPE", "ServicePrincipal")
	w.prints(w.run("infra.sh"), "deployed")
}

// TestAnEnvironmentInOtherZonesIsRefused: Azure cannot change zones, nor LRS to ZRS, in place.
func TestAnEnvironmentInOtherZonesIsRefused(t *testing.T) {
	zones := []string{"1", "2", "3"}
	list := func(when string, values ...map[string]any) answer { return answer{when: when, print: text(values)} }
	in := func(name string, zones []string) map[string]any { return map[string]any{"name": name, "zones": zones} }
	full := parameters(map[string]any{"zones": []string{"3", "2", "1"}})
	same := []answer{
		full, list("network application-gateway list", in("agw-bluegreen-blue", zones), in("mine", nil)), list("network public-ip list", in("pip-agw-bluegreen-blue", zones), in("mine", nil)),
		list("aks list", map[string]any{"name": "aks-bluegreen-blue", "agentPoolProfiles": []any{map[string]any{"name": "system", "availabilityZones": zones}}}),
		list("storage account list", map[string]any{"name": "stbluegreen1", "sku": map[string]any{"name": "Standard_ZRS"}}, map[string]any{"name": "mine", "sku": map[string]any{"name": "Standard_LRS"}}),
	}
	for why, now := range map[string]answer{
		"Application Gateway agw-bluegreen-blue is in no zone":           list("network application-gateway list", in("agw-bluegreen-blue", nil)),
		"public address pip-nat-bluegreen is in the zones 1":             list("network public-ip list", in("pip-nat-bluegreen", zones[:1])),
		"node pool aks-bluegreen-blue/system is in no zone":              list("aks list", map[string]any{"name": "aks-bluegreen-blue", "agentPoolProfiles": []any{map[string]any{"name": "system"}}}),
		"storage account stbluegreen1 is Standard_LRS, not Standard_ZRS": list("storage account list", map[string]any{"name": "stbluegreen1", "sku": map[string]any{"name": "Standard_LRS"}}),
	} {
		w := newEnv(t)
		w.set("BLUEGREEN_PARAMETERS", "bicep/main.full.bicepparam")
		w.azure(append(append([]answer{now}, same...), deploys...)...)
		w.refused(why)
		if r := w.run("infra.sh"); !strings.Contains(r.err, "a second environment") {
			t.Error("the message does not name the way out:", r.err)
		}
	}
	w := newEnv(t)
	w.azure(append(same, deploys...)...)
	w.prints(w.run("infra.sh"), "deployed")
	same[0] = parameters(nil) // Azure has chosen zones
	w.azure(append(same, deploys...)...)
	w.prints(w.run("infra.sh"), "deployed")
	w = newEnv(t)
	w.azure(append([]answer{{when: "network public-ip list", fail: "AuthorizationFailed"}}, deploys...)...)
	w.refused("AuthorizationFailed")
}

// TestAnExistingJumpHostIsKept: Azure refuses another SSH key or another cloud-init.
func TestAnExistingJumpHostIsKept(t *testing.T) {
	host := func(key string) answer {
		return answer{when: "vm list --resource-group rg-bluegreen", print: text([]any{map[string]any{
			"name": "vm-bluegreen-jump", "osProfile": map[string]any{"linuxConfiguration": map[string]any{"ssh": map[string]any{"publicKeys": []any{map[string]any{"keyData": key}}}}},
		}})}
	}
	create := answer{when: "deployment sub create", run: `echo "$BLUEGREEN_JUMP_HOST_EXISTS"`}
	for key, says := range map[string]string{
		"ssh-ed25519 AAAA me@laptop\n": "jump host vm-bluegreen-jump exists and is not changed; Azure does not show its cloud-init",
		"ssh-ed25519 BBBB":             "jump host vm-bluegreen-jump exists with another SSH key and is not changed",
	} {
		w := newEnv(t)
		w.set("BLUEGREEN_SSH_PUBLIC_KEY", "ssh-ed25519 AAAA me@desk")
		w.azure(host(key), create, greenIsLive)
		r := w.run("infra.sh")
		w.prints(r, "true")
		if !strings.Contains(r.err, says) || !strings.Contains(r.err, "az vm delete --resource-group rg-bluegreen --name vm-bluegreen-jump") {
			t.Errorf("no %q and no command in\n%s", says, r.err)
		}
	}
	w := newEnv(t)
	w.azure(create, greenIsLive)
	w.prints(w.run("infra.sh"), "false")
	w.azure(answer{when: "vm list", fail: "AuthorizationFailed"}, create, greenIsLive)
	w.stops(w.run("infra.sh"), "virtual machines of rg-bluegreen cannot be read")
}

// TestAnExistingTopicNeedsAnIdentity: dead letters are written with it.
func TestAnExistingTopicNeedsAnIdentity(t *testing.T) {
	file := parameters(map[string]any{"registry": map[string]any{"id": resourceID("Microsoft.ContainerRegistry/registries", "shopacr"), "topicName": "evgt"}})
	show := "eventgrid system-topic show --resource-group rg-shop --name evgt --query identity.principalId"
	w := newEnv(t)
	w.set("BLUEGREEN_SETUP", "controller")
	w.azure(append([]answer{file, {when: show, print: ""}}, deploys...)...)
	w.refused("registry.topicName: evgt has no system-assigned identity")
	w.azure(append([]answer{file, {when: show, print: "object-1"}}, deploys...)...)
	w.prints(w.run("infra.sh"), "deployed")
}
