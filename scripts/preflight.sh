#!/usr/bin/env bash
# Fails, with the reason, if a deployment cannot work, or would change a resource group of
# another environment. It reads versions, settings, the compiled parameter file, and the
# environment in Azure, and changes nothing.
source "$(dirname "$0")/common.sh"
parameters="${BLUEGREEN_PARAMETERS:-bicep/$BLUEGREEN_SETUP.bicepparam}"
own_config
signed_in
recent_az

case "${AZURE_PRINCIPAL_TYPE:-}" in
  User | Group | ServicePrincipal) ;;
  "")
    [ -z "${AZURE_PRINCIPAL_ID:-}" ] || [ "$(jq -r .user.type <<< "$account")" = user ] ||
      stop "az is signed in as a service principal, and AZURE_PRINCIPAL_ID may be one: set AZURE_PRINCIPAL_TYPE to ServicePrincipal, Group or User"
    ;;
  *) stop "AZURE_PRINCIPAL_TYPE \"$AZURE_PRINCIPAL_TYPE\": use ServicePrincipal, Group or User" ;;
esac

exists=$(az group exists --name "$RESOURCE_GROUP")
if [ "$exists" = true ]; then
  of_environment ||
    stop "resource group $RESOURCE_GROUP is not of the environment $AZURE_ENV_NAME: set RESOURCE_GROUP to the name of a new one. A deployment replaces the tags of the group, and azure-down deletes all of it. If that is intended: az group update --name $RESOURCE_GROUP --set tags.azd-env-name=$AZURE_ENV_NAME"
  place=$(jq -r .location <<< "$group")
  [ "$place" = "$AZURE_LOCATION" ] || stop "resource group $RESOURCE_GROUP is in $place: set AZURE_LOCATION to that"
else
  # The name of a deployment in a subscription belongs to one region.
  place=$(az deployment sub show --name "$record" --query location --output tsv 2> /dev/null) || place=""
  [ -z "$place" ] || [ "$place" = "$AZURE_LOCATION" ] ||
    stop "the deployment $record is in $place: set AZURE_LOCATION to that, AZURE_ENV_NAME to another name, or run az deployment sub delete --name $record"
fi

# The live color does not matter here, and is not known yet.
compiled=$(BLUEGREEN_LIVE=blue az bicep build-params --file "$parameters" --stdout) || stop "$parameters cannot be compiled, see above: correct it"
values=$(jq '((.templateJson | fromjson | .parameters | map_values(.defaultValue)) + (.parametersJson | fromjson | .parameters | map_values(.value)))' <<< "$compiled")

mistakes=$(jq -r --arg file "$parameters" --arg subscription "$current" '
  def is_guid: test("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$");
  def is_id: test("^/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/]+/providers/[^/]+(/[^/]+/[^/]+)+$"; "i");
  def objects: ["operatorId", "alertAppObjectId", "alertApp"];
  def in_path: map(if type == "number" then "[\(.)]" else ".\(.)" end) | join("") | ltrimstr(".");
  [
    (if .name != env.BLUEGREEN_NAME then "name is \(.name), BLUEGREEN_NAME is \(env.BLUEGREEN_NAME)" else empty end),
    (if .groupName != env.RESOURCE_GROUP then "groupName is \(.groupName), RESOURCE_GROUP is \(env.RESOURCE_GROUP)" else empty end),
    (if .tags["azd-env-name"]? != env.AZURE_ENV_NAME then "tags has no azd-env-name with the value \(env.AZURE_ENV_NAME)" else empty end),
    (if .clusterIds == [] then "clusterIds is empty" else empty end),
    (if (.alertApp // "") != "" and (.alertAppObjectId // "") == "" then "alertAppObjectId (BLUEGREEN_ALERT_APP_OBJECT_ID) is missing" else empty end),
    (del(.tags) | . as $all | paths(strings) as $path | $all | getpath($path) as $value |
      ([$path[] | strings] | last) as $key |
      if objects | index($key) then
        (if $value == "" or ($value | is_guid) then empty else "\($path | in_path) is \"\($value)\", which is no object id" end)
      elif ($key | test("^id$|Ids?$") | not) or ($value == "" and ($path | length) == 1 and $key != "workspaceId") then empty
      elif $value | is_id | not then "\($path | in_path) is \"\($value)\", which is no resource id"
      elif ($value | split("/")[2] | ascii_downcase) != $subscription then "\($path | in_path) is not in subscription \($subscription)"
      else empty end)
  ] | .[] | "\($file): \(.)"' <<< "$values")
[ -z "$mistakes" ] || stop "$mistakes"

topic=$(jq -r '.registry.topicName? // ""' <<< "$values")
if [ -n "$topic" ]; then
  identity=$(az eventgrid system-topic show --resource-group "$(jq -r '.registry.id | split("/")[4]' <<< "$values")" --name "$topic" --query identity.principalId --output tsv)
  [ -n "$identity" ] || stop "$parameters: registry.topicName: $topic has no system-assigned identity, with which dead letters are written: az eventgrid system-topic update --identity systemassigned"
fi
[ "$exists" = true ] || exit 0

# What Azure changes only by making it anew. Without zones in the parameters Azure may choose
# some, and keeps them.
gateways=$(az network application-gateway list --resource-group "$RESOURCE_GROUP" --output json)
addresses=$(az network public-ip list --resource-group "$RESOURCE_GROUP" --output json)
clusters=$(az aks list --resource-group "$RESOURCE_GROUP" --output json)
accounts=$(az storage account list --resource-group "$RESOURCE_GROUP" --output json)
fixed=$(jq -r --argjson gateways "$gateways" --argjson addresses "$addresses" --argjson clusters "$clusters" --argjson accounts "$accounts" '
  def ours($prefix): select(.name | startswith($prefix + env.BLUEGREEN_NAME));
  def list: if length == 0 then "no zone" else "the zones \(join(","))" end;
  ((.zones // []) | sort) as $zones | .storageSku as $sku | [
    ($gateways[] | ours("agw-") | {what: "Application Gateway \(.name)", zones}),
    ($addresses[] | ours("pip-agw-", "pip-nat-", "pip-bas-") | {what: "public address \(.name)", zones}),
    ($clusters[] | ours("aks-") | .name as $cluster | .agentPoolProfiles[] | {what: "node pool \($cluster)/\(.name)", zones: .availabilityZones})
  ] | (.[] | .zones = ((.zones // []) | sort) | select($zones != [] and .zones != $zones) | "\(.what) is in \(.zones | list), not in \($zones | list)"),
    ($accounts[] | ours("st") | select(.sku.name != $sku) | "storage account \(.name) is \(.sku.name), not \($sku)")' <<< "$values")
[ -z "$fixed" ] || stop "$fixed
Azure cannot change this in place, so $parameters does not fit the environment $AZURE_ENV_NAME. Nothing was deployed. Deploy a second environment beside it, with another AZURE_ENV_NAME, move your host name to it, and delete this one."
