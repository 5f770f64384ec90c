// The identities of one cluster, the one of its control plane and the one that pulls images,
// and their permissions: on the subnets of the cluster, and pull from the registry.
import { kubeletIdentity, tagValues } from '../types.bicep'

@description('Required. Name of the cluster, the base of the names.')
@minLength(1)
@maxLength(54)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Name of the virtual network.')
param networkName string

@description('Required. Names of the subnets of the nodes and of the load balancers.')
param subnetNames string[]

@description('Optional. Name of the route table of the nodes; empty if there is none.')
param routeTableName string = ''

@description('Optional. Name of the private DNS zone of the API server, in the same resource group; empty for a public API server.')
param zoneName string = ''

@description('Required. Name of the registry.')
param registryName string

var definitions = 'Microsoft.Authorization/roleDefinitions'
var networkContributor = subscriptionResourceId(definitions, '4d97b98b-1d4f-4787-a291-c67834d212e7') // Network Contributor
var zoneContributor = subscriptionResourceId(definitions, 'b12aa53e-6015-4669-85d0-8515ebb3ae7f') // Private DNS Zone Contributor
var identityOperator = subscriptionResourceId(definitions, 'f1a07417-d97a-45cb-824c-7a7467783830') // Managed Identity Operator
var acrPull = subscriptionResourceId(definitions, '7f951dda-4ed3-4680-a7ca-43fe172d538d') // AcrPull

resource controlPlane 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${name}'
  location: location
  tags: tags
}

resource kubelet 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${name}-kubelet'
  location: location
  tags: tags
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: networkName
}

resource subnets 'Microsoft.Network/virtualNetworks/subnets@2025-05-01' existing = [for subnet in subnetNames: {
  parent: network
  name: subnet
}]

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource joinsSubnets 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (subnet, i) in subnetNames: {
  scope: subnets[i]
  name: guid(subnets[i].id, controlPlane.id, networkContributor)
  properties: { principalId: controlPlane.properties.principalId, principalType: 'ServicePrincipal', roleDefinitionId: networkContributor }
}]

module setsRoutes 'role-route-table.bicep' = if (!empty(routeTableName)) {
  name: '${name}-routes'
  params: { name: routeTableName, identityId: controlPlane.id, principalId: controlPlane.properties.principalId }
}

module namesServer 'role-zone.bicep' = if (!empty(zoneName)) {
  name: '${name}-zone'
  params: { name: zoneName, identityId: controlPlane.id, principalId: controlPlane.properties.principalId }
}

// Linking the zone of the API server to the network requires permission to join it. This role
// has only that permission and read access.
resource linksZone 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(zoneName)) {
  scope: network
  name: guid(network.id, controlPlane.id, zoneContributor)
  properties: { principalId: controlPlane.properties.principalId, principalType: 'ServicePrincipal', roleDefinitionId: zoneContributor }
}

resource givesNodesIdentity 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: kubelet
  name: guid(kubelet.id, controlPlane.id, identityOperator)
  properties: { principalId: controlPlane.properties.principalId, principalType: 'ServicePrincipal', roleDefinitionId: identityOperator }
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, kubelet.id, acrPull)
  properties: { principalId: kubelet.properties.principalId, principalType: 'ServicePrincipal', roleDefinitionId: acrPull }
}

@description('Resource id of the identity of the control plane.')
output id string = controlPlane.id

@description('The identity of the kubelets.')
output kubelet kubeletIdentity = { resourceId: kubelet.id, clientId: kubelet.properties.clientId, objectId: kubelet.properties.principalId }
