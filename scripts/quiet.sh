#!/usr/bin/env bash
# Stops while a release is under way: it may move traffic after the live color was read and
# before Bicep writes that color, which would move the traffic back.
source "$(dirname "$0")/common.sh"
needs curl
signed_in
outputs
[ -n "${FUNCTION_APP:-}" ] || exit 0
if ! apps=$(ask apps); then
  say "$FUNCTION_APP does not answer, so it moves no traffic either"
  exit 0
fi
# One that waits for a person moves nothing by itself.
busy=$(jq -r '[.apps[] | select(.phase | IN("deploying", "verifying", "switching", "baking", "returning")) | "\(.name) is \(.phase)"] | join(", ")' <<< "$apps")
[ -z "$busy" ] || stop "a release is under way: $busy. Nothing was deployed; try again when it is over, bluegreen status --watch tells."
