// Network Contributor on a route table, for the control plane of a cluster.

@description('Required. Name of the route table.')
@minLength(1)
@maxLength(80)
param name string

@description('Required. Resource id of the identity, part of the name of the assignment.')
param identityId string

@description('Required. Object id of the identity.')
param principalId string

var networkContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7') // Network Contributor

resource target 'Microsoft.Network/routeTables@2025-05-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: target
  name: guid(target.id, identityId, networkContributor)
  properties: { principalId: principalId, principalType: 'ServicePrincipal', roleDefinitionId: networkContributor }
}
