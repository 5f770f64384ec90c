#!/usr/bin/env bash
# Takes away what a deployment made, and nothing else: the role assignments of the group's
# identities and the custom roles that nobody else has, what was put beside a registry that
# exists elsewhere, the resource group with its vaults, the deployment's records, the app
# registration for alerts. With the argument elsewhere it leaves the group and the records,
# for azd down to delete. It asks for the name of the group first; CONFIRM answers beforehand.
source "$(dirname "$0")/common.sh"
signed_in
outputs
scope="/subscriptions/$current"
registry="${REGISTRY_GROUP:-$RESOURCE_GROUP}"

exists=$(az group exists --name "$RESOURCE_GROUP")
[ "$exists" = true ] || stop "subscription $current has no resource group $RESOURCE_GROUP: nothing was deleted"
say "This deletes resource group $RESOURCE_GROUP in subscription $current with everything in it, and the rights that its identities have anywhere."
if [ -z "${CONFIRM:-}" ]; then
  printf 'Type %s to go on: ' "$RESOURCE_GROUP" >&2
  read -r CONFIRM || true
fi
[ "$CONFIRM" = "$RESOURCE_GROUP" ] || stop "\"$CONFIRM\" is not $RESOURCE_GROUP: nothing was deleted"

# rest asks Azure about an id. It must not read the list that a loop around it reads.
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

# gone deletes a custom role. Azure refuses while somebody has it, and learns slowly that
# nobody has.
gone() {
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
      gone "$id" || say "custom role $name stays: others have it, see above"
      ;;
  esac
done

if [ "$registry" != "$RESOURCE_GROUP" ]; then
  case "$REGISTRY_TOPIC" in
    registry-*) # the name that modules/controller.bicep gives
      say "deleting system topic $REGISTRY_TOPIC in $registry, which told of pushed images"
      az eventgrid system-topic delete --resource-group "$registry" --name "$REGISTRY_TOPIC" --yes --output none
      ;;
    *)
      say "deleting subscription image-pushed of system topic $REGISTRY_TOPIC in $registry, which the registry had already"
      az eventgrid system-topic event-subscription delete --resource-group "$registry" --system-topic-name "$REGISTRY_TOPIC" --name image-pushed --yes --output none
      ;;
  esac
fi
if [ -n "${ACTION_GROUP_ID:-}" ]; then
  scripts/entra.sh remove ||
    say "app registration bluegreen-alerts-$AZURE_ENV_NAME is left: somebody who may delete it runs scripts/entra.sh remove"
fi
[ "${1:-}" != elsewhere ] || exit 0

# records prints the records of a deployment of the subscription and of what it deployed.
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
vaults=$(az keyvault list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv)
say "deleting resource group $RESOURCE_GROUP: some 10 minutes"
az group delete --name "$RESOURCE_GROUP" --yes --output none
{ grep -iv "/resourceGroups/$RESOURCE_GROUP/" <<< "$kept" || true; } | lines | while read -r id; do
  rest delete "$id" 2025-04-01 > /dev/null
done
# A deleted vault keeps its name, so that the next deployment could not use it.
lines <<< "$vaults" | while read -r name; do
  az keyvault purge --name "$name" --output none < /dev/null ||
    say "Key Vault $name is deleted but keeps its name for some days, see above"
done
say "$RESOURCE_GROUP is gone"
