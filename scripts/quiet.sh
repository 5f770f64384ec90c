#!/usr/bin/env bash
# Fails while a release is in progress: the release could move traffic between the time when
# the live color is read and the time when Bicep writes it, which would move the traffic back.
source "$(dirname "$0")/common.sh"
needs curl
signed_in
outputs
[ -n "${FUNCTION_APP:-}" ] || exit 0
no_answer="$FUNCTION_APP does not answer, so it cannot move traffic"
if ! find_app; then
  say "$no_answer"
  exit 0
fi
if ! apps=$(ask apps); then
  functions=$(az functionapp function list --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --query '[].name' --output tsv) || functions=""
  case "$functions" in
    "" | */look*) ;;
    *) stop "$FUNCTION_APP runs an earlier version, which cannot be asked whether a release is in progress. Nothing was deployed: run make package and scripts/publish.sh first, which move no traffic." ;;
  esac
  say "$no_answer"
  exit 0
fi
# A release in awaiting-approval moves no traffic by itself.
busy=$(jq -r '[.apps[] | select(.phase | IN("deploying", "verifying", "switching", "baking", "returning")) | "\(.name) is \(.phase)"] | join(", ")' <<< "$apps")
[ -z "$busy" ] || stop "a release is in progress: $busy. Nothing was deployed; try again when it is over (bluegreen watch)."
