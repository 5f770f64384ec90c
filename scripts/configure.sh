#!/usr/bin/env bash
# Writes bluegreen.yaml for the sample app from the outputs of the deployment, unless the file
# exists. Change it for your own apps.
source "$(dirname "$0")/common.sh"
own_config
if [ -f bluegreen.yaml ]; then
  say "bluegreen.yaml exists and is not changed"
  exit
fi
deployed
registries=$(az acr list --resource-group "${REGISTRY_GROUP:-$RESOURCE_GROUP}" --query '[].loginServer' --output json)
jq -e 'any(. == env.REGISTRY)' <<< "$registries" > /dev/null ||
  stop "resource group ${REGISTRY_GROUP:-$RESOURCE_GROUP} has no registry ${REGISTRY:-}: nothing was written. Run make azure-up again"
trap 'rm -f bluegreen.yaml.new' EXIT

# color prints the configuration of a color: its Deployment and its route from the gateway.
color() {
  printf '      %s:\n        cluster: %s\n        namespace: podinfo-%s\n        deployment: podinfo\n' "$1" "$2" "$1"
  if [ -n "${TRAFFIC_MANAGER:-}" ]; then
    printf '        endpoint: %s\n' "$1"
    [ -z "$3" ] || printf '        resources: [%s]\n' "$3" # only this color uses it, so an alert about it is about this color
  else
    printf '        backend: pool-%s\n' "$1"
  fi
}

# verify prints the health check of the idle color: through the shared preview, or through the
# color's own gateway. With TLS there is none, because a gateway has no certificate for its own name.
verify() {
  each="${BLUE_FQDN:-}"
  each="${each/-blue-/-{color\}-}"
  if [ -n "${PREVIEW_URL:-}" ]; then
    echo "    verify: {http: [{url: \"$PREVIEW_URL/readyz\", headers: {Host: \"{color}.preview.internal\"}, times: 3}]}"
  elif [ -n "$each" ] && [ "${each/{color\}/green}" = "${GREEN_FQDN:-}" ] && [ "${APP_URL#https:}" = "$APP_URL" ]; then
    echo "    verify: {http: [{url: \"http://$each/readyz\", times: 3}]}"
  fi
}

{
  cat << YAML
# Written for the environment $AZURE_ENV_NAME. Edit it, then run make azure-publish.
apps:
  - name: podinfo
    image: {registry: $REGISTRY, repository: podinfo, tags: "semver:>=6"}
    colors:
YAML
  color blue "$BLUE_CLUSTER" "${BLUE_GATEWAY:-}"
  color green "$GREEN_CLUSTER" "${GREEN_GATEWAY:-}"
  echo "    gateway:"
  if [ -n "${TRAFFIC_MANAGER:-}" ]; then
    echo "      trafficManager: $TRAFFIC_MANAGER"
  else
    printf '      applicationGateway: %s\n      rules: [%s]\n' "$APPLICATION_GATEWAY" \
      "${RULE:?set it to the name of the routing rule of the app, or write bluegreen.yaml yourself}"
  fi
  verify
  [ -z "${APP_URL:-}" ] || echo "    confirm: {http: [{url: \"$APP_URL/healthz\"}]}"
  echo '    alerts: [{rule: "podinfo-*", severity: "<=Sev2"}]'
  [ -z "${OUTCOME_TOPIC:-}" ] || printf 'notify:\n  topic: %s\n' "$OUTCOME_TOPIC"
} > bluegreen.yaml.new
mv bluegreen.yaml.new bluegreen.yaml
say "wrote bluegreen.yaml for the sample app podinfo"
