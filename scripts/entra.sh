#!/usr/bin/env bash
# Makes the app registration that Azure Monitor signs in to when it delivers alerts, and
# prints what the entry points want to know of it. Running it again changes nothing. With
# the argument remove it takes the registration away.
source "$(dirname "$0")/common.sh"
signed_in
graph=https://graph.microsoft.com/v1.0
name="bluegreen-alerts-$AZURE_ENV_NAME"
monitor=461e8683-5575-4561-ac7f-899cc907d62a # "AzNS AAD Webhook", as which Azure Monitor calls
role=c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e    # any id, the same at each run

# principal prints the object id of the service principal of an app, which is made if need be.
principal() {
  found=$(az ad sp list --filter "appId eq '$1'" --query '[].id' --output tsv)
  [ -n "$found" ] || found=$(az ad sp create --id "$1" --query id --output tsv)
  echo "$found"
}

registrations=$(az ad app list --display-name "$name" --query "[?displayName=='$name'].appId" --output tsv)
[ "$(wc -l <<< "$registrations")" -eq 1 ] || stop "there are several app registrations $name: remove those that are not used"

if [ "${1:-}" = remove ]; then
  [ -z "$registrations" ] || az ad app delete --id "$registrations"
  exit
fi

app=$registrations
[ -n "$app" ] || app=$(az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId --output tsv)
az rest --method patch --url "$graph/applications(appId='$app')" --headers Content-Type=application/json --output none --body "$(
  jq -nc --arg app "$app" --arg role "$role" '{
    identifierUris: ["api://\($app)"],
    api: {requestedAccessTokenVersion: 2},
    appRoles: [{
      id: $role, value: "ActionGroupsSecureWebhook", displayName: "ActionGroupsSecureWebhook",
      description: "Deliver alerts to bluegreen", allowedMemberTypes: ["Application"], isEnabled: true
    }]
  }'
)"

own=$(principal "$app")
caller=$(principal "$monitor")
granted=$(az rest --method get --url "$graph/servicePrincipals/$own/appRoleAssignedTo" \
  --query "value[?principalId=='$caller' && appRoleId=='$role'].id" --output tsv)
[ -n "$granted" ] || az rest --method post --url "$graph/servicePrincipals/$own/appRoleAssignedTo" \
  --headers Content-Type=application/json --output none --body "$(
    jq -nc --arg principal "$caller" --arg resource "$own" --arg role "$role" \
      '{principalId: $principal, resourceId: $resource, appRoleId: $role}'
  )"

# Action groups want the object id of the registration, not of its service principal.
echo "BLUEGREEN_ALERT_APP=$app"
echo "BLUEGREEN_ALERT_APP_OBJECT_ID=$(az ad app show --id "$app" --query id --output tsv)"
