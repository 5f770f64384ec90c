#!/usr/bin/env bash
# Deploys the entry point BLUEGREEN_SETUP with its parameter file, or with the one in
# BLUEGREEN_PARAMETERS. With the argument what-if it only prints the changes.
source "$(dirname "$0")/common.sh"
verb="${1:-create}"
parameters="${BLUEGREEN_PARAMETERS:-bicep/$BLUEGREEN_SETUP.bicepparam}"
[ "$verb" = create ] || [ "$verb" = what-if ] || stop "infra.sh $verb: use create or what-if"
[ -f "$parameters" ] || stop "there is no $parameters: set BLUEGREEN_PARAMETERS to a file in bicep/"
scripts/preflight.sh
[ "$verb" = what-if ] || [ "$BLUEGREEN_SETUP" = controller ] || scripts/quiet.sh
settings=$(scripts/settings.sh "$verb")
while IFS='=' read -r name value; do
  case "$name" in
    RESOURCE_GROUP | BLUEGREEN_*) export "$name=$value" ;;
    *) stop "scripts/settings.sh printed $name, which is no setting: nothing was deployed" ;;
  esac
done <<< "$settings"
[ -n "${AZURE_PRINCIPAL_ID:-}${BLUEGREEN_OPERATORS:-}" ] || [ "$BLUEGREEN_SETUP" = controller ] ||
  say "no principal gets access to the clusters or push permission: to get both, set AZURE_PRINCIPAL_ID to your object id"
[ -z "${BLUEGREEN_LIVE:-}" ] || say "the live color stays $BLUEGREEN_LIVE"

if [ "$verb" = what-if ]; then
  say "changes that $parameters would make in resource group $RESOURCE_GROUP, $AZURE_LOCATION:"
  exec az deployment sub what-if --name "$record" --location "$AZURE_LOCATION" --parameters "$parameters"
fi
say "deploying $parameters as $record in $AZURE_LOCATION; the full environment takes about 20 minutes the first time"
az deployment sub create --name "$record" --location "$AZURE_LOCATION" --parameters "$parameters" --output none
