// The container registry, without an admin password.
import { tagValues } from '../types.bicep'

@description('Required. Name of the registry.')
@minLength(5)
@maxLength(50)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Only Premium has private endpoints.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string

@description('Required. Whether images can be pushed and pulled from the internet too, always with authentication. Only Premium can be closed.')
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
    // Allows az acr import into a registry without public access.
    networkRuleBypassOptions: 'AzureServices'
    // Only a closed registry can refuse exports.
    policies: sku != 'Premium' ? null : { exportPolicy: { status: public ? 'enabled' : 'disabled' } }
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

@description('Login server of the registry.')
output loginServer string = registry.properties.loginServer
