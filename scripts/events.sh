#!/usr/bin/env bash
# Subscribes the function image-pushed to the registry, for the repositories in
# bluegreen.yaml, or where they are more than the 24 that a filter has room for, for what they
# begin with: the function drops the pushes to others. Azure refuses the subscription until the
# deployed function exists, so this runs after publish.sh and waits for the function.
source "$(dirname "$0")/common.sh"
needs go
deployed
recent_az
[ -n "${EVENT_SUBSCRIPTION:-}" ] || stop "the last deployment of $record has no output EVENT_SUBSCRIPTION: run make azure-up again"
repositories() { go run ./cmd/bluegreen config repositories bluegreen.yaml "$@"; }
most=24
filter=$(repositories)
export BLUEGREEN_PREFIXES=false
if [ "$(wc -l <<< "$filter")" -gt "$most" ]; then
  filter=$(repositories --prefixes "$most")
  BLUEGREEN_PREFIXES=true
fi
BLUEGREEN_REPOSITORIES=$(paste -s -d , - <<< "$filter")
export BLUEGREEN_REPOSITORIES

function_exists() {
  az functionapp function show --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --function-name image-pushed --output none 2> /dev/null
}

for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
  if function_exists; then
    say "subscribing image-pushed to $REGISTRY_TOPIC as $EVENT_SUBSCRIPTION"
    exec az deployment group create --name "$record-events" --resource-group "$REGISTRY_GROUP" --parameters bicep/events.bicepparam --output none
  fi
  say "function image-pushed does not exist yet ($try of 12)"
  sleep "${BLUEGREEN_PAUSE:-10}"
done
stop "$FUNCTION_APP has no function image-pushed: read its log stream, then run scripts/events.sh again"
