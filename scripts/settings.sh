#!/usr/bin/env bash
# Prints, as NAME=VALUE lines, the environment variables of the parameter files in bicep/ that
# are read from Azure: the resource group, the live color, the autoscaled node pools, and the
# app registration for alerts. The registration is created if necessary, unless
# BLUEGREEN_ALERT_APP names one or BLUEGREEN_SECURE_ALERTS is no. With the argument azd the
# variables are set in the environment of azd instead.
source "$(dirname "$0")/common.sh"
lines="RESOURCE_GROUP=$RESOURCE_GROUP"
# The setup controller deploys no gateway.
if [ "$BLUEGREEN_SETUP" != controller ]; then
  live=$(scripts/live-color.sh)
  # Deploying a fixed number of nodes would shrink an autoscaled pool under its traffic.
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
    stop "the app registration for alerts could not be created, and nothing was deployed. This needs the Entra role Application Administrator: ask an administrator to run scripts/entra.sh and to make you an owner of the registration, and set the two variables that it prints; or set BLUEGREEN_SECURE_ALERTS=no to deploy alert rules without an action"
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
