#!/usr/bin/env bash
# Deploys dist/bluegreen.zip to the Function app.
source "$(dirname "$0")/common.sh"
[ -f dist/bluegreen.zip ] || stop "there is no dist/bluegreen.zip: run make package first"
deployed
say "deploying dist/bluegreen.zip to $FUNCTION_APP"
az functionapp deployment source config-zip --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --src dist/bluegreen.zip --output none
