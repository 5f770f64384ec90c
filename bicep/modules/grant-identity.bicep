// Roles on a user-assigned identity.

@description('Required. Name of the identity.')
param name string

@description('Required. Text that identifies the principal in the names of the assignments; it must be known before the deployment.')
param who string

@description('Required. Object id of the principal that gets the roles.')
param principalId string

@description('Required. Resource ids of the role definitions.')
param roleIds string[]

resource target 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
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
