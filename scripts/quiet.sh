#!/usr/bin/env bash
# Fails while a release is in progress: the release could move traffic between the time when
# the live color is read and the time when Bicep writes it, which would move the traffic back.
source "$(dirname "$0")/common.sh"
needs curl
signed_in
outputs
[ -n "${FUNCTION_APP:-}" ] || exit 0
if ! find_app || ! apps=$(ask apps); then
  say "$FUNCTION_APP does not answer, so it cannot move traffic"
  exit 0
fi
# A release in awaiting-approval moves no traffic by itself.
busy=$(jq -r '[.apps[] | select(.phase | IN("deploying", "verifying", "switching", "baking", "returning")) | "\(.name) is \(.phase)"] | join(", ")' <<< "$apps")
[ -z "$busy" ] || stop "a release is in progress: $busy. Nothing was deployed; try again when it is over (bluegreen status --watch)."
