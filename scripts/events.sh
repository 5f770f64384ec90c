#!/usr/bin/env bash
# Subscribes the function image-pushed to the registry, for the repositories that
# bluegreen.yaml names. Azure takes the subscription only when the deployed function is
# there, so this comes after publish.sh and waits for it a while.
source "$(dirname "$0")/common.sh"
needs go
deployed
repositories=$(go run ./cmd/bluegreen config repositories bluegreen.yaml | jq -Rnc '[inputs]')

there() {
  az functionapp function show --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --function-name image-pushed --output none 2> /dev/null
}

for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
  if there; then
    say "subscribing image-pushed to $REGISTRY_TOPIC"
    exec az deployment group create --name "$record-events" --resource-group "$REGISTRY_GROUP" --template-file bicep/events.bicep --output none \
      --parameters topicName="$REGISTRY_TOPIC" functionAppId="$FUNCTION_APP_ID" storageId="$STORAGE_ID" repositories="$repositories"
  fi
  say "function image-pushed is not there yet ($try of 12)"
  sleep "${BLUEGREEN_PAUSE:-10}"
done
stop "$FUNCTION_APP shows no function image-pushed: look at its log stream, then run scripts/events.sh again"
