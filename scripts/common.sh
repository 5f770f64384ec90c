# Shared functions and settings of the other scripts; it is sourced, never run. Settings have
# the names that azd uses:
#   AZURE_ENV_NAME         name of the environment, "bluegreen" by default
#   AZURE_LOCATION         region, "westeurope" by default
#   AZURE_SUBSCRIPTION_ID  expected subscription; the current one of az by default
#   BLUEGREEN_NAME         base of the names of all resources, "bluegreen" by default
#   RESOURCE_GROUP         resource group, rg-AZURE_ENV_NAME by default
#   BLUEGREEN_SETUP        entry point in bicep/: main (by default), shared or controller
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

stop() {
  say "$*"
  exit 1
}

export AZURE_ENV_NAME="${AZURE_ENV_NAME:-bluegreen}"
export AZURE_LOCATION="${AZURE_LOCATION:-westeurope}"
export BLUEGREEN_NAME="${BLUEGREEN_NAME:-bluegreen}"
export RESOURCE_GROUP="${RESOURCE_GROUP:-rg-$AZURE_ENV_NAME}"
BLUEGREEN_SETUP="${BLUEGREEN_SETUP:-main}"

case "$AZURE_ENV_NAME" in
  "" | -* | *[!A-Za-z0-9-]*) stop "AZURE_ENV_NAME \"$AZURE_ENV_NAME\": use letters, digits and hyphens" ;;
esac
[[ "$BLUEGREEN_NAME" =~ ^[abcdefghijklmnopqrstuvwxyz0123456789]{3,12}$ ]] ||
  stop "BLUEGREEN_NAME \"$BLUEGREEN_NAME\": use 3 to 12 lower-case letters and digits"
case "$BLUEGREEN_SETUP" in
  main | shared | controller) ;;
  *) stop "BLUEGREEN_SETUP \"$BLUEGREEN_SETUP\": use main, shared or controller" ;;
esac

# needs stops when a program is missing.
needs() {
  for program in "$@"; do
    command -v "$program" > /dev/null || stop "$program is not installed"
  done
}

# signed_in stops unless az is signed in to the expected subscription. The hosts, the names of
# private DNS zones and the Flex Consumption plan are those of the public cloud.
signed_in() {
  needs az jq
  account=$(az account show --output json 2> /dev/null) ||
    stop "not signed in to Azure: run az login, then az account set --subscription ID"
  current=$(jq -r .id <<< "$account")
  cloud=$(jq -r .environmentName <<< "$account")
  [ "$cloud" = AzureCloud ] || stop "az is signed in to $cloud: bluegreen runs in AzureCloud only"
  [ -z "${AZURE_SUBSCRIPTION_ID:-}" ] || [ "$current" = "$AZURE_SUBSCRIPTION_ID" ] ||
    stop "the current subscription of az is $current, but AZURE_SUBSCRIPTION_ID is $AZURE_SUBSCRIPTION_ID: run az account set --subscription $AZURE_SUBSCRIPTION_ID"
}

# recent_az stops if az cannot deploy a parameter file by itself.
recent_az() {
  version=$(az version --query '"azure-cli"' --output tsv)
  [ "$(printf '%s\n' 2.53.0 "$version" | sort -V | head -n 1)" = 2.53.0 ] ||
    stop "az is $version, and a parameter file needs 2.53.0 or newer: run az upgrade, or install it from Microsoft's packages"
}

# of_environment succeeds if an existing resource group is of this environment: the templates
# write the tag by which azd knows it, too.
of_environment() {
  group=$(az group show --name "$RESOURCE_GROUP" --output json) || stop "resource group $RESOURCE_GROUP cannot be read"
  [ "$(jq -r '.tags["azd-env-name"]? // ""' <<< "$group")" = "$AZURE_ENV_NAME" ]
}

# Name of the deployment in the subscription; its record has the outputs.
record="bluegreen-$AZURE_ENV_NAME"

# outputs puts the outputs of the last deployment in the environment, as azd does by itself.
# A failed deployment has none.
outputs() {
  [ -z "${FUNCTION_APP:-}" ] || return 0
  found=$(az deployment sub show --name "$record" --query properties.outputs --output json 2> /dev/null) || found=null
  # Azure does not promise to keep the case of an output's name.
  found=$(jq -r '(. // {}) | to_entries[] | select(.value.value | type == "string")
    | "export \(.key | ascii_upcase)=\(.value.value | @sh)"' <<< "$found")
  eval "$found"
}

# deployed stops unless a deployment succeeded; then its outputs are in the environment.
deployed() {
  signed_in
  outputs
  [ -n "${FUNCTION_APP:-}" ] ||
    stop "subscription $current has no successful deployment $record: run make azure-up first, or set AZURE_ENV_NAME"
}

# ask prints the deployed app's response to GET api/$1. The key is passed on standard input,
# because arguments are visible to other users of the machine.
ask() {
  key=$(az functionapp keys list --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --query functionKeys.default --output tsv) || return
  curl --silent --show-error --fail --max-time 30 --config - "https://$FUNCTION_HOST/api/$1" <<< "header = \"x-functions-key: $key\""
}
