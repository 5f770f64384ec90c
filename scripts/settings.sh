#!/usr/bin/env bash
# Prints, as NAME=VALUE lines, what the parameter files in bicep/ read from the environment
# and Azure knows: the resource group, the color that has the traffic, and with
# BLUEGREEN_SECURE_ALERTS=yes the app registration for alerts. With the argument azd it puts
# them in the environment of azd instead.
source "$(dirname "$0")/common.sh"
lines="RESOURCE_GROUP=$RESOURCE_GROUP"
# The controller alone moves no traffic.
if [ "$BLUEGREEN_SETUP" != controller ]; then
  live=$(scripts/live-color.sh)
  lines="$lines
BLUEGREEN_LIVE=$live"
fi
if [ "${BLUEGREEN_SECURE_ALERTS:-no}" = yes ]; then
  alerts=$(scripts/entra.sh)
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
