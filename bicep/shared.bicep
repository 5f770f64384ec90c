// The cheaper setup: one Application Gateway with a pool for each color, in front of two
// small AKS clusters or of one with a namespace for each color, and the controller that
// switches the app's rule between the pools. API servers, registry and vault can be reached
// from the internet, always with Entra authentication.
targetScope = 'subscription'

import { accessOptions, clusterSize, color, gatewaySize, secretSetting, tagValues } from 'types.bicep'

@description('Optional. Base of all names: lower-case letters and digits.')
@minLength(3)
@maxLength(12)
param name string = 'bluegreen'

@description('Required. Azure region.')
param location string

@description('Optional. Name of the resource group, which the deployment creates.')
@minLength(1)
@maxLength(90)
param groupName string = 'rg-${name}'

@description('Optional. Tags of all resources.')
param tags tagValues = {}

@description('Required. The live color, blue at first. Read it from Azure before each deployment (scripts/live-color.sh): a wrong value moves the traffic.')
param live color

@description('Optional. Name of the app, the prefix of the names of its alert rules.')
@minLength(1)
@maxLength(40)
param app string = 'podinfo'

@description('Optional. Whether both colors share one cluster, in the namespaces podinfo-blue and podinfo-green.')
param oneCluster bool = false

@description('Required. Size of each cluster.')
param clusters clusterSize

@description('Required. Size of the gateway.')
param gateway gatewaySize

@description('Optional. Availability zones of nodes and gateway; none for a region without them, or to reduce costs.')
param zones string[] = []

@description('Optional. Version of Kubernetes; by default that of the region for a new cluster, and the present version for an existing one.')
param kubernetesVersion string = ''

@description('Optional. Node pools, as CLUSTER/POOL, that the cluster autoscaler already manages; the scripts read them from Azure. Other pools are set to their minimum.')
param scaledPools string[] = []

@description('Optional. Address range of the network, /20 or larger.')
param addressSpace string = '10.0.0.0/16'

@description('Optional. Addresses of the internal load balancers of blue and green, which the Services in deploy/kubernetes request.')
@minLength(2)
@maxLength(2)
param ingressAddresses string[] = [cidrHost(cidrSubnet(addressSpace, 24, 8), 9), cidrHost(cidrSubnet(addressSpace, 24, 9), 9)]

@description('Optional. Address ranges, or one service tag, that may reach the previews on port 8080. The controller checks the idle color there, from changing Azure addresses.')
@minLength(1)
param previewSources string[] = ['AzureCloud']

@description('Optional. Kind of the registry.')
@allowed(['Basic', 'Standard'])
param registrySku string = 'Basic'

@description('Optional. Whether a deleted vault reserves its name for its whole retention; turn it off for environments that are deleted and created again.')
param purgeProtection bool = false

@description('Optional. Name of the certificate of the app in the vault; without one the gateway serves HTTP only. Import it after the first deployment, then deploy again.')
@maxLength(127)
param certificate string = ''

@description('Optional. Host name for users, a CNAME of the name of the gateway; by default the name of the gateway itself.')
@maxLength(253)
param hostName string = ''

@description('Optional. Path of the app\'s health endpoint.')
param healthPath string = '/healthz'

@description('Optional. Retention of logs in days.')
@minValue(30)
@maxValue(730)
param logDays int = 30

@description('Optional. Maximum gigabytes of logs a day; -1 is no limit.')
@minValue(-1)
param logGigabytes int = -1

@description('Optional. Object id of the operators: they administer clusters, push images, manage the certificate.')
param operatorId string = ''

@description('Optional. Principal type of the operators\' object id.')
@allowed(['Group', 'ServicePrincipal', 'User'])
param operatorType string = 'Group'

@description('Optional. Redundancy of the storage account of the controller: Standard_LRS for regions without availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Optional. Whether the instances of the controller are spread over availability zones, by default if zones are given; turn it off in regions where Flex Consumption has none.')
param zoneRedundant bool = storageSku == 'Standard_ZRS' && !empty(zones)

@description('Optional. Client id of the app registration for secure alert delivery; without it there is neither authentication nor an action group.')
param alertApp string = ''

@description('Optional. Object id of that app registration, which is not that of its service principal.')
param alertAppObjectId string = ''

@description('Optional. Who may use the API: what function keys allow, and which applications may sign in.')
param access accessOptions = {}

@description('Optional. Secrets of checks and of channels, which become app settings. The identity of the controller needs the role Key Vault Secrets User on their vault.')
param secretSettings secretSetting[] = []

@description('Optional. Always-ready instances for HTTP functions, which include alerts.')
@minValue(0)
@maxValue(10)
param alwaysReady int = 0

@description('Optional. Whether to create an Event Grid topic for the outcomes of releases.')
param outcomeTopic bool = false

@description('Optional. Resource id of an action group that reaches people when the controller itself is silent for five minutes.')
param peopleActionGroupId string = ''

@description('Optional. Whether this is a preview by an identity that may only read: the system topic of the registry is left out, because Azure refuses it falsely to such an identity.')
param preview bool = false

var days = ['Tuesday', 'Thursday']
var suffix = uniqueString(subscription().id, groupName, name)
var networkName = 'vnet-${name}'
var registryName = 'cr${name}${suffix}'
var vaultName = 'kv-${name}-${take(suffix, 8)}'
var gatewayName = 'agw-${name}'
var certificateUrl = empty(certificate) ? '' : 'https://${vaultName}${environment().suffixes.keyvaultDns}/secrets/${certificate}'
var scheme = empty(certificate) ? 'http' : 'https'
var wanted = oneCluster
  ? [{ name: 'aks-${name}', nodes: 'snet-nodes-blue', subnets: ['snet-nodes-blue', 'snet-ingress-blue', 'snet-ingress-green'] }]
  : [
      { name: 'aks-${name}-blue', nodes: 'snet-nodes-blue', subnets: ['snet-nodes-blue', 'snet-ingress-blue'] }
      { name: 'aks-${name}-green', nodes: 'snet-nodes-green', subnets: ['snet-nodes-green', 'snet-ingress-green'] }
    ]

// Ids that names and scopes depend on are built here, not taken from modules: what-if cannot
// evaluate module outputs.
var here = subscription().subscriptionId
var registryId = resourceId(here, groupName, 'Microsoft.ContainerRegistry/registries', registryName)
var clusterIds = [for c in wanted: resourceId(here, groupName, 'Microsoft.ContainerService/managedClusters', c.name)]
var controlled = {
  id: resourceId(here, groupName, 'Microsoft.Network/applicationGateways', gatewayName)
  subnetId: resourceId(here, groupName, 'Microsoft.Network/virtualNetworks/subnets', networkName, 'snet-gateway')
  publicIpIds: [resourceId(here, groupName, 'Microsoft.Network/publicIPAddresses', 'pip-${gatewayName}')]
  identityIds: empty(certificate) ? [] : [resourceId(here, groupName, 'Microsoft.ManagedIdentity/userAssignedIdentities', 'id-${gatewayName}')]
  wafPolicyIds: gateway.firewall == 'Off' ? [] : [resourceId(here, groupName, 'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies', 'waf-${gatewayName}')]
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: tags
}

module logs 'modules/logs.bicep' = {
  name: '${name}-logs'
  scope: group
  params: { name: 'log-${name}', ruleName: 'dcr-${name}', location: location, tags: tags, days: logDays, dailyGigabytes: logGigabytes }
}

module network 'modules/shared-network.bicep' = {
  name: '${name}-network'
  scope: group
  params: { name: name, location: location, tags: tags, addressSpace: addressSpace, previewSources: previewSources }
}

module registry 'modules/registry.bicep' = {
  name: '${name}-registry'
  scope: group
  params: { name: registryName, location: location, tags: tags, workspaceId: logs.outputs.id, sku: registrySku, public: true }
}

module vault 'modules/vault.bicep' = {
  name: '${name}-vault'
  scope: group
  params: { name: vaultName, location: location, tags: tags, workspaceId: logs.outputs.id, public: true, purgeProtection: purgeProtection }
}

module identities 'modules/cluster-identity.bicep' = [for (c, i) in wanted: {
  name: '${name}-identity-${i}'
  scope: group
  params: {
    name: c.name
    location: location
    tags: tags
    networkName: networkName
    subnetNames: c.subnets
    registryName: registryName
  }
  dependsOn: [network, registry]
}]

module cluster 'modules/cluster.bicep' = [for (c, i) in wanted: {
  name: '${name}-cluster-${i}'
  scope: group
  params: {
    name: c.name
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    collectionRuleId: logs.outputs.ruleId
    size: clusters
    zones: zones
    version: kubernetesVersion
    scaledPools: scaledPools
    identityId: identities[i].outputs.id
    kubelet: identities[i].outputs.kubelet
    subnetId: '${network.outputs.id}/subnets/${c.nodes}'
  }
}]

module care 'modules/cluster-care.bicep' = [for (c, i) in wanted: {
  name: '${name}-care-${i}'
  scope: group
  params: { name: c.name, workspaceId: logs.outputs.id, day: days[i] }
  dependsOn: [cluster]
}]

module frontend 'modules/frontend.bicep' = {
  name: '${name}-frontend'
  scope: group
  params: {
    name: gatewayName
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    label: 'agw-${name}-${suffix}'
    zones: zones
    firewall: gateway.firewall
    vaultName: vaultName
    certified: !empty(certificate)
  }
  dependsOn: [vault]
}

module both 'modules/gateway.bicep' = {
  name: '${name}-gateway'
  scope: group
  params: {
    name: gatewayName
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    subnetId: '${network.outputs.id}/subnets/snet-gateway'
    frontend: frontend.outputs.made
    size: gateway
    zones: zones
    certificateUrl: certificateUrl
    pools: [{ color: 'blue', address: ingressAddresses[0] }, { color: 'green', address: ingressAddresses[1] }]
    live: live
    previews: true
    healthPath: healthPath
    healthHost: empty(hostName) ? '127.0.0.1' : hostName
  }
}

module operators 'modules/operators.bicep' = if (!empty(operatorId)) {
  name: '${name}-operators'
  scope: group
  params: { principalId: operatorId, principalType: operatorType }
}

module controller 'modules/controller.bicep' = {
  name: '${name}-controller'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    registry: { id: registryId, withoutTopic: preview }
    storageSku: storageSku
    alertApp: alertApp
    alertAppObjectId: alertAppObjectId
    access: access
    secretSettings: secretSettings
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    outcomeTopic: outcomeTopic
  }
  dependsOn: [registry]
}

module heartbeat 'modules/heartbeat.bicep' = {
  name: '${name}-heartbeat'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    appName: controller.outputs.appName
    peopleActionGroupId: peopleActionGroupId
  }
}

module roles 'roles.bicep' = {
  name: '${name}-roles-${uniqueString(suffix, location)}' // one name is one region's in a subscription
  params: {
    name: name
    groupName: groupName
    principalId: controller.outputs.principalId
    registryId: registryId
    clusterIds: clusterIds
    applicationGateways: [controlled]
    registryTopicPrincipalId: controller.outputs.registryTopicPrincipalId
    outcomeTopic: outcomeTopic
  }
  dependsOn: [registry, cluster, both]
}

module alerts 'modules/alerts.bicep' = {
  name: '${name}-alerts'
  scope: group
  params: {
    name: app
    tags: tags
    gatewayId: both.outputs.id
    location: location
    pools: [
      { color: 'blue', pool: 'pool-blue', settings: 'settings-app' }
      { color: 'green', pool: 'pool-green', settings: 'settings-app' }
    ]
    actionGroupId: controller.outputs.actionGroupId
  }
}

@description('Resource group of the environment.')
output RESOURCE_GROUP string = group.name

@description('URL for users.')
output APP_URL string = '${scheme}://${empty(hostName) ? frontend.outputs.fqdn : hostName}'

@description('URL of the preview of each color, live or idle, with the Host header COLOR.preview.internal.')
output PREVIEW_URL string = 'http://${frontend.outputs.fqdn}:8080'

@description('Public name of the gateway, the target of a CNAME for your own host name.')
output GATEWAY_FQDN string = frontend.outputs.fqdn

@description('Resource id of the Application Gateway, for bluegreen.yaml.')
output APPLICATION_GATEWAY string = both.outputs.id

@description('Name of the rule that belongs to the app, for bluegreen.yaml.')
output RULE string = 'app'

@description('Address that the Service of blue requests for its internal load balancer.')
output BLUE_INGRESS string = ingressAddresses[0]

@description('Address that the Service of green requests for its internal load balancer.')
output GREEN_INGRESS string = ingressAddresses[1]

@description('Resource id of the cluster of blue, for bluegreen.yaml.')
output BLUE_CLUSTER string = clusterIds[0]

@description('Resource id of the cluster of green, for bluegreen.yaml; that of blue when there is one cluster.')
output GREEN_CLUSTER string = last(clusterIds)!

@description('Login server of the registry, for bluegreen.yaml.')
output REGISTRY string = registry.outputs.loginServer

@description('Resource group of the registry, for the deployment of events.bicep.')
output REGISTRY_GROUP string = group.name

@description('Name of the system topic of the registry, for events.bicep.')
output REGISTRY_TOPIC string = controller.outputs.registryTopicName

@description('Name of the subscription to that topic, for events.bicep.')
output EVENT_SUBSCRIPTION string = controller.outputs.eventSubscription

@description('Name of the vault, for the certificate.')
output VAULT string = vault.outputs.name

@description('Name of the Function app.')
output FUNCTION_APP string = controller.outputs.appName

@description('Resource id of the Function app, for events.bicep.')
output FUNCTION_APP_ID string = controller.outputs.appId

@description('Host name of the Function app, for BLUEGREEN_URL of the command line.')
output FUNCTION_HOST string = controller.outputs.hostName

@description('Resource id of the storage account of the controller, for events.bicep.')
output STORAGE_ID string = controller.outputs.storageId

@description('Object id of the identity of the controller, for the RoleBinding in each namespace.')
output CONTROLLER_OBJECT_ID string = controller.outputs.principalId

@description('Resource id of the action group, for alert rules of your own; empty without an app registration.')
output ACTION_GROUP_ID string = controller.outputs.actionGroupId

@description('Endpoint of the topic of outcomes, for notify.topic of bluegreen.yaml; empty if there is none.')
output OUTCOME_TOPIC string = controller.outputs.outcomeTopicEndpoint
