#!/usr/bin/env bash
# Deletes the resources of a deployment and nothing else: the role assignments of the group's
# identities, the custom roles without other assignments, the subscription to the system topic
# of a registry in another group, and this topic if bluegreen created it and no subscription is
# left, the app registration for alerts, the resource group with its vaults and workspaces, and
# the deployment's records. With the argument elsewhere it keeps the group and the records, for
# azd down to delete. It asks for the name of the group first, unless CONFIRM contains it.
source "$(dirname "$0")/common.sh"
signed_in
outputs
scope="/subscriptions/$current"
registry="${REGISTRY_GROUP:-$RESOURCE_GROUP}"

exists=$(az group exists --name "$RESOURCE_GROUP")
[ "$exists" = true ] || stop "subscription $current has no resource group $RESOURCE_GROUP: nothing was deleted. Set AZURE_ENV_NAME to that of the environment"
of_environment || stop "resource group $RESOURCE_GROUP is not of the environment $AZURE_ENV_NAME: nothing was deleted. Set RESOURCE_GROUP to the group of the environment"
workspaces=""
[ "${1:-}" = elsewhere ] || workspaces=$(az monitor log-analytics workspace list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv)
say "This deletes resource group $RESOURCE_GROUP in subscription $current with everything in it, and all role assignments of its identities."
[ -z "$workspaces" ] || say "It also deletes the logs of $(paste -s -d ' ' - <<< "$workspaces") for good: Azure would keep them for 14 days, and reserve the name."
profiles=$(az network traffic-manager profile list --resource-group "$RESOURCE_GROUP" --output json)
addresses=$(az network public-ip list --resource-group "$RESOURCE_GROUP" --output json)
names=$(jq -rn --argjson profiles "$profiles" --argjson addresses "$addresses" \
  '[$profiles[].dnsConfig.fqdn, $addresses[].dnsSettings.fqdn] | map(select(. != null)) | sort | join(" ")')
[ -z "$names" ] || say "Then anybody can take the names $names: delete the DNS records that point at them first."
if [ -z "${CONFIRM:-}" ]; then
  printf 'Type %s to continue: ' "$RESOURCE_GROUP" >&2
  read -r CONFIRM || true
fi
[ "$CONFIRM" = "$RESOURCE_GROUP" ] || stop "\"$CONFIRM\" is not $RESOURCE_GROUP: nothing was deleted. Type the name of the group"

# rest calls Azure with a resource id. Its standard input is empty, because callers read a list from theirs.
rest() {
  az rest --method "$1" --url "$2?api-version=$3" --output json < /dev/null
}

lines() { sed '/^$/d' | sort -u; }

assignments=$(
  az identity list --resource-group "$RESOURCE_GROUP" --query '[].principalId' --output tsv | while read -r principal; do
    filter="%24filter=principalId%20eq%20%27$principal%27"
    az rest --method get --url "$scope/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter" --output json < /dev/null |
      jq -r '.value[] | "\(.id) \(.properties.roleDefinitionId)"'
  done
)
cut -d ' ' -f 1 <<< "$assignments" | lines | while read -r id; do
  say "deleting role assignment $id"
  rest delete "$id" 2022-04-01 > /dev/null
done

# delete_role deletes a custom role. Azure refuses while the role has assignments, and a
# deleted assignment still counts for a while.
delete_role() {
  for try in 1 2 3 4 5 6; do
    rest delete "$1" 2022-04-01 > /dev/null && return
    [ "$try" = 6 ] || sleep "${BLUEGREEN_PAUSE:-10}"
  done
  return 1
}
cut -d ' ' -f 2 <<< "$assignments" | lines | while read -r id; do
  name=$(rest get "$id" 2022-04-01 | jq -r '.properties | select(.type == "CustomRole") | .roleName')
  case "$name" in
    "bluegreen "*)
      say "deleting custom role $name"
      delete_role "$id" || say "custom role $name stays: it has other assignments, see above"
      ;;
  esac
done

# unsubscribe deletes the subscription of this environment, and its topic unless others use it.
unsubscribe() {
  topics=$(az eventgrid system-topic list --resource-group "$registry" --output json)
  topic=$(jq -c --arg name "$REGISTRY_TOPIC" '.[] | select(.name == $name)' <<< "$topics")
  [ -n "$topic" ] || return 0
  subscriptions=$(az eventgrid system-topic event-subscription list --resource-group "$registry" --system-topic-name "$REGISTRY_TOPIC" --output json)
  left=$(jq -r --arg name "$EVENT_SUBSCRIPTION" '.[].name | select(. != $name)' <<< "$subscriptions")
  if jq -e --arg name "$EVENT_SUBSCRIPTION" --arg group "$scope/resourceGroups/$RESOURCE_GROUP/" \
    'any(.[]; .name == $name and (.destination.resourceId? // "" | ascii_downcase | startswith($group | ascii_downcase) | not))' <<< "$subscriptions" > /dev/null; then
    say "subscription $EVENT_SUBSCRIPTION of system topic $REGISTRY_TOPIC stays: its events go to an app outside $RESOURCE_GROUP"
    return
  fi
  say "deleting subscription $EVENT_SUBSCRIPTION of system topic $REGISTRY_TOPIC in $registry"
  az eventgrid system-topic event-subscription delete --resource-group "$registry" --system-topic-name "$REGISTRY_TOPIC" --name "$EVENT_SUBSCRIPTION" --yes --output none
  if [ "$(jq -r '.tags["created-by"]? // ""' <<< "$topic")" != bluegreen ]; then
    say "system topic $REGISTRY_TOPIC stays: bluegreen did not create it"
    return
  fi
  if [ -n "$left" ]; then
    say "system topic $REGISTRY_TOPIC stays: it has the subscriptions $(paste -s -d ' ' - <<< "$left")"
    rest delete "$(jq -r .id <<< "$topic")/providers/Microsoft.Insights/diagnosticSettings/$EVENT_SUBSCRIPTION" 2021-05-01-preview > /dev/null
    return
  fi
  say "deleting system topic $REGISTRY_TOPIC in $registry"
  az eventgrid system-topic delete --resource-group "$registry" --name "$REGISTRY_TOPIC" --yes --output none
}
[ "$registry" = "$RESOURCE_GROUP" ] || unsubscribe
if [ -n "${ACTION_GROUP_ID:-}" ]; then
  scripts/entra.sh remove ||
    say "app registration bluegreen-alerts-$AZURE_ENV_NAME remains: run scripts/entra.sh remove with the permission to delete it"
fi
[ "${1:-}" != elsewhere ] || exit 0

# records prints the records of a subscription deployment and of its nested deployments.
records() {
  operations=$(az deployment operation sub list --name "$1" --output json < /dev/null) || return 0
  jq -r '.[].properties.targetResource // empty | select(.resourceType == "Microsoft.Resources/deployments") | .id' <<< "$operations" |
    lines | while read -r id; do
      case "$id" in
        */resourceGroups/*) echo "$id" ;;
        *) records "${id##*/}" ;;
      esac
    done
  echo "$scope/providers/Microsoft.Resources/deployments/$1"
}
kept=$(
  records "$record"
  echo "$scope/resourceGroups/$registry/providers/Microsoft.Resources/deployments/$record-events"
)
# A deleted workspace reserves its name as a vault does, and can be purged only before.
lines <<< "$workspaces" | while read -r name; do
  az monitor log-analytics workspace delete --resource-group "$RESOURCE_GROUP" --workspace-name "$name" --force true --yes --output none < /dev/null ||
    say "workspace $name keeps its name for 14 days, see above"
done
vaults=$(az keyvault list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv)
say "deleting resource group $RESOURCE_GROUP: about 10 minutes"
az group delete --name "$RESOURCE_GROUP" --yes --output none
{ grep -iv "/resourceGroups/$RESOURCE_GROUP/" <<< "$kept" || true; } | lines | while read -r id; do
  rest delete "$id" 2025-04-01 > /dev/null
done
# A deleted vault reserves its name, and the next deployment needs that name.
lines <<< "$vaults" | while read -r name; do
  az keyvault purge --name "$name" --output none < /dev/null ||
    say "Key Vault $name is deleted but reserves its name for some days, see above"
done
say "$RESOURCE_GROUP is deleted"
