#!/usr/bin/env bash
# Prints, as NAME=VALUE lines, what the parameter files in bicep/ read from the environment
# and Azure knows: the resource group, the color that has the traffic, the node pools that
# scale by themselves already, and the app registration by which alerts come in, which is
# made if need be unless BLUEGREEN_ALERT_APP names one or BLUEGREEN_SECURE_ALERTS is no. With
# the argument azd it puts them in the environment of azd instead.
source "$(dirname "$0")/common.sh"
lines="RESOURCE_GROUP=$RESOURCE_GROUP"
# The controller alone moves no traffic.
if [ "$BLUEGREEN_SETUP" != controller ]; then
  live=$(scripts/live-color.sh)
  # Deployed with a number of nodes, a pool that has grown would shrink under its traffic.
  clusters="[]"
  exists=$(az group exists --name "$RESOURCE_GROUP")
  [ "$exists" != true ] || clusters=$(az aks list --resource-group "$RESOURCE_GROUP" --output json)
  pools=$(jq -r '[.[] | .name as $cluster | .agentPoolProfiles[] | select(.enableAutoScaling) | "\($cluster)/\(.name)"] | join(",")' <<< "$clusters")
  lines="$lines
BLUEGREEN_LIVE=$live
BLUEGREEN_SCALED_POOLS=${pools:-none}"
fi
if [ -z "${BLUEGREEN_ALERT_APP:-}" ] && [ "${BLUEGREEN_SECURE_ALERTS:-yes}" != no ]; then
  alerts=$(scripts/entra.sh) ||
    stop "the app registration by which alerts come in was not made, and nothing was deployed. It needs the Entra role Application Administrator: have somebody who has it run scripts/entra.sh and make you an owner of it, and set the two names that it prints; or set BLUEGREEN_SECURE_ALERTS=no, and alert rules call nobody"
  lines="$lines
$alerts"
fi

if [ "${1:-}" != azd ]; then
  echo "$lines"
  exit
fi
while IFS='=' read -r name value; do
  azd env set "$name" "$value"
done <<< "$lines"
