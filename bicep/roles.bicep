// Every permission of the controller but those on its storage account, which are in
// modules/storage-roles.bicep, and the code that needs it. In a cluster it has the Role of
// deploy/kubernetes/access/role.yaml, and no Azure role.
targetScope = 'subscription'

import { gatewayOptions } from 'types.bicep'

@description('Required. Base of all names; it also makes the names of custom roles unique for each controller.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Resource group of the controller.')
@minLength(1)
@maxLength(90)
param groupName string

@description('Required. Object id of the identity of the controller (output principalId of modules/controller.bicep).')
param principalId string

@description('Required. Resource id of the registry.')
param registryId string

@description('Required. Resource ids of the clusters of the colors.')
param clusterIds string[]

@description('Optional. The Application Gateways whose rules the controller changes; none with Traffic Manager or a Service as the gateway.')
param applicationGateways gatewayOptions[] = []

@description('Optional. Resource id of the Traffic Manager profile that the controller changes; empty if there is none.')
param trafficManagerId string = ''

@description('Optional. Ids of the public IP addresses that the endpoints of the profile point at.')
param trafficManagerPublicIpIds string[] = []

@description('Required. Object id of the identity of the registry topic (output registryTopicPrincipalId).')
param registryTopicPrincipalId string

@description('Optional. Whether the controller has a topic of outcomes.')
param outcomeTopic bool = false

// Resources of the controller, by the names in modules/controller.bicep. Module outputs cannot
// be used here: names and scopes must be known before a deployment, or what-if cannot evaluate
// them.
var suffix = uniqueString(subscription().id, groupName, name)
var storageName = 'st${name}${take(suffix, 10)}'
var insightsName = 'appi-${name}-${suffix}'
var outcomesName = 'outcomes-${name}-${suffix}'
var controllerId = resourceId(subscription().subscriptionId, groupName, 'Microsoft.ManagedIdentity/userAssignedIdentities', 'id-${name}-controller')

// Built-in roles.
var definitions = 'Microsoft.Authorization/roleDefinitions'
var acrPull = subscriptionResourceId(definitions, '7f951dda-4ed3-4680-a7ca-43fe172d538d') // AcrPull, needed by internal/azure/acr/client.go exchange
var clusterUser = subscriptionResourceId(definitions, '4abbcc35-e782-43d8-92c5-2d3f1bd2253f') // Azure Kubernetes Service Cluster User Role, needed by internal/azure/aks/aks.go fetch
var metricsPublisher = subscriptionResourceId(definitions, '3913510d-42f4-4e42-8a64-420c390055eb') // Monitoring Metrics Publisher, needed by host.json logging
var dataSender = subscriptionResourceId(definitions, 'd5a91429-5739-47e2-a06b-3470a27159e7') // EventGrid Data Sender, needed by internal/azure/eventgrid/eventgrid.go Notify
var blobContributor = subscriptionResourceId(definitions, 'ba92f5b4-2d11-453d-a403-e96b0029c9fe') // Storage Blob Data Contributor, needed by bicep/events.bicep deadLetterWithResourceIdentity

// Custom roles.
var gatewayRole = subscriptionResourceId(definitions, guid(suffix, 'gateway'))
var pollRole = subscriptionResourceId(definitions, guid(suffix, 'poll'))
var trafficRole = subscriptionResourceId(definitions, guid(suffix, 'traffic'))

resource gateway 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(applicationGateways)) {
  name: guid(suffix, 'gateway')
  properties: {
    roleName: 'bluegreen ${name} gateway ${suffix}'
    description: 'Move traffic between the backend pools of an Application Gateway.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: [
          'Microsoft.Network/applicationGateways/read' // needed by internal/azure/appgateway/appgateway.go get
          'Microsoft.Network/applicationGateways/write' // needed by internal/azure/appgateway/appgateway.go Switch
          'Microsoft.Network/applicationGateways/backendhealth/action' // needed by internal/azure/appgateway/health.go probed
          'Microsoft.Network/applicationGateways/getBackendHealthOnDemand/action' // needed by internal/azure/appgateway/health.go probe
          // Azure requires these at every write of a gateway, on the resources that it refers to.
          'Microsoft.Network/virtualNetworks/subnets/join/action' // needed by internal/azure/appgateway/appgateway.go Switch
          'Microsoft.Network/publicIPAddresses/join/action' // needed by internal/azure/appgateway/appgateway.go Switch
          'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' // needed by internal/azure/appgateway/appgateway.go Switch
          'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action' // needed by internal/azure/appgateway/appgateway.go Switch
        ]
      }
    ]
  }
}

// The status of a write and the result of a health request are resources of the subscription,
// not of the gateway.
resource poll 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(applicationGateways)) {
  name: guid(suffix, 'poll')
  properties: {
    roleName: 'bluegreen ${name} poll ${suffix}'
    description: 'See whether a write of a network resource has ended, and which rights there are.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: [
          'Microsoft.Network/locations/operations/read' // needed by internal/azure/appgateway/operation.go Poll
          'Microsoft.Network/locations/operationResults/read' // needed by internal/azure/appgateway/health.go await
          'Microsoft.Authorization/permissions/read' // needed by internal/azure/appgateway/rights.go Lacking
        ]
      }
    ]
  }
}

resource traffic 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(trafficManagerId)) {
  name: guid(suffix, 'traffic')
  properties: {
    roleName: 'bluegreen ${name} traffic ${suffix}'
    description: 'Move traffic between the endpoints of a Traffic Manager profile.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: [
          'Microsoft.Network/trafficManagerProfiles/read' // needed by internal/azure/trafficmanager/profile.go read
          'Microsoft.Network/trafficManagerProfiles/write' // needed by internal/azure/trafficmanager/trafficmanager.go Switch
          'Microsoft.Network/publicIPAddresses/read' // needed by internal/azure/trafficmanager/trafficmanager.go Switch
          'Microsoft.Authorization/permissions/read' // needed by internal/azure/trafficmanager/rights.go Lacking
        ]
      }
    ]
  }
}

resource polls 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(applicationGateways)) {
  name: guid(subscription().id, controllerId, pollRole)
  properties: { principalId: principalId, principalType: 'ServicePrincipal', roleDefinitionId: pollRole }
  dependsOn: [poll]
}

module onRegistry 'modules/grant-registry.bicep' = {
  name: '${name}-grant-registry-${suffix}'
  scope: resourceGroup(split(registryId, '/')[2], split(registryId, '/')[4])
  params: { name: last(split(registryId, '/')), who: controllerId, principalId: principalId, roleIds: [acrPull] }
}

module onClusters 'modules/grant-cluster.bicep' = [for id in union(clusterIds, []): {
  name: '${name}-grant-cluster-${uniqueString(suffix, id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [clusterUser] }
}]

// The same account holds the state and the code.
module onDeadLetters 'modules/grant-container.bicep' = {
  name: '${name}-grant-dead-letters'
  scope: resourceGroup(groupName)
  params: { accountName: storageName, name: 'dead-letters', who: 'dead letters of ${registryId}', principalId: registryTopicPrincipalId, roleIds: [blobContributor] }
}

module onInsights 'modules/grant-insights.bicep' = {
  name: '${name}-grant-insights'
  scope: resourceGroup(groupName)
  params: { name: insightsName, who: controllerId, principalId: principalId, roleIds: [metricsPublisher] }
}

module onTopic 'modules/grant-topic.bicep' = if (outcomeTopic) {
  name: '${name}-grant-topic'
  scope: resourceGroup(groupName)
  params: { name: outcomesName, who: controllerId, principalId: principalId, roleIds: [dataSender] }
}

module onGateways 'modules/grant-gateway.bicep' = [for g in applicationGateways: {
  name: '${name}-grant-gateway-${uniqueString(suffix, g.id)}'
  scope: resourceGroup(split(g.id, '/')[2], split(g.id, '/')[4])
  params: { name: last(split(g.id, '/')), who: controllerId, principalId: principalId, roleIds: [gatewayRole] }
  dependsOn: [gateway]
}]

module onSubnets 'modules/grant-subnet.bicep' = [for id in union(map(applicationGateways, g => g.subnetId), []): {
  name: '${name}-grant-subnet-${uniqueString(suffix, id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { networkName: split(id, '/')[8], name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [gatewayRole] }
  dependsOn: [gateway]
}]

module onPublicIps 'modules/grant-public-ip.bicep' = [for id in union(flatten(map(applicationGateways, g => g.publicIpIds)), []): {
  name: '${name}-grant-public-ip-${uniqueString(suffix, id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [gatewayRole] }
  dependsOn: [gateway]
}]

module onIdentities 'modules/grant-identity.bicep' = [for id in union(flatten(map(applicationGateways, g => g.identityIds)), []): {
  name: '${name}-grant-identity-${uniqueString(suffix, id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [gatewayRole] }
  dependsOn: [gateway]
}]

module onWafPolicies 'modules/grant-waf-policy.bicep' = [for id in union(flatten(map(applicationGateways, g => g.wafPolicyIds)), []): {
  name: '${name}-grant-waf-policy-${uniqueString(suffix, id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [gatewayRole] }
  dependsOn: [gateway]
}]

module onTraffic 'modules/grant-traffic-manager.bicep' = [for id in filter([trafficManagerId], x => !empty(x)): {
  name: '${name}-grant-traffic-manager-${suffix}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [trafficRole] }
  dependsOn: [traffic]
}]

module onTrafficPublicIps 'modules/grant-public-ip.bicep' = [for id in union(trafficManagerPublicIpIds, []): {
  name: '${name}-grant-traffic-ip-${uniqueString(suffix, id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: { name: last(split(id, '/')), who: controllerId, principalId: principalId, roleIds: [trafficRole] }
  dependsOn: [traffic]
}]
