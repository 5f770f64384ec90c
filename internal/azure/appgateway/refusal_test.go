package appgateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// plain is a gateway that an app's traffic can be moved in.
const plain = `{"properties":{"operationalState":"Running","provisioningState":"Succeeded",
	"backendAddressPools":[{"name":"pool-blue","id":"/b"},{"name":"pool-green","id":"/g"}],
	"requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"Basic","backendAddressPool":{"id":"/b"}}}]}}`

const (
	subnet   = "/subscriptions/s/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/agw"
	identity = "/subscriptions/s/resourceGroups/rg-id/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-agw"
	client   = "The client '11111111-2222-3333-4444-555555555555' with object id '66666666-7777-8888-9999-000000000000' "
)

// refusals are what Azure answers to a write. Sources: facts on Azure, and for the wording
// Azure/azure-docs issue 33157 (Key Vault), openshift/release pull request 76853 (linked
// scopes), Azure/azure-cli issue 28615 and pulumi-azure-native issue 3720 (other writers).
var refusals = map[string]struct {
	status  int
	error   string
	kind    error // nil: whether it was done is not known
	says    []string
	refuses []string // what must not be in it
}{
	"a right, in its new wording": {
		status: 403, kind: engine.ErrDenied,
		error: `{"code":"LinkedAuthorizationFailed","message":"` + client + `has permission to perform action 'Microsoft.Network/applicationGateways/write' on scope '` + gatewayID + `'; however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/action','Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '` + subnet + `','` + identity + `' (respectively) or the linked scope(s) are invalid."}`,
		says: []string{
			"lacks Microsoft.Network/virtualNetworks/subnets/join/action on " + subnet,
			"az role assignment create --assignee-object-id 66666666-7777-8888-9999-000000000000 --assignee-principal-type ServicePrincipal --role 'Network Contributor' --scope " + subnet,
			"lacks Microsoft.ManagedIdentity/userAssignedIdentities/assign/action on " + identity,
			"--role 'Managed Identity Operator' --scope " + identity,
		},
	},
	"a right, in its old wording": {
		status: 403, kind: engine.ErrDenied,
		error: `{"code":"LinkedAuthorizationFailed","message":"` + client + `has permission to perform action 'Microsoft.Network/applicationGateways/write' on scope '` + gatewayID + `'; however, it does not have permission to perform action 'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '` + subnet + `' or the linked scope(s) are invalid."}`,
		says:  []string{"lacks Microsoft.Network/virtualNetworks/subnets/join/action on " + subnet, "az role assignment create --assignee-object-id 66666666-7777-8888-9999-000000000000"},
	},
	"a management lock": {
		status: 409, kind: engine.ErrDenied,
		error: `{"code":"ScopeLocked","message":"The scope '` + gatewayID + `' cannot perform write operation because following scope(s) are locked: '/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-shop-prod'. Please remove the lock and try again."}`,
		says:  []string{"ScopeLocked", "management lock", "az lock list --resource-group rg-shop-prod", "az lock delete --ids"},
	},
	"a disabled subscription": {
		status: 409, kind: engine.ErrDenied,
		error: `{"code":"ReadOnlyDisabledSubscription","message":"The subscription '0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10' is disabled and therefore marked as read only. You cannot perform any write actions on this subscription until it is re-enabled."}`,
		says:  []string{"ReadOnlyDisabledSubscription", "az account subscription enable --id 0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"},
	},
	"a subscription that is not there": {
		status: 404, kind: engine.ErrDenied, refuses: []string{"there is no Application Gateway"},
		error: `{"code":"SubscriptionNotFound","message":"The subscription '0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10' could not be found."}`,
		says:  []string{"SubscriptionNotFound", "az account show --subscription 0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"},
	},
	"a provider that is not registered": {
		status: 409, kind: engine.ErrDenied,
		error: `{"code":"MissingSubscriptionRegistration","message":"The subscription is not registered to use namespace 'Microsoft.Network'."}`,
		says:  []string{"az provider register --namespace Microsoft.Network"},
	},
	"a policy": {
		status: 403, kind: engine.ErrDenied,
		error: `{"code":"RequestDisallowedByPolicy","message":"Resource 'agw-shop' was disallowed by policy."}`,
		says:  []string{"RequestDisallowedByPolicy", "az policy assignment list --scope " + gatewayID, "az policy exemption create"},
	},
	"a reference to nothing": {
		status: 400, kind: engine.ErrDenied,
		error: `{"code":"InvalidResourceReference","message":"Resource ` + gatewayID + `/httpListeners/x referenced by resource y was not found."}`,
		says:  []string{"InvalidResourceReference", "httpListeners/x", "az network application-gateway show --ids " + gatewayID},
	},
	"another writer, as a conflict": {
		status: 409, kind: engine.ErrBusy,
		error: `{"code":"AnotherOperationInProgress","message":"Another operation on this or dependent resource is in progress."}`,
		says:  []string{"AnotherOperationInProgress"},
	},
	"another writer, in the details": {
		status: 429, kind: engine.ErrBusy,
		error: `{"code":"RetryableError","message":"A retryable error occurred.","details":[{"code":"RetryableErrorDueToAnotherOperation","message":"The call can be retried in 14 seconds."}]}`,
		says:  []string{"14 seconds"},
	},
	"an etag of another write": {
		status: 412, kind: engine.ErrBusy,
		error: `{"code":"PreconditionFailed","message":"Precondition failed.","details":[{"code":"PreconditionFailedEtagMismatch","message":"Etag provided does not match."}]}`,
	},
	"a conflict of unknown cause":        {status: 409, kind: engine.ErrBusy, error: `{"code":"SomethingNew","message":"x"}`},
	"a refusal of unknown cause":         {status: 422, kind: engine.ErrDenied, error: `{"code":"SomethingNew","message":"x"}`},
	"a failure of unknown cause":         {status: 500, error: `{"code":"InternalServerError","message":"An error occurred."}`},
	"a limit of the service":             {status: 429, kind: engine.ErrBusy, error: `{"code":"TooManyRequests","message":"x"}`},
	"a token that has just run out":      {status: 401, kind: engine.ErrBusy, error: `{"code":"ExpiredAuthenticationToken","message":"The access token expiry UTC time is earlier than current UTC time."}`},
	"a service that is not there for it": {status: 503, kind: engine.ErrBusy, error: `{"code":"ServiceUnavailable","message":"x"}`},
}

func TestARefusalHasTheClassOfItsCode(t *testing.T) {
	for name, c := range refusals {
		g := against(t, func(r *http.Request) *http.Response {
			if r.Method == http.MethodGet {
				return say(http.StatusOK, plain)
			}
			return say(c.status, `{"error":`+c.error+`}`)
		})
		op, err := g.Switch(t.Context(), release.Green, 1)
		if err == nil {
			t.Errorf("%s: the write is %+v", name, op)
			continue
		}
		for _, kind := range []error{engine.ErrDenied, engine.ErrBusy} {
			if errors.Is(err, kind) != (c.kind == kind) {
				t.Errorf("%s: whether it is %q: %v, in %q", name, kind, errors.Is(err, kind), err)
			}
		}
		says(t, err.Error(), c.says...)
		for _, text := range c.refuses {
			if strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q says %q", name, err, text)
			}
		}
	}
}

func TestAnOperationThatEndsForGoodIsDenied(t *testing.T) {
	const secret = `{"code":"ApplicationGatewayKeyVaultSecretException","message":"Problem occured while accessing and validating KeyVault Secrets associated with Application Gateway '` + gatewayID + `'. See details below:","details":[
		{"code":"ApplicationGatewayKeyVaultSecretAccessDenied","message":"Access denied for KeyVault Secret 'https://kv-shop.vault.azure.net/secrets/cert-shop' for Application Gateway '` + gatewayID + `'. Make sure that Identity assigned to Application Gateway has access to the KeyVault associated with secret."}]}`
	poll := func(status, failure string) engine.Operation {
		t.Helper()
		body, err := json.Marshal(map[string]any{"status": status, "error": json.RawMessage(failure)})
		if err != nil {
			t.Fatal(err)
		}
		g := against(t, func(*http.Request) *http.Response { return say(http.StatusOK, string(body)) })
		op, err := g.Poll(t.Context(), "/subscriptions/s/providers/Microsoft.Network/locations/l/operations/o?api-version=1")
		if err != nil || !op.Lost || op.Detail == "" {
			t.Errorf("%s: %+v, error %v", failure, op, err)
		}
		return op
	}
	op := poll("Failed", secret)
	if !op.Denied {
		t.Errorf("a secret that cannot be read: %+v", op)
	}
	says(t, op.Detail, "the gateway's operation failed", "ApplicationGatewayKeyVaultSecretAccessDenied", "kv-shop",
		"az role assignment create", "--role 'Key Vault Secrets User'", "az keyvault set-policy --name kv-shop --secret-permissions get")
	for name, c := range refusals {
		op := poll("Failed", c.error)
		known := c.kind == engine.ErrDenied && !strings.Contains(c.error, "SomethingNew")
		if op.Denied != known {
			t.Errorf("%s: an operation that ends so is %+v", name, op)
		}
		if known {
			says(t, op.Detail, c.says...)
		}
	}
	if op := poll("Canceled", `{"code":"Canceled","message":"x","details":[{"code":"CanceledAndSupersededDueToAnotherOperation","message":"x"}]}`); op.Denied {
		t.Errorf("an operation that another one superseded: %+v", op)
	}
}

func TestWhatOnlyAnOperatorCanFixPassesWhenItIsFixed(t *testing.T) {
	subscription := strings.Split(gatewayID, "/")[2]
	for name, c := range map[string]struct{ bar, fix func(w *env) }{
		"a lock":         {func(w *env) { w.arm.Lock(w.azure.ID()) }, func(w *env) { w.arm.Unlock(w.azure.ID()) }},
		"a subscription": {func(w *env) { w.arm.Disable(subscription) }, func(w *env) { w.arm.Enable(subscription) }},
		"a right": {
			func(w *env) { w.arm.Deny("", "Microsoft.Network/virtualNetworks/subnets/join/action") },
			func(w *env) { w.arm.PermitAll("") },
		},
	} {
		w := newEnv(t, shapes["basic"])
		c.bar(w)
		w.denied("az ")
		c.fix(w)
		if w.done(release.Green); w.ask() != release.Green {
			t.Errorf("%s: when it is fixed, the switch has no effect", name)
		}
	}
	w := newEnv(t, shapes["basic"])
	w.azure.Set(func(b *arm.Behaviour) { b.SecretDenied = true })
	op, err := w.Switch(t.Context(), release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	if op = w.follow(op); !op.Lost || !op.Denied || w.ask() != release.Blue {
		t.Errorf("a secret that cannot be read: %+v", op)
	}
	w.azure.Set(func(b *arm.Behaviour) { b.SecretDenied = false })
	w.done(release.Green)
}

// TestTextOfAzureIsNoCommand checks that a message cannot bring its own text into a command
// that an operator is asked to run.
func TestTextOfAzureIsNoCommand(t *testing.T) {
	g := against(t, func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet {
			return say(http.StatusOK, plain)
		}
		return say(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed","message":"The client 'c' with object id 'o; rm -rf ~' does not have authorization to perform action 'Microsoft.Network/applicationGateways/write' over scope '/subscriptions/s$(id)' or the scope is invalid."}}`)
	})
	_, err := g.Switch(t.Context(), release.Green, 1)
	if err == nil {
		t.Fatal("the write is not refused")
	}
	_, command, _ := strings.Cut(err.Error(), "az role assignment create")
	says(t, command, "--assignee-object-id OBJECT-ID", "--scope SCOPE")
	if strings.ContainsAny(command, "$~") {
		t.Errorf("the command has text of the message: %s", command)
	}
}
