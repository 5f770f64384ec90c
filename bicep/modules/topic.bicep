// The Event Grid system topic of a container registry, in the registry's resource group.
import { tagValues } from '../types.bicep'

@description('Required. Name of the topic.')
@minLength(3)
@maxLength(50)
param name string

@description('Required. Azure region of the registry.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the registry.')
param registryId string

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  // Dead letters are written with this identity: for a storage account with a firewall, Azure
  // does not support a user-assigned one.
  identity: { type: 'SystemAssigned' }
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: topic
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Name of the topic.')
output name string = topic.name

@description('Object id of the identity of the topic.')
output principalId string = topic.identity.principalId
