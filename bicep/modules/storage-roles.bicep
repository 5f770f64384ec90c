// The permissions of the controller on its storage account, and the code that needs them. They
// are given right after account and identity: they take minutes to spread, and the deployment
// of the code uses them. All other permissions are in ../roles.bicep.

@description('Required. Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Resource id of the identity of the controller, which identifies it in the names of the assignments.')
param identityId string

@description('Required. Object id of the identity of the controller.')
param principalId string

var definitions = 'Microsoft.Authorization/roleDefinitions'
var blobOwner = subscriptionResourceId(definitions, 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b') // Storage Blob Data Owner, needed by clock-tick/function.json timerTrigger
var queueContributor = subscriptionResourceId(definitions, '974c5e8b-45b9-4653-ba55-5f855dd0fb88') // Storage Queue Data Contributor, needed by internal/azure/queue/queue.go send
var tableContributor = subscriptionResourceId(definitions, '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3') // Storage Table Data Contributor, needed by internal/azure/tables/store.go Commit

module onStorage 'grant-storage.bicep' = {
  name: '${name}-roles'
  params: { name: name, who: identityId, principalId: principalId, roleIds: [blobOwner, queueContributor, tableContributor] }
}
