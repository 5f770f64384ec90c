#!/usr/bin/env bash
# Creates the app registration that authenticates alerts from Azure Monitor, and prints its ids
# for the entry points. Repeated runs change nothing. With the argument find it only prints the
# ids of an existing registration, with the argument remove it deletes it. Azure Monitor accepts an action group with the registration only from an owner
# of it, and creating it as an administrator does not make one: this script adds its caller as
# an owner. Other deployers need az ad app owner add --id APP --owner-object-id OBJECT_ID.
source "$(dirname "$0")/common.sh"
signed_in
graph=https://graph.microsoft.com/v1.0
name="bluegreen-alerts-$AZURE_ENV_NAME"
monitor=461e8683-5575-4561-ac7f-899cc907d62a # "AzNS AAD Webhook", the identity of Azure Monitor's calls
role=c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e    # an arbitrary constant id

# again retries a command: new objects take a while to be visible in all of Entra.
again() {
  for try in 1 2 3 4 5 6; do
    "$@" && return
    [ "$try" = 6 ] || sleep "${BLUEGREEN_PAUSE:-10}"
  done
  return 1
}

# me prints the object id of the signed-in principal.
me() {
  if [ "$(jq -r .user.type <<< "$account")" = user ]; then
    az ad signed-in-user show --query id --output tsv
  else
    az ad sp show --id "$(jq -r .user.name <<< "$account")" --query id --output tsv
  fi
}

# principal prints the object id of an app's service principal, and creates it if necessary.
principal() {
  found=$(az ad sp list --filter "appId eq '$1'" --query '[].id' --output tsv)
  [ -n "$found" ] || found=$(again az ad sp create --id "$1" --query id --output tsv)
  echo "$found"
}

# ids prints the ids of a registration. Action groups need its object id, not that of its
# service principal.
ids() {
  object=$(az ad app show --id "$1" --query id --output tsv)
  printf 'BLUEGREEN_ALERT_APP=%s\nBLUEGREEN_ALERT_APP_OBJECT_ID=%s\n' "$1" "$object"
}

registrations=$(az ad app list --display-name "$name" --query "[?displayName=='$name'].appId" --output tsv)
[ "$(wc -l <<< "$registrations")" -eq 1 ] || stop "there are several app registrations $name: delete the unused ones"

if [ "${1:-}" = remove ]; then
  [ -z "$registrations" ] || az ad app delete --id "$registrations"
  exit
fi

if [ "${1:-}" = find ]; then
  [ -z "$registrations" ] || ids "$registrations"
  exit
fi

app=$registrations
[ -n "$app" ] || app=$(az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId --output tsv)
again az rest --method patch --url "$graph/applications(appId='$app')" --headers Content-Type=application/json --output none --body "$(
  jq -nc --arg app "$app" --arg role "$role" '{
    identifierUris: ["api://\($app)"],
    api: {requestedAccessTokenVersion: 2},
    appRoles: [{
      id: $role, value: "ActionGroupsSecureWebhook", displayName: "ActionGroupsSecureWebhook",
      description: "Deliver alerts to bluegreen", allowedMemberTypes: ["Application"], isEnabled: true
    }]
  }'
)"

deployer=$(me)
again az ad app owner add --id "$app" --owner-object-id "$deployer"
own=$(principal "$app")
caller=$(principal "$monitor")
granted=$(az rest --method get --url "$graph/servicePrincipals/$own/appRoleAssignedTo" \
  --query "value[?principalId=='$caller' && appRoleId=='$role'].id" --output tsv)
[ -n "$granted" ] || again az rest --method post --url "$graph/servicePrincipals/$own/appRoleAssignedTo" \
  --headers Content-Type=application/json --output none --body "$(
    jq -nc --arg principal "$caller" --arg resource "$own" --arg role "$role" \
      '{principalId: $principal, resourceId: $resource, appRoleId: $role}'
  )"

ids "$app"
