// Only the controller, for an existing registry, clusters and gateways. The deployment changes
// none of them; it adds a system topic of the registry, role assignments on the resources that
// the controller uses, and optional alert rules. All resources must be in one subscription.
targetScope = 'subscription'

import { accessOptions, gatewayOptions, networkOptions, registryOptions, secretSetting, tagValues, watchedGateway } from 'types.bicep'

@description('Optional. Base of all names: lower-case letters and digits.')
@minLength(3)
@maxLength(12)
param name string = 'bluegreen'

@description('Required. Azure region of the controller.')
param location string

@description('Optional. Name of the resource group of the controller, which the deployment creates.')
@minLength(1)
@maxLength(90)
param groupName string = 'rg-${name}-controller'

@description('Optional. Tags of all resources.')
param tags tagValues = {}

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. The registry whose pushes start releases.')
param registry registryOptions

@description('Required. Resource ids of the clusters of the colors.')
@minLength(1)
param clusterIds string[]

@description('Optional. The Application Gateways whose rules the controller changes.')
param applicationGateways gatewayOptions[] = []

@description('Optional. Resource id of the Traffic Manager profile that the controller changes.')
param trafficManagerId string = ''

@description('Optional. Ids of the public IP addresses that the endpoints of the profile point at.')
param trafficManagerPublicIpIds string[] = []

@description('Optional. The gateways that get alert rules; none by default.')
param watched watchedGateway[] = []

@description('Optional. Network access to private clusters and to the storage account; null for a controller with public access.')
param network networkOptions?

@description('Optional. Redundancy of the storage account: Standard_LRS for regions without availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Optional. Whether the instances of the controller are spread over availability zones, by default with Standard_ZRS; turn it off in regions where Flex Consumption has none.')
param zoneRedundant bool = storageSku == 'Standard_ZRS'

@description('Optional. Client id of the app registration for secure alert delivery; without it there is neither authentication nor an action group.')
param alertApp string = ''

@description('Optional. Object id of that app registration, not of its service principal.')
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

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: tags
}

resource images 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: last(split(registry.id, '/'))
  scope: resourceGroup(split(registry.id, '/')[2], split(registry.id, '/')[4])
}

module controller 'modules/controller.bicep' = {
  name: '${name}-controller'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: workspaceId
    network: network
    registry: union(registry, { withoutTopic: preview })
    storageSku: storageSku
    alertApp: alertApp
    alertAppObjectId: alertAppObjectId
    access: access
    secretSettings: secretSettings
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    outcomeTopic: outcomeTopic
  }
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: last(split(workspaceId, '/'))
  scope: resourceGroup(split(workspaceId, '/')[2], split(workspaceId, '/')[4])
}

module heartbeat 'modules/heartbeat.bicep' = {
  name: '${name}-heartbeat'
  scope: group
  params: {
    name: name
    location: workspace.location
    tags: tags
    workspaceId: workspaceId
    appName: controller.outputs.appName
    peopleActionGroupId: peopleActionGroupId
  }
}

module roles 'roles.bicep' = {
  name: '${name}-roles-${uniqueString(subscription().id, groupName, name, location)}' // one name is one region's in a subscription
  params: {
    name: name
    groupName: groupName
    principalId: controller.outputs.principalId
    registryId: registry.id
    clusterIds: clusterIds
    applicationGateways: applicationGateways
    trafficManagerId: trafficManagerId
    trafficManagerPublicIpIds: trafficManagerPublicIpIds
    registryTopicPrincipalId: controller.outputs.registryTopicPrincipalId
    outcomeTopic: outcomeTopic
  }
}

module alerts 'modules/alerts.bicep' = [for w in watched: {
  name: '${name}-alerts-${uniqueString(w.id, w.app)}'
  scope: group
  params: {
    name: w.app
    tags: tags
    gatewayId: w.id
    location: w.?location ?? location
    pools: w.pools
    gatewayColor: w.?color
    actionGroupId: controller.outputs.actionGroupId
  }
}]

@description('Resource group of the controller.')
output RESOURCE_GROUP string = group.name

@description('Name of the Function app.')
output FUNCTION_APP string = controller.outputs.appName

@description('Resource id of the Function app, for events.bicep.')
output FUNCTION_APP_ID string = controller.outputs.appId

@description('Host name of the Function app, for BLUEGREEN_URL of the command line.')
output FUNCTION_HOST string = controller.outputs.hostName

@description('Name of the system topic of the registry, for events.bicep.')
output REGISTRY_TOPIC string = controller.outputs.registryTopicName

@description('Name of the subscription to that topic, for events.bicep.')
output EVENT_SUBSCRIPTION string = controller.outputs.eventSubscription

@description('Resource group of the registry, for the deployment of events.bicep.')
output REGISTRY_GROUP string = split(registry.id, '/')[4]

@description('Resource id of the storage account, for events.bicep.')
output STORAGE_ID string = controller.outputs.storageId

@description('Object id of the identity of the controller, for the RoleBinding in each namespace.')
output CONTROLLER_OBJECT_ID string = controller.outputs.principalId

@description('Resource id of the action group, for alert rules of your own; empty without an app registration.')
output ACTION_GROUP_ID string = controller.outputs.actionGroupId

@description('Endpoint of the topic of outcomes, for notify.topic of bluegreen.yaml; empty if there is none.')
output OUTCOME_TOPIC string = controller.outputs.outcomeTopicEndpoint

@description('Login server of the registry, for bluegreen.yaml.')
output REGISTRY string = images.properties.loginServer

@description('Resource id of the cluster of blue, for bluegreen.yaml: the first of clusterIds.')
output BLUE_CLUSTER string = clusterIds[0]

@description('Resource id of the cluster of green, for bluegreen.yaml: the last of clusterIds, which may be the first.')
output GREEN_CLUSTER string = last(clusterIds)!

@description('Resource id of the Application Gateway, for bluegreen.yaml; empty if there is none.')
output APPLICATION_GATEWAY string = empty(applicationGateways) ? '' : applicationGateways[0].id

@description('Resource id of the Traffic Manager profile, for bluegreen.yaml; empty if there is none.')
output TRAFFIC_MANAGER string = trafficManagerId
