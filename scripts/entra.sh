#!/usr/bin/env bash
# Creates the app registration that authenticates alerts from Azure Monitor, and people and
# pipelines by their app roles, and prints its ids for the entry points. Repeated runs change
# nothing. With the argument find it only prints the ids of an existing registration, with the
# argument remove it deletes it, with the argument browser it lets people sign in to the pages of
# the deployed app, whose address is not known before.
#
# A registration is known by its id: BLUEGREEN_ALERT_APP, or that in the action group of the
# environment; before there is one, it is the only one with its name that its caller alone owns.
# Everybody in a tenant can give a registration any name. Whoever holds a credential, the role or
# the ownership could send alerts, so others than the caller and BLUEGREEN_ALERT_OWNERS (object
# ids, separated by commas) stop the script.
#
# Azure Monitor accepts an action group with the registration only from an owner of it, and
# creating it as an administrator does not make one: this script adds its caller as an owner.
# Other deployers need az ad app owner add --id APP --owner-object-id OBJECT_ID.
source "$(dirname "$0")/common.sh"
case "${1:-}" in
  "" | find | remove | browser) ;;
  *) stop "entra.sh $1: use find, remove or browser, or no argument" ;;
esac
signed_in
graph=https://graph.microsoft.com/v1.0
name="bluegreen-alerts-$AZURE_ENV_NAME"
monitor=461e8683-5575-4561-ac7f-899cc907d62a # "AzNS AAD Webhook", the identity of Azure Monitor's calls
cli=04b07795-8ddb-461a-bbee-02f9e1bf7b46     # Azure CLI, which gets tokens for people

# Arbitrary constant ids: of the role of Azure Monitor, of those of people and pipelines, and of
# the permission by which Azure CLI acts for a person.
role=c1a4ae0c-3c4b-4c52-9b3b-8a5a0d2f6f3e
viewer=5e0c7b1a-2f64-4d0e-8a39-6c1d9b7f4e21
operator=9a3d2c84-7b1e-4f6a-b5c0-1e8f7d6a5b32
admin=d7f1e6a9-4c38-4b2d-9e57-3a0b8c9d1f43
access=3b8e5f20-6d97-4a1c-8f42-7c5e0a9b2d64

# again retries a command: new objects take a while to be visible in all of Entra.
again() {
  for try in 1 2 3 4 5 6; do
    "$@" && return
    [ "$try" = 6 ] || sleep "${BLUEGREEN_PAUSE:-10}"
  done
  return 1
}

# change writes some properties of the registration.
change() { az rest --method patch --url "$graph/applications(appId='$app')" --headers Content-Type=application/json --output none --body "$1"; }

# me prints the object id of the signed-in principal.
me() {
  if [ "$(jq -r .user.type <<< "$account")" = user ]; then
    az ad signed-in-user show --query id --output tsv
  else
    az ad sp show --id "$(jq -r .user.name <<< "$account")" --query id --output tsv
  fi
}

# principals prints the service principals of an app, at most one.
principals() { az ad sp list --filter "appId eq '$1'" --output json; }

# principal prints the object id of an app's service principal, and creates it if necessary.
principal() {
  found=$(principals "$1" | jq -r '.[0].id // ""')
  [ -n "$found" ] || found=$(again az ad sp create --id "$1" --query id --output tsv)
  echo "$found"
}

# in_action_group prints the client id that the action group of the environment names.
in_action_group() {
  exists=$(az group exists --name "$RESOURCE_GROUP")
  [ "$exists" = true ] || return 0
  groups=$(az monitor action-group list --resource-group "$RESOURCE_GROUP" --output json)
  jq -r '.[] | select(.name == "ag-" + env.BLUEGREEN_NAME) | .webhookReceivers[]? | .identifierUri // "" | ltrimstr("api://")' <<< "$groups"
}

# owned prints the client id of the registration with the name that only the caller owns.
owned() {
  called=$(az ad app list --display-name "$name" --query "[?displayName=='$name'].appId" --output tsv)
  mine=""
  for id in $called; do
    owners=$(az ad app owner list --id "$id" --query '[].id' --output tsv)
    if [ "$owners" = "$deployer" ]; then
      mine="$mine $id"
    else
      say "app registration $id is called $name and is not used: others own it. To use it, set BLUEGREEN_ALERT_APP"
    fi
  done
  mine="${mine# }"
  [ "$mine" = "${mine% *}" ] || stop "you own several app registrations $name: $mine: delete the unused ones, or set BLUEGREEN_ALERT_APP"
  echo "$mine"
}

# others prints those of a list of object ids that are neither the caller nor in BLUEGREEN_ALERT_OWNERS.
others() { grep -vxF -e "$deployer" -e "$(tr , '\n' <<< "${BLUEGREEN_ALERT_OWNERS:-$deployer}")" | sed '/^$/d' | paste -s -d ' ' - || true; }

# alone stops if others hold the registration.
alone() {
  untrusted="app registration $1 is not trusted:"
  advice="Remove what you do not know, or delete the registration and run this again"
  credentials='((.passwordCredentials // []) + (.keyCredentials // [])) | length | select(. > 0) | if . == 1 then "1 password or key" else "\(.) passwords or keys" end'
  found=$(az ad app owner list --id "$1" --query '[].id' --output tsv | others)
  [ -z "$found" ] || stop "$untrusted $found owns it. If that is intended, name all its owners in BLUEGREEN_ALERT_OWNERS. $advice"
  found=$(jq -r "$credentials" <<< "$registration")
  [ -z "$found" ] || stop "$untrusted it has $found. $advice"
  found=$(az ad app federated-credential list --id "$1" --output json | jq -r 'map(.name) | join(" ")')
  [ -z "$found" ] || stop "$untrusted it has the federated credential $found. $advice"

  own=$(principals "$1")
  found=$(jq -r ".[] | $credentials" <<< "$own")
  [ -z "$found" ] || stop "$untrusted its service principal has $found. $advice"
  own=$(jq -r '.[0].id // ""' <<< "$own")
  [ -n "$own" ] || return 0
  found=$(az ad sp owner list --id "$own" --query '[].id' --output tsv | others)
  [ -z "$found" ] || stop "$untrusted $found owns its service principal. $advice"
  caller=$(principals "$monitor" | jq -r '.[0].id // ""')
  found=$(az rest --method get --url "$graph/servicePrincipals/$own/appRoleAssignedTo" --output json |
    jq -r --arg caller "$caller" '[.value[] | select(.principalId != $caller) | select(.appRoleId | IN($ARGS.positional[]) | not) | .principalId] | join(" ")' \
      --args "$viewer" "$operator" "$admin")
  [ -z "$found" ] || stop "$untrusted $found has its role. $advice"
}

app="${BLUEGREEN_ALERT_APP:-}"
if [ "$app/${1:-}/${BLUEGREEN_SECURE_ALERTS:-}" = /browser/no ]; then exit 0; fi # none was asked for
[ -n "$app" ] || app=$(in_action_group)
deployer=""
case "$app/${1:-}" in /* | */ | */browser) deployer=$(me) ;; esac
[ -n "$app" ] || app=$(owned)
if [ -n "$app" ]; then
  [[ "$app" =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]] || stop "\"$app\" is no client id of an app registration: set BLUEGREEN_ALERT_APP to one"
  registration=$(az ad app show --id "$app" --output json)
fi

case "${1:-}" in
  find)
    [ -n "$app" ] || exit 0
    ;;
  remove)
    [ -n "$app" ] || exit 0
    called=$(jq -r .displayName <<< "$registration")
    [ "$called" = "$name" ] || stop "app registration $app is called $called, not $name: it is not deleted. Delete it by hand if it is not needed"
    az ad app delete --id "$app"
    exit
    ;;
  browser)
    [ -n "$app" ] || exit 0
    alone "$app"
    deployed
    # App Service authentication has no secret, so it asks for id tokens.
    web=$(jq -c --arg callback "https://$FUNCTION_HOST/.auth/login/aad/callback" '(.web // {}) as $was | {
      redirectUris: ($was.redirectUris // [] | if index($callback) then . else . + [$callback] end),
      implicitGrantSettings: {enableIdTokenIssuance: true}
    } | select(.redirectUris != $was.redirectUris or ($was.implicitGrantSettings.enableIdTokenIssuance | not)) | {web: .}' <<< "$registration")
    [ -z "$web" ] || change "$web"
    say "people sign in to the pages at https://$FUNCTION_HOST/api/ui"
    exit
    ;;
  *)
    if [ -n "$app" ]; then
      alone "$app"
    else
      # Not az ad app create, which writes to an existing registration with the name.
      app=$(az rest --method post --url "$graph/applications" --headers Content-Type=application/json --query appId --output tsv \
        --body "$(jq -nc --arg name "$name" '{displayName: $name, signInAudience: "AzureADMyOrg"}')")
    fi
    again change "$(
      jq -nc --arg app "$app" --arg role "$role" --arg viewer "$viewer" --arg operator "$operator" --arg admin "$admin" --arg access "$access" '
      def role(id; name; does; who): {id: id, value: name, displayName: name, description: does, allowedMemberTypes: who, isEnabled: true};
      {
        identifierUris: ["api://\($app)"],
        api: {requestedAccessTokenVersion: 2, oauth2PermissionScopes: [{
          id: $access, value: "access", type: "Admin", isEnabled: true,
          adminConsentDisplayName: "Use bluegreen", adminConsentDescription: "Use the API of bluegreen as far as the app roles of the user allow"
        }]},
        appRoles: [
          role($role; "ActionGroupsSecureWebhook"; "Deliver alerts to bluegreen"; ["Application"]),
          role($viewer; "bluegreen.viewer"; "Read the state and the history of all apps"; ["User", "Application"]),
          role($operator; "bluegreen.operator"; "Give commands without force"; ["User", "Application"]),
          role($admin; "bluegreen.admin"; "Give every command"; ["User", "Application"])
        ]
      }'
    )"
    # By itself, because it refers to the permission.
    again change "$(jq -nc --arg cli "$cli" --arg access "$access" '{api: {preAuthorizedApplications: [{appId: $cli, delegatedPermissionIds: [$access]}]}}')"
    again az ad app owner add --id "$app" --owner-object-id "$deployer"
    own=$(principal "$app")
    caller=$(principal "$monitor")
    granted=$(az rest --method get --url "$graph/servicePrincipals/$own/appRoleAssignedTo" --output json |
      jq --arg caller "$caller" --arg role "$role" 'any(.value[]; .principalId == $caller and .appRoleId == $role)')
    [ "$granted" = true ] || again az rest --method post --url "$graph/servicePrincipals/$own/appRoleAssignedTo" \
      --headers Content-Type=application/json --output none --body "$(
        jq -nc --arg principal "$caller" --arg resource "$own" --arg role "$role" \
          '{principalId: $principal, resourceId: $resource, appRoleId: $role}'
      )"
    registration=$(again az ad app show --id "$app" --output json)
    ;;
esac
# Action groups need the object id of the registration, not that of its service principal.
printf 'BLUEGREEN_ALERT_APP=%s\nBLUEGREEN_ALERT_APP_OBJECT_ID=%s\n' "$app" "$(jq -r .id <<< "$registration")"
