// Roles on a container of blobs.

@description('Required. Name of the storage account.')
param accountName string

@description('Required. Name of the container.')
param name string

@description('Required. Text that identifies the principal in the names of the assignments; it must be known before the deployment.')
param who string

@description('Required. Object id of the principal that gets the roles.')
param principalId string

@description('Required. Resource ids of the role definitions.')
param roleIds string[]

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: account
  name: 'default'
}

resource target 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
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
