#!/usr/bin/env bash
# Prints the live color, which the next deployment must keep: the entry points read it from
# BLUEGREEN_LIVE. It is read from the gateway itself, because operators and releases change it
# between deployments.
source "$(dirname "$0")/common.sh"
signed_in

unknown() {
  stop "cannot determine the live color: $*. Nothing was deployed, because a deployment could move traffic. Fix this, then try again."
}

# one prints the color if all its input lines have the same one.
one() {
  colors=$(tr '[:upper:]' '[:lower:]' | sort -u)
  case "$colors" in
    blue | green) echo "$colors" ;;
    *) return 1 ;;
  esac
}

exists=$(az group exists --name "$RESOURCE_GROUP") || unknown "Azure does not answer whether resource group $RESOURCE_GROUP exists"
if [ "$exists" != true ]; then
  say "$RESOURCE_GROUP does not exist yet: the first deployment gives the traffic to blue"
  echo blue
  exit
fi

profiles=$(az network traffic-manager profile list --resource-group "$RESOURCE_GROUP" --output json) ||
  unknown "the Traffic Manager profiles of $RESOURCE_GROUP cannot be read"
count=$(jq length <<< "$profiles") || unknown "Azure's list of the Traffic Manager profiles of $RESOURCE_GROUP is not JSON"
case "$count" in
  0) ;;
  1)
    jq -r '.[0].endpoints[] | select(.endpointStatus == "Enabled") | .name' <<< "$profiles" | one ||
      unknown "not exactly one of the endpoints blue and green of Traffic Manager profile $(jq -r '.[0].name' <<< "$profiles") is enabled"
    exit
    ;;
  *) unknown "$RESOURCE_GROUP has several Traffic Manager profiles" ;;
esac

# A shared gateway has a pool for each color.
gateways=$(az network application-gateway list --resource-group "$RESOURCE_GROUP" --output json) ||
  unknown "the Application Gateways of $RESOURCE_GROUP cannot be read"
gateways=$(jq '[.[] | select([.backendAddressPools[].name] | any(endswith("blue")) and any(endswith("green")))]' <<< "$gateways")
case "$(jq length <<< "$gateways")" in
  0)
    say "$RESOURCE_GROUP has no gateway yet: the first deployment gives it to blue"
    echo blue
    ;;
  1)
    # The rules named preview-... always point at one color; users do not go through them.
    jq -r '.[0] | (.requestRoutingRules[], (.urlPathMaps // [])[])
      | select(.name | startswith("preview-") | not)
      | (.backendAddressPool, .defaultBackendAddressPool, ((.pathRules // [])[] | .backendAddressPool))
      | select(. != null) | .id | split("/") | last | split("-") | last' <<< "$gateways" | one ||
      unknown "the rules of Application Gateway $(jq -r '.[0].name' <<< "$gateways") do not all point at one color, blue or green"
    ;;
  *) unknown "$RESOURCE_GROUP has several Application Gateways with a pool for each color" ;;
esac
