#!/usr/bin/env bash
# Prints the color that has the traffic, which the next deployment must leave where it is:
# the entry points take it as BLUEGREEN_LIVE. It is read from what moves the traffic, not
# from a record: people and releases change it between deployments.
source "$(dirname "$0")/common.sh"
signed_in

unknown() {
  stop "cannot tell which color has the traffic: $*. Nothing was deployed, because a deployment could move traffic. Mend that, then try again."
}

# one prints the only color among its lines.
one() {
  colors=$(tr '[:upper:]' '[:lower:]' | sort -u)
  case "$colors" in
    blue | green) echo "$colors" ;;
    *) return 1 ;;
  esac
}

exists=$(az group exists --name "$RESOURCE_GROUP") || unknown "Azure does not say whether resource group $RESOURCE_GROUP exists"
if [ "$exists" != true ]; then
  say "$RESOURCE_GROUP does not exist yet: the first deployment gives the traffic to blue"
  echo blue
  exit
fi

profiles=$(az network traffic-manager profile list --resource-group "$RESOURCE_GROUP" --output json) ||
  unknown "the Traffic Manager profiles of $RESOURCE_GROUP cannot be read"
count=$(jq length <<< "$profiles") || unknown "what Azure says of the Traffic Manager profiles of $RESOURCE_GROUP is not JSON"
case "$count" in
  0) ;;
  1)
    jq -r '.[0].endpoints[] | select(.endpointStatus == "Enabled") | .name' <<< "$profiles" | one ||
      unknown "not exactly one of the endpoints blue and green of Traffic Manager profile $(jq -r '.[0].name' <<< "$profiles") is enabled"
    exit
    ;;
  *) unknown "$RESOURCE_GROUP has several Traffic Manager profiles" ;;
esac

# One gateway in front of both colors has a pool for each.
gateways=$(az network application-gateway list --resource-group "$RESOURCE_GROUP" --output json) ||
  unknown "the Application Gateways of $RESOURCE_GROUP cannot be read"
gateways=$(jq '[.[] | select([.backendAddressPools[].name] | any(endswith("blue")) and any(endswith("green")))]' <<< "$gateways")
case "$(jq length <<< "$gateways")" in
  0)
    say "$RESOURCE_GROUP has nothing yet that moves traffic: the first deployment gives it to blue"
    echo blue
    ;;
  1)
    # The rules named preview-... lead to one color for ever, to look at it without traffic.
    jq -r '.[0] | (.requestRoutingRules[], (.urlPathMaps // [])[])
      | select(.name | startswith("preview-") | not)
      | (.backendAddressPool, .defaultBackendAddressPool, ((.pathRules // [])[] | .backendAddressPool))
      | select(. != null) | .id | split("/") | last | split("-") | last' <<< "$gateways" | one ||
      unknown "the rules of Application Gateway $(jq -r '.[0].name' <<< "$gateways") do not all lead to one color, blue or green"
    ;;
  *) unknown "$RESOURCE_GROUP has several Application Gateways with a pool for each color" ;;
esac
