#!/usr/bin/env bash
# Prints, as NAME=VALUE lines, the environment variables of the parameter files in bicep/ that
# are read from Azure: the resource group, the live color, the autoscaled node pools, whether the
# jump host exists, and the app registration for alerts. The registration is created if
# necessary, unless BLUEGREEN_ALERT_APP names one or BLUEGREEN_SECURE_ALERTS is no. With the
# argument what-if it is only read. With the argument azd the variables are set in the
# environment of azd instead.
source "$(dirname "$0")/common.sh"
verb="${1:-create}"

# keeps reports whether the jump host exists. Azure changes neither its SSH key nor its
# cloud-init.
keeps() {
  host="vm-$BLUEGREEN_NAME-jump"
  hosts=$(az vm list --resource-group "$RESOURCE_GROUP" --output json) || stop "the virtual machines of $RESOURCE_GROUP cannot be read: give yourself the role Reader on the group"
  jq -e --arg name "$host" 'any(.[]; .name == $name)' <<< "$hosts" > /dev/null || return 1
  key=$(jq -r --arg name "$host" '.[] | select(.name == $name) | .osProfile.linuxConfiguration.ssh.publicKeys[0].keyData // ""' <<< "$hosts")
  replace="To replace it: az vm delete --resource-group $RESOURCE_GROUP --name $host, then deploy again"
  # The third field is a comment.
  if [ "$(cut -d ' ' -f 1,2 <<< "$key")" = "$(cut -d ' ' -f 1,2 <<< "${BLUEGREEN_SSH_PUBLIC_KEY:-}")" ]; then
    say "jump host $host exists and is not changed; Azure does not show its cloud-init. $replace"
  else
    say "jump host $host exists with another SSH key and is not changed. $replace"
  fi
}

lines="RESOURCE_GROUP=$RESOURCE_GROUP"
# The setup controller deploys no gateway.
if [ "$BLUEGREEN_SETUP" != controller ]; then
  live=$(scripts/live-color.sh)
  # Deploying a fixed number of nodes would shrink an autoscaled pool under its traffic.
  clusters="[]"
  exists=$(az group exists --name "$RESOURCE_GROUP")
  jump=false
  if [ "$exists" = true ]; then
    clusters=$(az aks list --resource-group "$RESOURCE_GROUP" --output json)
    ! keeps || jump=true
  fi
  pools=$(jq -r '[.[] | .name as $cluster | .agentPoolProfiles[] | select(.enableAutoScaling) | "\($cluster)/\(.name)"] | join(",")' <<< "$clusters")
  lines="$lines
BLUEGREEN_LIVE=$live
BLUEGREEN_SCALED_POOLS=${pools:-none}
BLUEGREEN_JUMP_HOST_EXISTS=$jump"
fi
if [ -z "${BLUEGREEN_ALERT_APP:-}" ] && [ "${BLUEGREEN_SECURE_ALERTS:-yes}" != no ]; then
  if [ "$verb" = what-if ]; then
    alerts=$(scripts/entra.sh find) ||
      stop "the app registration for alerts cannot be read, so the changes cannot be shown: set BLUEGREEN_ALERT_APP and BLUEGREEN_ALERT_APP_OBJECT_ID, or BLUEGREEN_SECURE_ALERTS=no if there is none"
    [ -n "$alerts" ] ||
      say "a deployment would also create the app registration bluegreen-alerts-$AZURE_ENV_NAME, with an action group for all alert rules, which are not shown"
  else
    alerts=$(scripts/entra.sh) ||
      stop "the app registration for alerts could not be created, and nothing was deployed. This needs the Entra role Application Administrator: ask an administrator to run scripts/entra.sh and to make you an owner of the registration, and set the two variables that it prints; or set BLUEGREEN_SECURE_ALERTS=no to deploy alert rules without an action"
  fi
  [ -z "$alerts" ] || lines="$lines
$alerts"
fi

if [ "$verb" != azd ]; then
  echo "$lines"
  exit
fi
while IFS='=' read -r name value; do
  azd env set "$name" "$value"
done <<< "$lines"
