// The storage account of the controller: its state, its queue, its code, and dead
// letters. Access only with Entra identities.
import { networkOptions, tagValues } from '../types.bicep'

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Optional. Networks that may reach the account; null allows all networks, not all identities.')
param network networkOptions?

@description('Optional. Redundancy of the data: Standard_LRS for regions without availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param sku string = 'Standard_ZRS'

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  kind: 'StorageV2'
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      // Trusted services are allowed for Event Grid, which writes dead letters as the
      // system-assigned identity of the registry topic.
      bypass: 'AzureServices'
      defaultAction: network == null ? 'Allow' : 'Deny'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    deleteRetentionPolicy: { enabled: true, days: 7 }
  }
}

resource code 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'code'
  properties: { publicAccess: 'None' }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'dead-letters'
  properties: { publicAccess: 'None' }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

// An audit log of writes to the state, which decides about traffic.
resource tableLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: tables
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

module endpoints 'private-storage.bicep' = if (network != null) {
  name: '${name}-endpoints'
  params: { name: name, location: location, tags: tags, storageId: account.id, network: network! }
}

@description('Resource id of the account.')
output id string = account.id

@description('URL of the container for the deployed code.')
output codeUrl string = '${account.properties.primaryEndpoints.blob}${code.name}'
