// The Key Vault with the certificate of the gateways. Access only through Entra roles.
import { tagValues } from '../types.bicep'

@description('Required. Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Whether the vault can be reached from the internet too, always with authentication.')
param public bool

@description('Required. Whether a deleted vault is kept for its whole retention. Its name is then reserved for that time: turn it off for environments that are deleted and created again.')
param purgeProtection bool

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    // Azure refuses false: purge protection can be turned on, never off.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: public ? 'Enabled' : 'Disabled'
    networkAcls: { bypass: 'AzureServices', defaultAction: public ? 'Allow' : 'Deny' }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Resource id of the vault.')
output id string = vault.id

@description('Name of the vault.')
output name string = vault.name
