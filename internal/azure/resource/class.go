package resource

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

// Class is what a failure means to the caller.
type Class int

const (
	Unknown  Class = iota // whether a write was done is not known
	Retry                 // nothing was done, and it may pass by itself
	Occupied              // nothing was done, because another writer is active or was faster
	Operator              // nothing was done, and only an operator can fix the cause
)

// meaning is the class of a code. Those of class Operator have the cause, and the command
// that fixes it; the words in braces are filled in by fill.
type meaning struct {
	class      Class
	cause, fix string
}

const (
	state   = "az account show --subscription {subscription} --query state"
	show    = "az network application-gateway show --ids {resource}"
	invalid = "the configuration is not valid for Azure, with the change or without it"
)

// meanings are the codes whose class does not follow from the HTTP status, or whose cause
// can be named better than by the service's message. Sources: Azure/azure-cli issues 21156,
// 28615 and 8244, Azure/azure-docs issues 33157, 77735 and 111001, hashicorp/terraform
// issue 7153, Azure/application-gateway-kubernetes-ingress issues 1257 and 1417,
// learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors.
var meanings = map[string]meaning{
	"RetryableErrorDueToAnotherOperation":        {class: Occupied},
	"RetryableError":                             {class: Occupied},
	"ReferencedResourceNotProvisioned":           {class: Occupied},
	"AnotherOperationInProgress":                 {class: Occupied},
	"PreconditionFailedEtagMismatch":             {class: Occupied},
	"CanceledAndSupersededDueToAnotherOperation": {class: Occupied},

	"ExpiredAuthenticationToken": {class: Retry}, // the next try brings a new one

	"AuthorizationFailed":       {Operator, "the identity is not allowed", "give it a role with the action that the message names"}, // see lacking
	"LinkedAuthorizationFailed": {Operator, "the identity is not allowed", "give it a role with the action that the message names, on the resource that it names"},
	"InvalidAuthenticationTokenTenant": {Operator, "subscription {subscription} belongs to another tenant than the identity",
		"name a resource of the identity's own tenant, or move the subscription; az account show --subscription {subscription} --query tenantId"},
	"RequestDisallowedByPolicy": {Operator, "a policy of Azure forbids it",
		"exempt the resource with az policy exemption create --name bluegreen --exemption-category Waiver --scope {resource} --policy-assignment ASSIGNMENT; the assignments are in az policy assignment list --scope {resource} --disable-scope-strict-match"},

	"ScopeLocked": {Operator, "a management lock forbids it",
		"find it with az lock list {locked} and remove it with az lock delete --ids LOCK-ID; a lock of the level CanNotDelete may stay"},

	"ReadOnlyDisabledSubscription": {Operator, "subscription {subscription} is disabled", "az account subscription enable --id {subscription}, or pay what is due; its state is in " + state},
	"DisabledSubscription":         {Operator, "subscription {subscription} is disabled", "az account subscription enable --id {subscription}, or pay what is due; its state is in " + state},
	"SubscriptionNotFound":         {Operator, "subscription {subscription} does not exist, is disabled, or is not visible to the identity", "correct the resource id in the configuration, or enable the subscription; its state is in " + state},
	"MissingSubscriptionRegistration": {Operator, "subscription {subscription} is not registered for the resource's provider",
		"az provider register --namespace {namespace} --subscription {subscription}"},
	"SubscriptionNotRegisteredForFeature": {Operator, "the gateway uses a feature that subscription {subscription} is not registered for",
		"remove it from the gateway, or az feature register --namespace {namespace} --name FEATURE --subscription {subscription}"},

	"ApplicationGatewayKeyVaultSecretAccessDenied": unreadableSecret,
	"ApplicationGatewayKeyVaultSecretException":    unreadableSecret,

	"InvalidResourceReference":                                       {Operator, invalid, "correct the reference; " + show},
	"ApplicationGatewayMustHaveAtleastOneResourceOfType":             {Operator, invalid, "add the missing part; " + show},
	"ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty":      {Operator, invalid, "give each rule a priority; " + show + " --query requestRoutingRules"},
	"ApplicationGatewayWafConfigurationCannotBeChangedWithWafPolicy": {Operator, invalid, "keep either the WAF policy or the WAF configuration of the gateway; " + show},
}

// unreadableSecret is a certificate that the gateway cannot fetch, which it tries at each
// write: no write can succeed until it can.
var unreadableSecret = meaning{Operator, "the gateway's identity cannot read a certificate in key vault {vault}",
	"az role assignment create --assignee-object-id PRINCIPAL-ID --assignee-principal-type ServicePrincipal --role 'Key Vault Secrets User' --scope VAULT-ID, " +
		"or with access policies az keyvault set-policy --name {vault} --secret-permissions get --object-id PRINCIPAL-ID; PRINCIPAL-ID is in " + show + " --query identity"}

// known is the meaning of the failure by its codes, the innermost first; a part that only an
// operator can fix decides over all others.
func (f Failure) known() (meaning, bool) {
	var first meaning
	found := false
	for _, p := range f.parts() {
		m, ok := meanings[p.Code]
		if ok && m.class == Operator {
			return m, true
		}
		if ok && !found {
			first, found = m, true
		}
	}
	return first, found
}

// Final reports whether the failure has a code that only an operator can fix the cause of.
// Other than Class it does not look at the status, which an operation does not have.
func (f Failure) Final() bool {
	m, ok := f.known()
	return ok && m.class == Operator
}

// Class is the class of the failure by its code, or else by its status. After 5xx other than
// 503, and after 408, it is unknown whether a write was done.
func (f Failure) Class() Class {
	if m, ok := f.known(); ok {
		return m.class
	}
	switch {
	case f.Status == http.StatusTooManyRequests, f.Status == http.StatusServiceUnavailable:
		return Retry
	case f.Status == http.StatusConflict, f.Status == http.StatusPreconditionFailed:
		return Occupied
	case f.Status >= 500, f.Status == http.StatusRequestTimeout, f.Status < 400:
		return Unknown
	}
	return Operator
}

// Explain is one sentence with the cause and, where it is known, the command that fixes it.
// The resource is the one that the failure is about.
func (f Failure) Explain(id *arm.ResourceID) string {
	if missing := f.Missing(); len(missing) > 0 {
		return f.lacking(missing)
	}
	m, ok := f.known()
	switch {
	case ok && m.fix != "":
		return f.fill(m.cause, id) + ": " + f.fill(m.fix, id) + " (" + f.Words() + ")"
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		return "the identity is not allowed: " + f.Words()
	}
	return "the service refuses it: " + f.Words()
}
