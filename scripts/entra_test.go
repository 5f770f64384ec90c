package scripts_test

import (
	"strings"
	"testing"
)

// registered is the client id of the app registration of the environment, planted that of a
// stranger's with the same name.
const (
	registered = "a1e27b4c-90d3-4f5e-8c61-7b2d3e4f5a60"
	planted    = "b2f38c5d-a1e4-4061-9d72-8c3e4f5a6b71"
)

// entra is a directory with the app registration that the action group of the environment names.
func entra() []answer {
	return []answer{
		alerting(registered),
		{when: "ad app list --display-name bluegreen-alerts-bluegreen", print: registered},
		{when: "ad app show --id " + registered + " --output json", print: registration(nil)},
		{when: "ad app owner list --id " + registered, print: "me-1"},
		{when: "ad app federated-credential list --id " + registered, print: "[]"},
		{when: "ad app delete --id " + registered},
		{when: "ad signed-in-user show", print: "me-1"},
		{when: "ad app owner add --id " + registered + " --owner-object-id me-1"},
		{when: "ad sp list --filter appId eq '" + registered + "'", print: text([]any{map[string]any{"id": "sp-own"}})},
		{when: "ad sp list --filter appId eq '461e8683", print: text([]any{map[string]any{"id": "sp-monitor"}})},
		{when: "ad sp owner list --id sp-own", print: "me-1"},
		{when: "rest --method patch --url https://graph.microsoft.com/v1.0/applications(appId='" + registered + "')"},
		{when: "rest --method get --url https://graph.microsoft.com/v1.0/servicePrincipals/sp-own/appRoleAssignedTo", print: text(map[string]any{"value": []any{
			map[string]any{"principalId": "sp-monitor", "appRoleId": "c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e"},
		}})},
	}
}

// alerting is the action group of the environment, which names a registration.
func alerting(app string) answer {
	return answer{when: "monitor action-group list --resource-group rg-bluegreen", print: text([]any{
		map[string]any{"name": "mine", "webhookReceivers": []any{map[string]any{"name": "controller", "identifierUri": "api://" + planted}}},
		map[string]any{"name": "ag-bluegreen", "webhookReceivers": []any{map[string]any{"name": "controller", "identifierUri": "api://" + app}}},
	})}
}

// registration is what Entra knows of the app, with some fields changed.
func registration(changed map[string]any) string {
	fields := map[string]any{"id": "object-1", "appId": registered, "displayName": "bluegreen-alerts-bluegreen", "passwordCredentials": []any{}, "keyCredentials": []any{}}
	for name, value := range changed {
		fields[name] = value
	}
	return text(fields)
}

const printed = "BLUEGREEN_ALERT_APP=" + registered + "\nBLUEGREEN_ALERT_APP_OBJECT_ID=object-1"

func TestTheAppRegistrationIsCreatedOnce(t *testing.T) {
	w := newEnv(t)
	w.azure(append([]answer{
		{when: "monitor action-group list", print: "[]"},
		{when: "ad app list", print: ""},
		{when: "rest --method post --url https://graph.microsoft.com/v1.0/applications ", print: registered},
		{when: "ad sp list", print: "[]"},
		{when: "ad sp create --id " + registered, print: "sp-own"},
		{when: "ad sp create --id 461e8683-5575-4561-ac7f-899cc907d62a", print: "sp-monitor"},
		{when: "rest --method get", print: `{"value": []}`},
		{when: "rest --method post --url https://graph.microsoft.com/v1.0/servicePrincipals/sp-own/appRoleAssignedTo"},
	}, entra()...)...)
	w.prints(w.run("entra.sh"), printed)
	patch, post := w.asked("az", "rest --method patch"), w.asked("az", "rest --method post --url https://graph.microsoft.com/v1.0/servicePrincipals")
	if len(patch) != 2 {
		t.Fatal(patch)
	}
	for _, part := range []string{`"identifierUris":["api://` + registered + `"]`, `"value":"ActionGroupsSecureWebhook"`, `"value":"bluegreen.viewer"`, `"value":"bluegreen.operator"`, `"value":"bluegreen.admin"`, `"value":"access"`} {
		if !strings.Contains(patch[0], part) {
			t.Errorf("%s is not in %s", part, patch[0])
		}
	}
	if !strings.Contains(patch[1], `"preAuthorizedApplications":[{"appId":"04b07795-8ddb-461a-bbee-02f9e1bf7b46","delegatedPermissionIds":["`) {
		t.Error(patch[1])
	}
	for _, part := range []string{`"principalId":"sp-monitor"`, `"resourceId":"sp-own"`, `"appRoleId":"`} {
		if len(post) != 1 || !strings.Contains(post[0], part) {
			t.Error(post)
		}
	}

	w = newEnv(t)
	w.azure(entra()...)
	w.prints(w.run("entra.sh"), printed)
	if made := w.asked("az", "ad app create", "ad sp create", "rest --method post"); made != nil {
		t.Error(made)
	}
	w.prints(w.run("entra.sh", "remove"), "")

	// The first deployment did not come as far as the action group.
	w = newEnv(t)
	w.azure(append([]answer{{when: "monitor action-group list", print: "[]"}}, entra()...)...)
	w.prints(w.run("entra.sh"), printed)
	w.azure(append([]answer{
		{when: "monitor action-group list", print: "[]"}, {when: "ad app list", print: registered + "\n" + planted},
		{when: "ad app owner list --id " + planted, print: "me-1"},
	}, entra()...)...)
	w.stops(w.run("entra.sh"), "you own several app registrations bluegreen-alerts-bluegreen: "+registered+" "+planted)
}

// TestARegistrationIsNotKnownByItsName: everybody in a tenant may give one any name, and az ad app
// create writes to one that has it.
func TestARegistrationIsNotKnownByItsName(t *testing.T) {
	theirs := []answer{
		{when: "ad app list --display-name bluegreen-alerts-bluegreen", print: planted},
		{when: "ad app owner list --id " + planted, print: "stranger-1"},
	}
	w := newEnv(t)
	w.azure(append(theirs, entra()...)...)
	w.prints(w.run("entra.sh"), printed)
	w.prints(w.run("entra.sh", "find"), printed)
	w.prints(w.run("entra.sh", "remove"), "")
	if removed := w.asked("az", "ad app delete"); len(removed) != 1 || removed[0] != "ad app delete --id "+registered {
		t.Error(removed)
	}

	w = newEnv(t)
	w.azure(append(append([]answer{
		{when: "monitor action-group list", print: "[]"},
		{when: "rest --method post --url https://graph.microsoft.com/v1.0/applications ", print: registered},
	}, theirs...), entra()...)...)
	w.prints(w.run("entra.sh", "find"), "")
	w.prints(w.run("entra.sh", "remove"), "")
	r := w.run("entra.sh")
	w.prints(r, printed)
	if !strings.Contains(r.err, "app registration "+planted+" is called bluegreen-alerts-bluegreen and is not used: others own it") {
		t.Error(r.err)
	}
	if changed := w.asked("az", "ad app create", "ad app delete", "ad app owner add --id "+planted, "rest --method patch --url https://graph.microsoft.com/v1.0/applications(appId='"+planted); changed != nil {
		t.Error(changed)
	}

	// An action group can be written by others than the owner of the registration.
	w = newEnv(t)
	w.azure(append([]answer{{when: "ad app show --id " + registered, print: registration(map[string]any{"displayName": "payroll"})}}, entra()...)...)
	w.stops(w.run("entra.sh", "remove"), "app registration "+registered+" is called payroll, not bluegreen-alerts-bluegreen")
	w.azure(append([]answer{alerting("x'; rm")}, entra()...)...)
	w.stops(w.run("entra.sh"), "is no client id")
	if changed := w.asked("az", "ad app delete", "rest --method patch"); changed != nil {
		t.Error(changed)
	}
}

// TestNobodyElseHoldsTheRegistration: with a credential, as its owner or with its role one can
// send alerts, which move traffic.
func TestNobodyElseHoldsTheRegistration(t *testing.T) {
	secret := []any{map[string]any{"keyId": "k-1"}}
	for why, a := range map[string]answer{
		"stranger-1 owns it":                          {when: "ad app owner list", print: "me-1\nstranger-1"},
		"stranger-2 owns its service principal":       {when: "ad sp owner list", print: "stranger-2"},
		"it has 1 password or key":                    {when: "ad app show", print: registration(map[string]any{"passwordCredentials": secret})},
		"it has 2 passwords or keys":                  {when: "ad app show", print: registration(map[string]any{"keyCredentials": append(secret, secret...)})},
		"its service principal has 1 password or key": {when: "ad sp list --filter appId eq '" + registered, print: text([]any{map[string]any{"id": "sp-own", "keyCredentials": secret}})},
		"it has the federated credential github":      {when: "ad app federated-credential list", print: `[{"name": "github"}]`},
		"stranger-3 has its role":                     {when: "rest --method get", print: `{"value": [{"principalId": "sp-monitor", "appRoleId": "c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e"}, {"principalId": "stranger-3"}]}`},
	} {
		w := newEnv(t)
		w.azure(append([]answer{a}, entra()...)...)
		w.stops(w.run("entra.sh"), "app registration "+registered+" is not trusted: "+why)
		if changed := w.asked("az", "ad app owner add", "rest --method patch", "rest --method post"); changed != nil {
			t.Error(changed)
		}
	}

	// Roles of people and pipelines send no alerts.
	w := newEnv(t)
	w.azure(append([]answer{{when: "rest --method get", print: `{"value": [{"principalId": "sp-monitor", "appRoleId": "c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e"}, {"principalId": "ana", "appRoleId": "d7f1e6a9-4c38-4b2d-9e57-3a0b8c9d1f43"}]}`}}, entra()...)...)
	w.prints(w.run("entra.sh"), printed)

	// Other deployers are owners, too.
	w = newEnv(t)
	w.set("BLUEGREEN_ALERT_OWNERS", "workflow-1,deployer-2")
	w.azure(append([]answer{{when: "ad app owner list", print: "deployer-2\nme-1\nworkflow-1"}}, entra()...)...)
	w.prints(w.run("entra.sh"), printed)
}

// Without an owner Azure Monitor refuses the action group.
func TestTheDeployerOwnsTheAppRegistration(t *testing.T) {
	w := newEnv(t)
	w.azure(append([]answer{
		account("AzureCloud", "servicePrincipal"),
		{when: "ad sp show --id workflow-1", print: "object-2"},
		{when: "ad app owner list", print: ""},
		{when: "ad sp owner list", print: ""},
		{when: "ad app owner add --id " + registered + " --owner-object-id object-2", run: `if [ -e "$LOG/known" ]; then :; else touch "$LOG/known"; echo "Resource does not exist" >&2; exit 1; fi`},
	}, entra()...)...)
	w.prints(w.run("entra.sh"), printed)
	if added := w.asked("az", "ad app owner add"); len(added) != 2 {
		t.Error(added)
	}
}

// TestABrowserMayReturnFromEntra: App Service authentication without a secret wants id tokens,
// and Entra returns a browser only to an address of the registration.
func TestABrowserMayReturnFromEntra(t *testing.T) {
	const callback = "https://func.example.net/.auth/login/aad/callback"
	web := func(ids bool, addresses ...string) answer {
		return answer{when: "ad app show --id " + registered + " --output json", print: registration(map[string]any{
			"web": map[string]any{"redirectUris": addresses, "implicitGrantSettings": map[string]any{"enableIdTokenIssuance": ids}},
		})}
	}
	for name, c := range map[string]struct {
		web  answer
		want string // "" for no change
	}{
		"a new registration":        {web(false), `{"web":{"redirectUris":["` + callback + `"],"implicitGrantSettings":{"enableIdTokenIssuance":true}}}`},
		"another environment's too": {web(true, "https://other.example.net/back"), `{"web":{"redirectUris":["https://other.example.net/back","` + callback + `"],"implicitGrantSettings":{"enableIdTokenIssuance":true}}}`},
		"repeated":                  {web(true, "https://other.example.net/back", callback), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.set("BLUEGREEN_SECURE_ALERTS", "yes")
			w.azure(append([]answer{c.web, record}, entra()...)...)
			r := w.run("entra.sh", "browser")
			w.prints(r, "")
			patch := w.asked("az", "rest --method patch")
			if c.want == "" && patch != nil || c.want != "" && (len(patch) != 1 || !strings.HasSuffix(patch[0], " --body "+c.want)) {
				t.Errorf("%v", patch)
			}
			if !strings.Contains(r.err, "https://func.example.net/api/ui") {
				t.Error(r.err)
			}
		})
	}

	w := newEnv(t) // which has BLUEGREEN_SECURE_ALERTS=no
	w.azure(answer{when: "monitor action-group list", print: "[]"})
	w.prints(w.run("entra.sh", "browser"), "")
	w.stops(w.run("entra.sh", "browse"), "use find, remove or browser")
	if asked := w.asked("az", "ad ", "rest"); asked != nil {
		t.Error(asked)
	}

	// Without a registration there is nobody to sign in, and one that others hold is left alone.
	w = newEnv(t)
	w.set("BLUEGREEN_SECURE_ALERTS", "yes")
	w.azure(append([]answer{{when: "monitor action-group list", print: "[]"}, {when: "ad app list", print: ""}, record}, entra()...)...)
	w.prints(w.run("entra.sh", "browser"), "")
	w.azure(append([]answer{{when: "ad app owner list --id " + registered, print: "me-1\nstranger-1"}, record}, entra()...)...)
	w.stops(w.run("entra.sh", "browser"), "is not trusted: stranger-1 owns it")
	if changed := w.asked("az", "rest --method patch", "ad app update"); changed != nil {
		t.Error(changed)
	}
}
