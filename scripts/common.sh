# Shared functions and settings of the other scripts; it is sourced, never run. Settings have
# the names that azd uses:
#   AZURE_ENV_NAME         name of the environment, "bluegreen" by default
#   AZURE_LOCATION         region, "westeurope" by default
#   AZURE_SUBSCRIPTION_ID  expected subscription; the current one of az by default
#   BLUEGREEN_NAME         base of the names of all resources, "bluegreen" by default
#   RESOURCE_GROUP         resource group, rg-AZURE_ENV_NAME by default; once it exists, the scripts
#                          know it by its tag azd-env-name
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
named="${RESOURCE_GROUP:-}"
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
    command -v "$program" > /dev/null || stop "$program is not installed: install it, or add it to the PATH"
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
  [ "$cloud" = AzureCloud ] || stop "az is signed in to $cloud: bluegreen runs in AzureCloud only. Run az cloud set --name AzureCloud, then az login"
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
  group=$(az group show --name "$RESOURCE_GROUP" --output json) || stop "resource group $RESOURCE_GROUP cannot be read: give yourself the role Reader on it"
  [ "$(jq -r '.tags["azd-env-name"]? // ""' <<< "$group")" = "$AZURE_ENV_NAME" ]
}

# find_group takes the group with the tag of the environment, unless a setting names one.
find_group() {
  [ -z "$named" ] || return 0
  named=$(az group list --tag "azd-env-name=$AZURE_ENV_NAME" --query '[].name' --output tsv)
  [ -n "$named" ] || return 0
  [ "$(wc -l <<< "$named")" -eq 1 ] ||
    stop "several resource groups are of the environment $AZURE_ENV_NAME: $(paste -s -d ' ' - <<< "$named"): set RESOURCE_GROUP to one of them"
  RESOURCE_GROUP=$named
}

# own_config stops if configure.sh wrote bluegreen.yaml for another environment.
own_config() {
  wrote=$(sed -n 's/^# Written for the environment \([A-Za-z0-9-]*\)\..*/\1/p' bluegreen.yaml 2> /dev/null | head -n 1) || true
  [ -z "$wrote" ] || [ "$wrote" = "$AZURE_ENV_NAME" ] ||
    stop "bluegreen.yaml is of the environment $wrote, and AZURE_ENV_NAME is $AZURE_ENV_NAME: use a clone for each environment, or run mv bluegreen.yaml bluegreen.$wrote.yaml"
}

# Name of the deployment in the subscription; its record has the outputs.
record="bluegreen-$AZURE_ENV_NAME"

# outputs puts those outputs of the last deployment in the environment that the scripts use, as
# azd does by itself with all. A failed deployment has none. Whoever may write deployments can
# write any text in a record: scripts/outputs.jq has the names and forms that are accepted, and
# what gets keys or is deleted, the group, the app and its host, is asked of the resources.
outputs() {
  find_group
  found=null
  [ -n "${FUNCTION_APP:-}" ] ||
    found=$(az deployment sub show --name "$record" --query properties.outputs --output json 2> /dev/null) || found=null
  found=$(jq -r --arg record "$record" --arg subscription "$current" --from-file scripts/outputs.jq <<< "$found") ||
    stop "Nothing was done: find out who else writes the record of a deployment, or unset the variable of that name"
  while IFS='=' read -r name value; do
    [ -z "$name" ] || export "$name=$value"
  done <<< "$found"
}

# find_app asks Azure for the id and the host name of the Function app.
find_app() {
  site=$(az functionapp show --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --output json) || return
  FUNCTION_APP_ID=$(jq -r .id <<< "$site")
  FUNCTION_HOST=$(jq -r '.defaultHostName // .properties.defaultHostName' <<< "$site")
  export FUNCTION_APP_ID FUNCTION_HOST
}

# deployed stops unless a deployment succeeded; then its outputs are in the environment, and
# its app is found.
deployed() {
  signed_in
  outputs
  [ -n "${FUNCTION_APP:-}" ] ||
    stop "subscription $current has no successful deployment $record: run make azure-up first, or set AZURE_ENV_NAME"
  find_app || stop "resource group $RESOURCE_GROUP has no Function app $FUNCTION_APP that can be read: run make azure-up again"
}

# ask prints the response of the app that find_app has found to GET api/$1. The key opens the
# function look alone. It is passed on standard input, because arguments are visible to other
# users of the machine.
ask() {
  key=$(az functionapp function keys list --resource-group "$RESOURCE_GROUP" --name "$FUNCTION_APP" --function-name look --query default --output tsv) || return
  curl --silent --show-error --fail --max-time 30 --config - "https://$FUNCTION_HOST/api/$1" <<< "header = \"x-functions-key: $key\""
}
