// Roles on a subnet.

@description('Required. Name of the virtual network.')
param networkName string

@description('Required. Name of the subnet.')
param name string

@description('Required. Text that identifies the principal in the names of the assignments; it must be known before the deployment.')
param who string

@description('Required. Object id of the principal that gets the roles.')
param principalId string

@description('Required. Resource ids of the role definitions.')
param roleIds string[]

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: networkName
}

resource target 'Microsoft.Network/virtualNetworks/subnets@2025-05-01' existing = {
  parent: network
  name: name
}

resource grants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in roleIds: {
  scope: target
  name: guid(target.id, who, id)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: id
  }
}]
