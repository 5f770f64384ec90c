#!/usr/bin/env bash
# Deploys dist/bluegreen.zip to the Function app. The app stores it with its own identity,
# whose permission on the storage account takes minutes to spread after the first deployment.
source "$(dirname "$0")/common.sh"
[ -f dist/bluegreen.zip ] || stop "there is no dist/bluegreen.zip: run make package first"
own_config
deployed
say "deploying dist/bluegreen.zip to $FUNCTION_APP"
for try in {1..30}; do
  problem=$(az functionapp deployment source config-zip --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --src dist/bluegreen.zip --output none 2>&1) && exit
  [[ "$problem" = *InaccessibleStorageException* ]] || break
  say "the app may not write its storage account yet ($try of 30)"
  sleep "${BLUEGREEN_PAUSE:-10}"
done
stop "$problem"
