// Private DNS Zone Contributor on a private DNS zone, for the control plane of a cluster.

@description('Required. Name of the private DNS zone.')
@minLength(1)
@maxLength(80)
param name string

@description('Required. Resource id of the identity, part of the name of the assignment.')
param identityId string

@description('Required. Object id of the identity.')
param principalId string

var zoneContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b12aa53e-6015-4669-85d0-8515ebb3ae7f') // Private DNS Zone Contributor

resource target 'Microsoft.Network/privateDnsZones@2024-06-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: target
  name: guid(target.id, identityId, zoneContributor)
  properties: { principalId: principalId, principalType: 'ServicePrincipal', roleDefinitionId: zoneContributor }
}
