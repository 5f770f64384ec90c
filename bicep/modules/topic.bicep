// The Event Grid system topic of a container registry, in the registry's resource group. Azure
// allows one for each registry, so all environments of the registry share it: what is written
// here is the same for all of them. A topic that existed before is not written.

@description('Required. Name of the topic.')
@minLength(3)
@maxLength(50)
param name string

@description('Required. Whether the deployment writes the topic; not if it existed before.')
param write bool

@description('Required. Azure region of the registry.')
param location string

@description('Required. Resource id of the registry.')
param registryId string

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Name of the diagnostic setting, that of the subscription of the environment: scripts/azure-down.sh deletes both.')
@minLength(1)
@maxLength(260)
param settingName string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (write) {
  name: name
  location: location
  tags: { 'created-by': 'bluegreen' } // scripts/azure-down.sh deletes no other topic
  // Dead letters are written with this identity: for a storage account with a firewall, Azure
  // does not support a user-assigned one.
  identity: { type: 'SystemAssigned' }
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

resource found 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: name
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (write) {
  scope: topic
  name: settingName
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Object id of the identity of the topic.')
output principalId string = write ? topic!.identity.principalId : found.identity.principalId
