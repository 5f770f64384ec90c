// The container registry. Nobody signs in with a password of its own.
import { tagValues } from '../types.bicep'

@description('Required. Name of the registry.')
@minLength(5)
@maxLength(50)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of everything.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Only Premium has private endpoints.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string

@description('Required. Whether images can be pushed and pulled from the internet too, always with a sign-in. Only Premium can be closed.')
param public bool

@description('Optional. Whether images are kept in several availability zones (Premium).')
param zoneRedundant bool = false

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  properties: {
    adminUserEnabled: false
    publicNetworkAccess: public ? 'Enabled' : 'Disabled'
    // Lets az acr import fetch images into a closed registry.
    networkRuleBypassOptions: 'AzureServices'
    zoneRedundancy: sku != 'Premium' ? null : zoneRedundant ? 'Enabled' : 'Disabled'
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: registry
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Resource id of the registry.')
output id string = registry.id

@description('Where images are pushed to and pulled from.')
output loginServer string = registry.properties.loginServer
