# Prints, as NAME=VALUE lines, the outputs of a deployment that the scripts use, or the variables
# of their names, which azd sets. Fails if one of them does not have its form. Input: the outputs
# of the record, or null.
def literal: gsub("(?<c>[.()])"; "\\\(.c)");
def id($group; $type): "/subscriptions/\($subscription)/resourceGroups/\($group)/providers/\($type)/[-A-Za-z0-9_.]+";
def id($type): id("[-A-Za-z0-9_.()]+"; $type);
def id_in_group($type): id(env.RESOURCE_GROUP | literal; $type);
def address: "[-a-z0-9]+[.][a-z0-9]+[.]cloudapp[.]azure[.]com";

{
  FUNCTION_APP: "[A-Za-z0-9][-A-Za-z0-9]{1,59}",
  REGISTRY: "[-a-z0-9]+[.]azurecr[.]io",
  REGISTRY_GROUP: "[A-Za-z0-9_(][-A-Za-z0-9_.()]{0,89}",
  REGISTRY_TOPIC: "[A-Za-z0-9][-A-Za-z0-9]{2,49}",
  EVENT_SUBSCRIPTION: "image-pushed-[a-z0-9]{3,12}-[a-z0-9]+",
  STORAGE_ID: id_in_group("Microsoft.Storage/storageAccounts"),
  ACTION_GROUP_ID: id_in_group("Microsoft.Insights/actionGroups"),
  BLUE_CLUSTER: id("Microsoft.ContainerService/managedClusters"),
  GREEN_CLUSTER: id("Microsoft.ContainerService/managedClusters"),
  BLUE_GATEWAY: id("Microsoft.Network/applicationGateways"),
  GREEN_GATEWAY: id("Microsoft.Network/applicationGateways"),
  APPLICATION_GATEWAY: id("Microsoft.Network/applicationGateways"),
  TRAFFIC_MANAGER: id("Microsoft.Network/trafficManagerProfiles"),
  BLUE_FQDN: address,
  GREEN_FQDN: address,
  PREVIEW_URL: "http://\(address):8080",
  APP_URL: "https?://[-a-z0-9]+([.][-a-z0-9]+)*[.][a-z]+",
  RULE: "[A-Za-z0-9][-A-Za-z0-9_.]{0,79}",
  OUTCOME_TOPIC: "https://[-a-z0-9.]+[.]eventgrid[.]azure[.]net/api/events"
} as $forms
# Azure does not promise to keep the case of an output's name, nor of an id.
| (env + ((. // {}) | with_entries({key: .key | ascii_upcase, value: .value.value}))) as $values
| [$forms | to_entries[] | {name: .key, form: .value, value: $values[.key]} | select(.value != null and .value != "")] as $given
| [$given[] | .form as $form | select((.value | type != "string") or (.value | test("\\A(\($form))\\z"; "i") | not))] as $wrong
| if $wrong == [] then $given[] | "\(.name)=\(.value)"
  else [$wrong[] | "the output \(.name) of the deployment \($record) is \(.value | tojson), which is not valid\n"] | add | halt_error(1) end
