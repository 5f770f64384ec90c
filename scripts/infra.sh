#!/usr/bin/env bash
# Deploys the entry point BLUEGREEN_SETUP with its parameter file, or with the one in
# BLUEGREEN_PARAMETERS. With the argument what-if it only prints the changes; with the argument
# preview the same for an identity that may only read (bicep/preview.bicep), which needs an az of 2026.
source "$(dirname "$0")/common.sh"
verb="${1:-create}"
parameters="${BLUEGREEN_PARAMETERS:-bicep/$BLUEGREEN_SETUP.bicepparam}"
level=""
case "$verb" in
  create | what-if) ;;
  preview)
    # Azure answers AuthorizationFailed falsely for system topics, so the templates leave theirs out.
    export BLUEGREEN_PREVIEW=true
    verb=what-if
    level=ProviderNoRbac
    ;;
  *) stop "infra.sh $verb: use create, what-if or preview" ;;
esac
[ -f "$parameters" ] || stop "there is no $parameters: set BLUEGREEN_PARAMETERS to a file in bicep/"
scripts/preflight.sh
[ "$verb" = what-if ] || [ "$BLUEGREEN_SETUP" = controller ] || scripts/quiet.sh
settings=$(scripts/settings.sh "$verb")
while IFS='=' read -r name value; do
  case "$name" in
    RESOURCE_GROUP | BLUEGREEN_*) export "$name=$value" ;;
    *) stop "scripts/settings.sh printed $name, which is no setting: nothing was deployed. Restore scripts/settings.sh" ;;
  esac
done <<< "$settings"
[ -n "${AZURE_PRINCIPAL_ID:-}${BLUEGREEN_OPERATORS:-}" ] || [ "$BLUEGREEN_SETUP" = controller ] ||
  say "no principal gets access to the clusters or push permission: to get both, set AZURE_PRINCIPAL_ID to your object id"
[ -z "${BLUEGREEN_LIVE:-}" ] || say "the live color stays $BLUEGREEN_LIVE"

if [ "$verb" = what-if ]; then
  say "changes that $parameters would make in resource group $RESOURCE_GROUP, $AZURE_LOCATION:"
  [ -z "$level" ] || say "the system topic of the registry is not shown: Azure refuses it falsely to an identity that only reads"
  exec az deployment sub what-if --name "$record" --location "$AZURE_LOCATION" --parameters "$parameters" ${level:+--validation-level "$level"}
fi
say "deploying $parameters as $record in $AZURE_LOCATION; the full environment takes about 20 minutes the first time"
az deployment sub create --name "$record" --location "$AZURE_LOCATION" --parameters "$parameters" --output none
