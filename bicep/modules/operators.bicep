// Permissions of the operators on the resource group of the environment, in addition to those
// on the subscription.

@description('Required. Object id of a group, user or service principal.')
param principalId string

@description('Required. Principal type of the object id.')
@allowed(['Group', 'ServicePrincipal', 'User'])
param principalType string

var definitions = 'Microsoft.Authorization/roleDefinitions'
var clusterAdmin = subscriptionResourceId(definitions, 'b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b') // Azure Kubernetes Service RBAC Cluster Admin
var clusterUser = subscriptionResourceId(definitions, '4abbcc35-e782-43d8-92c5-2d3f1bd2253f') // Azure Kubernetes Service Cluster User Role
var acrPush = subscriptionResourceId(definitions, '8311e382-0749-4cb8-b61a-304f252e45ec') // AcrPush
var certificatesOfficer = subscriptionResourceId(definitions, 'a4417e6f-fecd-4de8-b567-7b0420556985') // Key Vault Certificates Officer
var hostAdmin = subscriptionResourceId(definitions, '1c0163c0-47e6-4577-8991-ea5c82e286e4') // Virtual Machine Administrator Login

resource grants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [clusterAdmin, clusterUser, acrPush, certificatesOfficer, hostAdmin]: {
  name: guid(resourceGroup().id, principalId, role)
  properties: { principalId: principalId, principalType: principalType, roleDefinitionId: role }
}]
